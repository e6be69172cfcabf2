import { leaseLost } from '../refusals.js'
import type { AttemptNote, LeaseRequest, NothingReady, Settlement } from '../storage-port.js'
import { copyMark } from './describe.js'
import { applySettlement, becomeUnknown, rowFor } from './entries.js'
import { headRun, place } from './lanes.js'
import { detailsOf, goesFirst, headDueAt, type Gate, type IndexState, type LeaseRecord } from './state.js'
import { UNKNOWN } from './states.js'
import type { IndexedLease } from './types.js'

/** Lets time pass: leases expire, delayed lanes become ready. */
export function advance(state: IndexState, now: number): void {
  for (;;) {
    const lease = state.expiries.peek()
    if (lease === undefined || lease.expiresAt > now) break
    abandon(state, lease, now)
  }
  if (state.nextDue <= now) wakeDelayed(state, now)
}

function wakeDelayed(state: IndexState, now: number): void {
  state.nextDue = Infinity
  for (const { delayed } of state.gates) {
    for (let lane = delayed.peek(); lane !== undefined; lane = delayed.peek()) {
      const dueAt = headDueAt(state, lane)
      if (dueAt > now) {
        state.nextDue = Math.min(state.nextDue, dueAt)
        break
      }
      place(state, lane, now)
    }
  }
}

function endLease(state: IndexState, lease: LeaseRecord, now: number): void {
  state.leases.delete(lease.id)
  state.expiries.remove(lease)
  state.leaseOfLane.delete(lease.lane)
  place(state, lease.lane, now)
}

/** Whoever held the lease is gone: what was marked may have been sent. */
export function abandon(state: IndexState, lease: LeaseRecord, now: number): void {
  for (const sequence of lease.remaining) {
    const row = releaseEntry(state, sequence)
    if (row !== undefined && state.details.get(sequence)?.markOpen === true) becomeUnknown(state, row, now)
  }
  endLease(state, lease, now)
}

function releaseEntry(state: IndexState, sequence: number): number | undefined {
  const row = rowFor(state, sequence)
  if (row === undefined) return undefined
  state.rows.setLeased(row, false)
  state.totals.leased--
  return row
}

/** Takes one entry out of the lease that holds it, if any. */
export function evict(state: IndexState, row: number, now: number): void {
  if (!state.rows.isLeased(row)) return
  const lease = state.leaseOfLane.get(state.rows.lane(row))
  const sequence = state.rows.sequence(row)
  releaseEntry(state, sequence)
  lease?.remaining.delete(sequence)
  if (lease?.remaining.size === 0) endLease(state, lease, now)
}

/** The gates that a request may lease from. */
function openGates(state: IndexState, request: LeaseRequest): Gate[] {
  const closed = new Set(request.closedGates)
  const { onlyGate } = request
  return state.gates.filter(({ name }) => !closed.has(name) && (onlyGate === undefined || name === onlyGate))
}

function nothingReady(state: IndexState, gates: readonly Gate[], now: number): NothingReady {
  const heads = gates.map(({ delayed }) => delayed.peek()).filter((lane) => lane !== undefined)
  const dues = heads.map((lane) => headDueAt(state, lane))
  // There are never more leases than deliveries under way.
  const leases = state.expiries.items().filter(({ gate }) => gates.includes(gate))
  const next = Math.min(...dues, ...leases.map(({ expiresAt }) => expiresAt))
  return next === Infinity ? {} : { nextDueInMs: Math.max(0, next - now) }
}

export function takeLease(
  state: IndexState,
  request: LeaseRequest,
  now: number,
): IndexedLease | NothingReady {
  const gates = openGates(state, request)
  let chosen: { readonly gate: Gate; readonly lane: number } | undefined
  for (const gate of gates) {
    const lane = gate.ready.peek()
    if (lane === undefined) continue
    if (chosen === undefined || goesFirst(state, lane, chosen.lane)) chosen = { gate, lane }
  }
  if (chosen === undefined) return nothingReady(state, gates, now)
  const { lanes, rows } = state
  const { lane, gate } = chosen
  const run = headRun(state, lane, request, now)
  const sequences = run.map((row) => rows.sequence(row))
  for (const row of run) rows.setLeased(row, true)
  state.totals.leased += run.length
  const lease: LeaseRecord = {
    id: `${state.owner}.${++state.leaseCount}`,
    lane,
    gate,
    remaining: new Set(sequences),
    expiresAt: now + request.ttlMs,
    heapAt: -1,
  }
  state.leases.set(lease.id, lease)
  state.leaseOfLane.set(lane, lease)
  state.expiries.push(lease)
  // Out of the heap first: the tick is what it is ordered by.
  place(state, lane, now)
  lanes.setLastLeased(lane, ++state.tick)
  const lastReceiptHash = lanes.receiptHash(lane)
  return {
    id: lease.id,
    lane: lanes.name(lane),
    gate: gate.name,
    sequences,
    ...(lastReceiptHash === undefined ? {} : { lastReceiptHash }),
  }
}

/** The fence: the current lease of that id, holding all of these entries. */
export function currentLease(state: IndexState, id: string, sequences: readonly number[]): LeaseRecord {
  const lease = state.leases.get(id)
  if (lease === undefined) throw leaseLost('the lease has expired or has ended')
  const asked = new Set(sequences)
  if (asked.size !== sequences.length) throw leaseLost('an entry is named twice')
  for (const sequence of asked) {
    if (!lease.remaining.has(sequence)) throw leaseLost('the lease does not hold this entry any more')
  }
  return lease
}

export function markEntries(
  state: IndexState,
  lease: LeaseRecord,
  notes: readonly AttemptNote[],
  now: number,
): void {
  for (const note of notes) {
    if (lease.remaining.has(note.sequence)) setMark(state, note, now)
  }
}

export function setMark(state: IndexState, note: AttemptNote, now: number): void {
  const details = detailsOf(state, note.sequence)
  details.mark = copyMark(note)
  details.markedAt = now
  details.markOpen = true
}

export function renewLease(state: IndexState, lease: LeaseRecord, ttlMs: number, now: number): void {
  state.expiries.remove(lease)
  lease.expiresAt = now + ttlMs
  state.expiries.push(lease)
}

export function settleEntries(
  state: IndexState,
  lease: LeaseRecord,
  settlements: readonly Settlement[],
  now: number,
): void {
  for (const settlement of settlements) {
    const row = releaseEntry(state, settlement.sequence)
    lease.remaining.delete(settlement.sequence)
    if (row !== undefined) applySettlement(state, row, settlement, now)
  }
  if (lease.remaining.size === 0) endLease(state, lease, now)
}

/** Ends every lease and takes marks without an end for what they are: requests nobody knows about. */
export function abandonAll(state: IndexState, now: number): void {
  for (const lease of state.leases.values()) abandon(state, lease, now)
  for (const [sequence, details] of state.details) {
    if (!details.markOpen) continue
    const row = rowFor(state, sequence)
    if (row === undefined) continue
    if (state.rows.state(row) === UNKNOWN) details.markOpen = false
    else becomeUnknown(state, row, now)
  }
}
