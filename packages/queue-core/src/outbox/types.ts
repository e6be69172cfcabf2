import type {
  Appended,
  Entry,
  EntryDraft,
  EntryState,
  EntrySummary,
  QueueStats,
  QueueStorage,
} from '../storage-port.js'
import type { Failure, Transport } from '../transport-port.js'
import type { OutboxDefaults } from './defaults.js'
import type { OutboxEnvironment } from './environment.js'
import type { OutboxEvent } from './events.js'
import type { PerishableEntry } from './expiry.js'
import type { GateStatus } from './gates.js'
import type { Settled } from './settled.js'
import type { WipeRecord } from './wipe.js'

/** Options of `openOutbox`. */
export interface OutboxOptions {
  readonly storage: QueueStorage
  readonly transport: Transport
  /** Overrides of `outboxDefaults()`. */
  readonly defaults?: Partial<OutboxDefaults>
  /**
   * How long one entry is worth delivering, by its header or lane; `undefined` leaves it to
   * `defaults.ttlMs`, and so does throwing, which the event `ttl-failed` tells. Called whenever the entry's turn comes.
   */
  readonly ttlMs?: (entry: PerishableEntry) => number | undefined
  /**
   * Whether a delivery leaves a receipt. Without them nothing is hashed and nothing can be shown later: `settled`
   * tells the state alone, and the storage may be told to keep none. Default `true`.
   */
  readonly receipts?: boolean
  /** Overrides of clock, randomness and timers. */
  readonly environment?: Partial<OutboxEnvironment>
}

/** A wait that the caller may give up. Giving up never withdraws an entry. */
export interface WaitOptions {
  readonly signal?: AbortSignal
}

/** What a flush came to. */
export interface FlushResult {
  /** Entries delivered while the flush ran. */
  readonly delivered: number
  /** Entries that became dead letters while the flush ran. */
  readonly dead: number
  /** Entries that still wait. */
  readonly waiting: number
  /** Why a destination is closed, if one is. */
  readonly blockedBy?: Failure
  /**
   * Another handle on the store (another tab, say) is the one that delivers, so this flush could not. That
   * handle was asked to hurry; wait for entries with `settled`.
   */
  readonly elsewhere?: true
}

export interface FlushProgress {
  readonly delivered: number
  readonly dead: number
  readonly waiting: number
}

export interface FlushOptions extends WaitOptions {
  readonly onProgress?: (progress: FlushProgress) => void
}

export interface StopOptions extends WaitOptions {
  /** Flush first. Default `false`. Aborting `signal` ends the flush, not the stop: that rejects with AbortError when it is done. */
  readonly drain?: boolean
}

/** Who decided, and why. Kept with the entry. */
export interface DecidedBy {
  readonly actor: string
  readonly reason: string
}

export interface RedriveOptions extends DecidedBy {
  /** Corrected content; the key stays. */
  readonly payload?: Uint8Array
  readonly header?: Uint8Array
}

export interface OutboxListQuery {
  readonly state?: EntryState
  readonly lane?: string
  /** Only sequences greater than this. */
  readonly after?: number
  /** Entries read at a time, at least 1. Default 100. */
  readonly pageSize?: number
}

/**
 * A queue that delivers. Every method but `close` rejects with `ERR_OUTBOX_STOPPED` after `close`; errors of
 * the storage pass through with their own codes.
 */
export interface Outbox {
  readonly storage: QueueStorage
  /**
   * Accepts one entry, or several all or none. Resolves when they are as durable as `storage.supports` says.
   * An abort counts only before the storage was asked: what it has begun to accept is not taken back.
   */
  enqueue(draft: EntryDraft, options?: WaitOptions): Promise<Appended>
  enqueue(drafts: readonly EntryDraft[], options?: WaitOptions): Promise<readonly Appended[]>
  /**
   * Waits until the entry is delivered, dead or discarded. Rejects with `ERR_NO_SUCH_ENTRY`, with
   * `ERR_WRONG_STATE` when it is quarantined, with `ERR_OUTBOX_STOPPED` on `close`, or with AbortError.
   */
  settled(sequence: number, options?: WaitOptions): Promise<Settled>
  /**
   * Delivers what can be delivered now, trying closed gates and delayed lanes once. Joins a flush that runs
   * already. Works without `start`. Where another handle is the one that delivers, it resolves at once and says
   * so. Rejects with the storage's error when that fails.
   */
  flush(options?: FlushOptions): Promise<FlushResult>
  /**
   * Delivers from now on, whenever something is ready. While another handle is the one that delivers, it stands
   * by and takes over when that one is gone.
   */
  start(): void
  /** Ends deliveries; aborted ones return as waiting or unknown. Resolves when no timer and no work is left. */
  stop(options?: StopOptions): Promise<void>
  /** Stops, and closes the storage. A second call is harmless. */
  close(): Promise<void>
  stats(): Promise<QueueStats>
  /** Reads page by page; entries that change meanwhile are shown at most once. */
  list(query?: OutboxListQuery): AsyncIterable<EntrySummary>
  read(sequence: number): Promise<Entry | undefined>
  /** Sends a dead letter again, with its key, optionally corrected. */
  redrive(sequence: number, options: RedriveOptions): Promise<void>
  /** Gives up a dead letter. Entries that are after it stay held. */
  discard(sequence: number, options: DecidedBy): Promise<void>
  /** Takes a dead letter for delivered, on the actor's word. */
  assumeDelivered(sequence: number, options: DecidedBy): Promise<void>
  /** Takes back an entry that waits and is not being delivered. */
  withdraw(sequence: number, options: DecidedBy): Promise<void>
  /**
   * Erases everything: entries, receipts and notes. What was erased, by whom and why, is kept as the note
   * `fhir-outbox-wiped`. Deliveries under way are aborted first and wound up; waits end with
   * `ERR_NO_SUCH_ENTRY`. Rejects with `ERR_UNSUPPORTED` when the storage cannot be wiped.
   */
  wipe(by: DecidedBy): Promise<WipeRecord>
  /** The destinations seen so far. */
  gates(): readonly GateStatus[]
  /** Hint that the world has changed (online again, signed in): closed gates are tried now. */
  nudge(gate?: string): void
  /** Returns the way to stop. A listener that throws does not disturb deliveries; its error becomes an uncaught one. */
  subscribe(listener: (event: OutboxEvent) => void): () => void
}
