import type { Entry, EntrySummary, ListQuery } from '@fhir-outbox/queue-core'
import { defined } from './defined.js'
import { isPending, stoppersOf } from './holds.js'
import { find, pageOf, type Found, type Records } from './records.js'
import { getKeys, type Reading } from './requests.js'
import type { LeaseRow, Meta, State } from './schema.js'

/** The database at one moment. */
export interface Snapshot {
  readonly transaction: Reading
  readonly records: Records
  readonly meta: Meta
  readonly leases: readonly LeaseRow[]
  readonly now: number
}

/** The last mark that a lease has of an entry. */
export function markIn(lease: LeaseRow, sequence: number): { at: number; note: State['mark'] } | undefined {
  for (const { at, notes } of lease.marks.toReversed()) {
    const note = notes.findLast((one) => one.sequence === sequence)
    if (note !== undefined) return { at, note }
  }
  return undefined
}

/** Entries that an expired lease has made unknown, before anybody came to write that down. */
export function lapsed({ leases, now }: Pick<Snapshot, 'leases' | 'now'>): number[] {
  return leases
    .filter(({ expiresAt, unknown }) => expiresAt <= now && !unknown)
    .flatMap((lease) => lease.sequences.filter((sequence) => markIn(lease, sequence) !== undefined))
}

async function summaryOf(
  snapshot: Snapshot,
  { first, at, head, state: known }: Found,
): Promise<EntrySummary> {
  const { meta, leases, now } = snapshot
  const { lane, gate, key, after = [], header, payloadBytes, appendedAt } = head
  const sequence = first + at
  const lease = leases.find(({ sequences }) => sequences.includes(sequence))
  const leased = lease !== undefined && lease.expiresAt > now
  const marked = lease === undefined ? undefined : markIn(lease, sequence)
  const state = leased || marked === undefined ? (known?.state ?? 'waiting') : 'unknown'
  const [heldBy] = isPending(state) ? await stoppersOf(snapshot, after) : []
  const dueIn = isPending(state) && known?.epoch === meta.epoch ? (known.dueAt ?? 0) - now : 0
  return {
    sequence,
    lane,
    key,
    gate,
    after,
    header,
    payloadBytes,
    state,
    leased,
    attempts: known?.attempts ?? 0,
    ageMs: Math.max(0, now - appendedAt),
    ...defined({
      deadReason: state === 'dead' ? known?.deadReason : undefined,
      heldBy,
      dueInMs: dueIn > 0 ? dueIn : undefined,
      note: known?.note,
      mark: state === 'unknown' ? (marked?.note ?? known?.mark) : undefined,
    }),
  }
}

export async function readOne(snapshot: Snapshot, sequence: number): Promise<Entry | undefined> {
  const { transaction, records } = snapshot
  const found = await find(transaction, records, sequence)
  if (found === undefined) return undefined
  const payload = (await records.payloads.get(found.first))?.rows[found.at] ?? undefined
  return { ...(await summaryOf(snapshot, found)), ...defined({ payload }) }
}

/** The next pages that may hold what a query wants, ascending; none when there are no more. */
async function candidates(
  snapshot: Snapshot,
  state: ListQuery['state'],
  after: number,
  from: number,
  count: number,
): Promise<number[]> {
  const { transaction } = snapshot
  const pages = IDBKeyRange.lowerBound(from)
  if (state === undefined) return await getKeys(transaction, 'heads', pages, count)
  // What waits still has its payload; little else has.
  if (state === 'waiting') return await getKeys(transaction, 'payloads', pages, count)
  if (state === 'delivered') return await getKeys(transaction, 'states', pages, count)
  // In order of sequence, and so of pages.
  const range = IDBKeyRange.bound([state, Math.max(after + 1, from)], [state, Infinity])
  const listed = await getKeys(transaction, 'states', range, count, 'listed')
  if (state !== 'unknown') return listed
  const others = lapsed(snapshot).map((sequence) => pageOf(transaction, sequence))
  const found = (await Promise.all(others)).filter((page) => page !== undefined && page >= from)
  return [...listed, ...found].filter((page) => page !== undefined).toSorted((a, b) => a - b)
}

export async function listPage(
  snapshot: Snapshot,
  { state, lane, after = 0, limit }: ListQuery,
): Promise<EntrySummary[]> {
  const { transaction, records } = snapshot
  const result: EntrySummary[] = []
  let from = (await pageOf(transaction, after)) ?? 0
  while (result.length < limit) {
    const pages = [...new Set(await candidates(snapshot, state, after, from, Math.max(8, limit)))]
    if (pages.length === 0) break
    for (const first of pages) {
      const [heads, states] = await Promise.all([records.heads.get(first), records.states.get(first)])
      for (const [at, head] of (heads?.rows ?? []).entries()) {
        if (result.length === limit) return result
        if (head === null || first + at <= after || (lane !== undefined && head.lane !== lane)) continue
        const summary = await summaryOf(snapshot, { first, at, head, state: states?.rows[at] ?? undefined })
        if (state === undefined || summary.state === state) result.push(summary)
      }
      from = first + Math.max(1, heads?.rows.length ?? 1)
    }
  }
  return result
}
