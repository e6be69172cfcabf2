import { type ByteReader, type ByteWriter, byteReader, byteWriter, MalformedRecord } from './bytes.js'
import { keyHash } from './key-table.js'
import { CLOSE, decodeRecord, ENTRY, FOOTER, type LogRecord, writeRecordWithoutContent } from './records.js'

/** A plain append, as the index needs it. */
export interface DigestedEntry {
  readonly lane: string
  readonly gate: string
  readonly keyHash: number
  readonly appendedAt: number
}

/** Any other frame. What only callers read (notes, headers, payloads) is left out of the record. */
export interface DigestedFrame {
  readonly type: number
  readonly offset: number
  readonly sequence: number
  readonly at: number
  readonly dataLength: number
  readonly record: LogRecord
}

/** Everything that opening needs to know of a segment, in a few bytes for each record. */
export interface Digest {
  readonly entries: number
  /** Rows of `ROW_BYTES`, in the order of the segment. */
  readonly rows: DataView
  /** Lanes and gates. */
  readonly names: readonly string[]
  readonly frames: readonly DigestedFrame[]
}

// u64 sequence, u32 offset, u32 payload bytes, u32 lane, u32 gate, u32 hash of the key, f64 time of the append
export const ROW_BYTES = 36
export const ROW_OFFSET = 8
export const ROW_PAYLOAD = 12
export const ROW_LANE = 16
export const ROW_GATE = 20
export const ROW_HASH = 24
export const ROW_APPENDED = 28

export function rowSequence(rows: DataView, row: number): number {
  return rows.getUint32(row, true) + rows.getUint32(row + 4, true) * 2 ** 32
}

interface FrameFacts {
  readonly type: number
  readonly sequence: number
  readonly at: number
  readonly dataLength: number
}

/** Collects a digest while a segment is written or scanned. */
export interface DigestBuilder {
  /** An estimate of what `encode` will write. */
  readonly length: number
  entry(sequence: number, offset: number, payloadBytes: number, entry: DigestedEntry): void
  /** Throws `MalformedRecord` when the meta bytes make no sense. Returns the record, if its type is known. */
  frame(facts: FrameFacts, offset: number, meta: Uint8Array): LogRecord | undefined
  /** The same for a frame whose meta bytes were left without content already. Not for plain appends. */
  outline(facts: FrameFacts, offset: number, meta: Uint8Array): void
  encode(into: ByteWriter): void
  /** What was collected so far. */
  digest(): Digest
  clear(): void
}

export function digestBuilder(): DigestBuilder {
  const rows = byteWriter()
  const others = byteWriter()
  const names: string[] = []
  const numbers = new Map<string, number>()
  let count = 0

  function nameOf(name: string): number {
    const known = numbers.get(name)
    if (known !== undefined) return known
    numbers.set(name, names.length)
    return names.push(name) - 1
  }

  function begin({ type, sequence, at, dataLength }: FrameFacts, offset: number): void {
    others.u8(type)
    others.u32(offset)
    others.u64(sequence)
    others.f64(at)
    others.u32(dataLength)
    count++
  }

  const builder: DigestBuilder = {
    get length() {
      return rows.length + others.length + names.length * 64 + 256
    },
    entry: (sequence, offset, payloadBytes, entry) => {
      rows.u64(sequence)
      rows.u32(offset)
      rows.u32(payloadBytes)
      rows.u32(nameOf(entry.lane))
      rows.u32(nameOf(entry.gate))
      rows.u32(entry.keyHash)
      rows.f64(entry.appendedAt)
    },
    frame: (facts, offset, meta) => {
      const { type, sequence, dataLength } = facts
      const record = decodeRecord(type, meta)
      if (record === undefined || record.type === CLOSE || record.type === FOOTER) return record
      if (record.type === ENTRY && record.base.after.length === 0) {
        const { lane, gate, key, appendedAt } = record.base
        builder.entry(sequence, offset, dataLength, { lane, gate, keyHash: keyHash(key), appendedAt })
        return record
      }
      begin(facts, offset)
      const start = others.length
      others.u32(0)
      writeRecordWithoutContent(others, record)
      others.setU32(start, others.length - start - 4)
      return record
    },
    outline: (facts, offset, meta) => {
      begin(facts, offset)
      others.block(meta)
    },
    encode: (into) => {
      into.u32(rows.length / ROW_BYTES)
      into.raw(rows.view())
      into.u32(names.length)
      for (const name of names) into.text(name)
      into.u32(count)
      into.raw(others.view())
    },
    digest: () => {
      const copy = rows.view().slice()
      return {
        entries: copy.length / ROW_BYTES,
        rows: new DataView(copy.buffer),
        names: [...names],
        frames: readFrames(byteReader(others.view()), count),
      }
    },
    clear: () => {
      rows.clear()
      others.clear()
      names.length = 0
      numbers.clear()
      count = 0
    },
  }
  return builder
}

function readFrames(reader: ByteReader, count: number): DigestedFrame[] {
  const frames: DigestedFrame[] = []
  for (let left = count; left > 0; left--) {
    const type = reader.u8()
    const offset = reader.u32()
    const sequence = reader.u64()
    const at = reader.f64()
    const dataLength = reader.u32()
    const record = decodeRecord(type, reader.block())
    if (record === undefined) throw new MalformedRecord('unknown record in a footer')
    frames.push({ type, offset, sequence, at, dataLength, record })
  }
  return frames
}

/** Reads what `encode` wrote. Throws `MalformedRecord`. */
export function decodeDigest(bytes: Uint8Array): Digest {
  const reader = byteReader(bytes)
  const entries = reader.u32()
  const rows = reader.raw(entries * ROW_BYTES)
  const names: string[] = []
  for (let left = reader.u32(); left > 0; left--) names.push(reader.text())
  const frames = readFrames(reader, reader.u32())
  return { entries, rows: new DataView(rows.buffer, rows.byteOffset, rows.length), names, frames }
}

/** Without what lies at or behind an offset. */
export function upTo(digest: Digest, end: number): Digest {
  let { entries } = digest
  while (entries > 0 && digest.rows.getUint32((entries - 1) * ROW_BYTES + ROW_OFFSET, true) >= end) entries--
  return { ...digest, entries, frames: digest.frames.filter(({ offset }) => offset < end) }
}

/** The latest time in it; 0 when it is empty. Times of one owner never run backwards. */
export function latestIn({ rows, entries, frames }: Digest): number {
  const appended = entries === 0 ? 0 : rows.getFloat64((entries - 1) * ROW_BYTES + ROW_APPENDED, true)
  return Math.max(appended, frames.at(-1)?.at ?? 0)
}
