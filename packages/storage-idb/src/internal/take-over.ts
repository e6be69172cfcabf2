import { laneIndex, type LaneIndex, type NothingReady } from '@fhir-outbox/queue-core'
import type { Commit } from './commits.js'
import { defined } from './defined.js'
import { pageOf, setStates } from './records.js'
import { clear, getAll, reading, remove, type Reading } from './requests.js'
import type { LaneRow, LeaseRow, Meta, State } from './schema.js'
import { markIn } from './summary.js'

/** What the handle that drains knows; without Web Locks the fence is all that keeps another one from doing so. */
export interface Drain {
  readonly generation: number
  readonly index: LaneIndex
  /** What the index contains: entries up to here, news up to here, delays of this epoch. */
  lastSequence: number
  news: number
  epoch: number
  /** Leases of this handle. */
  readonly held: Map<string, Held>
  /** Leases that the index has given and the database does not know yet. */
  readonly early: Set<string>
  /** Entries that the index has forgotten and the database has not, the lowest last. */
  readonly old: number[]
}

/** A lease of this handle. */
export interface Held {
  readonly row: LeaseRow
  /** Its pages, and how many entries each of them has. */
  readonly lengths: ReadonlyMap<number, number | undefined>
}

/** Without Web Locks: for how long nobody else drains after the last call of who does. */
const idleMs = 30_000

/** Pages, or lanes, of one read: the others get their turn in between. */
const chunk = 200

export function drainsUntil(now: number, leases: Iterable<Held>): number {
  return Math.max(now + idleMs, ...Array.from(leases, ({ row }) => row.expiresAt))
}

/** The pages of entries in ascending order. */
async function pagesOf(commit: Commit, sequences: readonly number[]): Promise<Map<number, number[]>> {
  const pages = new Map<number, number[]>()
  let [first, end] = [0, 0]
  for (const sequence of sequences) {
    if (sequence >= end) {
      first = (await pageOf(commit.transaction, sequence)) ?? 0
      end = first + ((await commit.records.heads.get(first))?.rows.length ?? 0)
    }
    pages.set(first, [...(pages.get(first) ?? []), sequence])
  }
  return pages
}

/** Whoever held these leases is gone: what was marked may have been sent. */
export async function abandon(commit: Commit, leases: readonly LeaseRow[]): Promise<void> {
  const { transaction, records, meta } = commit
  for (const lease of leases) {
    const marked = lease.sequences.filter((sequence) => markIn(lease, sequence) !== undefined)
    for (const [first, sequences] of await pagesOf(commit, marked)) {
      const page = await records.states.get(first)
      const changes = new Map<number, State>()
      for (const sequence of sequences) {
        const { at: troubledSince, note: mark } = markIn(lease, sequence) ?? {}
        const known = page?.rows[sequence - first] ?? { attempts: 0 }
        changes.set(sequence - first, {
          ...defined({ troubledSince }),
          ...known,
          state: 'unknown',
          ...defined({ mark }),
        })
      }
      await setStates(records, first, changes)
      if (!lease.unknown) meta.counts.unknown += sequences.length
    }
    remove(transaction, 'leases', lease.id)
  }
}

/**
 * Takes the right to drain from whoever had it. A Web Lock (`proven`) says that this one is gone; without one its
 * time must be over.
 */
export async function takeOver(commit: Commit, id: string, proven: boolean): Promise<NothingReady | Meta> {
  const { transaction, meta, now } = commit
  const { drainer } = meta
  if (!proven && drainer !== undefined && drainer.id !== id && drainer.until > now) {
    return { elsewhere: true, nextDueInMs: drainer.until - now }
  }
  await abandon(commit, await getAll(transaction, 'leases'))
  clear(transaction, 'news')
  meta.generation++
  meta.drainer = { id, until: drainsUntil(now, []) }
  return structuredClone(meta)
}

function restorable(state: State | null | undefined, { epoch: current }: Meta): Partial<State> {
  const { note: _note, epoch, dueAt, ...rest } = state ?? {}
  return { ...rest, ...(epoch === current ? defined({ dueAt }) : {}) }
}

/** Fills in the next pages after an entry; returns the last entry that the index contains then. */
export async function loadPages(
  transaction: Reading,
  meta: Meta,
  after: number,
  index: LaneIndex,
  now: number,
): Promise<number> {
  // A page is of one commit: none of them is known in part.
  const range = IDBKeyRange.bound(after, meta.lastSequence, true)
  const pages = await getAll(transaction, 'heads', range, chunk)
  const last = pages.at(-1)
  if (last === undefined) return meta.lastSequence
  const all = await getAll(transaction, 'states', IDBKeyRange.bound(after, last.first, true))
  const states = new Map(all.map(({ first, rows }) => [first, rows]))
  for (const { first, rows } of pages) {
    const known = states.get(first)
    for (const [at, row] of rows.entries()) {
      if (row === null) continue
      const { lane, gate, after: others = [], payloadBytes, appendedAt } = row
      const entry = {
        sequence: first + at,
        location: first,
        lane,
        gate,
        after: others,
        payloadBytes,
        appendedAt,
      }
      index.restore({ state: 'waiting', ...entry, ...restorable(known?.[at], meta) }, now)
    }
  }
  return last.first + last.rows.length - 1
}

/** Fills in the last receipts of lanes; returns after which to go on. */
async function loadLanes(
  transaction: Reading,
  after: string | undefined,
  index: LaneIndex,
): Promise<string | undefined> {
  const range = after === undefined ? undefined : IDBKeyRange.lowerBound(after, true)
  const lanes = await getAll(transaction, 'lanes', range, chunk)
  restoreHashes(lanes, index)
  return lanes.at(-1)?.name
}

function restoreHashes(lanes: readonly LaneRow[], index: LaneIndex): void {
  for (const { name, receiptHash } of lanes) {
    if (receiptHash !== undefined) index.restoreReceiptHash(name, receiptHash)
  }
}

/**
 * Fills an index with what the database held when it was taken over, in chunks between which other handles go on;
 * what they do meanwhile is caught up with later.
 */
export async function loadDrain(database: IDBDatabase, meta: Meta, now: number): Promise<Drain> {
  const { generation, lastSequence, news, epoch } = meta
  const index = laneIndex({ owner: `idb${generation}` })
  for (let last = 0; last < lastSequence;) last = await loadPages(reading(database), meta, last, index, now)
  let name: string | undefined
  do name = await loadLanes(reading(database), name, index)
  while (name !== undefined)
  restoreHashes(meta.lanes, index)
  return { generation, index, lastSequence, news, epoch, held: new Map(), early: new Set(), old: [] }
}
