/**
 * What a storage adapter implements. DESIGN: the storage numbers entries, owns the clock, and makes every
 * call below atomic: it happened, or it did not. All durations are milliseconds and relative to "now" at the
 * storage, so that a wrong wall clock can never change an order or lose a lease. That clock never runs backwards:
 * not when the machine's is set back, not across a restart, not between handles (see `steadyClock`). Whoever finds
 * a later time in the store than its own clock says goes on from there.
 */

/** How much survives when `append`, `mark` or `settle` has resolved. */
export type Durability = 'power-loss' | 'process-crash' | 'memory'

/** What an adapter can do, declared as data and checked by the contract suite. */
export interface StorageSupport {
  readonly durability: Durability
  /**
   * How many handles (processes, tabs, workers) may be open at the same time and do everything but lease. With
   * `one`, a second one is refused with `ERR_STORAGE_LOCKED`.
   */
  readonly appenders: 'one' | 'many'
  /**
   * How many handles may lease at the same time. With `one`, the leases of a handle that has closed or died are
   * void for whoever drains next, at once. With `many`, `close` gives up the leases of its handle at once, and those
   * of a handle that died fall when they expire, at the latest.
   */
  readonly drainers: 'one' | 'many'
  /** The platform may throw the whole store away (a browser without persistent storage). */
  readonly evictable: boolean
  /** Nothing of an entry can be read from the store without a key: `sealStorage` says so. Default: it can. */
  readonly sealed?: boolean
}

/**
 * One unit of delivery as the caller hands it in. The storage copies the bytes: a caller may reuse its
 * buffers as soon as `append` was called.
 */
export interface EntryDraft {
  /** Ordering unit. No entry is leased while an earlier one of its lane is unsettled. Any Unicode text. */
  readonly lane: string
  /** Idempotency key, normally a lower-case UUID v4. Any Unicode text up to 512 UTF-8 bytes. */
  readonly key: string
  /** Destination. A closed gate keeps its entries from being leased. */
  readonly gate: string
  /** Sequences that must be delivered before this entry may be leased, in whatever lane. */
  readonly after?: readonly number[]
  /** A second append of the same key returns the first sequence while that entry is known. Default `false`. */
  readonly once?: boolean
  /** Small opaque bytes, at most 4,096, returned in summaries. */
  readonly header: Uint8Array
  /** The opaque content, at most 16 MiB. */
  readonly payload: Uint8Array
}

/** What `append` answers for one draft. */
export interface Appended {
  /** Strictly increasing over the life of the store and never reused. */
  readonly sequence: number
  /** `true` when `once` found the key and nothing was added. */
  readonly duplicate: boolean
}

/**
 * Where an entry is in its life.
 * - `waiting`: not sent, or certainly not applied
 * - `unknown`: a request that may have been applied has left and nobody knows
 * - `dead`: rejected, parked or expired; kept until a decision
 * - `delivered`, `discarded`: settled; header and receipt stay until retention ends, the payload does not
 * - `quarantined`: the record could not be read back; its bytes are kept
 */
export type EntryState = 'waiting' | 'unknown' | 'dead' | 'delivered' | 'discarded' | 'quarantined'

/** Why an entry became a dead letter. `parked`: its outcome stayed unknown. */
export type DeadReason = 'rejected' | 'parked' | 'expired'

/** A stored entry without its payload. */
export interface EntrySummary {
  readonly sequence: number
  readonly lane: string
  readonly key: string
  readonly gate: string
  readonly after: readonly number[]
  readonly header: Uint8Array
  readonly payloadBytes: number
  readonly state: EntryState
  /** Set when `state` is `dead`. */
  readonly deadReason?: DeadReason
  /** A lease holds it right now. */
  readonly leased: boolean
  /** The sequence in `after` that is dead or discarded, so that this entry cannot move. */
  readonly heldBy?: number
  /** Attempts that were spent: something left this machine and was not accepted. */
  readonly attempts: number
  /** Time since `append`. */
  readonly ageMs: number
  /** Time until the entry may be leased; absent when it is due now or settled. */
  readonly dueInMs?: number
  /** Opaque bytes of the last settlement: a failure, a receipt or a decision. */
  readonly note?: Uint8Array
  /** The last mark, when `state` is `unknown`. An adapter may leave it out. */
  readonly mark?: AttemptNote
}

/** A stored entry. The payload is absent once the entry is delivered or discarded. */
export interface Entry extends EntrySummary {
  readonly payload?: Uint8Array
}

/** An entry inside a lease. */
export interface LeasedEntry {
  readonly sequence: number
  readonly key: string
  readonly header: Uint8Array
  readonly payload: Uint8Array
  /** `unknown` entries must be replayed harmlessly or probed, never simply sent. */
  readonly state: 'waiting' | 'unknown'
  /** Attempts that were spent so far. */
  readonly attempts: number
  /** Time since the first spent attempt or mark that did not end in a settlement; absent before. */
  readonly troubledForMs?: number
  /** Time since `append`. */
  readonly ageMs: number
  /** The last mark of this entry, when it is unknown. */
  readonly mark?: AttemptNote
  /** Opaque bytes of the last settlement. */
  readonly note?: Uint8Array
}

/**
 * Exclusive, expiring, fenced right on the head run of one lane (and one gate). Entries are consecutive in
 * their lane; a run never mixes waiting and unknown entries, and unknown ones share one mark group.
 */
export interface Lease {
  /** Opaque to callers, unique for ever: settling with an id that is no longer current is refused. */
  readonly id: string
  readonly lane: string
  readonly gate: string
  readonly entries: readonly LeasedEntry[]
  /** SHA-256 of the lane's last receipt, for the receipt chain; absent before the first. */
  readonly lastReceiptHash?: Uint8Array
  /** As in `NothingReady`. */
  readonly setAside?: readonly number[]
}

/** What `lease` is asked for. */
export interface LeaseRequest {
  /** At most this many entries. */
  readonly limit: number
  /** At most this many payload bytes; the first entry is always given. */
  readonly maxBytes: number
  readonly ttlMs: number
  /** Gates whose entries must not be leased. */
  readonly closedGates: readonly string[]
  /** When given, only entries of this gate are leased: the trial of one destination. */
  readonly onlyGate?: string
  /**
   * Lanes of which a waiting head comes alone, because one entry may spoil any run that it is in: at most a few, or
   * `'all'` there are.
   */
  readonly oneByOne?: readonly string[] | 'all'
}

/**
 * No lane is ready. `nextDueInMs` tells when the next one of the gates asked for will be, leases that may expire
 * included. It is absent when no time that passes makes one ready: whoever goes by it would ask in vain, at once.
 */
export interface NothingReady {
  readonly nextDueInMs?: number
  /**
   * This handle may not lease, because another handle on the store does: see `StorageSupport.drainers`. It says
   * nothing about what is ready. Listeners of `watch` are called when this handle may lease.
   */
  readonly elsewhere?: true
  /**
   * Entries that could not be read back and were taken out of their lanes by this call (quarantined or parked),
   * so that whoever waits for them can be told.
   */
  readonly setAside?: readonly number[]
}

/** Durable note "this entry is about to be sent in this request", written before the bytes leave. */
export interface AttemptNote {
  readonly sequence: number
  /** Entries that travel in one request share it. Any Unicode text up to 64 UTF-16 code units. */
  readonly group: string
  /** Opaque to the storage; at most 1,024 bytes. */
  readonly info?: Uint8Array
}

/**
 * How one leased entry ends or comes back.
 * - `delivered`: `note` is the receipt, `receiptHash` becomes the lane's last hash; without them none is kept
 * - `rejected`, `parked`, `expired`: becomes a dead letter
 * - `waiting`: certainly not applied; due again after `delayMs`. `spent` counts one attempt
 * - `unknown`: may have been applied; due again after `delayMs`. Keeps its mark
 */
export type Settlement =
  | {
      readonly sequence: number
      readonly outcome: 'delivered'
      /** Keeps the previous note when absent. */
      readonly note?: Uint8Array
      readonly receiptHash?: Uint8Array
    }
  | {
      readonly sequence: number
      readonly outcome: 'rejected' | 'parked' | 'expired'
      readonly note: Uint8Array
    }
  | {
      readonly sequence: number
      readonly outcome: 'waiting' | 'unknown'
      readonly delayMs: number
      readonly spent: boolean
      /** Keeps the previous note when absent. */
      readonly note?: Uint8Array
    }

/** What a person or a rule decides about one entry. `note` is kept with the entry. */
export type Decision =
  /** Dead → waiting, keeping sequence and key; goes first among the waiting of its lane. */
  | {
      readonly kind: 'redrive'
      readonly note: Uint8Array
      readonly payload?: Uint8Array
      readonly header?: Uint8Array
    }
  /** Dead → discarded. */
  | { readonly kind: 'discard'; readonly note: Uint8Array }
  /** Dead → delivered, on somebody's word; `note` is the receipt. Releases entries that are `after` it. */
  | { readonly kind: 'assume-delivered'; readonly note: Uint8Array }
  /** Waiting and not leased → discarded: the caller takes it back before anything was sent. */
  | { readonly kind: 'withdraw'; readonly note: Uint8Array }

/** Which entries `list` returns, in order of sequence. */
export interface ListQuery {
  /** All states when absent. */
  readonly state?: EntryState
  readonly lane?: string
  /** Only sequences greater than this: the last one of the previous page. */
  readonly after?: number
  readonly limit: number
}

/**
 * The audit. `accepted = waiting + delivered + dead + discarded + quarantined` holds at every instant;
 * `leased`, `unknown` and `held` are parts of `waiting`.
 */
export interface QueueStats {
  readonly accepted: number
  readonly waiting: number
  readonly leased: number
  readonly unknown: number
  readonly held: number
  readonly delivered: number
  readonly dead: number
  readonly discarded: number
  readonly quarantined: number
  /** Payload bytes of waiting and dead entries. */
  readonly bytes: number
  /** Lanes with a waiting entry. */
  readonly lanes: number
}

/** A small named record with an optimistic version. */
export interface StoredNote {
  readonly bytes: Uint8Array
  readonly version: number
}

/** Small named records beside the entries: evidence, salts, references. */
export interface NoteStore {
  get(name: string): Promise<StoredNote | undefined>
  /**
   * Writes when the stored version equals `expectedVersion` (0: there is none yet) and resolves to the new
   * version. Rejects with `ERR_NOTE_CONFLICT` otherwise. At most 256 KiB.
   */
  put(name: string, bytes: Uint8Array, expectedVersion: number): Promise<number>
  /** The names of all notes, in any order. Without it, whoever copies a store must know them. Names are any
   * well-formed Unicode text up to 512 UTF-8 bytes: see `checkNoteName`. */
  names?(): Promise<readonly string[]>
}

/** A note that a wipe leaves. */
export interface KeptNote {
  readonly name: string
  readonly bytes: Uint8Array
}

/**
 * The port. Calls may be made at any time and side by side; each one sees every call that had resolved before it was
 * made. Appends of one handle get their numbers in the order in which they were called. Every method but `close`
 * rejects with `ERR_STORAGE_CLOSED` after `close`; calls under way then end as if it had not been called. Any of them
 * may reject with `ERR_STORAGE_FAILED`: then it has not happened, or, when the store cannot tell, the store refuses
 * everything until it is opened again and has found out. Reading calls may write, too: leases that have expired
 * or entries that are forgotten may be noticed by whoever comes by.
 */
export interface QueueStorage {
  readonly supports: StorageSupport
  /**
   * Stores all drafts or none, in the order given, and resolves when they are as durable as `supports` says.
   * A sequence never becomes visible in a lane after a higher one of that lane was leased.
   * Rejects with `ERR_INVALID_ENTRY`, `ERR_QUEUE_FULL`, `ERR_STORAGE_FAILED` or `ERR_STORAGE_LOCKED`.
   */
  append(drafts: readonly EntryDraft[]): Promise<readonly Appended[]>
  /**
   * Takes the head run of one ready lane, the least recently leased first. A lane is ready when its head is
   * due, not held, not leased, and its gate is open. Marked entries of an expired or abandoned lease come
   * back as `unknown`, unmarked ones as `waiting`.
   */
  lease(request: LeaseRequest): Promise<Lease | NothingReady>
  /**
   * Durable before it resolves, and with it every earlier settlement of the lane. Replaces earlier marks of these
   * entries. Rejects with `ERR_LEASE_LOST` when the lease is no longer current, or does not hold one of the entries.
   */
  mark(lease: Lease, notes: readonly AttemptNote[]): Promise<void>
  /** The lease lasts `ttlMs` from now. Rejects with `ERR_LEASE_LOST`. */
  renew(lease: Lease, ttlMs: number): Promise<void>
  /**
   * Settles any subset of the lease in one commit; the lease ends with its last entry. Need not be durable
   * before the next `mark` of the same lane, `sync` or `close`. Rejects with `ERR_LEASE_LOST` and changes
   * nothing when the lease is no longer current.
   */
  settle(lease: Lease, settlements: readonly Settlement[]): Promise<void>
  read(sequence: number): Promise<Entry | undefined>
  list(query: ListQuery): Promise<readonly EntrySummary[]>
  /** Rejects with `ERR_NO_SUCH_ENTRY` or `ERR_WRONG_STATE`. Durable before it resolves. */
  decide(sequence: number, decision: Decision): Promise<void>
  readonly notes: NoteStore
  /**
   * Calls the listener whenever something may have become ready or was settled, by this handle or another one, and
   * when this handle may lease from now on. Too often is harmless; time that passes is nobody's call: see
   * `nextDueInMs`. Returns the way to stop.
   */
  watch(listener: () => void): () => void
  /**
   * Makes every delayed entry due now, because a person or an event asked for an attempt. Delays of later
   * settlements count again. An adapter without it makes its callers wait for the delays.
   */
  hurry?(): Promise<void>
  /**
   * Erases every entry, receipt and note in one commit and leaves these notes, with version 1. Leases are lost,
   * sequences go on. In the audit, delivered entries stay delivered and all others count as discarded. Before it
   * resolves it is durable, and no file, row or object of the adapter holds the bytes any more. What the platform
   * below keeps for itself may linger (blocks of a flash disk, journals, a database's log or vacuumed pages, a
   * browser's log-structured files): an adapter says so where it applies, and sealing is the answer to it. An
   * adapter without it cannot be wiped.
   */
  wipe?(keep: readonly KeptNote[]): Promise<void>
  /** Costs the same however much is waiting. Entries that retention has forgotten stay counted. */
  stats(): Promise<QueueStats>
  /** Resolves when everything settled so far is as durable as `supports` says. */
  sync(): Promise<void>
  /** Makes everything durable, gives up the leases of this handle and lets go of the store. A second call is harmless. */
  close(): Promise<void>
}

/** Whether `lease` found work. */
export function isLease(answer: Lease | NothingReady): answer is Lease {
  return 'entries' in answer
}
