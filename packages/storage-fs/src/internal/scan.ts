import type { FsFile } from '../fs-port.js'
import { crc32c } from './crc32c.js'
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameLength,
  headSeed,
  SEGMENT_HEADER_BYTES,
} from './frame.js'
import { MalformedRecord } from './bytes.js'
import { type DigestBuilder } from './digest.js'
import { FOOTER } from './records.js'
import { readWhole } from './segment-files.js'

export interface ScannedFrame {
  readonly kind: 'frame'
  readonly offset: number
  readonly length: number
  readonly type: number
  readonly more: boolean
  readonly sequence: number
  /** The checksum over the data holds. The one over header and meta does, or this would be a gap. */
  readonly dataIntact: boolean
}

export interface ScannedGap {
  readonly kind: 'gap'
  readonly offset: number
  readonly length: number
  /** What the damaged header claims, if it looks like one at all. */
  readonly claim?: FrameHeader
}

export interface ScannedSegment {
  readonly items: readonly (ScannedFrame | ScannedGap)[]
  /** A later record says that everything before this offset was synced. */
  readonly syncedTo: number
  /** A record of an unknown type: written by a newer version. */
  readonly unknownType?: number
}

const WINDOW = 1024 * 1024

/** Reads and verifies a segment from its header to `end`, once. `digest` collects what the records say. */
export async function scanSegment(
  file: FsFile,
  seed: number,
  end: number,
  digest: DigestBuilder,
): Promise<ScannedSegment> {
  const items: (ScannedFrame | ScannedGap)[] = []
  let syncedTo = SEGMENT_HEADER_BYTES
  let unknownType: number | undefined
  let windowStart = 0
  let window = new Uint8Array(0)

  async function bytesAt(offset: number, length: number): Promise<Uint8Array> {
    if (offset < windowStart || offset + length > windowStart + window.length) {
      const fresh = new Uint8Array(Math.max(0, Math.min(Math.max(length, WINDOW), end - offset)))
      window = fresh.subarray(0, await readWhole(file, fresh, offset))
      windowStart = offset
    }
    return window.subarray(offset - windowStart, offset - windowStart + length)
  }

  /** The header of an intact frame, its meta bytes and whether its data is intact. */
  async function frameAt(
    offset: number,
  ): Promise<{ header: FrameHeader; meta: Uint8Array; dataIntact: boolean } | undefined> {
    const header = decodeFrameHeader(await bytesAt(offset, FRAME_HEADER_BYTES))
    if (header === undefined || offset + frameLength(header) > end) return undefined
    const metaEnd = FRAME_HEADER_BYTES + header.metaLength
    const bytes = await bytesAt(offset, frameLength(header))
    if (bytes.length < frameLength(header)) return undefined
    if (crc32c(bytes, headSeed(seed, offset), 8, metaEnd) !== header.headCrc) return undefined
    const dataIntact = header.dataLength === 0 || crc32c(bytes, seed, metaEnd) === header.dataCrc
    return { header, meta: bytes.subarray(FRAME_HEADER_BYTES, metaEnd), dataIntact }
  }

  /** Where the next intact frame starts. The salt in the checksum keeps payloads from looking like one. */
  async function resume(from: number): Promise<number> {
    for (let offset = from; offset + FRAME_HEADER_BYTES <= end; offset++) {
      const bytes = await bytesAt(offset, FRAME_HEADER_BYTES)
      if (decodeFrameHeader(bytes) !== undefined && (await frameAt(offset)) !== undefined) return offset
      // Skip quickly to the next byte that can start a frame, without leaving the window.
      const next = window.indexOf(0x46, offset + 1 - windowStart)
      const last = windowStart + window.length - FRAME_HEADER_BYTES
      offset = Math.max(offset, (next === -1 ? last : Math.min(windowStart + next, last)) - 1)
    }
    return end
  }

  let offset = SEGMENT_HEADER_BYTES
  while (offset < end) {
    const frame = await frameAt(offset)
    if (frame === undefined) {
      const claim = decodeFrameHeader(await bytesAt(offset, FRAME_HEADER_BYTES))
      const next = await resume(offset + 1)
      items.push({ kind: 'gap', offset, length: next - offset, ...(claim === undefined ? {} : { claim }) })
      offset = next
      continue
    }
    const { header, meta, dataIntact } = frame
    syncedTo = Math.max(syncedTo, header.syncedTo)
    const length = frameLength(header)
    let record
    try {
      record = digest.frame(header, offset, meta)
      if (record === undefined) unknownType = header.type
    } catch (error) {
      if (!(error instanceof MalformedRecord)) throw error
      // The checksum holds but the content makes no sense: as unreadable as any other damage.
      items.push({ kind: 'gap', offset, length, claim: header })
      offset += length
      continue
    }
    items.push({
      kind: 'frame',
      offset,
      length,
      type: header.type,
      more: header.more,
      sequence: header.sequence,
      dataIntact,
    })
    offset += length
  }
  return { items, syncedTo, ...(unknownType === undefined ? {} : { unknownType }) }
}

/**
 * Where the valid part of the last segment ends. A damaged stretch that no later record vouches for is what
 * a crash left of a write nobody was told about; so is an all-or-none unit without its end.
 */
export function validEnd(scanned: ScannedSegment): number {
  let unit: number | undefined
  let end = SEGMENT_HEADER_BYTES
  for (const item of scanned.items) {
    const broken = item.kind === 'gap' || !item.dataIntact
    if (broken && item.offset >= scanned.syncedTo) return unit ?? item.offset
    end = item.offset + item.length
    if (item.kind === 'gap') continue
    if (item.more) unit ??= item.offset
    else unit = undefined
  }
  return unit ?? end
}

/** Whether a damaged stretch at the end of a segment was its footer, which says nothing new. */
export function wasFooter(gap: ScannedGap, end: number): boolean {
  return (
    gap.claim?.type === FOOTER && frameLength(gap.claim) === gap.length && gap.offset + gap.length === end
  )
}

/** Where the last byte that is not zero ends: what lies behind was prepared for writing and never written. */
export async function writtenEnd(file: FsFile, from: number, to: number): Promise<number> {
  const bytes = new Uint8Array(Math.max(0, Math.min(WINDOW, to - from)))
  for (let end = to; end > from;) {
    const start = Math.max(from, end - bytes.length)
    const window = bytes.subarray(0, end - start)
    const count = await readWhole(file, window, start)
    for (let at = count - 1; at >= 0; at--) if (window[at] !== 0) return start + at + 1
    end = start
  }
  return from
}
