import {
  type AttemptNote,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  type Lease,
  type LeaseRequest,
  type NothingReady,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { forgetOld } from './append.js'
import { byteWriter } from './bytes.js'
import { readLeased } from './read.js'
import { MARK, SETTLE, writeMarks, writeSettlements } from './records.js'
import { requireOpen, type Store } from './store.js'

/** Settlements wait for the file only when more than this is on its way. */
const QUEUED_BYTES = 256 * 1024

export async function lease(store: Store, request: LeaseRequest): Promise<Lease | NothingReady> {
  const { index } = store.catalog
  requireOpen(store)
  checkLeaseRequest(request)
  const setAside: number[] = []
  for (;;) {
    const taken = index.lease(request, store.clock())
    const aside = setAside.length === 0 ? {} : { setAside }
    if (!('sequences' in taken)) {
      // Nothing is on its way after which it could be asked for.
      if (index.stats(store.clock()).leased === 0) store.ahead.clear()
      return { ...taken, ...aside }
    }
    const { sequences, ...rest } = taken
    try {
      const entries = await readLeased(store, sequences)
      requireOpen(store)
      const read = new Set(entries.map(({ sequence }) => sequence))
      setAside.push(...sequences.filter((sequence) => !read.has(sequence)))
      // All of them had to be quarantined: the lane goes on with what comes next.
      if (entries.length === 0) continue
      return { ...rest, entries, ...(setAside.length === 0 ? {} : { setAside }) }
    } catch (error) {
      giveBack(store, taken.id, sequences)
      throw error
    }
  }
}

/** A lease that nobody got must not block its lane until it expires. */
function giveBack(store: Store, id: string, sequences: readonly number[]): void {
  const { index } = store.catalog
  const now = store.clock()
  for (const sequence of sequences) {
    const state = index.entry(sequence, now)?.state
    if (state !== 'waiting' && state !== 'unknown') continue
    try {
      index.settle(id, [{ sequence, outcome: state, delayMs: 0, spent: false }], now)
    } catch {
      // Expired or evicted meanwhile: then it is not in the way.
    }
  }
}

export async function mark(store: Store, held: Lease, notes: readonly AttemptNote[]): Promise<void> {
  const { index } = store.catalog
  requireOpen(store)
  checkMarks(notes)
  const sequences = notes.map((note) => note.sequence)
  // The index first, so that a copy of the entry made meanwhile has the mark.
  index.mark(held.id, notes, store.clock())
  store.writer.push({
    type: MARK,
    sequence: 0,
    at: store.clock(),
    meta: (into) => writeMarks(into, notes),
    outline: 'whole',
  })
  await store.writer.sync()
  index.checkLease(held.id, sequences, store.clock())
}

export async function settle(store: Store, held: Lease, settlements: readonly Settlement[]): Promise<void> {
  const { catalog, writer } = store
  requireOpen(store)
  for (const { note } of settlements) checkNote(note)
  const now = store.clock()
  catalog.index.settle(held.id, settlements, now)
  const { arrived } = catalog.notedOnTheWay(settlements, held.lane)
  for (const { sequence, outcome } of settlements) {
    if (outcome === 'delivered') catalog.settled(sequence, true, now)
  }
  const outline = byteWriter(settlements.length * 32)
  writeSettlements(outline, settlements, false)
  writer.push({
    type: SETTLE,
    sequence: 0,
    at: now,
    meta: (into) => writeSettlements(into, settlements),
    outline: outline.view(),
    written: arrived,
  })
  forgetOld(store, now)
  store.tidy()
  store.notify()
  if (writer.queuedBytes > QUEUED_BYTES) await writer.flush()
}
