import type { DeadReason, EntryState } from '../storage-port.js'

/** No slot: the end of a linked list. */
export const NONE = -1

/** State of a slot; 0 marks a slot whose entry was forgotten. */
export const FORGOTTEN = 0
export const WAITING = 1
export const UNKNOWN = 2
export const REJECTED = 3
export const PARKED = 4
export const EXPIRED = 5
export const DELIVERED = 6
export const DISCARDED = 7
export const QUARANTINED = 8

const stateNames: readonly (EntryState | undefined)[] = [
  undefined,
  'waiting',
  'unknown',
  'dead',
  'dead',
  'dead',
  'delivered',
  'discarded',
  'quarantined',
]
const deadReasons: readonly DeadReason[] = ['rejected', 'parked', 'expired']

export function stateName(code: number): EntryState | undefined {
  return stateNames[code]
}

export function deadReasonOf(code: number): DeadReason | undefined {
  return deadReasons[code - REJECTED]
}

export function stateCode(state: EntryState, reason: DeadReason | undefined): number {
  if (state === 'dead') return REJECTED + deadReasons.indexOf(reason ?? 'rejected')
  return stateNames.indexOf(state)
}

export function isDead(code: number): boolean {
  return code >= REJECTED && code <= EXPIRED
}

/** Waiting in the sense of the audit: still to be delivered. */
export function isPending(code: number): boolean {
  return code === WAITING || code === UNKNOWN
}

/**
 * One entry per slot, as parallel typed arrays: about 45 bytes for an entry that never had trouble. Slots are
 * in order of sequence, so a sequence is found by bisection and needs no map.
 */
export interface Columns {
  /** Slots in use, forgotten ones included. */
  count: number
  forgotten: number
  sequence: Float64Array
  location: Float64Array
  appendedAt: Float64Array
  payloadBytes: Uint32Array
  lane: Int32Array
  gate: Int32Array
  next: Int32Array
  previous: Int32Array
  state: Uint8Array
  leased: Uint8Array
}

export function createColumns(capacity: number): Columns {
  return {
    count: 0,
    forgotten: 0,
    sequence: new Float64Array(capacity),
    location: new Float64Array(capacity),
    appendedAt: new Float64Array(capacity),
    payloadBytes: new Uint32Array(capacity),
    lane: new Int32Array(capacity),
    gate: new Int32Array(capacity),
    next: new Int32Array(capacity),
    previous: new Int32Array(capacity),
    state: new Uint8Array(capacity),
    leased: new Uint8Array(capacity),
  }
}

function doubled<Column extends Float64Array | Uint32Array | Int32Array | Uint8Array>(
  column: Column,
  make: (length: number) => Column,
): Column {
  const bigger = make(column.length * 2)
  bigger.set(column)
  return bigger
}

/** Makes room for one more slot. */
export function reserve(columns: Columns): void {
  if (columns.count < columns.sequence.length) return
  const float = (length: number): Float64Array => new Float64Array(length)
  const int = (length: number): Int32Array => new Int32Array(length)
  const byte = (length: number): Uint8Array => new Uint8Array(length)
  columns.sequence = doubled(columns.sequence, float)
  columns.location = doubled(columns.location, float)
  columns.appendedAt = doubled(columns.appendedAt, float)
  columns.payloadBytes = doubled(columns.payloadBytes, (length) => new Uint32Array(length))
  columns.lane = doubled(columns.lane, int)
  columns.gate = doubled(columns.gate, int)
  columns.next = doubled(columns.next, int)
  columns.previous = doubled(columns.previous, int)
  columns.state = doubled(columns.state, byte)
  columns.leased = doubled(columns.leased, byte)
}

/** The first slot whose sequence is greater than `sequence`. */
export function slotAfter(columns: Columns, sequence: number): number {
  let low = 0
  let high = columns.count
  while (low < high) {
    const middle = (low + high) >> 1
    if ((columns.sequence[middle] ?? 0) <= sequence) low = middle + 1
    else high = middle
  }
  return low
}

/** The slot of a known entry, or `NONE`. */
export function slotOf(columns: Columns, sequence: number): number {
  const slot = slotAfter(columns, sequence) - 1
  if (slot < 0 || columns.sequence[slot] !== sequence) return NONE
  return columns.state[slot] === FORGOTTEN ? NONE : slot
}

/** Whether forgotten slots are worth a sweep: amortised, each forgetting pays for a bounded part of it. */
export function needsCompaction(columns: Columns): boolean {
  return columns.forgotten > 1024 && columns.forgotten * 2 > columns.count
}

/** Drops forgotten slots and returns where each old slot went (`NONE` for dropped ones). */
export function compact(columns: Columns): Int32Array {
  const moved = new Int32Array(columns.count)
  let kept = 0
  for (let slot = 0; slot < columns.count; slot++) {
    moved[slot] = columns.state[slot] === FORGOTTEN ? NONE : kept++
  }
  const fresh = createColumns(Math.max(64, kept * 2))
  for (let slot = 0; slot < columns.count; slot++) {
    const to = moved[slot] ?? NONE
    if (to === NONE) continue
    fresh.sequence[to] = columns.sequence[slot] ?? 0
    fresh.location[to] = columns.location[slot] ?? 0
    fresh.appendedAt[to] = columns.appendedAt[slot] ?? 0
    fresh.payloadBytes[to] = columns.payloadBytes[slot] ?? 0
    fresh.lane[to] = columns.lane[slot] ?? 0
    fresh.gate[to] = columns.gate[slot] ?? 0
    fresh.next[to] = movedTo(moved, columns.next[slot] ?? NONE)
    fresh.previous[to] = movedTo(moved, columns.previous[slot] ?? NONE)
    fresh.state[to] = columns.state[slot] ?? 0
    fresh.leased[to] = columns.leased[slot] ?? 0
  }
  Object.assign(columns, fresh)
  columns.count = kept
  return moved
}

export function movedTo(moved: Int32Array, slot: number): number {
  return slot === NONE ? NONE : (moved[slot] ?? NONE)
}
