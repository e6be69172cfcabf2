import { endianness } from 'node:os'
import { crc32 } from 'node:zlib'
import { byteReader, type ByteWriter, byteWriter, MalformedRecord } from './bytes.js'
import type { KeyGroup } from './key-table.js'

/** What is remembered of an entry with a history, beside the index. */
export interface CheckpointExtra {
  readonly sequence: number
  /** Number of its lane. */
  readonly lane: number
  readonly noteAt?: number
  readonly settled?: { readonly at: number; readonly delivered: boolean; readonly location: number }
}

/** A whole catalog. */
export interface CheckpointContent {
  /** Wall-clock milliseconds: nothing in it is later. */
  readonly at: number
  /** Of the owner that wrote the last segment. */
  readonly generation: number
  readonly nextSequence: number
  readonly last: { readonly segment: number; readonly end: number }
  readonly forgotten: { readonly delivered: number; readonly discarded: number }
  readonly segments: readonly {
    readonly segment: number
    readonly end: number
    readonly seed: number
    readonly total: number
    readonly live: number
  }[]
  readonly lanes: readonly string[]
  readonly chains: readonly { readonly lane: number; readonly segment: number; readonly hash: Uint8Array }[]
  readonly notes: readonly { readonly name: string; readonly version: number; readonly location: number }[]
  readonly extras: readonly CheckpointExtra[]
  readonly keys: readonly KeyGroup[]
  /** As `dumpLaneIndex` made it, in pieces. */
  readonly index: readonly Uint8Array[]
}

const MAGIC = 'FOBXCKP\n'
const VERSION = 2
const HEADER_BYTES = 32

/** Columns are written as they lie in memory, which must be little endian. */
export function platformFits(): boolean {
  return endianness() === 'LE'
}

function many<T>(writer: ByteWriter, list: readonly T[], write: (item: T) => void): void {
  writer.u32(list.length)
  for (const item of list) write(item)
}

function encodeFacts(writer: ByteWriter, content: CheckpointContent, indexBytes: number): void {
  writer.f64(content.at)
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
  many(writer, content.lanes, (name) => writer.text(name))
  many(writer, content.chains, ({ lane, segment, hash }) => {
    writer.u32(lane)
    writer.u32(segment)
    writer.block(hash)
  })
  many(writer, content.notes, ({ name, version, location }) => {
    writer.text(name)
    writer.u64(version)
    writer.f64(location)
  })
  many(writer, content.extras, ({ sequence, lane, noteAt, settled }) => {
    writer.u64(sequence)
    writer.u32(lane)
    writer.f64(noteAt ?? Number.NaN)
    writer.f64(settled?.at ?? Number.NaN)
    if (settled === undefined) return
    writer.u8(settled.delivered ? 1 : 0)
    writer.f64(settled.location)
  })
  many(writer, content.keys, ({ group, forgotten, hashes }) => {
    writer.u32(group)
    writer.u32(forgotten)
    writer.u32(hashes.length)
  })
  writer.u32(indexBytes)
}

type Column = Uint32Array | Uint16Array | Uint8Array

function aligned(length: number): number {
  return Math.ceil(length / 8) * 8
}

export function encodeCheckpoint(content: CheckpointContent): Uint8Array {
  const facts = byteWriter()
  const indexBytes = content.index.reduce((sum, piece) => sum + piece.length, 0)
  encodeFacts(facts, content, indexBytes)
  const columns: Column[] = content.keys.flatMap(({ hashes, positions }) => [hashes, positions])
  const start = HEADER_BYTES + aligned(facts.length)
  const indexAt = columns.reduce((sum, column) => sum + aligned(column.byteLength), start)
  const bytes = new Uint8Array(indexAt + indexBytes)
  bytes.set(facts.view(), HEADER_BYTES)
  let at = start
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at)
    at += aligned(column.byteLength)
  }
  for (const piece of content.index) {
    bytes.set(piece, at)
    at += piece.length
  }
  const header = new DataView(bytes.buffer)
  for (let index = 0; index < MAGIC.length; index++) bytes[index] = MAGIC.charCodeAt(index)
  header.setUint32(8, VERSION, true)
  header.setFloat64(16, bytes.length, true)
  header.setUint32(24, facts.length, true)
  header.setUint32(12, crc32(bytes.subarray(16)), true)
  return bytes
}

/** `undefined` when the bytes are no intact checkpoint of this version. The index is a view of `bytes`. */
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
  const at = reader.f64()
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
  const lanes = list(() => reader.text())
  const chains = list(() => ({ lane: reader.u32(), segment: reader.u32(), hash: reader.block() }))
  const notes = list(() => ({ name: reader.text(), version: reader.u64(), location: reader.f64() }))
  const extras = list((): CheckpointExtra => {
    const sequence = reader.u64()
    const lane = reader.u32()
    const noteAt = optional()
    const settledAt = optional()
    return {
      sequence,
      lane,
      ...(noteAt === undefined ? {} : { noteAt }),
      ...(settledAt === undefined
        ? {}
        : { settled: { at: settledAt, delivered: reader.u8() === 1, location: reader.f64() } }),
    }
  })
  const groups = list(() => ({ group: reader.u32(), forgotten: reader.u32(), length: reader.u32() }))
  const indexBytes = reader.u32()

  let next = HEADER_BYTES + aligned(factsLength)
  const take = (length: number): number => {
    const start = bytes.byteOffset + next
    next += aligned(length)
    return start
  }
  // Copies: they live as long as the store, and must not keep the rest in memory.
  const keys = groups.map(({ group, forgotten: gone, length }) => ({
    group,
    forgotten: gone,
    hashes: new Uint32Array(bytes.buffer, take(length * 4), length).slice(),
    positions: new Uint16Array(bytes.buffer, take(length * 2), length).slice(),
  }))
  if (next + indexBytes !== bytes.length) throw new MalformedRecord('checkpoint of another length')
  return {
    at,
    generation,
    nextSequence,
    last,
    forgotten,
    segments,
    lanes,
    chains,
    notes,
    extras,
    keys,
    index: [bytes.subarray(next)],
  }
}
