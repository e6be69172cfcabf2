import {
  checkDrafts,
  QueueError,
  type Appended,
  type AttemptNote,
  type Decision,
  type EntryDraft,
  type KeptNote,
  type Lease,
  type LeasedEntry,
  type LeaseRequest,
  type NothingReady,
  type Settlement,
} from '@fhir-outbox/queue-core'
import type { EntryRow, Meta, Writing } from './database.js'
import { changedRow, leasedElsewhere, type View } from './view.js'

/** One commit. What a call does to the index it also writes into the transaction, or the view is dropped. */
export interface Commit {
  readonly transaction: Writing
  readonly view: View
  readonly now: number
  meta: Meta
}

export async function appendAll(commit: Commit, drafts: readonly EntryDraft[]): Promise<Appended[]> {
  const { transaction, view, now } = commit
  checkDrafts(drafts, commit.meta.lastSequence)
  const entries = transaction.objectStore('entries')
  const appended: Appended[] = []
  for (const draft of drafts) {
    const known = draft.once === true ? await entries.index('key').getKey(draft.key) : undefined
    if (known !== undefined) {
      appended.push({ sequence: known, duplicate: true })
      continue
    }
    const sequence = commit.meta.lastSequence + 1
    const { lane, gate, key, after = [], header, payload } = draft
    const payloadBytes = payload.length
    const fresh = { sequence, lane, gate, key, after, header, payloadBytes, appendedAt: now }
    await entries.put({ ...fresh, state: 'waiting', attempts: 0, dueAt: 0 })
    await transaction.objectStore('payloads').put(payload, sequence)
    view.index.add(fresh, now)
    commit.meta = { ...commit.meta, lastSequence: sequence }
    appended.push({ sequence, duplicate: false })
  }
  return appended
}

async function rowsOf(commit: Commit, sequences: readonly number[]): Promise<EntryRow[]> {
  const store = commit.transaction.objectStore('entries')
  const rows = await Promise.all(sequences.map((sequence) => store.get(sequence)))
  return rows.filter((row) => row !== undefined)
}

export async function takeLease(commit: Commit, request: LeaseRequest): Promise<Lease | NothingReady> {
  const { transaction, view, now } = commit
  const taken = view.index.lease(request, now)
  if (!('sequences' in taken)) return taken
  const { sequences, ...lease } = taken
  const store = transaction.objectStore('payloads')
  const entries: LeasedEntry[] = []
  for (const { sequence, key, header, note } of await rowsOf(commit, sequences)) {
    const payload = await store.get(sequence)
    const entry = view.index.entry(sequence, now)
    if (payload === undefined || entry === undefined) continue
    const { state, attempts, ageMs, troubledForMs, mark } = entry
    entries.push({
      sequence,
      key,
      header,
      payload,
      attempts,
      ageMs,
      state: state === 'unknown' ? 'unknown' : 'waiting',
      ...(troubledForMs === undefined ? {} : { troubledForMs }),
      ...(state === 'unknown' && mark !== undefined ? { mark } : {}),
      ...(note === undefined ? {} : { note }),
    })
  }
  // What expired meanwhile is what the index says it is; other tabs read the row.
  for (const row of await rowsOf(commit, sequences)) {
    await transaction.objectStore('entries').put(changedRow(view.index, row, now, undefined))
  }
  await transaction.objectStore('leases').put({ id: lease.id, sequences, expiresAt: now + request.ttlMs })
  return { ...lease, entries }
}

export async function markEntries(
  commit: Commit,
  lease: Lease,
  notes: readonly AttemptNote[],
): Promise<void> {
  const { transaction, view, now } = commit
  view.index.mark(lease.id, notes, now)
  const last = new Map(notes.map((note) => [note.sequence, note]))
  for (const row of await rowsOf(commit, [...last.keys()])) {
    await transaction.objectStore('entries').put({ ...row, mark: last.get(row.sequence), markedAt: now })
  }
}

export async function renewLease(commit: Commit, lease: Lease, ttlMs: number): Promise<void> {
  const { transaction, view, now } = commit
  view.index.renew(lease.id, ttlMs, now)
  const row = await transaction.objectStore('leases').get(lease.id)
  if (row !== undefined) await transaction.objectStore('leases').put({ ...row, expiresAt: now + ttlMs })
}

export async function settleAll(
  commit: Commit,
  lease: Lease,
  settlements: readonly Settlement[],
): Promise<void> {
  const { transaction, view, now } = commit
  view.index.settle(lease.id, settlements, now)
  const bySequence = new Map(settlements.map((settlement) => [settlement.sequence, settlement]))
  for (const row of await rowsOf(commit, [...bySequence.keys()])) {
    const settlement = bySequence.get(row.sequence)
    await transaction.objectStore('entries').put(changedRow(view.index, row, now, settlement?.note))
    if (settlement?.outcome !== 'delivered') continue
    await transaction.objectStore('payloads').delete(row.sequence)
    const { receiptHash } = settlement
    if (receiptHash !== undefined) await transaction.objectStore('receipts').put(receiptHash, row.lane)
  }
  const leases = transaction.objectStore('leases')
  const held = await leases.get(lease.id)
  const sequences = (held?.sequences ?? []).filter((sequence) => !bySequence.has(sequence))
  if (held === undefined || sequences.length === 0) await leases.delete(lease.id)
  else await leases.put({ ...held, sequences })
}

export async function decideOne(commit: Commit, sequence: number, decision: Decision): Promise<void> {
  const { transaction, view, now } = commit
  const [row] = await rowsOf(commit, [sequence])
  const { payload, header } = decision.kind === 'redrive' ? decision : {}
  const payloadBytes = payload?.length ?? row?.payloadBytes ?? 0
  // Where another tab drains, its leases are not in this index.
  if (decision.kind === 'withdraw' && leasedElsewhere(view).has(sequence)) {
    throw new QueueError('ERR_WRONG_STATE', `entry ${sequence} is being delivered`, {
      hint: 'Read the entry again and decide on what it is now.',
    })
  }
  view.index.decide(sequence, decision.kind, now, { payloadBytes })
  if (row === undefined) return
  const changed = changedRow(view.index, row, now, decision.note)
  await transaction.objectStore('entries').put({ ...changed, header: header ?? changed.header })
  if (payload !== undefined) await transaction.objectStore('payloads').put(payload, sequence)
  if (decision.kind !== 'redrive') await transaction.objectStore('payloads').delete(sequence)
  if (view.generation === undefined) {
    await transaction.objectStore('news').put({ kind: decision.kind, at: now, sequence, payloadBytes })
  }
}

export async function hurryAll(commit: Commit): Promise<void> {
  const { transaction, view, now } = commit
  view.index.hurry(now)
  const store = transaction.objectStore('entries')
  for (const row of await store.getAll()) if (row.dueAt > now) await store.put({ ...row, dueAt: 0 })
  if (view.generation === undefined) await transaction.objectStore('news').put({ kind: 'hurry', at: now })
}

/** Nobody's view or lease is right after this: the generation is over. */
export async function wipeAll(commit: Commit, keep: readonly KeptNote[]): Promise<void> {
  const { transaction, view, meta, now } = commit
  const { accepted, delivered } = view.index.stats(now)
  for (const store of ['entries', 'payloads', 'receipts', 'leases', 'news', 'notes'] as const) {
    await transaction.objectStore(store).clear()
  }
  for (const { name, bytes } of keep) await transaction.objectStore('notes').put({ bytes, version: 1 }, name)
  const forgotten = { delivered, discarded: accepted - delivered }
  commit.meta = { ...meta, generation: meta.generation + 1, forgotten }
}

/** Leases that ended without their holder: nobody has to be told, the rows say it. */
export async function dropExpired({ transaction, now }: Commit): Promise<void> {
  const store = transaction.objectStore('leases')
  for (const { id, expiresAt } of await store.getAll()) if (expiresAt <= now) await store.delete(id)
}
