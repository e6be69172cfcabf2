import { laneIndex, type EntrySummary, type LaneIndex } from '@fhir-outbox/queue-core'
import type { EntryRow, LeaseRow, Meta, Reading, Writing } from './database.js'

/** What one tab knows of the database: the rules of the queue over its rows. */
export interface View {
  readonly index: LaneIndex
  /** The commit up to which it is right. */
  version: number
  /** The last of the news it contains. */
  newsUpTo: number
  /** Set in the view of the drainer, whose leases live in its index. */
  readonly generation?: number
  /** Live leases of the drainer, in the view of any other tab. */
  readonly leases: readonly LeaseRow[]
}

/** From nothing, for a tab that begins, or that watches another one drain. */
export async function loadView(
  transaction: Reading | Writing,
  meta: Meta,
  now: number,
  generation?: number,
): Promise<View> {
  const all = generation === undefined ? await transaction.objectStore('leases').getAll() : []
  const leases = all.filter(({ expiresAt }) => expiresAt > now)
  const leased = new Set(leases.flatMap(({ sequences }) => sequences))
  const index = laneIndex({ owner: String(generation ?? 'watching') })
  index.restoreForgotten(meta.forgotten)
  for (const row of await transaction.objectStore('entries').getAll()) {
    const lost = row.markedAt !== undefined && !leased.has(row.sequence)
    const { header: _header, note: _note, key: _key, markedAt, ...known } = row
    const { deadReason, mark, troubledSince: since, ...rest } = known
    const troubledSince = since ?? (lost ? markedAt : undefined)
    index.restore(
      {
        ...rest,
        state: lost ? 'unknown' : row.state,
        ...(deadReason === undefined ? {} : { deadReason }),
        ...(mark === undefined ? {} : { mark }),
        ...(troubledSince === undefined ? {} : { troubledSince }),
      },
      now,
    )
  }
  const receipts = transaction.objectStore('receipts')
  for (const lane of await receipts.getAllKeys()) {
    const hash = await receipts.get(lane)
    if (hash !== undefined) index.restoreReceiptHash(lane, hash)
  }
  const newsUpTo = (await transaction.objectStore('news').getAllKeys()).at(-1) ?? 0
  return {
    index,
    version: meta.version,
    newsUpTo,
    leases,
    ...(generation === undefined ? {} : { generation }),
  }
}

/** Brings the drainer's index up to what other tabs have appended and decided. */
export async function catchUp(transaction: Reading | Writing, view: View, meta: Meta): Promise<void> {
  if (view.version === meta.version) return
  const { index } = view
  const added = IDBKeyRange.lowerBound(index.lastSequence, true)
  for (const row of await transaction.objectStore('entries').getAll(added)) index.add(row, row.appendedAt)
  const store = transaction.objectStore('news')
  for (const key of await store.getAllKeys(IDBKeyRange.lowerBound(view.newsUpTo, true))) {
    const news = await store.get(key)
    if (news?.kind === 'hurry') index.hurry(news.at)
    else if (news !== undefined) {
      const { sequence, kind, at, payloadBytes } = news
      index.decide(sequence, kind, at, { payloadBytes })
    }
    view.newsUpTo = key
  }
  view.version = meta.version
}

/** The row of an entry after the index has changed it. */
export function changedRow(
  index: LaneIndex,
  row: EntryRow,
  now: number,
  note: Uint8Array | undefined,
): EntryRow {
  const entry = index.entry(row.sequence, now)
  if (entry === undefined) return row
  return {
    ...row,
    state: entry.state,
    deadReason: entry.deadReason,
    attempts: entry.attempts,
    dueAt: entry.dueInMs === undefined ? 0 : now + entry.dueInMs,
    troubledSince: entry.troubledForMs === undefined ? undefined : now - entry.troubledForMs,
    mark: entry.mark,
    markedAt: undefined,
    payloadBytes: entry.payloadBytes,
    note: note ?? row.note,
  }
}

export function leasedElsewhere(view: View): ReadonlySet<number> {
  return new Set(view.leases.flatMap(({ sequences }) => sequences))
}

export function summaryOf(view: View, row: EntryRow, now: number): EntrySummary | undefined {
  const entry = view.index.entry(row.sequence, now)
  if (entry === undefined) return undefined
  const { location: _location, troubledForMs: _troubled, mark: _mark, ...rest } = entry
  return {
    ...rest,
    leased: entry.leased || leasedElsewhere(view).has(row.sequence),
    key: row.key,
    header: row.header,
    ...(row.note === undefined ? {} : { note: row.note }),
  }
}
