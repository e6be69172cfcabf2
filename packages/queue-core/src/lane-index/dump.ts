import { createPacker, createUnpacker, type Packer, type Unpacker } from '../internal/packer.js'
import type { AttemptNote } from '../storage-port.js'
import { blockersOf, rowFor } from './entries.js'
import { packLaneTable, unpackLaneTable } from './lane-table.js'
import { place } from './lanes.js'
import { NONE, packRows, unpackRows } from './rows.js'
import { packSettledQueue, unpackSettledQueue } from './settled-queue.js'
import { createIndexState, dueAtOf, gateNamed, type Details, type IndexState } from './state.js'
import { DELIVERED, DISCARDED } from './states.js'

/** Changes whenever an older reader would misunderstand the bytes. */
const version = 1
/** Columns are written as they lie in memory; a machine of the other byte order reads this as another number. */
const byteOrder = Uint16Array.of(0x0102)

/** Everything but the leases, and but what follows from the rest. */
export function dumpState(state: IndexState, now: number): readonly Uint8Array[] {
  const into = createPacker()
  const { rows, totals } = state
  into.number(version)
  into.numbers(byteOrder)
  for (const value of [now, state.lastSequence, state.tick]) into.number(value)
  for (const value of Object.values({ ...totals, leased: 0 })) into.number(value)
  into.number(state.gates.length)
  for (const { name } of state.gates) into.text(name)
  const leased = [...state.leases.values()].flatMap(({ remaining }) => [...remaining])
  const leasedRows = leased.map((sequence) => rows.find(sequence))
  for (const row of leasedRows) rows.setLeased(row, false)
  packRows(rows, into)
  for (const row of leasedRows) rows.setLeased(row, true)
  packLaneTable(state.lanes, into)
  packSettledQueue(state.settled, into)
  into.number(state.details.size)
  for (const [sequence, details] of state.details) packDetails(state, sequence, details, into)
  return into.finish()
}

function packDetails(state: IndexState, sequence: number, details: Details, into: Packer): void {
  const { attempts, troubledSince, mark, markedAt, markOpen, after } = details
  into.number(sequence)
  into.number(attempts)
  into.number(dueAtOf(state, details))
  into.number(troubledSince ?? NaN)
  into.numbers(Float64Array.from(after))
  into.number(mark === undefined ? 0 : mark.info === undefined ? 1 : 2)
  if (mark === undefined) return
  into.number(markedAt)
  into.number(markOpen ? 1 : 0)
  into.text(mark.group)
  if (mark.info !== undefined) into.bytes(mark.info)
}

/** `undefined` for anything but a whole dump of this version that was written on a machine like this one. */
export function loadState(
  dump: Uint8Array,
  options: { readonly owner: string; readonly lastSequence: number },
  now: number,
): IndexState | undefined {
  try {
    const from = createUnpacker(dump)
    if (from.number() !== version || from.numbers()[0] !== byteOrder[0]) return undefined
    const state = unpackState(from, options, now)
    from.end()
    return state
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined
    throw error
  }
}

function unpackState(
  from: Unpacker,
  options: { readonly owner: string; readonly lastSequence: number },
  now: number,
): IndexState {
  // A clock that was set back meanwhile must not make a wait longer, or an entry younger than nothing.
  const shift = Math.min(0, now - from.number())
  const lastSequence = Math.max(options.lastSequence, from.number())
  const tick = from.number()
  const empty = createIndexState(options.owner, lastSequence)
  const totals = { ...empty.totals }
  for (const name of Object.keys(totals)) Reflect.set(totals, name, from.count(Number.MAX_SAFE_INTEGER))
  const gates = Array.from({ length: from.count(dumpedAtMost) }, () => from.text())
  const rows = unpackRows(from, shift)
  const lanes = unpackLaneTable(from)
  const settled = unpackSettledQueue(from, shift)
  // Whole before the gates are made: their heaps look at it.
  const state: IndexState = { ...empty, totals, rows, lanes, settled, tick }
  for (const gate of gates) gateNamed(state, gate)
  for (let left = from.count(dumpedAtMost); left > 0; left--) unpackDetails(state, from, shift)
  for (const [sequence, details] of state.details) relate(state, sequence, details)
  for (let lane = 0; lane < lanes.size; lane++) {
    if (lanes.head(lane) !== NONE) place(state, lane, now)
  }
  return state
}

const dumpedAtMost = 0xffffffff

function unpackDetails(state: IndexState, from: Unpacker, shift: number): void {
  const sequence = from.number()
  const attempts = from.number()
  const dueAt = from.number()
  const troubledSince = from.number()
  const details: Details = {
    attempts,
    dueAt: dueAt === 0 ? 0 : dueAt + shift,
    dueEpoch: state.epoch,
    troubledSince: Number.isNaN(troubledSince) ? undefined : troubledSince + shift,
    after: Array.from(from.numbers()),
    mark: undefined,
    markedAt: 0,
    markOpen: false,
    blockers: [],
    stopped: 0,
  }
  state.details.set(sequence, details)
  const marked = from.count(2)
  if (marked === 0) return
  details.markedAt = from.number() + shift
  details.markOpen = from.count(1) === 1
  const note: AttemptNote = { sequence, group: from.text() }
  details.mark = marked === 2 ? { ...note, info: from.bytes() } : note
}

/** Whom the entry waits for follows from the states of the others. */
function relate(state: IndexState, sequence: number, details: Details): void {
  const row = rowFor(state, sequence)
  const code = row === undefined ? DELIVERED : state.rows.state(row)
  if (details.after.length > 0 && code !== DELIVERED && code !== DISCARDED) {
    blockersOf(state, sequence, details)
  }
}
