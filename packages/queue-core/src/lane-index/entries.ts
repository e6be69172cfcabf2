import type { Settlement } from '../storage-port.js'
import { link, place, unlink } from './lanes.js'
import { NONE } from './rows.js'
import { detailsOf, type Details, type IndexState } from './state.js'
import {
  DELIVERED,
  DISCARDED,
  EXPIRED,
  isDead,
  isPending,
  PARKED,
  QUARANTINED,
  REJECTED,
  stops,
  UNKNOWN,
  WAITING,
} from './states.js'

const deadCodes = { rejected: REJECTED, parked: PARKED, expired: EXPIRED } as const

function count(state: IndexState, row: number, sign: 1 | -1): void {
  const { rows, totals } = state
  const code = rows.state(row)
  const bytes = rows.payloadBytes(row) * sign
  if (isPending(code)) {
    totals.waiting += sign
    totals.bytes += bytes
    if (code === UNKNOWN) totals.unknown += sign
    if ((state.details.get(rows.sequence(row))?.stopped ?? 0) > 0) totals.held += sign
  } else if (isDead(code)) {
    totals.dead += sign
    totals.bytes += bytes
  } else if (code === DELIVERED) totals.delivered += sign
  else if (code === DISCARDED) totals.discarded += sign
  else if (code === QUARANTINED) totals.quarantined += sign
}

/** Counts an entry that was just added. */
export function countIn(state: IndexState, row: number): void {
  state.totals.accepted++
  count(state, row, 1)
}

/** Moves an entry to another state: its place in the lane, whoever is after it, and the audit follow. */
export function become(
  state: IndexState,
  row: number,
  code: number,
  now: number,
  payloadBytes?: number,
): void {
  const { rows } = state
  const old = rows.state(row)
  const sequence = rows.sequence(row)
  const lane = rows.lane(row)
  count(state, row, -1)
  rows.setState(row, code)
  if (payloadBytes !== undefined) rows.setPayloadBytes(row, payloadBytes)
  if (isPending(old) && !isPending(code)) unlink(state, lane, row)
  else if (!isPending(old) && isPending(code)) link(state, lane, row)
  count(state, row, 1)
  if (code === DELIVERED) release(state, sequence, stops(old), now)
  else if (stops(old) !== stops(code)) restrain(state, sequence, stops(code) ? 1 : -1)
  if (code === DELIVERED || code === DISCARDED) {
    state.settled.push(sequence, now)
    slim(state, sequence)
  }
  place(state, lane, now)
}

/** Of a settled entry only what `read` shows is kept: its attempts and what it was after. */
function slim(state: IndexState, sequence: number): void {
  const details = state.details.get(sequence)
  if (details === undefined) return
  details.mark = undefined
  details.blockers = []
  details.stopped = 0
  if (details.attempts === 0 && details.after.length === 0) state.details.delete(sequence)
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
    const row = rowFor(state, dependant)
    if (row === undefined) continue
    const lane = state.rows.lane(row)
    if (state.lanes.head(lane) === row) place(state, lane, now)
  }
}

/** The entry begins or ceases to hold whatever is after it. */
function restrain(state: IndexState, sequence: number, change: 1 | -1): void {
  for (const dependant of state.dependants.get(sequence) ?? []) {
    const details = state.details.get(dependant)
    const row = rowFor(state, dependant)
    if (details === undefined || row === undefined) continue
    const wasHeld = details.stopped > 0
    details.stopped += change
    const isHeld = details.stopped > 0
    if (wasHeld !== isHeld && isPending(state.rows.state(row))) state.totals.held += isHeld ? 1 : -1
  }
}

export function rowFor(state: IndexState, sequence: number): number | undefined {
  const row = state.rows.find(sequence)
  return row === NONE ? undefined : row
}

/** Records what an entry must wait for. Called before the entry is linked or counted. */
export function setAfter(state: IndexState, sequence: number, after: readonly number[]): void {
  if (after.length === 0) return
  const details = detailsOf(state, sequence)
  details.after = [...after]
  blockersOf(state, sequence, details)
}

/** Finds out who of `after` the entry still has to wait for. */
export function blockersOf(state: IndexState, sequence: number, details: Details): void {
  for (const blocker of new Set(details.after)) {
    const row = rowFor(state, blocker)
    // An entry that was forgotten was settled long ago, and not held against anybody: see `retire`.
    if (row === undefined) continue
    const code = state.rows.state(row)
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
    const row = rowFor(state, blocker)
    return row !== undefined && stops(state.rows.state(row))
  })
}

/** A request about this entry may have been applied: time runs from the moment it left. */
export function becomeUnknown(state: IndexState, row: number, now: number): void {
  const details = detailsOf(state, state.rows.sequence(row))
  details.troubledSince ??= details.markOpen ? details.markedAt : now
  details.markOpen = false
  become(state, row, UNKNOWN, now)
}

export function applySettlement(state: IndexState, row: number, settlement: Settlement, now: number): void {
  const { sequence } = settlement
  const known = state.details.get(sequence)
  if (settlement.outcome === 'delivered') {
    if (known !== undefined) known.markOpen = false
    const { receiptHash } = settlement
    if (receiptHash !== undefined) state.lanes.setReceiptHash(state.rows.lane(row), receiptHash)
    become(state, row, DELIVERED, now)
    return
  }
  if (settlement.outcome !== 'waiting' && settlement.outcome !== 'unknown') {
    if (known !== undefined) known.markOpen = false
    become(state, row, deadCodes[settlement.outcome], now)
    return
  }
  const { spent, delayMs, outcome } = settlement
  // Untouched, and nothing to say about it: most of what is given back is of this kind.
  if (known === undefined && !spent && delayMs === 0 && outcome === 'waiting') {
    become(state, row, WAITING, now)
    return
  }
  const details = detailsOf(state, sequence)
  if (spent) {
    details.attempts++
    details.troubledSince ??= details.markOpen ? details.markedAt : now
  }
  details.dueAt = now + delayMs
  details.dueEpoch = state.epoch
  if (outcome === 'unknown') {
    becomeUnknown(state, row, now)
    return
  }
  details.markOpen = false
  details.mark = undefined
  become(state, row, WAITING, now)
}
