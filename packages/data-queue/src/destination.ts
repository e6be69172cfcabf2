import type { FhirClient } from '@fhir-outbox/fhir-client'
import type { Entry, LeasedEntry } from '@fhir-outbox/queue-core'
import type { Dossier } from './dossier.js'
import type { Sealer } from './encryption.js'
import type { Evidence } from './evidence.js'
import type { ConflictPolicy, EntryHeader } from './header.js'
import type { JsonObject } from './json.js'
import { choosePlan, type ForcedPlan, type Plan, type PlanName } from './plan.js'

/** One place a queue delivers to. */
export interface Endpoint {
  readonly client: FhirClient
  /** `envelopes`: the C3-PRO endpoint, which answers with an empty body. */
  readonly takes: 'fhir' | 'envelopes'
  /** Of an endpoint that takes envelopes: seals what was stored to be sealed when it leaves. */
  readonly sealer?: Sealer
}

/** How much travels in one request, until the server says that it takes less. */
export interface BundleLimits {
  readonly entries: number
  readonly bytes: number
  /** Entries of a transaction that carry a condition. */
  readonly conditionalEntries: number
}

/** Two versions of one resource that somebody has to bring together. */
export interface Conflict {
  readonly sequence: number
  /** What was to be written. */
  readonly mine: JsonObject
  /** What the server has now. */
  readonly current: JsonObject
}

/** What deliveries tell besides the events of the outbox. Plain data without content, keys or patient data. */
export type DeliveryEvent =
  /** What is known of a server has changed: plans may have changed with it. */
  | { readonly type: 'evidence-changed'; readonly gate: string; readonly changes: readonly string[] }
  /** The server had our key already, with other content than ours. */
  | { readonly type: 'content-differs'; readonly sequence: number; readonly gate: string }
  /** The server has our key more than once: it does not do what the plan relied on. */
  | {
      readonly type: 'duplicate-found'
      readonly sequence: number
      readonly gate: string
      readonly count: number
    }

/** How deliveries are made; every member has a default. */
export interface DeliveryOptions {
  /** Reads another entry, for its receipt. Without it, entries that refer to others cannot be sent. */
  readonly read?: ((sequence: number) => Promise<Entry | undefined>) | undefined
  readonly dossierOf?: ((gate: string) => Dossier) | undefined
  readonly tell?: ((event: DeliveryEvent) => void) | undefined
  readonly forced?: ((type: string) => ForcedPlan | undefined) | undefined
  readonly transactions?: 'proven' | 'trusted' | 'never' | undefined
  readonly bundle?: Partial<BundleLimits> | undefined
  readonly conflict?: ConflictPolicy | undefined
  readonly onConflict?: ((conflict: Conflict) => Promise<object | undefined> | object | undefined) | undefined
  /** How long a search may not show what was just created. Default 10 s. */
  readonly searchLagMs?: number | undefined
  /** Makes UUIDs for control requests. */
  readonly uuid?: (() => string) | undefined
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined
}

/** The defaults filled in. */
export interface DeliveryWorld {
  readonly read: (sequence: number) => Promise<Entry | undefined>
  readonly tell: (event: DeliveryEvent) => void
  readonly forced: (type: string) => ForcedPlan | undefined
  readonly transactions: 'proven' | 'trusted' | 'never'
  readonly bundle: BundleLimits
  readonly conflict: ConflictPolicy
  readonly onConflict: (conflict: Conflict) => Promise<object | undefined> | object | undefined
  readonly searchLagMs: number
  readonly uuid: () => string
  readonly now: () => number
}

/** A destination with what is known and what was last seen of it. */
export interface Destination {
  readonly gate: string
  readonly endpoint: Endpoint
  readonly dossier: Dossier
  /** Of this process; forgotten with it. */
  readonly seen: {
    /** The last request got no answer: before the next write a read must get one. */
    doubtful: boolean
    /** Answers 403 in a row. */
    forbidden: number
    /** A write was accepted. */
    worked: boolean
    /** The server wants `application/json`. */
    plainJson: boolean
  }
}

/** An entry with its header read. */
export interface Item {
  readonly entry: LeasedEntry
  readonly header: EntryHeader
}

/** The plan in force for an entry, by what is known now. */
export function planOf({ header, entry }: Item, { dossier }: Destination, world: DeliveryWorld): Plan {
  const { resourceType, plan, fixed } = header
  const evidence = dossier.current()
  const asked = fixed === true && isForced(plan) ? plan : undefined
  const forced = asked ?? (resourceType === undefined ? undefined : world.forced(resourceType))
  if (header.place === undefined) return planOfHeader(header, entry.key, evidence, forced)
  // Neighbours in a lane share one header, and everything about a create that matters here is in it.
  const last = plans.get(header)
  if (last?.evidence === evidence && last.forced === forced) return last.plan
  const chosen = planOfHeader(header, entry.key, evidence, forced)
  plans.set(header, { evidence, forced, plan: chosen })
  return chosen
}

/** What was chosen last for a header. */
const plans = new WeakMap<
  EntryHeader,
  { readonly evidence: Evidence; readonly forced: ForcedPlan | undefined; readonly plan: Plan }
>()

/** The plan of a write that is described by its header. */
export function planOfHeader(
  header: EntryHeader,
  key: string,
  evidence: Evidence,
  forced: ForcedPlan | undefined,
): Plan {
  const { method, path, resourceType: type, place } = header
  if (type === undefined) {
    // An envelope: its plan was declared with the receiver.
    const receiver = header.plan === 'receiver-deduplicates' ? 'deduplicates' : 'keeps-everything'
    return choosePlan({ interaction: 'create', encryptedFor: receiver })
  }
  if (header.entries !== undefined) {
    const { puts, doubtful } = header
    return choosePlan(
      {
        interaction: 'transaction',
        ...(puts === true ? { place: 'id' } : {}),
        ...(doubtful === undefined ? {} : { doubtfulEntry: doubtful }),
      },
      evidence,
    )
  }
  if (method === 'DELETE') return choosePlan({ interaction: 'delete', type }, evidence)
  const byKey = path === `${type}/${key}`
  if (method === 'PUT' && !byKey) return choosePlan({ interaction: 'update', type }, evidence)
  const kind = byKey ? 'id' : place
  return choosePlan(
    {
      interaction: 'create',
      type,
      ...(kind === undefined ? {} : { place: kind }),
      ...(forced === undefined ? {} : { forced }),
    },
    evidence,
  )
}

function isForced(plan: PlanName): plan is ForcedPlan {
  return plan !== 'unsupported' && plan !== 'receiver-deduplicates'
}

export const defaultBundle: BundleLimits = { entries: 50, bytes: 256 * 1024, conditionalEntries: 8 }

export function deliveryWorld(options: DeliveryOptions): DeliveryWorld {
  return {
    read: options.read ?? (async () => undefined),
    tell: options.tell ?? (() => undefined),
    forced: options.forced ?? (() => undefined),
    transactions: options.transactions ?? 'proven',
    bundle: { ...defaultBundle, ...options.bundle },
    conflict: options.conflict ?? 'park',
    onConflict: options.onConflict ?? (() => undefined),
    searchLagMs: options.searchLagMs ?? 10_000,
    uuid: options.uuid ?? (() => crypto.randomUUID()),
    now: options.now ?? (() => Date.now()),
  }
}
