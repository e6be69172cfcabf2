import {
  addRow,
  chunkRows,
  createChunk,
  getValue,
  hasBit,
  isSparse,
  LEASED,
  LINKED,
  nextRow,
  packChunk,
  packIntoDump,
  rowAfter,
  rowAt,
  setBit,
  setState,
  setValue,
  stateOf,
  unpackFromDump,
  type Chunk,
} from './chunk.js'
import type { Packer, Unpacker } from '../internal/packer.js'
import { FORGOTTEN } from './states.js'

/** No row: the end of a list. */
export const NONE = -1

/** What a row is made of. */
export interface RowContent {
  readonly sequence: number
  readonly location: number
  readonly appendedAt: number
  readonly payloadBytes: number
  readonly lane: number
  readonly gate: number
}

/**
 * One row per entry, numbered in order of sequence and never renumbered. Rows are found by sequence with a
 * bisection, and by number at once.
 */
export interface Rows {
  add(content: RowContent, state: number): number
  /** The row of a known entry, or `NONE`. */
  find(sequence: number): number
  /** The first row, or its place if that has been given up, of an entry with a sequence above `sequence`. */
  after(sequence: number): number
  /**
   * The first row from `row` on with one of the states (`states[code]` says whether it is wanted), and in the
   * lane when one is given; or `NONE`.
   */
  search(row: number, states: readonly boolean[], lane: number | undefined): number
  sequence(row: number): number
  location(row: number): number
  appendedAt(row: number): number
  payloadBytes(row: number): number
  lane(row: number): number
  gate(row: number): number
  state(row: number): number
  isLeased(row: number): boolean
  isLinked(row: number): boolean
  /** The row that follows in the list of the lane. Means nothing for the last one. */
  next(row: number): number
  setLocation(row: number, location: number): void
  setPayloadBytes(row: number, bytes: number): void
  /** A row that is `FORGOTTEN` and not linked any more gives up its place. */
  setState(row: number, state: number): void
  setLeased(row: number, leased: boolean): void
  link(row: number): void
  unlink(row: number): void
  setNext(row: number, next: number): void
  content(): RowsContent
}

interface RowsContent {
  /** Chunks of which nothing is left are gone. */
  readonly chunks: (Chunk | undefined)[]
  /** Sequence of the first row of each chunk, also of those that are gone. */
  readonly firsts: number[]
  /** Chunks before this one were gone and cut off. */
  readonly cut: number
}

export function packRows(rows: Rows, into: Packer): void {
  const { cut, firsts, chunks } = rows.content()
  into.number(cut)
  into.numbers(Float64Array.from(firsts))
  for (const chunk of chunks) {
    into.number(chunk === undefined ? 0 : 1)
    if (chunk !== undefined) packIntoDump(chunk, into)
  }
}

/** `shift` is added to every `appendedAt`. */
export function unpackRows(from: Unpacker, shift: number): Rows {
  const cut = from.count(Number.MAX_SAFE_INTEGER)
  const firsts = Array.from(from.numbers())
  const chunks = firsts.map(() => (from.count(1) === 0 ? undefined : unpackFromDump(from, shift)))
  return createRows({ cut, firsts, chunks })
}

export function createRows(content: RowsContent = { chunks: [], firsts: [], cut: 0 }): Rows {
  const { chunks, firsts } = content
  let { cut } = content

  // Rows may be too many for 32 bits, their chunks are not.
  const chunkOf = (row: number): Chunk | undefined => chunks[((row / chunkRows) | 0) - cut]
  const within = (row: number): number => row % chunkRows

  /** The position in `chunks` of the last one that begins at or before `sequence`; -1 when none does. */
  function chunkFor(sequence: number): number {
    // What was added last is asked for most.
    const last = firsts.length - 1
    if (last >= 0 && (firsts[last] ?? 0) <= sequence) return last
    let low = 0
    let high = last
    while (low < high) {
      const middle = (low + high) >> 1
      if ((firsts[middle] ?? 0) <= sequence) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  function sequenceOf(row: number): number {
    const number = ((row / chunkRows) | 0) - cut
    const chunk = chunks[number]
    if (chunk === undefined) return 0
    return (firsts[number] ?? 0) + within(row) + getValue(chunk, chunk.sequence, within(row))
  }

  /** Gives up what a chunk does not need any more. */
  function tidy(number: number): void {
    const chunk = chunks[number]
    // The last chunk still takes rows.
    if (chunk === undefined || number === chunks.length - 1) return
    if (chunk.alive > 0) {
      if (isSparse(chunk)) packChunk(chunk)
      return
    }
    chunks[number] = undefined
    let gone = 0
    while (gone < chunks.length && chunks[gone] === undefined) gone++
    if (gone * 2 < chunks.length) return
    chunks.splice(0, gone)
    firsts.splice(0, gone)
    cut += gone
  }

  /** The row has lost what kept it, if it is neither known nor linked. */
  function release(row: number): void {
    const number = ((row / chunkRows) | 0) - cut
    const chunk = chunks[number]
    if (chunk === undefined || stateOf(chunk, within(row)) !== FORGOTTEN) return
    if (hasBit(chunk, within(row), LINKED)) return
    chunk.alive--
    tidy(number)
  }

  return {
    add(content, state) {
      let last = chunks.at(-1)
      if (last === undefined || last.count === chunkRows) {
        last = createChunk()
        chunks.push(last)
        firsts.push(content.sequence)
        tidy(chunks.length - 2)
      }
      const number = chunks.length - 1
      const row = addRow(last)
      setValue(last, last.sequence, row, content.sequence - (firsts[number] ?? 0) - row)
      setValue(last, last.location, row, content.location)
      // Whole milliseconds are exact enough; rounded down, nothing seems younger than it is.
      setValue(last, last.appendedAt, row, Math.floor(content.appendedAt))
      setValue(last, last.payloadBytes, row, content.payloadBytes)
      setValue(last, last.lane, row, content.lane)
      setValue(last, last.gate, row, content.gate)
      setState(last, row, state)
      return (number + cut) * chunkRows + row
    },
    find(sequence) {
      const number = chunkFor(sequence)
      const chunk = chunks[number]
      if (chunk === undefined) return NONE
      const row = rowAt(chunk, sequence - (firsts[number] ?? 0))
      if (row < 0 || stateOf(chunk, row) === FORGOTTEN) return NONE
      return (number + cut) * chunkRows + row
    },
    after(sequence) {
      const number = chunkFor(sequence)
      if (number < 0) return cut * chunkRows
      const chunk = chunks[number]
      const row = chunk === undefined ? chunkRows : rowAfter(chunk, sequence - (firsts[number] ?? 0))
      return (number + cut) * chunkRows + row
    },
    search(from, states, lane) {
      const start = Math.max(0, ((from / chunkRows) | 0) - cut)
      for (let number = start; number < chunks.length; number++) {
        const chunk = chunks[number]
        if (chunk === undefined) continue
        const row = nextRow(chunk, number === start ? within(from) : 0, states, lane)
        if (row >= 0) return (number + cut) * chunkRows + row
      }
      return NONE
    },
    sequence: sequenceOf,
    location(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? 0 : getValue(chunk, chunk.location, within(row))
    },
    appendedAt(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? 0 : getValue(chunk, chunk.appendedAt, within(row))
    },
    payloadBytes(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? 0 : getValue(chunk, chunk.payloadBytes, within(row))
    },
    lane(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? 0 : getValue(chunk, chunk.lane, within(row))
    },
    gate(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? 0 : getValue(chunk, chunk.gate, within(row))
    },
    state(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? FORGOTTEN : stateOf(chunk, within(row))
    },
    isLeased(row) {
      const chunk = chunkOf(row)
      return chunk !== undefined && hasBit(chunk, within(row), LEASED)
    },
    isLinked(row) {
      const chunk = chunkOf(row)
      return chunk !== undefined && hasBit(chunk, within(row), LINKED)
    },
    next(row) {
      const chunk = chunkOf(row)
      return chunk === undefined ? NONE : row + 1 + getValue(chunk, chunk.next, within(row))
    },
    setLocation(row, location) {
      const chunk = chunkOf(row)
      if (chunk !== undefined) setValue(chunk, chunk.location, within(row), location)
    },
    setPayloadBytes(row, bytes) {
      const chunk = chunkOf(row)
      if (chunk !== undefined) setValue(chunk, chunk.payloadBytes, within(row), bytes)
    },
    setState(row, state) {
      const chunk = chunkOf(row)
      if (chunk === undefined) return
      setState(chunk, within(row), state)
      release(row)
    },
    setLeased(row, leased) {
      const chunk = chunkOf(row)
      if (chunk !== undefined) setBit(chunk, within(row), LEASED, leased)
    },
    link(row) {
      const chunk = chunkOf(row)
      if (chunk !== undefined) setBit(chunk, within(row), LINKED, true)
    },
    unlink(row) {
      const chunk = chunkOf(row)
      if (chunk === undefined) return
      setBit(chunk, within(row), LINKED, false)
      release(row)
    },
    setNext(row, next) {
      const chunk = chunkOf(row)
      if (chunk !== undefined) setValue(chunk, chunk.next, within(row), next - row - 1)
    },
    content: () => ({ chunks, firsts, cut }),
  }
}
