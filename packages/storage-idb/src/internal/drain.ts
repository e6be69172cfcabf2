import {
  leaseLost,
  type AttemptNote,
  type IndexedEntry,
  type IndexedLease,
  type Lease,
  type LeasedEntry,
  type LeaseRequest,
  type NothingReady,
  type Retention,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { changeLane, type Commit } from './commits.js'
import { defined } from './defined.js'
import { dropManyPayloads, fetchPages, pageOf, setHeads, setStates, type Records } from './records.js'
import { getAll, put, remove, type Writing } from './requests.js'
import type { LeaseRow, State } from './schema.js'
import { abandon, loadPages, type Drain, type Held } from './take-over.js'

/** Brings the index up to what everybody has committed. */
async function catchUp({ transaction, meta, now }: Commit, drain: Drain): Promise<void> {
  const { index } = drain
  while (drain.lastSequence < meta.lastSequence) {
    drain.lastSequence = await loadPages(transaction, meta, drain.lastSequence, index, now)
  }
  if (drain.epoch !== meta.epoch) {
    index.hurry(now)
    drain.epoch = meta.epoch
  }
  if (drain.news === meta.news) return
  const range = IDBKeyRange.bound(drain.news, meta.news, true)
  for (const { sequence, kind, payloadBytes } of await getAll(transaction, 'news', range)) {
    const state = index.entry(sequence, now)?.state
    // What the index was loaded with may contain it already.
    if (state === (kind === 'withdraw' ? 'waiting' : 'dead'))
      index.decide(sequence, kind, now, { payloadBytes })
  }
  drain.news = meta.news
  remove(transaction, 'news', range)
}

/** Before every call of who drains. `false`: the generation is over, somebody else drains or everything was wiped. */
export async function enter(commit: Commit, drain: Drain): Promise<boolean> {
  const { meta, now } = commit
  if (drain.generation !== meta.generation) return false
  try {
    if (drain.news !== meta.news) {
      // The news may be of an entry that was leased without asking the database.
      drain.index.abandonLeases(now, [...drain.early])
      drain.early.clear()
    }
    await catchUp(commit, drain)
  } catch (cause) {
    // Not a refusal of this call: the index is wrong, and goes with the commit.
    throw new Error('the index does not agree with the database', { cause })
  }
  const lapsed = Array.from(drain.held.values(), ({ row }) => row).filter(({ expiresAt }) => expiresAt <= now)
  await abandon(commit, lapsed)
  for (const { id } of lapsed) drain.held.delete(id)
  return true
}

/** The counters follow what the call changes in the index, which remembers less than they cover; lanes count themselves. */
export async function counted<Result>(
  { meta: { counts }, now }: Commit,
  { index }: Drain,
  call: () => Promise<Result> | Result,
): Promise<Result> {
  const before = index.stats(now)
  const result = await call()
  const after = index.stats(now)
  for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
    if (name !== 'lanes') counts[name] += after[name] - before[name]
  }
  return result
}

function holding(drain: Drain, id: string): Held {
  const held = drain.held.get(id)
  if (held === undefined) throw leaseLost()
  return held
}

function hold(transaction: Writing, drain: Drain, held: Held): void {
  drain.held.set(held.row.id, held)
  put(transaction, 'leases', held.row)
}

/** The record of an entry cannot be read back: it leaves its lane, and keeps what is left of it. */
async function quarantine(commit: Commit, drain: Drain, entry: IndexedEntry): Promise<void> {
  const { sequence, location, attempts } = entry
  drain.index.quarantine(sequence, commit.now)
  const change: State = { state: 'quarantined', attempts }
  await setStates(commit.records, location, new Map([[sequence - location, change]]))
  await changeLane(commit, entry.lane, -1)
}

/** The entry with its bytes; `undefined` when they are gone. */
async function leasedEntry(
  { heads, states, payloads }: Records,
  known: IndexedEntry,
): Promise<LeasedEntry | undefined> {
  const { sequence, location, attempts, ageMs, troubledForMs } = known
  const at = sequence - location
  const head = (await heads.get(location))?.rows[at] ?? undefined
  const payload = (await payloads.get(location))?.rows[at] ?? undefined
  const note = (await states.get(location))?.rows[at]?.note
  if (head === undefined || payload === undefined) return undefined
  const { key, header } = head
  const state = known.state === 'unknown' ? 'unknown' : 'waiting'
  const mark = state === 'unknown' ? known.mark : undefined
  return { sequence, key, header, payload, state, attempts, ageMs, ...defined({ troubledForMs, mark, note }) }
}

export function entriesOf({ index }: Drain, { sequences }: IndexedLease, now: number): IndexedEntry[] {
  return sequences.map((sequence) => index.entry(sequence, now)).filter((entry) => entry !== undefined)
}

/** The lease that the index gave beforehand, unless it has run out since. */
function takeEarly({ index, early }: Drain, given: IndexedLease, now: number): IndexedLease | undefined {
  if (!early.delete(given.id)) return undefined
  try {
    index.checkLease(given.id, given.sequences, now)
    return given
  } catch {
    return undefined
  }
}

export async function takeLease(
  commit: Commit,
  drain: Drain,
  request: LeaseRequest,
  early: IndexedLease | undefined,
): Promise<Lease | NothingReady> {
  const { transaction, records, now } = commit
  const { index } = drain
  const setAside: number[] = []
  const aside = (): { setAside?: readonly number[] } => (setAside.length === 0 ? {} : { setAside })
  let given = early === undefined ? undefined : takeEarly(drain, early, now)
  for (;;) {
    const taken = given ?? index.lease(request, now)
    given = undefined
    if (!('sequences' in taken)) return { ...taken, ...aside() }
    const { sequences: _sequences, ...lease } = taken
    const known = entriesOf(drain, taken, now)
    await fetchPages(records, known)
    const entries: LeasedEntry[] = []
    const lengths = new Map<number, number | undefined>()
    for (const indexed of known) {
      const { location } = indexed
      const entry = await leasedEntry(records, indexed)
      lengths.set(location, (await records.heads.get(location))?.rows.length)
      if (entry === undefined) {
        setAside.push(indexed.sequence)
        await quarantine(commit, drain, indexed)
      } else entries.push(entry)
    }
    const [first] = entries
    if (first === undefined) continue
    // The index may have given it a moment ago: it ends when its record says.
    index.renew(lease.id, request.ttlMs, now)
    const row: LeaseRow = {
      id: lease.id,
      lane: lease.lane,
      unknown: first.state === 'unknown',
      sequences: entries.map(({ sequence }) => sequence),
      expiresAt: now + request.ttlMs,
      marks: [],
    }
    hold(transaction, drain, { row, lengths })
    return { ...lease, entries, ...aside() }
  }
}

export function markEntries(
  { transaction, now }: Commit,
  drain: Drain,
  { id }: Lease,
  notes: readonly AttemptNote[],
): void {
  drain.index.mark(id, notes, now)
  const { row, lengths } = holding(drain, id)
  hold(transaction, drain, { lengths, row: { ...row, marks: [...row.marks, { at: now, notes }] } })
}

export function renewLease({ transaction, now }: Commit, drain: Drain, { id }: Lease, ttlMs: number): void {
  drain.index.renew(id, ttlMs, now)
  const { row, lengths } = holding(drain, id)
  hold(transaction, drain, { lengths, row: { ...row, expiresAt: now + ttlMs } })
}

/** What is left of a lease when some of its entries are settled. */
function shrink(
  transaction: Writing,
  drain: Drain,
  { row, lengths }: Held,
  settled: ReadonlySet<number>,
): void {
  const sequences = row.sequences.filter((sequence) => !settled.has(sequence))
  if (sequences.length === 0) {
    remove(transaction, 'leases', row.id)
    drain.held.delete(row.id)
    return
  }
  const marks = row.marks
    .map(({ at, notes }) => ({ at, notes: notes.filter(({ sequence }) => !settled.has(sequence)) }))
    .filter(({ notes }) => notes.length > 0)
  hold(transaction, drain, { lengths, row: { ...row, sequences, marks } })
}

export async function settleAll(
  commit: Commit,
  drain: Drain,
  { id }: Lease,
  settlements: readonly Settlement[],
  retention: Retention,
): Promise<void> {
  const { transaction, records, meta, now } = commit
  const { index } = drain
  index.settle(id, settlements, now)
  const held = holding(drain, id)
  /** What changes, page by page. */
  const pages = new Map<number, Map<number, State>>()
  const emptied = new Set<number>()
  let ended = 0
  let receiptHash: Uint8Array | undefined
  for (const settlement of settlements) {
    const { sequence } = settlement
    const entry = index.toRestore(sequence, now)
    if (entry === undefined) continue
    const { state, location: first = 0, deadReason, attempts = 0, dueAt, troubledSince, mark } = entry
    const at = sequence - first
    const note = settlement.note ?? (await records.states.get(first))?.rows[at]?.note
    const epoch = dueAt === undefined ? undefined : meta.epoch
    const settledAt = state === 'delivered' ? now : undefined
    const changes = pages.get(first) ?? new Map<number, State>()
    const parts = { deadReason, dueAt, epoch, troubledSince, mark, note, settledAt }
    pages.set(first, changes.set(at, { state, attempts, ...defined(parts) }))
    if (state !== 'waiting' && state !== 'unknown') ended++
    if (settlement.outcome !== 'delivered') continue
    emptied.add(first)
    receiptHash = settlement.receiptHash ?? receiptHash
  }
  for (const [first, changes] of pages) await setStates(records, first, changes)
  const delivered = Array.from(emptied, (first) => [first, held.lengths.get(first)] as const)
  await dropManyPayloads(transaction, records, delivered)
  if (ended > 0) await changeLane(commit, held.row.lane, -ended, receiptHash)
  shrink(transaction, drain, held, new Set(settlements.map(({ sequence }) => sequence)))
  await forgetOld(commit, drain, retention)
}

/** So many pages a commit forgets: a month's worth that falls due at once must not keep everybody waiting. */
const pagesAtOnce = 100

/** Settled entries beyond what is to be remembered leave their pages. */
export async function forgetOld(commit: Commit, drain: Drain, retention: Retention): Promise<void> {
  const { transaction, records, now } = commit
  const { old } = drain
  for (const sequence of drain.index.retire(retention, now)) old.push(sequence)
  old.sort((a, b) => b - a)
  for (let pages = 0; old.length > 0 && pages < pagesAtOnce; pages++) {
    const first = (await pageOf(transaction, old.at(-1) ?? 0)) ?? 0
    const rows = (await records.heads.get(first))?.rows ?? []
    const gone = new Map<number, null>()
    // At least the one that was looked for: a page that cannot be read must not be looked for for ever.
    do gone.set((old.pop() ?? 0) - first, null)
    while ((old.at(-1) ?? Infinity) < first + rows.length)
    if (rows.length === 0) continue
    await setStates(records, first, gone)
    setHeads(
      records,
      first,
      rows.map((row, at) => (gone.has(at) ? null : row)),
    )
  }
}
