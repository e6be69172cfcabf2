import {
  createColumn,
  packColumn,
  readColumn,
  unpackColumn,
  writeColumn,
  type Column,
} from '../internal/column.js'
import type { Packer, Unpacker } from '../internal/packer.js'
import { FORGOTTEN, stateCodes } from './states.js'

/** Rows in one chunk. */
export const chunkRows = 4096

/**
 * Rows that were added one after the other, as columns: about ten bytes for an entry that never had trouble. A
 * chunk of which little is left is packed: then only the rows that are left have a place.
 */
export interface Chunk {
  /** Rows added so far. */
  count: number
  /** Rows that are known or linked. */
  alive: number
  /** The rows that have a place, ascending; absent while row and place are the same. */
  rows: Uint16Array | undefined
  /** How many rows are in each state. */
  readonly states: Uint16Array
  /** State code, and the bits below. */
  flags: Uint8Array
  /** By how much the sequence runs ahead of the row. */
  sequence: Column
  location: Column
  appendedAt: Column
  payloadBytes: Column
  lane: Column
  gate: Column
  /** Distance to the next row of the lane, less one. */
  next: Column
}

const stateBits = 0x0f
/** A lease holds the row. */
export const LEASED = 0x10
/** The row is in the list of its lane. */
export const LINKED = 0x20

const columnNames = ['sequence', 'location', 'appendedAt', 'payloadBytes', 'lane', 'gate', 'next'] as const

export function createChunk(): Chunk {
  return {
    count: 0,
    alive: 0,
    rows: undefined,
    states: new Uint16Array(stateCodes),
    flags: new Uint8Array(64),
    sequence: createColumn(0),
    // Both grow with the rows; whatever does not fit finds room by itself.
    location: createColumn(),
    appendedAt: createColumn(),
    payloadBytes: createColumn(0),
    lane: createColumn(0),
    gate: createColumn(0),
    next: createColumn(0),
  }
}

export function packIntoDump(chunk: Chunk, into: Packer): void {
  const { count, alive, rows, states, flags } = chunk
  const places = rows?.length ?? count
  into.number(count)
  into.number(alive)
  into.number(rows === undefined ? 0 : 1)
  if (rows !== undefined) into.numbers(rows)
  into.numbers(states)
  into.numbers(flags.subarray(0, places))
  for (const name of columnNames) packColumn(chunk[name], places, into)
}

/** `shift` is added to every `appendedAt`. */
export function unpackFromDump(from: Unpacker, shift: number): Chunk {
  const count = from.count(chunkRows)
  const alive = from.count(count)
  const rows = from.count(1) === 0 ? undefined : from.array(Uint16Array)
  const states = from.array(Uint16Array, stateCodes)
  const sum = states.reduce((total, one) => total + one, 0)
  if (sum !== count || (rows?.length ?? 0) > count) throw new RangeError('a chunk does not add up')
  const flags = from.array(Uint8Array, rows?.length ?? Math.max(64, count))
  const column = (by = 0): Column => unpackColumn(from, rows?.length ?? chunkRows, by)
  // Read in the order of `columnNames`.
  return {
    count,
    alive,
    rows,
    states,
    flags,
    sequence: column(),
    location: column(),
    appendedAt: column(shift),
    payloadBytes: column(),
    lane: column(),
    gate: column(),
    next: column(),
  }
}

/** Where the row is kept, or -1. */
function placeOf({ rows, count }: Chunk, row: number): number {
  if (rows === undefined) return row < count ? row : -1
  const place = firstPlace(rows, row)
  return rows[place] === row ? place : -1
}

/** The first place of a row that is not below `row`. */
function firstPlace(rows: Uint16Array, row: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle] ?? 0) < row) low = middle + 1
    else high = middle
  }
  return low
}

/** Makes room for one more row and returns it. It is `FORGOTTEN` and not linked, but counts as alive. */
export function addRow(chunk: Chunk): number {
  const row = chunk.count++
  if (row >= chunk.flags.length) {
    const flags = new Uint8Array(Math.min(chunkRows, chunk.flags.length * 4))
    flags.set(chunk.flags)
    chunk.flags = flags
  }
  chunk.states[FORGOTTEN] = (chunk.states[FORGOTTEN] ?? 0) + 1
  chunk.alive++
  return row
}

/** What a column of the chunk says of a row; 0 when the row has no place. */
export function getValue(chunk: Chunk, column: Column, row: number): number {
  const place = placeOf(chunk, row)
  return place < 0 ? 0 : readColumn(column, place)
}

export function setValue(chunk: Chunk, column: Column, row: number, value: number): void {
  const place = placeOf(chunk, row)
  if (place >= 0) writeColumn(column, place, value, chunk.rows?.length ?? chunkRows)
}

export function stateOf(chunk: Chunk, row: number): number {
  const place = placeOf(chunk, row)
  return place < 0 ? FORGOTTEN : (chunk.flags[place] ?? 0) & stateBits
}

export function setState(chunk: Chunk, row: number, code: number): void {
  const place = placeOf(chunk, row)
  const flags = chunk.flags[place]
  if (flags === undefined) return
  const { states } = chunk
  const old = flags & stateBits
  states[old] = (states[old] ?? 0) - 1
  states[code] = (states[code] ?? 0) + 1
  chunk.flags[place] = (flags & ~stateBits) | code
}

export function hasBit(chunk: Chunk, row: number, bit: number): boolean {
  return ((chunk.flags[placeOf(chunk, row)] ?? 0) & bit) !== 0
}

export function setBit(chunk: Chunk, row: number, bit: number, on: boolean): void {
  const place = placeOf(chunk, row)
  const flags = chunk.flags[place] ?? 0
  if (place >= 0) chunk.flags[place] = on ? flags | bit : flags & ~bit
}

/** The first row from `row` on with one of the states, and in the lane when one is given; -1 when there is none. */
export function nextRow(
  chunk: Chunk,
  row: number,
  states: readonly boolean[],
  lane: number | undefined,
): number {
  if (!states.some((wanted, code) => wanted && (chunk.states[code] ?? 0) > 0)) return -1
  if (lane !== undefined && chunk.lane.data === undefined && chunk.lane.base !== lane) return -1
  const { rows, flags, count } = chunk
  const end = rows?.length ?? count
  for (let place = rows === undefined ? row : firstPlace(rows, row); place < end; place++) {
    if (states[(flags[place] ?? 0) & stateBits] !== true) continue
    if (lane === undefined || readColumn(chunk.lane, place) === lane) return rows?.[place] ?? place
  }
  return -1
}

/** How many places hold rows whose sequence is at most `offset` above that of the first row. */
function placesUpTo(chunk: Chunk, offset: number): number {
  const { rows, count } = chunk
  // Sequences without gaps: the usual case.
  if (chunk.sequence.data === undefined && rows === undefined) {
    return Math.max(0, Math.min(count, offset + 1))
  }
  let low = 0
  let high = rows?.length ?? count
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows?.[middle] ?? middle) + readColumn(chunk.sequence, middle) <= offset) low = middle + 1
    else high = middle
  }
  return low
}

/** The row with exactly this sequence, as a distance to that of the first row; -1 when it has no place. */
export function rowAt(chunk: Chunk, offset: number): number {
  const place = placesUpTo(chunk, offset) - 1
  if (place < 0) return -1
  const row = chunk.rows?.[place] ?? place
  return row + readColumn(chunk.sequence, place) === offset ? row : -1
}

/** The first row with a greater sequence that has a place; `count` when there is none. */
export function rowAfter(chunk: Chunk, offset: number): number {
  const place = placesUpTo(chunk, offset)
  if (chunk.rows === undefined) return place
  return chunk.rows[place] ?? chunk.count
}

/** Whether packing would save most of the chunk. */
export function isSparse(chunk: Chunk): boolean {
  return chunk.alive * 4 < (chunk.rows?.length ?? chunk.count)
}

/** Gives up the places of rows that are neither known nor linked. */
export function packChunk(chunk: Chunk): void {
  const places: number[] = []
  const length = chunk.rows?.length ?? chunk.count
  for (let place = 0; place < length; place++) {
    const flags = chunk.flags[place] ?? 0
    if ((flags & stateBits) !== FORGOTTEN || (flags & LINKED) !== 0) places.push(place)
  }
  for (const name of columnNames) {
    const packed = createColumn(chunk[name].base)
    for (const [to, place] of places.entries()) {
      writeColumn(packed, to, readColumn(chunk[name], place), places.length)
    }
    chunk[name] = packed
  }
  const { flags, rows } = chunk
  chunk.flags = Uint8Array.from(places, (place) => flags[place] ?? 0)
  chunk.rows = Uint16Array.from(places, (place) => rows?.[place] ?? place)
}
