import { endianness } from 'node:os'
import { crc32 } from 'node:zlib'
import type { AttemptNote, DeadReason, EntryState } from '@fhir-outbox/queue-core'
import { byteReader, type ByteWriter, byteWriter, MalformedRecord } from './bytes.js'
import type { KeyGroup } from './key-table.js'
import { type Forgotten, readMark, writeMark } from './records.js'

/** One number for state and reason. The order is part of the format. */
export const CHECKPOINT_STATES: readonly (readonly [EntryState, DeadReason?])[] = [
  ['waiting'],
  ['unknown'],
  ['dead', 'rejected'],
  ['dead', 'parked'],
  ['dead', 'expired'],
  ['delivered'],
  ['discarded'],
  ['quarantined'],
]

/** What only entries with a history have. */
export interface EntryDetails {
  readonly row: number
  readonly attempts: number
  /** Wall-clock milliseconds. */
  readonly dueAt?: number
  readonly troubledSince?: number
  readonly mark?: AttemptNote
  readonly after: readonly number[]
}

export interface EntryExtra {
  readonly sequence: number
  readonly noteAt?: number
  readonly settled?: { readonly at: number; readonly delivered: boolean }
}

/** A whole catalog, in columns. */
export interface CheckpointContent {
  /** Of the owner that wrote the last segment. */
  readonly generation: number
  readonly nextSequence: number
  readonly last: { readonly segment: number; readonly end: number }
  readonly segments: readonly {
    readonly segment: number
    readonly end: number
    readonly seed: number
    readonly total: number
    readonly live: number
  }[]
  readonly forgotten: Forgotten
  /** Lanes and gates. */
  readonly names: readonly string[]
  readonly hashes: readonly { readonly lane: number; readonly hash: Uint8Array; readonly segment: number }[]
  readonly notes: readonly { readonly name: string; readonly version: number; readonly location: number }[]
  readonly details: readonly EntryDetails[]
  /** Settled ones in the order in which they were settled. */
  readonly extras: readonly EntryExtra[]
  readonly keys: readonly KeyGroup[]
  /** In ascending order of sequence; all columns have this length. */
  readonly sequences: Float64Array
  readonly locations: Float64Array
  readonly appendedAt: Float64Array
  readonly payloadBytes: Uint32Array
  readonly lanes: Uint32Array
  readonly gates: Uint32Array
  readonly states: Uint8Array
}

const MAGIC = 'FOBXCKP\n'
const VERSION = 1
const HEADER_BYTES = 32

/** Columns are written as they lie in memory, which must be little endian. */
export function platformFits(): boolean {
  return endianness() === 'LE'
}

function many<T>(writer: ByteWriter, list: readonly T[], write: (item: T) => void): void {
  writer.u32(list.length)
  for (const item of list) write(item)
}

function encodeFacts(writer: ByteWriter, content: CheckpointContent): void {
  writer.u32(content.generation)
  writer.u64(content.nextSequence)
  writer.u32(content.last.segment)
  writer.u32(content.last.end)
  writer.u64(content.forgotten.delivered)
  writer.u64(content.forgotten.discarded)
  many(writer, content.segments, ({ segment, end, seed, total, live }) => {
    writer.u32(segment)
    writer.u32(end)
    writer.u32(seed)
    writer.f64(total)
    writer.f64(live)
  })
  many(writer, content.names, (name) => writer.text(name))
  many(writer, content.hashes, ({ lane, hash, segment }) => {
    writer.u32(lane)
    writer.u32(segment)
    writer.block(hash)
  })
  many(writer, content.notes, ({ name, version, location }) => {
    writer.text(name)
    writer.u64(version)
    writer.f64(location)
  })
  many(writer, content.details, ({ row, attempts, dueAt, troubledSince, mark, after }) => {
    writer.u32(row)
    writer.u32(attempts)
    writer.f64(dueAt ?? Number.NaN)
    writer.f64(troubledSince ?? Number.NaN)
    writer.u8(mark === undefined ? 0 : 1)
    if (mark !== undefined) writeMark(writer, mark)
    many(writer, after, (sequence) => writer.u64(sequence))
  })
  many(writer, content.extras, ({ sequence, noteAt, settled }) => {
    writer.u64(sequence)
    writer.f64(noteAt ?? Number.NaN)
    writer.f64(settled?.at ?? Number.NaN)
    writer.u8(settled?.delivered === true ? 1 : 0)
  })
  many(writer, content.keys, ({ group, forgotten, hashes }) => {
    writer.u32(group)
    writer.u32(forgotten)
    writer.u32(hashes.length)
  })
  writer.u32(content.sequences.length)
}

type Column = Float64Array | Uint32Array | Uint16Array | Uint8Array

function aligned(length: number): number {
  return Math.ceil(length / 8) * 8
}

export function encodeCheckpoint(content: CheckpointContent): Uint8Array {
  const facts = byteWriter()
  encodeFacts(facts, content)
  const { sequences, locations, appendedAt, payloadBytes, lanes, gates, states } = content
  const columns: Column[] = [sequences, locations, appendedAt, payloadBytes, lanes, gates, states]
  for (const { hashes, positions } of content.keys) columns.push(hashes, positions)
  const start = HEADER_BYTES + aligned(facts.length)
  const length = columns.reduce((sum, column) => sum + aligned(column.byteLength), start)
  const bytes = new Uint8Array(length)
  bytes.set(facts.view(), HEADER_BYTES)
  let at = start
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at)
    at += aligned(column.byteLength)
  }
  const header = new DataView(bytes.buffer)
  for (let index = 0; index < MAGIC.length; index++) bytes[index] = MAGIC.charCodeAt(index)
  header.setUint32(8, VERSION, true)
  header.setFloat64(16, length, true)
  header.setUint32(24, facts.length, true)
  header.setUint32(12, crc32(bytes.subarray(16)), true)
  return bytes
}

/** `undefined` when the bytes are no intact checkpoint of this version. The columns are views of `bytes`. */
export function decodeCheckpoint(bytes: Uint8Array): CheckpointContent | undefined {
  if (bytes.length < HEADER_BYTES || bytes.byteOffset % 8 !== 0) return undefined
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let index = 0; index < MAGIC.length; index++) {
    if (bytes[index] !== MAGIC.charCodeAt(index)) return undefined
  }
  if (header.getUint32(8, true) !== VERSION || header.getFloat64(16, true) !== bytes.length) return undefined
  if (header.getUint32(12, true) !== crc32(bytes.subarray(16))) return undefined
  try {
    return decodeContent(bytes, header.getUint32(24, true))
  } catch (error) {
    if (error instanceof MalformedRecord || error instanceof RangeError) return undefined
    throw error
  }
}

function decodeContent(bytes: Uint8Array, factsLength: number): CheckpointContent {
  const reader = byteReader(bytes.subarray(HEADER_BYTES, HEADER_BYTES + factsLength))
  const list = <T>(read: () => T): T[] => {
    const items: T[] = []
    for (let left = reader.u32(); left > 0; left--) items.push(read())
    return items
  }
  const optional = (): number | undefined => {
    const value = reader.f64()
    return Number.isNaN(value) ? undefined : value
  }
  const generation = reader.u32()
  const nextSequence = reader.u64()
  const last = { segment: reader.u32(), end: reader.u32() }
  const forgotten = { delivered: reader.u64(), discarded: reader.u64() }
  const segments = list(() => ({
    segment: reader.u32(),
    end: reader.u32(),
    seed: reader.u32(),
    total: reader.f64(),
    live: reader.f64(),
  }))
  const names = list(() => reader.text())
  const hashes = list(() => ({ lane: reader.u32(), segment: reader.u32(), hash: reader.block() }))
  const notes = list(() => ({ name: reader.text(), version: reader.u64(), location: reader.f64() }))
  const details = list((): EntryDetails => {
    const row = reader.u32()
    const attempts = reader.u32()
    const dueAt = optional()
    const troubledSince = optional()
    const mark = reader.u8() === 0 ? undefined : readMark(reader)
    return {
      row,
      attempts,
      ...(dueAt === undefined ? {} : { dueAt }),
      ...(troubledSince === undefined ? {} : { troubledSince }),
      ...(mark === undefined ? {} : { mark }),
      after: list(() => reader.u64()),
    }
  })
  const extras = list((): EntryExtra => {
    const sequence = reader.u64()
    const noteAt = optional()
    const at = optional()
    const delivered = reader.u8() === 1
    return {
      sequence,
      ...(noteAt === undefined ? {} : { noteAt }),
      ...(at === undefined ? {} : { settled: { at, delivered } }),
    }
  })
  const groups = list(() => ({ group: reader.u32(), forgotten: reader.u32(), length: reader.u32() }))
  const count = reader.u32()

  let at = HEADER_BYTES + aligned(factsLength)
  const take = (length: number): number => {
    const start = bytes.byteOffset + at
    at += aligned(length)
    if (at > bytes.length) throw new MalformedRecord('checkpoint ends early')
    return start
  }
  const doubles = (): Float64Array => new Float64Array(bytes.buffer, take(count * 8), count)
  const words = (length: number): Uint32Array => new Uint32Array(bytes.buffer, take(length * 4), length)
  return {
    generation,
    nextSequence,
    last,
    segments,
    forgotten,
    names,
    hashes,
    notes,
    details,
    extras,
    sequences: doubles(),
    locations: doubles(),
    appendedAt: doubles(),
    payloadBytes: words(count),
    lanes: words(count),
    gates: words(count),
    states: new Uint8Array(bytes.buffer, take(count), count),
    // Copies: they live as long as the store, and must not keep the rest in memory.
    keys: groups.map(({ group, forgotten: gone, length }) => ({
      group,
      forgotten: gone,
      hashes: words(length).slice(),
      positions: new Uint16Array(bytes.buffer, take(length * 2), length).slice(),
    })),
  }
}
