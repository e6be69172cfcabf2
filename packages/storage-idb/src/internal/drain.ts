import {
  type AttemptNote,
  type IndexedLease,
  type Lease,
  type LeasedEntry,
  type LeaseRequest,
  type NothingReady,
  type Retention,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { leaseLost } from '../errors.js'
import { changeLane, type Commit } from './commits.js'
import { dropPayloads, findAt, pageOf, setHeads, setStates } from './records.js'
import { getAll, put, remove, type Writing } from './requests.js'
import type { LeaseRow, State } from './schema.js'
import { abandon, drainsUntil, type Drain, type Held } from './take-over.js'

/** Pages of one read. */
const chunk = 100

/** Brings the index up to what everybody has committed. */
async function catchUp({ transaction, meta, now }: Commit, drain: Drain): Promise<void> {
  const { index } = drain
  while (drain.lastSequence < meta.lastSequence) {
    // A page is of one commit: none of them is known in part.
    const range = IDBKeyRange.bound(drain.lastSequence, meta.lastSequence, true)
    const pages = await getAll(transaction, 'heads', range, chunk)
    for (const { first, rows } of pages) {
      for (const [at, row] of rows.entries()) {
        if (row === null) continue
        const { lane, gate, after = [], payloadBytes, appendedAt } = row
        index.add({ sequence: first + at, location: first, lane, gate, after, payloadBytes, appendedAt }, now)
      }
    }
    const last = pages.at(-1)
    drain.lastSequence = last === undefined ? meta.lastSequence : last.first + last.rows.length - 1
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

/** After every call of who drains: what only the index knows, and how long it is this one. */
export function leave({ meta, now }: Commit, drain: Drain | undefined): void {
  if (drain?.generation !== meta.generation || meta.drainer === undefined) return
  meta.counts.held = drain.index.stats(now).held
  meta.drainer = { id: meta.drainer.id, until: drainsUntil(now, drain.held.values()) }
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
async function quarantine(commit: Commit, drain: Drain, sequence: number): Promise<void> {
  const { records, meta, now } = commit
  const { counts } = meta
  const entry = drain.index.entry(sequence, now)
  if (entry === undefined) return
  drain.index.quarantine(sequence, now)
  const change: State = { state: 'quarantined', attempts: entry.attempts }
  await setStates(records, entry.location, new Map([[sequence - entry.location, change]]))
  counts.waiting--
  counts.quarantined++
  counts.bytes -= entry.payloadBytes
  if (entry.state === 'unknown') counts.unknown--
  await changeLane(commit, entry.lane, -1)
}

/** The entry with its bytes; `undefined` when they are gone. */
async function readLeased(
  { records, now }: Commit,
  drain: Drain,
  sequence: number,
): Promise<LeasedEntry | undefined> {
  const known = drain.index.entry(sequence, now)
  if (known === undefined) return undefined
  const { location, attempts, ageMs, troubledForMs, mark } = known
  const [found, payloads] = await Promise.all([
    findAt(records, location, sequence),
    records.payloads.get(location),
  ])
  const payload = payloads?.[sequence - location] ?? undefined
  if (found === undefined || payload === undefined) return undefined
  const state = known.state === 'unknown' ? 'unknown' : 'waiting'
  const note = found.state?.note
  return {
    sequence,
    key: found.head.key,
    header: found.head.header,
    payload,
    state,
    attempts,
    ageMs,
    ...(troubledForMs === undefined ? {} : { troubledForMs }),
    ...(state === 'unknown' && mark !== undefined ? { mark } : {}),
    ...(note === undefined ? {} : { note }),
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
  let given = early !== undefined && drain.early.delete(early.id) ? early : undefined
  for (;;) {
    const taken = given ?? index.lease(request, now)
    given = undefined
    if (!('sequences' in taken)) return { ...taken, ...aside() }
    const { sequences, ...lease } = taken
    const read = await Promise.all(sequences.map((sequence) => readLeased(commit, drain, sequence)))
    const entries = read.filter((entry) => entry !== undefined)
    for (const [at, sequence] of sequences.entries()) {
      if (read[at] !== undefined) continue
      setAside.push(sequence)
      await quarantine(commit, drain, sequence)
    }
    const [first] = entries
    if (first === undefined) continue
    const row: LeaseRow = {
      id: lease.id,
      lane: lease.lane,
      unknown: first.state === 'unknown',
      sequences: entries.map(({ sequence }) => sequence),
      expiresAt: now + request.ttlMs,
      marks: [],
    }
    const lengths = new Map<number, number>()
    for (const sequence of row.sequences) {
      const page = index.entry(sequence, now)?.location ?? sequence
      if (!lengths.has(page)) lengths.set(page, (await records.heads.get(page))?.rows.length ?? 0)
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
  const { counts } = meta
  const { index } = drain
  index.settle(id, settlements, now)
  const held = holding(drain, id)
  /** What changes, page by page. */
  const states = new Map<number, Map<number, State>>()
  const delivered = new Map<number, number[]>()
  let ended = 0
  let receiptHash: Uint8Array | undefined
  for (const settlement of settlements) {
    const { sequence } = settlement
    const entry = index.toRestore(sequence, now)
    if (entry === undefined) continue
    const { state, location: first = 0, deadReason, attempts = 0, dueAt, troubledSince, mark } = entry
    const at = sequence - first
    const note = settlement.note ?? (await findAt(records, first, sequence))?.state?.note
    changesOf(states, first).set(at, {
      state,
      attempts,
      ...(deadReason === undefined ? {} : { deadReason }),
      ...(dueAt === undefined ? {} : { dueAt, epoch: meta.epoch }),
      ...(troubledSince === undefined ? {} : { troubledSince }),
      ...(mark === undefined ? {} : { mark }),
      ...(note === undefined ? {} : { note }),
      ...(state === 'delivered' ? { settledAt: now } : {}),
    })
    counts.unknown += Number(state === 'unknown') - Number(held.row.unknown)
    if (state === 'waiting' || state === 'unknown') continue
    ended++
    counts.waiting--
    if (state === 'delivered') {
      counts.delivered++
      counts.bytes -= entry.payloadBytes
      delivered.set(first, [...(delivered.get(first) ?? []), at])
      if (settlement.outcome === 'delivered') receiptHash = settlement.receiptHash ?? receiptHash
    } else counts.dead++
  }
  for (const [first, changes] of states) await setStates(records, first, changes)
  for (const [first, gone] of delivered) {
    await dropPayloads(records, first, held.lengths.get(first) ?? Infinity, gone)
  }
  if (ended > 0) await changeLane(commit, held.row.lane, -ended, receiptHash)
  shrink(transaction, drain, held, new Set(settlements.map(({ sequence }) => sequence)))
  await forgetOld(commit, drain, retention)
}

function changesOf<Change>(pages: Map<number, Map<number, Change>>, first: number): Map<number, Change> {
  const changes = pages.get(first) ?? new Map<number, Change>()
  pages.set(first, changes)
  return changes
}

/** Settled entries beyond what is to be remembered leave their pages. */
export async function forgetOld(commit: Commit, drain: Drain, retention: Retention): Promise<void> {
  const { transaction, records, now } = commit
  const forgotten = drain.index.retire(retention, now).toSorted((a, b) => a - b)
  for (let next = 0; next < forgotten.length;) {
    const first = (await pageOf(transaction, forgotten[next] ?? 0)) ?? 0
    const rows = (await records.heads.get(first))?.rows ?? []
    const gone = new Map<number, null>()
    // At least the one that was looked for: a page that cannot be read must not be looked for for ever.
    do gone.set((forgotten[next++] ?? 0) - first, null)
    while (next < forgotten.length && (forgotten[next] ?? 0) < first + rows.length)
    if (rows.length === 0) continue
    await setStates(records, first, gone)
    setHeads(
      records,
      first,
      rows.map((row, at) => (gone.has(at) ? null : row)),
    )
  }
}
