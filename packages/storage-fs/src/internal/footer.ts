import type { FsFile } from '../fs-port.js'
import { type ByteWriter, byteReader, byteWriter, MalformedRecord } from './bytes.js'
import { crc32c } from './crc32c.js'
import { decodeDigest, type Digest, type DigestBuilder } from './digest.js'
import {
  beginFrame,
  decodeFrameHeader,
  endFrame,
  FRAME_HEADER_BYTES,
  frameLength,
  headSeed,
  type Seal,
  sealFrame,
  SEGMENT_HEADER_BYTES,
} from './frame.js'
import { FOOTER } from './records.js'
import { readWhole } from './segment-files.js'

/** The last frame of a sealed segment: its digest, and at the very end where the frame starts. */
export function encodeFooter(
  digest: DigestBuilder,
  place: Seal & { readonly at: number; readonly now: number },
): Uint8Array {
  const content: ByteWriter = byteWriter(digest.length + 4)
  digest.encode(content)
  content.u32(place.at)
  const frame = byteWriter(content.length + FRAME_HEADER_BYTES)
  endFrame(frame, beginFrame(frame, FOOTER, false, 0, place.now), content.view())
  sealFrame(frame, 0, place.at, place)
  return frame.view()
}

/** The digest of a sealed segment that ends at `end`; `undefined` when it has none that can be relied on. */
export async function readFooter(file: FsFile, seed: number, end: number): Promise<Digest | undefined> {
  const pointer = new Uint8Array(4)
  if (end < SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 4) return undefined
  if ((await readWhole(file, pointer, end - 4)) < 4) return undefined
  const start = byteReader(pointer).u32()
  if (start < SEGMENT_HEADER_BYTES || start + FRAME_HEADER_BYTES + 4 > end) return undefined
  const bytes = new Uint8Array(end - start)
  if ((await readWhole(file, bytes, start)) < bytes.length) return undefined
  const header = decodeFrameHeader(bytes)
  if (header?.type !== FOOTER || frameLength(header) !== bytes.length) return undefined
  const metaEnd = FRAME_HEADER_BYTES + header.metaLength
  if (crc32c(bytes, headSeed(seed, start), 8, metaEnd) !== header.headCrc) return undefined
  if (crc32c(bytes, seed, metaEnd) !== header.dataCrc) return undefined
  try {
    return decodeDigest(bytes.subarray(metaEnd, bytes.length - 4))
  } catch (error) {
    if (error instanceof MalformedRecord) return undefined
    throw error
  }
}
