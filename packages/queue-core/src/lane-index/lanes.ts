import { compact, FORGOTTEN, movedTo, needsCompaction, NONE, UNKNOWN } from './columns.js'
import { dueAtOf, type IndexState, type Lane } from './state.js'

export function laneOf(state: IndexState, slot: number): Lane {
  const lane = state.lanes[state.columns.lane[slot] ?? NONE]
  if (lane === undefined) throw new Error('lane index is inconsistent: entry without lane')
  return lane
}

/** Puts a lane where it belongs after anything about its head changed: ready, delayed, or neither. */
export function place(state: IndexState, lane: Lane, now: number): void {
  lane.heap?.remove(lane)
  lane.heap = undefined
  if (lane.head === NONE || lane.lease !== undefined) return
  const { columns } = state
  const sequence = columns.sequence[lane.head] ?? 0
  const details = state.details.get(sequence)
  if (details !== undefined && details.blockers.length > 0) return
  lane.headSequence = sequence
  lane.dueAt = dueAtOf(state, details)
  const gate = state.gates[columns.gate[lane.head] ?? NONE]
  lane.heap = lane.dueAt > now ? state.delayed : gate?.ready
  lane.heap?.push(lane)
}

/** Links a slot into its lane at the place of its sequence. Order is sequence, also for redriven entries. */
export function link(state: IndexState, lane: Lane, slot: number): void {
  const { columns } = state
  let before = lane.tail
  // Slots ascend with sequences, so slots can be compared directly.
  if (before > slot) {
    // A redriven entry: nearly always it goes to the front or right behind the one redriven before it.
    before = lane.finger !== NONE && lane.finger < slot ? lane.finger : NONE
    for (;;) {
      const candidate = before === NONE ? lane.head : (columns.next[before] ?? NONE)
      if (candidate === NONE || candidate > slot) break
      before = candidate
    }
    lane.finger = slot
  }
  const after = before === NONE ? lane.head : (columns.next[before] ?? NONE)
  columns.previous[slot] = before
  columns.next[slot] = after
  if (before === NONE) lane.head = slot
  else columns.next[before] = slot
  if (after === NONE) lane.tail = slot
  else columns.previous[after] = slot
  lane.pending++
  if (lane.pending === 1) state.totals.lanes++
}

export function unlink(state: IndexState, lane: Lane, slot: number): void {
  const { columns } = state
  const before = columns.previous[slot] ?? NONE
  const after = columns.next[slot] ?? NONE
  if (before === NONE) lane.head = after
  else columns.next[before] = after
  if (after === NONE) lane.tail = before
  else columns.previous[after] = before
  if (lane.finger === slot) lane.finger = before
  columns.previous[slot] = NONE
  columns.next[slot] = NONE
  lane.pending--
  if (lane.pending === 0) state.totals.lanes--
}

/** Drops a settled entry; the lane goes with its last entry. */
export function forgetSlot(state: IndexState, slot: number): void {
  const { columns } = state
  const lane = laneOf(state, slot)
  const sequence = columns.sequence[slot] ?? 0
  columns.state[slot] = FORGOTTEN
  columns.forgotten++
  state.details.delete(sequence)
  state.dependants.delete(sequence)
  lane.known--
  if (lane.known === 0) {
    state.lanes[lane.id] = undefined
    state.freeLanes.push(lane.id)
    state.laneByName.delete(lane.name)
  }
}

export function sweep(state: IndexState): void {
  if (!needsCompaction(state.columns)) return
  const moved = compact(state.columns)
  for (const lane of state.lanes) {
    if (lane === undefined) continue
    lane.head = movedTo(moved, lane.head)
    lane.tail = movedTo(moved, lane.tail)
    lane.finger = movedTo(moved, lane.finger)
  }
}

/** The head run of a lane: consecutive entries that may travel together. Slots, never empty for a ready lane. */
export function headRun(
  state: IndexState,
  lane: Lane,
  limits: { readonly limit: number; readonly maxBytes: number },
  now: number,
): number[] {
  const { columns } = state
  const first = lane.head
  const firstState = columns.state[first]
  const gate = columns.gate[first]
  const group = state.details.get(columns.sequence[first] ?? 0)?.mark?.group
  const slots: number[] = []
  let bytes = 0
  for (let slot = first; slot !== NONE && slots.length < limits.limit; slot = columns.next[slot] ?? NONE) {
    const size = columns.payloadBytes[slot] ?? 0
    if (slots.length > 0) {
      if (columns.state[slot] !== firstState || columns.gate[slot] !== gate) break
      if (bytes + size > limits.maxBytes) break
      const details = state.details.get(columns.sequence[slot] ?? 0)
      if (details !== undefined && (details.blockers.length > 0 || dueAtOf(state, details) > now)) break
      // Unknown entries are resolved request by request; one that was never marked travels alone.
      if (firstState === UNKNOWN && (group === undefined || details?.mark?.group !== group)) break
    }
    slots.push(slot)
    bytes += size
  }
  return slots
}
