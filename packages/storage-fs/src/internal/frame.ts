import { type ByteWriter, byteReader, byteWriter } from './bytes.js'
import { crc32c } from './crc32c.js'

// The format is documented byte by byte in docs/formats/segment-log.md; a test checks its hex example.

/** Version 1 had no footers, and no bytes behind the last record; it is read, and never written any more. */
export const FORMAT_VERSION = 2
/** Two equal copies of a 64-byte header, so that one flipped bit does not cost a segment. */
export const SEGMENT_HEADER_BYTES = 128
const COPY_BYTES = 64
export const FRAME_HEADER_BYTES = 48

const SEGMENT_MAGIC = 'FOBXSEG\n'
const FRAME_MAGIC = 0x46_42_4f_46 // "FOBF", read as little endian

/** More frames of the same all-or-none unit follow. */
export const FLAG_MORE = 1

export interface SegmentHeader {
  readonly version: number
  readonly segment: number
  /** Number of the owner that created the segment. */
  readonly generation: number
  /** The segment before this one, 0 when there is none, and where its valid bytes end. */
  readonly previous: number
  readonly previousEnd: number
  /** Every sequence given out later is at least this. */
  readonly nextSequence: number
  /** Eight random bytes that seed every checksum in the segment. */
  readonly salt: Uint8Array
  /** Wall-clock milliseconds. */
  readonly createdAt: number
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const writer = byteWriter(SEGMENT_HEADER_BYTES)
  for (let index = 0; index < SEGMENT_MAGIC.length; index++) writer.u8(SEGMENT_MAGIC.charCodeAt(index))
  writer.u16(header.version)
  writer.u16(SEGMENT_HEADER_BYTES)
  writer.u32(header.segment)
  writer.u32(header.generation)
  writer.u32(header.previous)
  writer.u32(header.previousEnd)
  writer.u32(0)
  writer.u64(header.nextSequence)
  writer.raw(header.salt)
  writer.f64(header.createdAt)
  writer.u32(0)
  writer.u32(crc32c(writer.view()))
  const copy = writer.view().slice()
  writer.raw(copy)
  return writer.view()
}

/** `undefined`: neither copy is intact. `newer`: the version of a format this code does not know. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | { newer: number } | undefined {
  for (const start of [0, COPY_BYTES]) {
    const copy = bytes.subarray(start, start + COPY_BYTES)
    if (copy.length < COPY_BYTES) return undefined
    const reader = byteReader(copy)
    let magic = ''
    while (magic.length < SEGMENT_MAGIC.length) magic += String.fromCharCode(reader.u8())
    if (magic !== SEGMENT_MAGIC) continue
    const version = reader.u16()
    const intact = byteReader(copy.subarray(COPY_BYTES - 4)).u32() === crc32c(copy, 0, 0, COPY_BYTES - 4)
    if (version > FORMAT_VERSION) {
      // A flipped bit in the version must not look like a newer format when the other copy is intact.
      if (start === 0 && !intact) {
        const other = decodeSegmentHeader(bytes.subarray(COPY_BYTES))
        if (other !== undefined && !('newer' in other)) return other
      }
      return { newer: version }
    }
    if (!intact) continue
    reader.u16()
    const segment = reader.u32()
    const generation = reader.u32()
    const previous = reader.u32()
    const previousEnd = reader.u32()
    reader.u32()
    const nextSequence = reader.u64()
    const salt = reader.raw(8)
    return {
      version,
      segment,
      generation,
      previous,
      previousEnd,
      nextSequence,
      salt,
      createdAt: reader.f64(),
    }
  }
  return undefined
}

/** Begins a frame: its meta bytes follow, then `endFrame`. Returns its start. */
export function beginFrame(
  writer: ByteWriter,
  type: number,
  more: boolean,
  sequence: number,
  at: number,
): number {
  const start = writer.length
  writer.u32(FRAME_MAGIC)
  writer.u32(0)
  writer.u32(type | (more ? FLAG_MORE << 8 : 0))
  for (let zeros = 0; zeros < 5; zeros++) writer.u32(0)
  writer.u64(sequence)
  writer.f64(at)
  return start
}

/** Ends meta and adds the data; `sealFrame` completes it when segment and owner are known. */
export function endFrame(writer: ByteWriter, start: number, data?: Uint8Array): void {
  writer.setU32(start + 12, writer.length - start - FRAME_HEADER_BYTES)
  if (data === undefined) return
  writer.setU32(start + 16, data.length)
  writer.raw(data)
}

/** Where a frame goes, and what vouches for it. */
export interface Seal {
  readonly seed: number
  readonly generation: number
  readonly syncedTo: number
}

/** Fills in owner, synced position and both checksums. `at`: where in the segment the frame will be. */
export function sealFrame(writer: ByteWriter, start: number, at: number, seal: Seal): void {
  const bytes = writer.view()
  const metaEnd = start + FRAME_HEADER_BYTES + u32At(bytes, start + 12)
  const dataLength = u32At(bytes, start + 16)
  writer.setU32(start + 20, dataLength === 0 ? 0 : crc32c(bytes, seal.seed, metaEnd, metaEnd + dataLength))
  writer.setU32(start + 24, seal.generation)
  writer.setU32(start + 28, seal.syncedTo)
  writer.setU32(start + 4, crc32c(bytes, headSeed(seal.seed, at), start + 8, metaEnd))
}

export interface FrameHeader {
  readonly headCrc: number
  readonly type: number
  readonly more: boolean
  readonly metaLength: number
  readonly dataLength: number
  readonly dataCrc: number
  readonly generation: number
  readonly syncedTo: number
  readonly sequence: number
  readonly at: number
}

/** `undefined` when the bytes do not start like a frame. Nothing is verified yet. */
export function decodeFrameHeader(bytes: Uint8Array, start = 0): FrameHeader | undefined {
  if (bytes.length - start < FRAME_HEADER_BYTES) return undefined
  // Cheap test first: the resynchronising scan calls this for every byte.
  if (bytes[start] !== 0x46 || bytes[start + 1] !== 0x4f) return undefined
  if (u32At(bytes, start) !== FRAME_MAGIC) return undefined
  return {
    headCrc: u32At(bytes, start + 4),
    type: bytes[start + 8] ?? 0,
    more: ((bytes[start + 9] ?? 0) & FLAG_MORE) !== 0,
    metaLength: u32At(bytes, start + 12),
    dataLength: u32At(bytes, start + 16),
    dataCrc: u32At(bytes, start + 20),
    generation: u32At(bytes, start + 24),
    syncedTo: u32At(bytes, start + 28),
    sequence: u32At(bytes, start + 32) + u32At(bytes, start + 36) * 2 ** 32,
    at: new DataView(bytes.buffer, bytes.byteOffset + start + 40, 8).getFloat64(0, true),
  }
}

function u32At(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0
}

export function frameLength(header: FrameHeader): number {
  return FRAME_HEADER_BYTES + header.metaLength + header.dataLength
}

/** The seed of every checksum in a segment. */
export function seedOf(salt: Uint8Array): number {
  return crc32c(salt)
}

/**
 * The seed of a frame's first checksum. Another seed always gives another checksum of the same bytes, so a
 * frame is valid at one offset of one segment only, and a payload that holds frames cannot pass for them.
 */
export function headSeed(seed: number, offset: number): number {
  return (seed ^ offset) >>> 0
}

export function segmentName(segment: number): string {
  return `segment-${String(segment).padStart(8, '0')}.log`
}

export function parseSegmentName(name: string): number | undefined {
  const match = /^segment-(\d{8,10})\.log$/.exec(name)
  return match?.[1] === undefined ? undefined : Number(match[1])
}
