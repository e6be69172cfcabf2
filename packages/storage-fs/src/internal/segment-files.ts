import type { FsFile, FsPort } from '../fs-port.js'
import { crc32c } from './crc32c.js'
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameLength,
  headSeed,
  segmentName,
} from './frame.js'
import { offsetOf, segmentOf } from './location.js'

/** Thrown when a record's bytes are not what was written. */
export class DamagedRecord extends Error {
  override readonly name = 'DamagedRecord'
}

export interface StoredFrame {
  readonly header: FrameHeader
  readonly meta: Uint8Array
  /** A view into a buffer; copy it before it is given away. */
  readonly data: Uint8Array
}

/** Open segments for reading, and what is known about them. */
export interface SegmentFiles {
  /** Seeds of the checksums and readable length, by segment. */
  set(segment: number, info: { readonly seed: number; readonly end: () => number }): void
  info(segment: number): { readonly seed: number; readonly end: () => number } | undefined
  forget(segment: number): Promise<void>
  /** A reader with a window of its own, for one run of neighbouring records. */
  reader(): FrameReader
  close(): Promise<void>
}

export interface FrameReader {
  /**
   * Reads the frame at a location and verifies it. `span`: bytes to read at once when the location is not in
   * the window yet. Rejects with `DamagedRecord`, or with the error of the file system.
   */
  frame(location: number, span: number): Promise<StoredFrame>
  /** The same when the whole frame is in the window already and intact; `undefined` when `frame` must be asked. */
  peek(location: number): StoredFrame | undefined
  /** Lets go of a large window. */
  trim(): void
  /** The same without the data, which is neither read nor verified. */
  head(location: number, span: number): Promise<Omit<StoredFrame, 'data'>>
}

const MAX_OPEN = 16
const MAX_KEPT = 1024 * 1024

/** A file that several may be reading from. */
interface SharedFile {
  readonly file: Promise<FsFile>
  readers: number
  dropped: boolean
  readonly closed: Promise<void>
  readonly settle: (closed: Promise<void>) => void
}

function sharedFile(file: Promise<FsFile>): SharedFile {
  let settle: (closed: Promise<void>) => void = () => undefined
  const closed = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { file, readers: 0, dropped: false, closed, settle }
}

function closeShared({ file, settle }: SharedFile): void {
  // Nothing was written through it, so a failure to close it changes nothing.
  settle(file.then((open) => open.close()).catch(() => undefined))
}

export function segmentFiles(fs: FsPort, directory: string): SegmentFiles {
  const known = new Map<number, { readonly seed: number; readonly end: () => number }>()
  // In order of use, the least recent first.
  const open = new Map<number, SharedFile>()

  /** Nobody gets it any more; closed when the last one who reads from it is done. */
  function drop(segment: number): Promise<void> {
    const shared = open.get(segment)
    if (shared === undefined) return Promise.resolve()
    open.delete(segment)
    shared.dropped = true
    if (shared.readers === 0) closeShared(shared)
    return shared.closed
  }

  async function readAt(segment: number, offset: number, length: number): Promise<Uint8Array> {
    const info = known.get(segment)
    const end = Math.min(offset + length, info?.end() ?? 0)
    const bytes = new Uint8Array(Math.max(0, end - offset))
    const shared = open.get(segment) ?? sharedFile(fs.open(`${directory}/${segmentName(segment)}`, 'read'))
    open.delete(segment)
    open.set(segment, shared)
    // A descriptor must not be closed under a read: its number may belong to another file by then.
    shared.readers++
    const [oldest] = open.keys()
    if (open.size > MAX_OPEN && oldest !== undefined) void drop(oldest)
    try {
      return bytes.subarray(0, await readWhole(await shared.file, bytes, offset))
    } catch (error) {
      // Perhaps it could not be opened: then the next one tries again.
      if (open.get(segment) === shared) void drop(segment)
      throw error
    } finally {
      shared.readers--
      if (shared.dropped && shared.readers === 0) closeShared(shared)
    }
  }

  return {
    set: (segment, info) => {
      known.set(segment, info)
    },
    info: (segment) => known.get(segment),
    forget: async (segment) => {
      known.delete(segment)
      await drop(segment)
    },
    reader: () => {
      let windowSegment = 0
      let windowStart = 0
      let window: Uint8Array = new Uint8Array(0)

      async function bytesAt(
        segment: number,
        offset: number,
        length: number,
        span: number,
      ): Promise<Uint8Array> {
        const inside =
          segment === windowSegment && offset >= windowStart && offset + length <= windowStart + window.length
        if (!inside) {
          window = await readAt(segment, offset, Math.max(length, span))
          windowSegment = segment
          windowStart = offset
        }
        return window.subarray(offset - windowStart, offset - windowStart + length)
      }

      async function headAt(location: number, span: number): Promise<Omit<StoredFrame, 'data'>> {
        const segment = segmentOf(location)
        const offset = offsetOf(location)
        const info = known.get(segment)
        const header = decodeFrameHeader(await bytesAt(segment, offset, FRAME_HEADER_BYTES, span))
        if (info === undefined || header === undefined || offset + frameLength(header) > info.end()) {
          throw new DamagedRecord('not a record')
        }
        const metaEnd = FRAME_HEADER_BYTES + header.metaLength
        const bytes = await bytesAt(segment, offset, metaEnd, span)
        if (bytes.length < metaEnd || crc32c(bytes, headSeed(info.seed, offset), 8) !== header.headCrc) {
          throw new DamagedRecord('checksum of a record')
        }
        return { header, meta: bytes.subarray(FRAME_HEADER_BYTES) }
      }

      function peek(location: number): StoredFrame | undefined {
        const segment = segmentOf(location)
        const info = known.get(segment)
        const offset = offsetOf(location)
        const start = offset - windowStart
        if (info === undefined || segment !== windowSegment || start < 0) return undefined
        const header = decodeFrameHeader(window, start)
        if (header === undefined) return undefined
        const metaStart = start + FRAME_HEADER_BYTES
        const metaEnd = metaStart + header.metaLength
        const end = metaEnd + header.dataLength
        if (end > window.length || windowStart + end > info.end()) return undefined
        if (crc32c(window, headSeed(info.seed, offset), start + 8, metaEnd) !== header.headCrc)
          return undefined
        if (end > metaEnd && crc32c(window, info.seed, metaEnd, end) !== header.dataCrc) return undefined
        return { header, meta: window.subarray(metaStart, metaEnd), data: window.subarray(metaEnd, end) }
      }

      return {
        peek,
        trim: () => {
          if (window.length > MAX_KEPT) window = new Uint8Array(0)
        },
        head: headAt,
        frame: async (location, span) => {
          const { header, meta } = await headAt(location, span)
          const segment = segmentOf(location)
          const start = offsetOf(location) + FRAME_HEADER_BYTES + header.metaLength
          const data = await bytesAt(segment, start, header.dataLength, span)
          const seed = known.get(segment)?.seed ?? 0
          if (data.length < header.dataLength || (data.length > 0 && crc32c(data, seed) !== header.dataCrc)) {
            throw new DamagedRecord('checksum of a payload')
          }
          return { header, meta, data }
        },
      }
    },
    close: async () => {
      await Promise.all([...open.keys()].map(drop))
    },
  }
}

/** Reads until the buffer is full or the file ends. */
export async function readWhole(file: FsFile, into: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < into.length) {
    const count = await file.read(done === 0 ? into : into.subarray(done), position + done)
    if (count <= 0) break
    done += count
  }
  return done
}
