import type {
  AttemptNote,
  DeadReason,
  Decision,
  EntryState,
  LeaseRequest,
  ListQuery,
  NothingReady,
  QueueStats,
  Settlement,
} from '../storage-port.js'

/** An appended entry as the index sees it: everything but its bytes. Times are the storage's clock. */
export interface IndexedDraft {
  /** Greater than every sequence added before. */
  readonly sequence: number
  readonly lane: string
  readonly gate: string
  readonly after?: readonly number[]
  readonly payloadBytes: number
  readonly appendedAt: number
  /** Where the storage keeps the record: any number the storage likes, e.g. an offset. Default 0. */
  readonly location?: number
}

/** An entry read back on open, in whatever state it was. */
export interface RestoredEntry extends IndexedDraft {
  readonly state: EntryState
  readonly deadReason?: DeadReason
  readonly attempts?: number
  /** Storage clock. */
  readonly dueAt?: number
  readonly troubledSince?: number
  readonly mark?: AttemptNote
  /** Storage clock; when the mark was made. Default: now. */
  readonly markedAt?: number
  /** The mark was never followed by a settlement: `abandonLeases` will make the entry unknown. */
  readonly markOpen?: boolean
  /** Storage clock; when it was delivered or discarded. The oldest are forgotten first. Default: now. */
  readonly settledAt?: number
}

/** What the index knows of one entry. */
export interface IndexedEntry {
  readonly sequence: number
  readonly lane: string
  readonly gate: string
  readonly after: readonly number[]
  readonly payloadBytes: number
  readonly location: number
  readonly state: EntryState
  readonly deadReason?: DeadReason
  readonly leased: boolean
  readonly heldBy?: number
  readonly attempts: number
  readonly ageMs: number
  readonly dueInMs?: number
  readonly troubledForMs?: number
  readonly mark?: AttemptNote
  /** A request with the entry is under way as far as anybody knows: when the lease ends, it is unknown. */
  readonly markOpen?: true
}

/** A lease before the storage has added the bytes of its entries. */
export interface IndexedLease {
  readonly id: string
  readonly lane: string
  readonly gate: string
  readonly sequences: readonly number[]
  readonly lastReceiptHash?: Uint8Array
}

/** What changes with a decision besides the state. */
export interface Correction {
  readonly payloadBytes?: number
  readonly location?: number
}

/** How long settled entries are remembered. The older limit wins. */
export interface Retention {
  readonly maxAgeMs: number
  readonly maxCount: number
}

/**
 * The rules of the queue without its bytes: lanes and their heads, due times, holds, leases and fences, order
 * and the audit. Purely in memory and synchronous; every change is all or nothing. A storage feeds it with
 * what is durable and asks it what to do. `now` is always the storage's own clock, in milliseconds, and must
 * not run backwards (see `steadyClock`).
 *
 * An index holds the leases, so there is one for each store, in the process or tab that drains. Handles that
 * only append may keep one of their own to read from, built anew when the store has changed; they must not
 * lease from it. A store with drainers `many` keeps its leases where all of them see them, in a database.
 */
export interface LaneIndex {
  /** Adds a waiting entry. Sequences must be added in ascending order. */
  add(draft: IndexedDraft, now: number): void
  /** Adds an entry as it was when the store was closed or lost. Ascending order, before any `add`. */
  restore(entry: RestoredEntry, now: number): void
  /** Counts entries that were settled and forgotten in an earlier life of the store, for the audit. */
  restoreForgotten(counts: { readonly delivered: number; readonly discarded: number }): void
  /** The last receipt hash of a lane that is known already. */
  restoreReceiptHash(lane: string, hash: Uint8Array): void

  /** As `QueueStorage.lease`. */
  lease(request: LeaseRequest, now: number): IndexedLease | NothingReady
  /** Throws `ERR_LEASE_LOST` unless the lease is current and holds all of these entries. Changes nothing. */
  checkLease(leaseId: string, sequences: readonly number[], now: number): void
  /** As `QueueStorage.mark`. Throws `ERR_LEASE_LOST`. */
  mark(leaseId: string, notes: readonly AttemptNote[], now: number): void
  /** As `QueueStorage.renew`. Throws `ERR_LEASE_LOST`. */
  renew(leaseId: string, ttlMs: number, now: number): void
  /** As `QueueStorage.settle`. Throws `ERR_LEASE_LOST`. */
  settle(leaseId: string, settlements: readonly Settlement[], now: number): void
  /**
   * Ends leases as if they had expired: open marks become unknown. Without ids all of them, and open marks
   * without a lease, too: on open, and when an owner is gone.
   */
  abandonLeases(now: number, ids?: readonly string[]): void

  /** Replays a mark of a log, without a lease. Throws `ERR_NO_SUCH_ENTRY` or `ERR_WRONG_STATE`. */
  replayMark(note: AttemptNote, now: number): void
  /** Replays a settlement of a log, without a lease. Throws `ERR_NO_SUCH_ENTRY` or `ERR_WRONG_STATE`. */
  replaySettlement(settlement: Settlement, now: number): void

  /** Throws `ERR_NO_SUCH_ENTRY` or `ERR_WRONG_STATE` when `decide` would. Changes nothing. */
  checkDecision(sequence: number, kind: Decision['kind'], now: number): void
  /** As `QueueStorage.decide`; also what replays a decision of a log. */
  decide(sequence: number, kind: Decision['kind'], now: number, correction?: Correction): void
  /**
   * The record cannot be read back. It leaves its lane; entries that are after it are held. Nothing changes for an
   * entry that is delivered or discarded.
   */
  quarantine(sequence: number, now: number): void
  /** Makes every delayed entry due now. Delays of later settlements count again. */
  hurry(now: number): void

  /** `undefined` for entries that never were or are forgotten. */
  entry(sequence: number, now: number): IndexedEntry | undefined
  /**
   * The entry as `restore` takes it, for an adapter that keeps a row for each entry and writes it again with
   * every change. `settledAt` is missing: it is the `now` of the call that settled the entry.
   */
  toRestore(sequence: number, now: number): RestoredEntry | undefined
  /** Changes where the storage keeps the record. */
  relocate(sequence: number, location: number): void
  /** Whether an entry of the lane is known, in whatever state: as long as it is, the lane has a last receipt. */
  hasLane(lane: string): boolean
  /** Sequences of one page, in order. */
  list(query: ListQuery, now: number): readonly number[]
  /** Constant time, however much is waiting. */
  stats(now: number): QueueStats
  /** The highest sequence ever added, 0 before the first. */
  readonly lastSequence: number

  /** Forgets settled entries beyond the retention and returns their sequences. */
  retire(retention: Retention, now: number): readonly number[]
}

/** Options of `laneIndex`. */
export interface LaneIndexOptions {
  /** Makes lease ids unique across owners and restarts: a generation number, or something random. */
  readonly owner: string
  /** Where sequences go on: those added must be greater. Default 0. */
  readonly lastSequence?: number
}
