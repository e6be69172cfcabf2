import { laneIndex, type LaneIndex, type NothingReady } from '@fhir-outbox/queue-core'
import type { Commit } from './commits.js'
import { pageOf, setStates } from './records.js'
import { clear, getAll, getKeys, reading, remove, type Reading } from './requests.js'
import type { LeaseRow, Meta, State } from './schema.js'
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
}

/** A lease of this handle. */
export interface Held {
  readonly row: LeaseRow
  /** How many entries each of its pages has. */
  readonly lengths: ReadonlyMap<number, number>
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
        const { at, note: mark } = markIn(lease, sequence) ?? {}
        const known = page?.rows[sequence - first] ?? { attempts: 0 }
        changes.set(sequence - first, {
          ...(at === undefined ? {} : { troubledSince: at }),
          ...known,
          state: 'unknown',
          ...(mark === undefined ? {} : { mark }),
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
  return { ...rest, ...(dueAt !== undefined && epoch === current ? { dueAt } : {}) }
}

/** Fills in the pages from one on; returns where to go on. */
async function loadPages(
  transaction: Reading,
  meta: Meta,
  from: number,
  index: LaneIndex,
  now: number,
): Promise<number> {
  const pages = await getAll(transaction, 'heads', IDBKeyRange.bound(from, meta.lastSequence), chunk)
  const last = pages.at(-1)
  if (last === undefined) return Infinity
  const all = await getAll(transaction, 'states', IDBKeyRange.bound(from, last.first))
  const states = new Map(all.map(({ first, rows }) => [first, rows]))
  for (const { first, rows } of pages) {
    const known = states.get(first)
    for (const [at, row] of rows.entries()) {
      if (row === null) continue
      const { lane, gate, after = [], payloadBytes, appendedAt } = row
      const entry = { sequence: first + at, location: first, lane, gate, after, payloadBytes, appendedAt }
      index.restore({ state: 'waiting', ...entry, ...restorable(known?.[at], meta) }, now)
    }
  }
  return last.first + last.rows.length
}

/** Fills in the last receipts of lanes; returns after which to go on. */
async function loadLanes(
  transaction: Reading,
  from: string | undefined,
  index: LaneIndex,
): Promise<string | undefined> {
  const range = from === undefined ? undefined : IDBKeyRange.lowerBound(from, true)
  const [names, rows] = await Promise.all([
    getKeys(transaction, 'lanes', range, chunk),
    getAll(transaction, 'lanes', range, chunk),
  ])
  for (const [at, name] of names.entries()) {
    const hash = rows[at]?.receiptHash
    if (hash !== undefined) index.restoreReceiptHash(name, hash)
  }
  return names.at(-1)
}

/**
 * Fills an index with what the database held when it was taken over, in chunks between which other handles go on;
 * what they do meanwhile is caught up with later.
 */
export async function loadDrain(database: IDBDatabase, meta: Meta, now: number): Promise<Drain> {
  const index = laneIndex({ owner: `idb${meta.generation}` })
  for (let from = 0; from <= meta.lastSequence;)
    from = await loadPages(reading(database), meta, from, index, now)
  for (const [name, { receiptHash }] of meta.lanes) {
    if (receiptHash !== undefined) index.restoreReceiptHash(name, receiptHash)
  }
  for (let from = await loadLanes(reading(database), undefined, index); from !== undefined;) {
    from = await loadLanes(reading(database), from, index)
  }
  const { generation, lastSequence, news, epoch } = meta
  return { generation, index, lastSequence, news, epoch, held: new Map(), early: new Set() }
}
