import type { Heap } from '../internal/heap.js'
import type { LeaseRequest } from '../storage-port.js'
import { DELAYED, NOWHERE, READY } from './lane-table.js'
import { NONE } from './rows.js'
import { dueAtOf, type IndexState } from './state.js'
import { FORGOTTEN, isPending, UNKNOWN } from './states.js'

function heapOf(state: IndexState, seat: number): Heap<number> | undefined {
  const gate = state.gates[(seat - 1) >> 1]
  return seat % 2 === DELAYED ? gate?.delayed : gate?.ready
}

/** Puts a lane where it belongs after anything about its head changed: ready, delayed, or neither. */
export function place(state: IndexState, lane: number, now: number): void {
  const { lanes, rows } = state
  const seat = lanes.seat(lane)
  if (seat !== NOWHERE) {
    heapOf(state, seat)?.remove(lane)
    lanes.setSeat(lane, NOWHERE)
  }
  if (state.leaseOfLane.has(lane)) return
  const head = lanes.head(lane)
  if (head === NONE) return
  const details = state.details.get(rows.sequence(head))
  if (details !== undefined && details.blockers.length > 0) return
  const dueAt = dueAtOf(state, details)
  const delayed = dueAt > now
  if (delayed && dueAt < state.nextDue) state.nextDue = dueAt
  const free = 2 * rows.gate(head) + (delayed ? DELAYED : READY)
  lanes.setSeat(lane, free)
  heapOf(state, free)?.push(lane)
}

/**
 * Links a row into its lane at the place of its sequence. Order is sequence, also for redriven entries. Rows
 * that are settled stay linked until the head of the lane, or a run, comes by: taking one out of the middle
 * would need a way back.
 */
export function link(state: IndexState, lane: number, row: number): void {
  const { lanes, rows } = state
  const waiting = lanes.pending(lane)
  lanes.setPending(lane, waiting + 1)
  if (waiting === 0) state.totals.lanes++
  if (rows.isLinked(row)) return
  rows.link(row)
  const tail = lanes.tail(lane)
  if (tail === NONE) {
    lanes.setHead(lane, row)
    lanes.setTail(lane, row)
    return
  }
  // Rows ascend with sequences, so rows can be compared directly.
  if (tail < row) {
    rows.setNext(tail, row)
    lanes.setTail(lane, row)
    return
  }
  const before = rowBefore(state, lane, row)
  state.fingers.set(lane, row)
  if (before === NONE) {
    rows.setNext(row, lanes.head(lane))
    lanes.setHead(lane, row)
    return
  }
  rows.setNext(row, rows.next(before))
  rows.setNext(before, row)
}

/** The linked row before the place of a redriven one: nearly always none, or the one redriven before it. */
function rowBefore(state: IndexState, lane: number, row: number): number {
  const { lanes, rows } = state
  const head = lanes.head(lane)
  if (head > row) return NONE
  const finger = state.fingers.get(lane) ?? NONE
  let before = finger !== NONE && finger < row && rows.isLinked(finger) ? finger : head
  for (let next = rows.next(before); next < row; next = rows.next(before)) before = next
  return before
}

/** The entry is not to be delivered any more. It leaves the list at once only when it is the head. */
export function unlink(state: IndexState, lane: number, row: number): void {
  const { lanes, rows } = state
  const left = lanes.pending(lane) - 1
  lanes.setPending(lane, left)
  if (left === 0) state.totals.lanes--
  if (lanes.head(lane) !== row) return
  let head = row
  while (head !== NONE && !isPending(rows.state(head))) {
    const next = head === lanes.tail(lane) ? NONE : rows.next(head)
    rows.unlink(head)
    head = next
  }
  lanes.setHead(lane, head)
  if (head !== NONE) return
  lanes.setTail(lane, NONE)
  state.fingers.delete(lane)
}

/** Drops a settled entry; the lane goes with its last entry. */
export function forgetRow(state: IndexState, row: number): void {
  const { lanes, rows } = state
  const lane = rows.lane(row)
  const sequence = rows.sequence(row)
  state.details.delete(sequence)
  state.dependants.delete(sequence)
  rows.setState(row, FORGOTTEN)
  const left = lanes.known(lane) - 1
  lanes.setKnown(lane, left)
  if (left === 0) lanes.remove(lane)
}

/** The head run of a lane: consecutive entries that may travel together. Rows, never empty for a ready lane. */
export function headRun(
  state: IndexState,
  lane: number,
  limits: Pick<LeaseRequest, 'limit' | 'maxBytes' | 'oneByOne'>,
  now: number,
): number[] {
  const { lanes, rows } = state
  const first = lanes.head(lane)
  const firstState = rows.state(first)
  const { oneByOne = [] } = limits
  if (firstState !== UNKNOWN && (oneByOne === 'all' || oneByOne.includes(lanes.name(lane)))) return [first]
  const gate = rows.gate(first)
  const group = state.details.get(rows.sequence(first))?.mark?.group
  const run = [first]
  let bytes = rows.payloadBytes(first)
  for (let last = first; run.length < limits.limit;) {
    const row = nextPending(state, lane, last)
    if (row === NONE || rows.state(row) !== firstState || rows.gate(row) !== gate) break
    const size = rows.payloadBytes(row)
    if (bytes + size > limits.maxBytes) break
    const details = state.details.get(rows.sequence(row))
    if (details !== undefined && (details.blockers.length > 0 || dueAtOf(state, details) > now)) break
    // Unknown entries are resolved request by request; one that was never marked travels alone.
    if (firstState === UNKNOWN && (group === undefined || details?.mark?.group !== group)) break
    run.push(row)
    bytes += size
    last = row
  }
  return run
}

/** The next row of the lane that is still to be delivered; takes out of the list what it passes. */
function nextPending(state: IndexState, lane: number, row: number): number {
  const { lanes, rows } = state
  for (;;) {
    if (row === lanes.tail(lane)) return NONE
    const next = rows.next(row)
    if (isPending(rows.state(next))) return next
    if (next === lanes.tail(lane)) lanes.setTail(lane, row)
    else rows.setNext(row, rows.next(next))
    rows.unlink(next)
  }
}
