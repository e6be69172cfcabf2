import type { Settlement } from '../storage-port.js'
import {
  DELIVERED,
  DISCARDED,
  EXPIRED,
  isDead,
  isPending,
  NONE,
  PARKED,
  QUARANTINED,
  REJECTED,
  slotOf,
  UNKNOWN,
  WAITING,
} from './columns.js'
import { laneOf, link, place, unlink } from './lanes.js'
import { detailsOf, type Details, type IndexState } from './state.js'

const deadCodes = { rejected: REJECTED, parked: PARKED, expired: EXPIRED } as const

/** Entries in these states stop whatever is `after` them. */
export function stops(code: number): boolean {
  return isDead(code) || code === DISCARDED || code === QUARANTINED
}

function count(state: IndexState, slot: number, sign: 1 | -1): void {
  const { columns, totals } = state
  const code = columns.state[slot] ?? 0
  const bytes = (columns.payloadBytes[slot] ?? 0) * sign
  if (isPending(code)) {
    totals.waiting += sign
    totals.bytes += bytes
    if (code === UNKNOWN) totals.unknown += sign
    if ((state.details.get(columns.sequence[slot] ?? 0)?.stopped ?? 0) > 0) totals.held += sign
  } else if (isDead(code)) {
    totals.dead += sign
    totals.bytes += bytes
  } else if (code === DELIVERED) totals.delivered += sign
  else if (code === DISCARDED) totals.discarded += sign
  else if (code === QUARANTINED) totals.quarantined += sign
}

/** Counts an entry that was just added. */
export function countIn(state: IndexState, slot: number): void {
  state.totals.accepted++
  count(state, slot, 1)
}

/** Moves an entry to another state: its place in the lane, whoever is after it, and the audit follow. */
export function become(
  state: IndexState,
  slot: number,
  code: number,
  now: number,
  payloadBytes?: number,
): void {
  const { columns } = state
  const old = columns.state[slot] ?? 0
  const sequence = columns.sequence[slot] ?? 0
  const lane = laneOf(state, slot)
  count(state, slot, -1)
  if (isPending(old) && !isPending(code)) unlink(state, lane, slot)
  columns.state[slot] = code
  if (payloadBytes !== undefined) columns.payloadBytes[slot] = payloadBytes
  if (!isPending(old) && isPending(code)) link(state, lane, slot)
  count(state, slot, 1)
  if (code === DELIVERED) release(state, sequence, stops(old), now)
  else if (stops(old) !== stops(code)) restrain(state, sequence, stops(code) ? 1 : -1)
  if (code === DELIVERED || code === DISCARDED) state.settled.push({ sequence, at: now })
  place(state, lane, now)
}

/** The entry is delivered: nobody waits for it any more. */
function release(state: IndexState, sequence: number, wasStopped: boolean, now: number): void {
  const waiting = state.dependants.get(sequence)
  if (waiting === undefined) return
  if (wasStopped) restrain(state, sequence, -1)
  state.dependants.delete(sequence)
  for (const dependant of waiting) {
    const details = state.details.get(dependant)
    if (details === undefined) continue
    details.blockers = details.blockers.filter((blocker) => blocker !== sequence)
    const slot = slotFor(state, dependant)
    if (slot === undefined) continue
    const lane = laneOf(state, slot)
    if (lane.head === slot) place(state, lane, now)
  }
}

/** The entry begins or ceases to hold whatever is after it. */
function restrain(state: IndexState, sequence: number, change: 1 | -1): void {
  for (const dependant of state.dependants.get(sequence) ?? []) {
    const details = state.details.get(dependant)
    const slot = slotFor(state, dependant)
    if (details === undefined || slot === undefined) continue
    const wasHeld = details.stopped > 0
    details.stopped += change
    const isHeld = details.stopped > 0
    if (wasHeld !== isHeld && isPending(state.columns.state[slot] ?? 0)) state.totals.held += isHeld ? 1 : -1
  }
}

export function slotFor(state: IndexState, sequence: number): number | undefined {
  const slot = slotOf(state.columns, sequence)
  return slot === NONE ? undefined : slot
}

/** Records what an entry must wait for. Called before the entry is linked or counted. */
export function setAfter(state: IndexState, sequence: number, after: readonly number[]): void {
  if (after.length === 0) return
  const details = detailsOf(state, sequence)
  details.after = [...after]
  for (const blocker of new Set(after)) {
    const slot = slotFor(state, blocker)
    // An entry that was forgotten was settled long ago, and not held against anybody: see `retire`.
    if (slot === undefined) continue
    const code = state.columns.state[slot] ?? 0
    if (code === DELIVERED) continue
    details.blockers.push(blocker)
    if (stops(code)) details.stopped++
    const others = state.dependants.get(blocker)
    if (others === undefined) state.dependants.set(blocker, [sequence])
    else others.push(sequence)
  }
}

/** The first of `after` that keeps the entry from moving. */
export function heldBy(state: IndexState, details: Details | undefined): number | undefined {
  if (details === undefined || details.stopped === 0) return undefined
  return details.blockers.find((blocker) => {
    const slot = slotFor(state, blocker)
    return slot !== undefined && stops(state.columns.state[slot] ?? 0)
  })
}

/** A request about this entry may have been applied: time runs from the moment it left. */
export function becomeUnknown(state: IndexState, slot: number, now: number): void {
  const details = detailsOf(state, state.columns.sequence[slot] ?? 0)
  details.troubledSince ??= details.markOpen ? details.markedAt : now
  details.markOpen = false
  become(state, slot, UNKNOWN, now)
}

export function applySettlement(state: IndexState, slot: number, settlement: Settlement, now: number): void {
  const { sequence } = settlement
  if (settlement.outcome === 'delivered') {
    const details = state.details.get(sequence)
    if (details !== undefined) details.markOpen = false
    const { receiptHash } = settlement
    if (receiptHash !== undefined) laneOf(state, slot).lastReceiptHash = receiptHash.slice()
    become(state, slot, DELIVERED, now)
    return
  }
  const details = detailsOf(state, sequence)
  if (settlement.outcome !== 'waiting' && settlement.outcome !== 'unknown') {
    details.markOpen = false
    become(state, slot, deadCodes[settlement.outcome], now)
    return
  }
  if (settlement.spent) {
    details.attempts++
    details.troubledSince ??= details.markOpen ? details.markedAt : now
  }
  details.dueAt = now + settlement.delayMs
  details.dueEpoch = state.epoch
  if (settlement.outcome === 'unknown') {
    becomeUnknown(state, slot, now)
    return
  }
  details.markOpen = false
  details.mark = undefined
  become(state, slot, WAITING, now)
}
