import type { LeasedEntry } from './storage-port.js'

/** Why something did not arrive, as plain JSON without secrets or patient data. */
export interface Failure {
  /** Stable code, `ERR_…`. */
  readonly code: string
  /** One sentence for a person. */
  readonly message: string
  /** HTTP status, when there was an answer. */
  readonly status?: number
  /** What the server said, e.g. OperationOutcome issues. */
  readonly issues?: readonly { readonly code: string; readonly text?: string; readonly path?: string }[]
}

/** What a delivery left, as plain JSON. queue-core adds time, content hash and the chain. */
export interface ReceiptBody {
  readonly status?: number
  /** `Type/id` at the destination. */
  readonly id?: string
  readonly version?: string
  /** Free additions of the transport, e.g. how it was found out. */
  readonly [member: string]: unknown
}

/** How long a gate stays closed, and why. */
export interface GateClosure {
  readonly failure: Failure
  /** What the server asked for (`Retry-After`); queue-core clamps it. */
  readonly retryAfterMs?: number
  /** A person has to act (sign in, fix the configuration). Trials go on, slowly. */
  readonly needsPerson?: boolean
}

/**
 * What one request showed for one entry.
 * - `delivered`: applied, now or by an earlier request of ours
 * - `rejected`: refused for good; becomes a dead letter
 * - `not-sent`: certainly not applied. `closesGate` when the destination is to blame: then nothing is spent.
 *   `spent` counts an attempt of the entry (default `false`)
 * - `unknown`: may have been applied. `closesGate` as above
 * - `parked`: nobody will find out; a person decides
 */
export type Outcome =
  | { readonly sequence: number; readonly kind: 'delivered'; readonly receipt: ReceiptBody }
  | { readonly sequence: number; readonly kind: 'rejected' | 'parked'; readonly failure: Failure }
  | {
      readonly sequence: number
      readonly kind: 'not-sent' | 'unknown'
      readonly failure: Failure
      readonly spent?: boolean
      readonly delayMs?: number
      readonly closesGate?: GateClosure
    }

/** A mark that is being noted. */
export interface Announcement {
  /** Resolves when the mark is durable. */
  readonly noted: Promise<void>
  /** Resolves when the mark is durable and the bytes may leave; rejects as `mark` does. */
  leave(): Promise<void>
}

/** What a transport may ask of the outbox while it delivers. */
export interface DeliveryContext {
  readonly lane: string
  readonly gate: string
  /**
   * Notes durably that these entries are about to leave in one request. Await it before the bytes leave; an
   * entry whose request was marked and never settled is `unknown` from then on.
   */
  mark(sequences: readonly number[], info?: unknown): Promise<void>
  /**
   * Begins a mark for a request that may leave next, while the one before it is still on its way. Only when `leave()`
   * of it has resolved may the bytes leave. If that is never asked for, nothing has left, and the entries come
   * back untouched; after a crash they are `unknown` all the same. A later mark of the same entries takes its place.
   */
  announce(sequences: readonly number[], info?: unknown): Announcement
  /** Aborted when the lease is lost or the outbox stops. */
  readonly signal: AbortSignal
}

/** What a delivery implements. Entries come in lane order and must be sent in that order. */
export interface Transport {
  /**
   * Sends entries that were never applied. Yields outcomes as they are known, in any number of groups; each
   * group is settled in one commit before the generator is resumed. Entries without an outcome return to
   * waiting, or become unknown when they were marked. It must end by itself: nobody but `signal` ends it sooner.
   */
  deliver(entries: readonly LeasedEntry[], context: DeliveryContext): AsyncIterable<readonly Outcome[]>
  /** Finds out about (or harmlessly replays) unknown entries. Same rules as `deliver`. */
  resolve(entries: readonly LeasedEntry[], context: DeliveryContext): AsyncIterable<readonly Outcome[]>
}
