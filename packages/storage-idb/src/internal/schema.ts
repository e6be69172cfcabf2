import type {
  AttemptNote,
  DeadReason,
  Decision,
  EntryState,
  QueueStats,
  StoredNote,
} from '@fhir-outbox/queue-core'

/** What was appended. Never changes but by a correction. Times are the storage's clock. */
export interface Head {
  readonly lane: string
  readonly gate: string
  readonly key: string
  readonly after?: readonly number[]
  readonly header: Uint8Array
  readonly payloadBytes: number
  readonly appendedAt: number
}

/** What became of an entry. There is none while it waits untouched. */
export interface State {
  readonly state: EntryState
  readonly deadReason?: DeadReason
  readonly attempts: number
  /** Counts while `epoch` is the one of the queue: see `hurry`. */
  readonly dueAt?: number
  readonly epoch?: number
  readonly troubledSince?: number
  readonly mark?: AttemptNote
  readonly note?: Uint8Array
  readonly settledAt?: number
}

/** So many entries a page has at most: what one request takes by default, so that runs end where pages do. */
export const pageEntries = 50

/**
 * Entries that were committed together, a few dozen to a page: a request to the database costs more than what it
 * carries. The entry at `first + n` stands at position `n` of each page; `null` where there is nothing (any more).
 */
export interface HeadPage {
  readonly first: number
  readonly rows: readonly (Head | null)[]
  /** Of the rows, for the indexes. */
  readonly keys: readonly string[]
  readonly after: readonly number[]
}

export interface StatePage {
  readonly first: number
  readonly rows: readonly (State | null)[]
  /** `[state, sequence]` of what neither waits nor is delivered, for the index. */
  readonly listed: readonly (readonly [EntryState, number])[]
}

export interface PayloadPage {
  readonly first: number
  readonly rows: readonly (Uint8Array | null)[]
}

/** What the drainer holds. It stands until the drainer, or who follows it, removes it. */
export interface LeaseRow {
  readonly id: string
  readonly lane: string
  /** The run was of unknown entries. */
  readonly unknown: boolean
  readonly sequences: readonly number[]
  readonly expiresAt: number
  readonly marks: readonly { readonly at: number; readonly notes: readonly AttemptNote[] }[]
}

export interface LaneRow {
  readonly name: string
  readonly pending: number
  readonly receiptHash?: Uint8Array
}

/** A decision that the drainer has not seen yet. */
export interface NewsRow {
  readonly sequence: number
  readonly kind: Decision['kind']
  readonly payloadBytes: number
}

export interface Meta {
  /** Counts commits: tells whoever has prepared one whether another came first. */
  version: number
  lastSequence: number
  /** Counts drainers and wipes: the fence. */
  generation: number
  /** Counts `hurry`. */
  epoch: number
  /** The key of the last news. */
  news: number
  /** The latest time that anybody saw. */
  clock: number
  /** The lanes that were used last. */
  lanes: readonly LaneRow[]
  /** Others may be records of their own. */
  spilled: boolean
  /** Who drains; without Web Locks nobody else may before `until`. */
  drainer?: { readonly id: string; readonly until: number } | undefined
  /** `leased`, and what expired leases make unknown, follow from the leases. */
  counts: { -readonly [Count in Exclude<keyof QueueStats, 'leased'>]: number }
}

/** What each store holds, by which key. */
export interface Schema {
  meta: { key: number; value: Meta }
  heads: { key: number; value: HeadPage }
  states: { key: number; value: StatePage }
  payloads: { key: number; value: PayloadPage }
  leases: { key: string; value: LeaseRow }
  lanes: { key: string; value: LaneRow }
  news: { key: number; value: NewsRow }
  notes: { key: string; value: StoredNote }
}

export type StoreName = keyof Schema

/** Where the records of a store have their key; `null`: outside. */
export const keyPaths: { readonly [Name in StoreName]: string | null } = {
  meta: null,
  heads: 'first',
  states: 'first',
  payloads: 'first',
  leases: 'id',
  lanes: 'name',
  news: null,
  notes: null,
}

export const allStores: readonly StoreName[] = Object.keys(keyPaths) as StoreName[]

export const emptyMeta: Meta = {
  version: 0,
  lastSequence: 0,
  generation: 0,
  epoch: 0,
  news: 0,
  clock: 0,
  lanes: [],
  spilled: false,
  counts: {
    accepted: 0,
    waiting: 0,
    unknown: 0,
    held: 0,
    delivered: 0,
    dead: 0,
    discarded: 0,
    quarantined: 0,
    bytes: 0,
    lanes: 0,
  },
}
