import { type FsFile, type FsPort, isFull } from '../fs-port.js'
import { type DigestBuilder, digestBuilder } from './digest.js'
import { encodeFooter } from './footer.js'
import { encodeSegmentHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES, seedOf, segmentName } from './frame.js'
import type { Ownership } from './lock.js'
import { hasNoLinks } from './publish.js'
import type { SparePool } from './spares.js'
import { writeWhole } from './write-whole.js'

export interface SegmentInfo {
  readonly segment: number
  /** Seed of its checksums. */
  readonly seed: number
  /** Bytes that were written so far; all of them can be read. */
  size: number
}

export interface OpenSegment extends SegmentInfo {
  readonly file: FsFile
  /** Everything before is durable. */
  syncedTo: number
  /** Up to here the file was written before, if only with zeros. */
  preparedTo: number
  /** The disk was too full to prepare anything. */
  noRoom: boolean
}

export interface SegmentWriterOptions {
  readonly fs: FsPort
  readonly directory: string
  readonly owner: Ownership
  readonly segmentBytes: number
  readonly spares: SparePool
  readonly randomBytes: (count: number) => Uint8Array
  readonly now: () => number
  /** The last segment of the log so far and where its valid bytes end. */
  readonly previous: { readonly segment: number; readonly end: number }
  /** Called when a new segment exists, before anything is written to it. */
  readonly started: (info: SegmentInfo) => void
}

/** Writes the segments of one owner, one after the other. */
export interface SegmentWriter {
  readonly current: OpenSegment | undefined
  /** Number of the segment after the current one. */
  readonly next: number
  /** Collects what the footer of the current segment will say. */
  readonly digest: DigestBuilder
  /** The segment that takes this many bytes more; a new one when the current one is full. */
  roomFor(bytes: number, nextSequence: number): Promise<OpenSegment>
  /** Ends the current segment and starts the next one. */
  turn(nextSequence: number): Promise<OpenSegment>
  /** Writes at the end of the current segment; with `durable`, also syncs everything in it. */
  write(bytes: Uint8Array, durable: boolean): Promise<void>
  /** Makes everything durable. */
  sync(): Promise<void>
  /** Ends the current segment with a footer and gives back what was prepared and not needed. */
  finish(): Promise<void>
  close(): Promise<void>
}

// A store that is opened for a few entries stays small; one that is used is prepared piece by piece.
const PREPARE_FROM = 32 * 1024
const PREPARE_MOST = 1024 * 1024

export function segmentWriter(options: SegmentWriterOptions): SegmentWriter {
  const { fs, directory, owner, spares, segmentBytes } = options
  const digest = digestBuilder()
  let { previous } = options
  let current: OpenSegment | undefined

  function headerOf(segment: number, salt: Uint8Array, nextSequence: number): Uint8Array {
    return encodeSegmentHeader({
      version: FORMAT_VERSION,
      segment,
      generation: owner.generation,
      previous: previous.segment,
      previousEnd: previous.end,
      nextSequence,
      salt,
      createdAt: options.now(),
    })
  }

  /** Gives a spare the name of the segment, unless somebody else has it. */
  async function fromSpare(
    path: string,
    header: Uint8Array,
  ): Promise<{ file: FsFile; size: number } | undefined> {
    const spare = spares.take()
    if (spare === undefined || fs.link === undefined) return undefined
    const { file, size } = spare
    try {
      await writeWhole(file, header, 0)
      await file.datasync()
      await fs.link(spare.path, path)
    } catch (error) {
      await file.close().catch(() => undefined)
      if (!hasNoLinks(error)) throw error
      spares.giveUp()
      await fs.unlink(spare.path).catch(() => undefined)
      return undefined
    }
    // Only another name: whoever finds it removes it.
    await fs.unlink(spare.path).catch(() => undefined)
    return { file, size }
  }

  async function fresh(path: string, header: Uint8Array): Promise<{ file: FsFile; size: number }> {
    const file = await fs.create(path)
    try {
      await writeWhole(file, header, 0)
      await file.datasync()
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    return { file, size: SEGMENT_HEADER_BYTES }
  }

  async function start(nextSequence: number): Promise<OpenSegment> {
    const salt = options.randomBytes(8)
    const segment = previous.segment + 1
    const path = `${directory}/${segmentName(segment)}`
    const header = headerOf(segment, salt, nextSequence)
    const { file, size } = (await fromSpare(path, header)) ?? (await fresh(path, header))
    try {
      // Without this a power cut could take the name away together with everything written under it.
      await fs.syncDirectory(directory)
      await owner.check()
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    digest.clear()
    const started: OpenSegment = {
      segment,
      file,
      seed: seedOf(salt),
      size: SEGMENT_HEADER_BYTES,
      syncedTo: SEGMENT_HEADER_BYTES,
      preparedTo: size,
      noRoom: false,
    }
    options.started(started)
    return started
  }

  async function syncAll(segment: OpenSegment): Promise<void> {
    // The ownership is looked at after the write and beside the sync: see takeOwnership.
    const results = await Promise.allSettled([segment.file.datasync(), owner.check()])
    for (const result of results) if (result.status === 'rejected') throw result.reason
    segment.syncedTo = segment.size
  }

  /** Zeros behind what was just written, in the same sync. */
  async function prepare(segment: OpenSegment, end: number): Promise<void> {
    const from = Math.min(PREPARE_FROM, segmentBytes / 8)
    if (segment.noRoom || end <= segment.preparedTo || end < from || end >= segmentBytes) return
    const to = Math.min(end + Math.min(4 * end, PREPARE_MOST), segmentBytes)
    try {
      await writeWhole(segment.file, new Uint8Array(to - end), end)
      segment.preparedTo = to
    } catch (error) {
      if (!isFull(error)) throw error
      // The record has its place; what is left of the disk is for those that follow.
      segment.noRoom = true
      await segment.file.truncate(end).catch(() => undefined)
    }
  }

  async function writeFooter(segment: OpenSegment): Promise<void> {
    const { seed, syncedTo, size } = segment
    const place = { seed, at: size, generation: owner.generation, syncedTo, now: options.now() }
    const footer = encodeFooter(digest, place)
    await writeWhole(segment.file, footer, size)
    segment.size = size + footer.length
    await syncAll(segment)
  }

  async function turn(nextSequence: number): Promise<OpenSegment> {
    const old = current
    if (old !== undefined) {
      // Recovery relies on it: only the last segment may have a tail that was never synced.
      if (old.syncedTo < old.size) await syncAll(old)
      await writeFooter(old)
      previous = { segment: old.segment, end: old.size }
    }
    current = await start(nextSequence)
    await old?.file.close()
    return current
  }

  return {
    get current() {
      return current
    },
    get next() {
      return (current ?? previous).segment + 1
    },
    digest,
    roomFor: async (bytes, nextSequence) => {
      if (current !== undefined) {
        const needed = current.size + bytes + digest.length
        const full = needed > segmentBytes && current.size > SEGMENT_HEADER_BYTES
        if (!full) {
          if (current.size * 4 > segmentBytes) spares.prepare()
          return current
        }
      }
      return await turn(nextSequence)
    },
    turn,
    write: async (bytes, durable) => {
      const segment = current
      if (segment === undefined) return
      const at = segment.size
      const end = at + bytes.length
      const wasPrepared = end <= segment.preparedTo
      const { writeSynced } = segment.file
      // It syncs what it writes and nothing else, so nothing may be waiting for a sync.
      if (durable && wasPrepared && segment.syncedTo === at && writeSynced !== undefined) {
        for (let done = 0; done < bytes.length;) {
          const count = await writeSynced(done === 0 ? bytes : bytes.subarray(done), at + done)
          if (count <= 0) throw new Error('the file system wrote nothing')
          done += count
        }
        segment.size = end
        segment.syncedTo = end
        if (owner.checkAtOnce === undefined) await owner.check()
        else owner.checkAtOnce()
        return
      }
      await writeWhole(segment.file, bytes, at)
      segment.size = end
      await prepare(segment, end)
      if (durable) await syncAll(segment)
    },
    sync: async () => {
      if (current === undefined) return
      if (current.syncedTo < current.size) await syncAll(current)
      else await owner.check()
    },
    finish: async () => {
      if (current === undefined) return
      await writeFooter(current)
      // Not needed for anything but tidiness: zeros and the end of the file are the same to a reader.
      if (current.preparedTo > current.size) await current.file.truncate(current.size).catch(() => undefined)
    },
    close: async () => {
      await current?.file.close()
    },
  }
}
