import type {
  FhirClient,
  FhirResource,
  FhirResponse,
  SearchPage,
  SearchParams,
} from '@fhir-outbox/fhir-client'
import {
  defaultEnvironment,
  openOutbox,
  parseNote,
  type EntryDraft,
  type Outbox,
  type OutboxOptions,
  type QueueStats,
  type Receipt,
} from '@fhir-outbox/queue-core'
import type { Encryption } from './encryption.js'
import { encodeHeader } from './header.js'
import type { JsonObject, ResourceInput } from './json.js'
import { checkKey } from './key.js'
import type { KeyMode, Plan } from './plan.js'
import { planWrite, type PlannedWrite, type PlannerOptions } from './planner.js'
import type { WriteResult } from './results.js'
import { fhirTransport, type Endpoint } from './transport.js'
import { awaitResult } from './wait.js'

/** Options of `openDataQueue`. */
export interface DataQueueOptions {
  /** Where entries wait: `memoryStorage()`, `openFsStorage({ directory })`, or an adapter of your own. */
  readonly storage: OutboxOptions['storage']
  /** The FHIR server, with its tokens: `createFhirClient({ baseUrl, tokens })`. */
  readonly fhir: FhirClient
  /**
   * How created resources are made recognisable. `'identifier'` (the default) adds our key to `identifier`, or
   * to `meta.tag` where the type has no room there, and creates conditionally. `'client-id'` makes the key the
   * id of the resource, changes nothing else, and needs a server that lets clients choose ids.
   */
  readonly key?: KeyMode
  /**
   * The lane of a resource: entries of one lane are delivered strictly in order, lanes side by side.
   * Default: one lane for the whole server, so that everything arrives in order of creation.
   */
  readonly lane?: (resource: JsonObject) => string
  /** Numbers of the queue itself, e.g. lanes in flight. */
  readonly defaults?: OutboxOptions['defaults']
  /** Clock, timers and randomness, for tests. */
  readonly environment?: OutboxOptions['environment']
}

/** Options of one write. */
export interface WriteOptions {
  /** Lower-case UUID. Default: a random one. */
  readonly key?: string
  /** Append only if no entry with this key is known. Default `false`. */
  readonly once?: boolean
  /** Overrides the lane of this resource. */
  readonly lane?: string
  /** Sequences that must be delivered before this one, in whatever lane. */
  readonly after?: readonly number[]
}

interface Waiting {
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
  /** `once` found the key: nothing was added. */
  readonly duplicate: boolean
}

/** A FHIR server handle whose writes survive outages, and whose reads pass through. */
export interface DataQueue {
  /** A resource without an `id` is created, one with an `id` updated; same as `update`. */
  create(resource: ResourceInput, options?: AwaitedWriteOptions): Promise<WriteResult>
  update(resource: ResourceInput, options?: AwaitedWriteOptions): Promise<WriteResult>
  /** A Bundle of type `transaction`, delivered as one request. */
  transaction(bundle: ResourceInput, options?: AwaitedWriteOptions): Promise<WriteResult>
  /** Stores a resource, or a transaction, and does not wait for its delivery. */
  enqueue(resource: ResourceInput, options?: EnqueueOptions): Promise<Enqueued>
  /** Stores many writes in this order, or none of them. */
  enqueueAll(
    writes: readonly QueuedWrite[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly Enqueued[]>
  /** What `enqueue` would do, without doing it. */
  preview(resource: ResourceInput, options?: EnqueueOptions): Promise<Preview>
  read(type: string, id: string): Promise<FhirResponse<FhirResource>>
  search(type: string, params?: SearchParams): Promise<SearchPage<FhirResource>>
  flush: Outbox['flush']
  stats(): Promise<QueueStats>
  /** Delivers in the background from now on. The first write that waits for its outcome does the same. */
  start(): void
  /** Delivers nothing more until `start()` or `flush()`; writes are still accepted and answer `queued`. */
  stop: Outbox['stop']
  close(): Promise<void>
  subscribe: Outbox['subscribe']
  /** What the delivery of an entry left; `undefined` while it is not delivered, or when retention is over. */
  receipt(sequence: number): Promise<Receipt | undefined>
  /** The queue underneath: entries, dead letters, gates. */
  readonly outbox: Outbox
}

/** One write as it would leave. */
export interface Preview {
  readonly method: 'POST' | 'PUT'
  /** Full URL of the request, without the condition of a create. */
  readonly url: string
  readonly plan: Plan
  readonly lane: string
  readonly encrypted: boolean
}

const defaultWaitMs = 10_000

/**
 * Opens a queue in front of a FHIR server. Nothing is sent before the first write that waits for its outcome,
 * `flush()` or `start()`; then deliveries go on in the background until `stop()` or `close()`.
 * The queue owns the storage from here on: `close()` closes it.
 *
 * Writes reject with `ERR_INVALID_RESOURCE`, `ERR_INVALID_BUNDLE`, `ERR_INVALID_KEY`, or what the storage
 * rejects with (`ERR_QUEUE_FULL`, `ERR_STORAGE_FAILED`, …); then nothing was accepted.
 */
export function openDataQueue(options: DataQueueOptions): DataQueue {
  return openQueue(options, undefined)
}

/** Options of `openEncryptedDataQueue`. */
export interface EncryptedDataQueueOptions extends DataQueueOptions {
  readonly encryption: Encryption
}

/**
 * As `openDataQueue`; resources that `shouldEncrypt` chooses are sealed before they are stored and go to the
 * encrypted endpoint, the others to the FHIR server, in one order. What must be encrypted and cannot be is
 * refused with `ERR_CANNOT_ENCRYPT`; it never leaves in clear.
 */
export function openEncryptedDataQueue(options: EncryptedDataQueueOptions): DataQueue {
  return openQueue(options, options.encryption)
}

function openQueue(options: DataQueueOptions, encryption: Encryption | undefined): DataQueue {
  const { fhir, storage } = options
  const endpoints = new Map<string, Endpoint>([[fhir.baseUrl, { client: fhir, takes: 'fhir' }]])
  if (encryption !== undefined)
    endpoints.set(encryption.client.baseUrl, { client: encryption.client, takes: 'envelopes' })
  const outbox = openOutbox({
    storage,
    transport: fhirTransport(endpoints),
    ...(options.defaults === undefined ? {} : { defaults: options.defaults }),
    ...(options.environment === undefined ? {} : { environment: options.environment }),
  })
  const planner: PlannerOptions = {
    fhirUrl: fhir.baseUrl,
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.lane === undefined ? {} : { lane: options.lane }),
    ...(encryption === undefined ? {} : { encryption: { ...encryption, url: encryption.client.baseUrl } }),
  }
  const { uuid: newKey, setTimer } = { ...defaultEnvironment(), ...options.environment }
  let stopped = false

  async function payloadOf(write: PlannedWrite): Promise<Uint8Array> {
    const plain = new TextEncoder().encode(write.body)
    if (!write.encrypted || encryption === undefined) return plain
    return new TextEncoder().encode(JSON.stringify(await encryption.sealer.seal(plain)))
  }

  async function draftOf({ resource, transaction = false, ...write }: QueuedWrite): Promise<EntryDraft> {
    const key = checkKey(write.key ?? newKey())
    const planned = await planWrite(resource, key, planner, transaction)
    return {
      lane: write.lane ?? planned.lane,
      key,
      gate: planned.gate,
      header: encodeHeader(planned.header),
      payload: await payloadOf(planned),
      once: write.once ?? false,
      ...(write.after === undefined ? {} : { after: write.after }),
    }
  }

  async function enqueueAll(
    writes: readonly QueuedWrite[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly Enqueued[]> {
    signal?.throwIfAborted()
    const drafts: EntryDraft[] = []
    for (const write of writes) drafts.push(await draftOf(write))
    signal?.throwIfAborted()
    const appended = await outbox.enqueue(drafts)
    return appended.map(({ sequence, duplicate }, index) => ({
      sequence,
      key: drafts[index]?.key ?? '',
      duplicate,
    }))
  }

  async function enqueue(
    resource: ResourceInput,
    { signal, ...write }: EnqueueOptions = {},
  ): Promise<Enqueued> {
    const [enqueued] = await enqueueAll([{ resource, ...write }], signal === undefined ? {} : { signal })
    if (enqueued === undefined) throw new TypeError('The storage answered no sequence.')
    return enqueued
  }

  async function writeAndWait(
    write: QueuedWrite,
    { wait = defaultWaitMs, signal }: Waiting,
  ): Promise<WriteResult> {
    signal?.throwIfAborted()
    const draft = await draftOf(write)
    const { sequence } = await outbox.enqueue(draft)
    const { key, gate } = draft
    if (wait === 0) return { state: 'queued', sequence, key }
    if (stopped) return { state: 'queued', sequence, key }
    outbox.start()
    const waiting = { waitMs: wait, setTimer, ...(signal === undefined ? {} : { signal }) }
    return awaitResult(outbox, { sequence, key, gate }, waiting)
  }

  return {
    create: (resource, write = {}) => writeAndWait({ ...write, resource }, write),
    update: (resource, write = {}) => writeAndWait({ ...write, resource }, write),
    transaction: (bundle, write = {}) =>
      writeAndWait({ ...write, resource: bundle, transaction: true }, write),
    enqueue,
    enqueueAll,
    async preview(resource, { transaction = false, key, lane } = {}) {
      const planned = await planWrite(resource, checkKey(key ?? newKey()), planner, transaction)
      const { method, path } = planned.header
      return {
        method,
        url: path === '' ? planned.gate : `${planned.gate}/${path}`,
        plan: planned.plan,
        lane: lane ?? planned.lane,
        encrypted: planned.encrypted,
      }
    },
    read: (type, id) => fhir.read(type, id),
    search: (type, params = {}) => fhir.search(type, params),
    flush: (flushOptions) => outbox.flush(flushOptions),
    stats: () => outbox.stats(),
    start() {
      stopped = false
      outbox.start()
    },
    async stop(stopOptions) {
      stopped = true
      await outbox.stop(stopOptions)
    },
    close: () => outbox.close(),
    subscribe: (listener) => outbox.subscribe(listener),
    async receipt(sequence) {
      const note = parseNote((await outbox.read(sequence))?.note)
      return note?.kind === 'receipt' ? note.receipt : undefined
    },
    outbox,
  }
}
