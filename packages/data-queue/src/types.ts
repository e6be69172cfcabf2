import type {
  FhirClient,
  FhirResource,
  FhirResponse,
  SearchPage,
  SearchParams,
} from '@fhir-outbox/fhir-client'
import type {
  DecidedBy,
  EntrySummary,
  Outbox,
  OutboxEvent,
  OutboxOptions,
  QueueStats,
  Receipt,
} from '@fhir-outbox/queue-core'
import type { CanaryOptions } from './canaries.js'
import type { BundleLimits, Conflict, DeliveryEvent } from './destination.js'
import type { Encryption } from './encryption.js'
import type { Evidence } from './evidence.js'
import type { ScopeSource } from './gather.js'
import type { ConflictPolicy } from './header.js'
import type { JsonObject, ResourceInput } from './json.js'
import type { ForcedPlan, KeyMode, Plan } from './plan.js'
import type { WriteResult } from './results.js'

/** Options of `openDataQueue`. */
export interface DataQueueOptions {
  /** Where entries wait: `memoryStorage()`, `openFsStorage({ directory })`, or an adapter of your own. */
  readonly storage: OutboxOptions['storage']
  /** The FHIR server, with its tokens: `createFhirClient({ baseUrl, tokens })`. */
  readonly fhir: FhirClient
  /** The token source of that client, so that the granted scopes count in the choice of plans. Default: unknown. */
  readonly tokens?: ScopeSource
  /**
   * How created resources are made recognisable. `'identifier'` (the default) adds our key to `identifier`, or
   * to `meta.tag` where the type has no room there. `'client-id'` makes the key the id of the resource, changes
   * nothing else, and needs a server that lets clients choose ids.
   */
  readonly key?: KeyMode
  /** Forces a plan for creates, of every type or by type. Default: chosen from the evidence. */
  readonly plan?: ForcedPlan | ((type: string) => ForcedPlan | undefined)
  /**
   * Tries the server out on a harmless resource before the first write, and deletes it again: only then are the
   * strongest plans and transactions used. Default: nothing is written that nobody asked for.
   */
  readonly canaries?: CanaryOptions | true
  /**
   * When several entries of a lane travel as one transaction. `'proven'` (default): when a canary has shown that it is
   * all or nothing. `'trusted'`: when the server says so. `'never'`: one request each, no batches either.
   */
  readonly transactions?: 'proven' | 'trusted' | 'never'
  /** How much travels in one request until the server says otherwise. Default 50 entries, 256 KiB, 8 conditions. */
  readonly bundle?: Partial<BundleLimits>
  /** What to do with an update when somebody else has written in between. Default `'park'`. */
  readonly conflict?: ConflictPolicy
  /** Brings two versions together for `'refetch'`; `undefined` leaves it to a person. Must not have side effects. */
  readonly onConflict?: (conflict: Conflict) => Promise<object | undefined> | object | undefined
  /** How long the server's search may not show what was just created, in milliseconds. Default 10,000. */
  readonly searchLagMs?: number
  /**
   * The lane of a resource: entries of one lane are delivered strictly in order, lanes side by side.
   * Default: one lane for the whole server, so that everything arrives in order of creation. See `laneBySubject`.
   */
  readonly lane?: (resource: JsonObject, about: { readonly key: string }) => string
  /** Numbers of the queue itself, e.g. lanes in flight. */
  readonly defaults?: OutboxOptions['defaults']
  /** Clock, timers and randomness, for tests. */
  readonly environment?: OutboxOptions['environment']
}

/** Options of `openEncryptedDataQueue`. */
export interface EncryptedDataQueueOptions extends DataQueueOptions {
  readonly encryption: Encryption
}

/** Options of one write. */
export interface WriteOptions {
  /** Lower-case UUID. Default: a random one. */
  readonly key?: string
  /** Append only if no entry with this key is known. Default `false`. */
  readonly once?: boolean
  /** Overrides the lane of this resource. */
  readonly lane?: string
  /** Sequences that must be delivered before this one, in whatever lane. Local references count by themselves. */
  readonly after?: readonly number[]
  /** `false`: it need not keep the order of its lane, and may travel in a batch with others like it. */
  readonly ordered?: boolean
  /** Update of what this entry writes: id and version come from its receipt, and its lane is that entry's. */
  readonly of?: number
  /** Version or ETag that the update was made from; else it overwrites whatever is there. */
  readonly ifMatch?: string
  /** Overrides the queue's policy. */
  readonly conflict?: ConflictPolicy
}

export interface Waiting {
  /** How long to wait for the outcome, in milliseconds; 0 answers as soon as it is durable. Default 10,000. */
  readonly wait?: number
  /** Ends the waiting; an entry that was accepted stays accepted. */
  readonly signal?: AbortSignal
}

/** Options of a write that waits for its delivery. */
export interface AwaitedWriteOptions extends WriteOptions, Waiting {}

/** Options of a write that does not wait. */
export interface EnqueueOptions extends WriteOptions {
  /** The resource is a Bundle of type `transaction` that travels as one request. Default `false`. */
  readonly transaction?: boolean
  /** Counts until the storage is asked. */
  readonly signal?: AbortSignal
}

/** One of many writes. */
export interface QueuedWrite extends WriteOptions {
  readonly resource: ResourceInput
  /** The resource is a Bundle of type `transaction` that travels as one request. Default `false`. */
  readonly transaction?: boolean
}

/** What `enqueue` answers: the entry is as durable as the storage promises. */
export interface Enqueued {
  readonly sequence: number
  readonly key: string
  /** How later entries refer to this one: put it into `reference`, the server's id takes its place in time. */
  readonly reference: string
  /** `once` found the key: nothing was added. */
  readonly duplicate: boolean
}

/** Everything a queue tells: the outbox's events, and what deliveries have found out. */
export type DataQueueEvent = OutboxEvent | DeliveryEvent

/** What is known of a server and what follows from it, in words. */
export interface PlanReport {
  readonly gate: string
  readonly evidence: Evidence
  /** By resource type. */
  readonly types: Readonly<Record<string, Plan>>
  readonly bundling: { readonly transactions: boolean; readonly batches: boolean; readonly reason: string }
}

/** Options of `redrive`. */
export interface RedriveWrite extends DecidedBy {
  /** The corrected resource; the key stays. Default: what was refused is sent again as it is. */
  readonly resource?: ResourceInput
}

/** A FHIR server handle whose writes survive outages, and whose reads pass through. */
export interface DataQueue {
  /** A resource without an `id` is created, one with an `id` updated; same as `update`. */
  create(resource: ResourceInput, options?: AwaitedWriteOptions): Promise<WriteResult>
  /** With `of`, updates what an earlier entry writes, whatever id the server gives it. */
  update(resource: ResourceInput, options?: AwaitedWriteOptions): Promise<WriteResult>
  /** Deletes a resource by its id, or what an earlier entry writes: `{ of }`. */
  delete(
    type: string,
    target: string | { readonly of: number },
    options?: AwaitedWriteOptions,
  ): Promise<WriteResult>
  /** A Bundle of type `transaction`, delivered as one request. */
  transaction(bundle: ResourceInput, options?: AwaitedWriteOptions): Promise<WriteResult>
  /** A Binary from raw bytes, which travel as they are. Its `reference` fits `Attachment.url` of a later entry. */
  binary(bytes: Uint8Array, contentType: string, options?: AwaitedWriteOptions): Promise<WriteResult>
  /** Stores a resource, or a transaction, and does not wait for its delivery. */
  enqueue(resource: ResourceInput, options?: EnqueueOptions): Promise<Enqueued>
  /** Stores many writes in this order, or none of them. */
  enqueueAll(
    writes: readonly QueuedWrite[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly Enqueued[]>
  /** What `enqueue` would do, without doing it. */
  preview(resource: ResourceInput, options?: EnqueueOptions): Promise<Preview>
  /** How resources of these types are written and why. Asks the server when nothing is known or `refresh` is set. */
  plan(types?: readonly string[], options?: { readonly refresh?: boolean }): Promise<PlanReport>
  read(type: string, id: string): Promise<FhirResponse<FhirResource>>
  search(type: string, params?: SearchParams): Promise<SearchPage<FhirResource>>
  flush: Outbox['flush']
  stats(): Promise<QueueStats>
  /** Delivers in the background from now on. The first write that waits for its outcome does the same. */
  start(): void
  /** Delivers nothing more until `start()` or `flush()`; writes are still accepted and answer `queued`. */
  stop: Outbox['stop']
  close(): Promise<void>
  subscribe(listener: (event: DataQueueEvent) => void): () => void
  /** What the delivery of an entry left; `undefined` while it is not delivered, or when retention is over. */
  receipt(sequence: number): Promise<Receipt | undefined>
  /** What was refused for good, or whose outcome nobody could find out, oldest first. */
  deadLetters(): AsyncIterable<EntrySummary>
  /** Sends a dead letter again, as it is or corrected. Rejects with `ERR_WRONG_STATE` when it is none. */
  redrive(sequence: number, by: RedriveWrite): Promise<void>
  /** Gives a dead letter up. */
  discard: Outbox['discard']
  /** Takes a dead letter for delivered, on the actor's word: the way out of a parked entry that is at the server. */
  assumeDelivered: Outbox['assumeDelivered']
  /** The queue underneath: entries, gates, decisions. */
  readonly outbox: Outbox
}

/** One write as it would leave. */
export interface Preview {
  readonly method: 'POST' | 'PUT' | 'DELETE'
  /** Full URL of the request, without the condition of a create. */
  readonly url: string
  readonly plan: Plan
  readonly lane: string
  readonly encrypted: boolean
}
