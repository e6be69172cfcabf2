import { QueueError } from '../errors.js'
import type { AttemptNote, LeaseRequest, NothingReady, Settlement } from '../storage-port.js'
import { NONE, UNKNOWN } from './columns.js'
import { applySettlement, becomeUnknown, slotFor } from './entries.js'
import { headRun, laneOf, place } from './lanes.js'
import { detailsOf, type Gate, type IndexState, type Lane, type LeaseRecord } from './state.js'
import type { IndexedLease } from './types.js'

function lost(message: string): QueueError {
  return new QueueError('ERR_LEASE_LOST', message, {
    hint: 'Drop the result: whoever holds the lane now will find out about these entries.',
  })
}

/** Lets time pass: leases expire, delayed lanes become ready. */
export function advance(state: IndexState, now: number): void {
  for (;;) {
    const lease = state.expiries.peek()
    if (lease === undefined || lease.expiresAt > now) break
    abandon(state, lease, now)
  }
  for (;;) {
    const lane = state.delayed.peek()
    if (lane === undefined || lane.dueAt > now) break
    place(state, lane, now)
  }
}

function endLease(state: IndexState, lease: LeaseRecord, now: number): void {
  state.leases.delete(lease.id)
  state.expiries.remove(lease)
  lease.lane.lease = undefined
  place(state, lease.lane, now)
}

/** Whoever held the lease is gone: what was marked may have been sent. */
export function abandon(state: IndexState, lease: LeaseRecord, now: number): void {
  for (const sequence of lease.remaining) {
    const slot = releaseEntry(state, sequence)
    if (slot !== undefined && state.details.get(sequence)?.markOpen === true) becomeUnknown(state, slot, now)
  }
  endLease(state, lease, now)
}

function releaseEntry(state: IndexState, sequence: number): number | undefined {
  const slot = slotFor(state, sequence)
  if (slot === undefined) return undefined
  state.columns.leased[slot] = 0
  state.totals.leased--
  return slot
}

/** Takes one entry out of the lease that holds it, if any. */
export function evict(state: IndexState, slot: number, now: number): void {
  if (state.columns.leased[slot] !== 1) return
  const { lease } = laneOf(state, slot)
  const sequence = state.columns.sequence[slot] ?? 0
  releaseEntry(state, sequence)
  lease?.remaining.delete(sequence)
  if (lease?.remaining.size === 0) endLease(state, lease, now)
}

function leastRecentlyLeased(state: IndexState, request: LeaseRequest): Lane | undefined {
  const closed = new Set(request.closedGates)
  const gates: readonly (Gate | undefined)[] =
    request.onlyGate === undefined ? state.gates : [state.gateByName.get(request.onlyGate)]
  let best: Lane | undefined
  for (const gate of gates) {
    if (gate === undefined || closed.has(gate.name)) continue
    const lane = gate.ready.peek()
    if (lane === undefined) continue
    const wins =
      best === undefined ||
      lane.lastLeased < best.lastLeased ||
      (lane.lastLeased === best.lastLeased && lane.headSequence < best.headSequence)
    if (wins) best = lane
  }
  return best
}

function nothingReady(state: IndexState, now: number): NothingReady {
  const due = state.delayed.peek()?.dueAt ?? Infinity
  const expiry = state.expiries.peek()?.expiresAt ?? Infinity
  const next = Math.min(due, expiry)
  return next === Infinity ? {} : { nextDueInMs: Math.max(0, next - now) }
}

export function takeLease(
  state: IndexState,
  request: LeaseRequest,
  now: number,
): IndexedLease | NothingReady {
  const lane = leastRecentlyLeased(state, request)
  if (lane === undefined) return nothingReady(state, now)
  const { columns } = state
  const gate = state.gates[columns.gate[lane.head] ?? NONE]
  const slots = headRun(state, lane, request, now)
  const sequences = slots.map((slot) => columns.sequence[slot] ?? 0)
  for (const slot of slots) columns.leased[slot] = 1
  state.totals.leased += slots.length
  const lease: LeaseRecord = {
    id: `${state.owner}.${++state.leaseCount}`,
    lane,
    remaining: new Set(sequences),
    expiresAt: now + request.ttlMs,
    heapAt: -1,
  }
  lane.lastLeased = ++state.tick
  lane.lease = lease
  state.leases.set(lease.id, lease)
  state.expiries.push(lease)
  place(state, lane, now)
  const { lastReceiptHash } = lane
  return {
    id: lease.id,
    lane: lane.name,
    gate: gate?.name ?? '',
    sequences,
    ...(lastReceiptHash === undefined ? {} : { lastReceiptHash: lastReceiptHash.slice() }),
  }
}

/** The fence: the current lease of that id, holding all of these entries. */
export function currentLease(state: IndexState, id: string, sequences: readonly number[]): LeaseRecord {
  const lease = state.leases.get(id)
  if (lease === undefined) throw lost('the lease has expired or has ended')
  const asked = new Set(sequences)
  if (asked.size !== sequences.length) throw lost('an entry is named twice')
  for (const sequence of asked) {
    if (!lease.remaining.has(sequence)) throw lost('the lease does not hold this entry any more')
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
  const { info } = note
  details.mark = {
    sequence: note.sequence,
    group: note.group,
    ...(info === undefined ? {} : { info: info.slice() }),
  }
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
    const slot = releaseEntry(state, settlement.sequence)
    lease.remaining.delete(settlement.sequence)
    if (slot !== undefined) applySettlement(state, slot, settlement, now)
  }
  if (lease.remaining.size === 0) endLease(state, lease, now)
}

/** Ends every lease and takes marks without an end for what they are: requests nobody knows about. */
export function abandonAll(state: IndexState, now: number): void {
  for (const lease of state.leases.values()) abandon(state, lease, now)
  for (const [sequence, details] of state.details) {
    if (!details.markOpen) continue
    const slot = slotFor(state, sequence)
    if (slot === undefined) continue
    if (state.columns.state[slot] === UNKNOWN) details.markOpen = false
    else becomeUnknown(state, slot, now)
  }
}
