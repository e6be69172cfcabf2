import { storageClosed, storageFailed } from '../errors.js'
import type { FsFile, FsPort } from '../fs-port.js'
import { QueueError } from '@fhir-outbox/queue-core'
import { type ByteWriter, byteWriter } from './bytes.js'
import {
  encodeSegmentHeader,
  FORMAT_VERSION,
  type FrameInput,
  layFrame,
  sealFrame,
  SEGMENT_HEADER_BYTES,
  seedOf,
  segmentName,
} from './frame.js'
import type { Ownership } from './lock.js'

const SEGMENT_FACTOR = 2 ** 32

/** Segment and offset in one number, so that the index can keep it in a column of doubles. */
export function locationOf(segment: number, offset: number): number {
  return segment * SEGMENT_FACTOR + offset
}

export function segmentOf(location: number): number {
  return Math.floor(location / SEGMENT_FACTOR)
}

export function offsetOf(location: number): number {
  return location % SEGMENT_FACTOR
}

export interface FrameDraft extends FrameInput {
  readonly meta: (writer: ByteWriter) => void
  readonly data?: Uint8Array
  /** Called when the frame is in the file (durable or not), in the order of the log. */
  readonly written?: (location: number) => void
}

export interface SegmentInfo {
  readonly segment: number
  /** Seed of its checksums. */
  readonly seed: number
  /** Bytes that were written so far; all of them can be read. */
  size: number
}

export interface LogWriter {
  /** Queues frames; they reach the file with the next group, soon, but nobody syncs for them. */
  push(frames: readonly FrameDraft[]): void
  /** Resolves when everything pushed so far is in the file. */
  flush(): Promise<void>
  /** Resolves when everything pushed so far is durable. `apply` is called first, in the order of the calls. */
  sync(apply?: () => void): Promise<void>
  /** Throws when a write or a sync has failed: nothing may be accepted any more. */
  check(): void
  /** Ends the log with a last sync and closes the file. */
  close(): Promise<void>
  /** Closes the file as it is. */
  abandon(): Promise<void>
  /** The segment that is being written, once there is one, and how far its bytes can be read. */
  readonly current: SegmentInfo | undefined
  /** Bytes queued or being written. */
  readonly queuedBytes: number
}

export interface LogWriterOptions {
  readonly fs: FsPort
  readonly directory: string
  readonly owner: Ownership
  readonly segmentBytes: number
  readonly randomBytes: (count: number) => Uint8Array
  readonly now: () => number
  /** Higher than the sequence of every entry in the log so far. */
  readonly nextSequence: number
  /** The last segment of the log so far and where its valid bytes end. */
  readonly previous: { readonly segment: number; readonly end: number }
  /** Called when a new segment exists, before anything is written to it. */
  readonly started: (info: SegmentInfo) => void
}

interface Waiter {
  readonly durable: boolean
  readonly apply: (() => void) | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Group {
  readonly bytes: ByteWriter
  /** Start and callback of each frame. */
  readonly starts: number[]
  readonly written: (((location: number) => void) | undefined)[]
  waiters: Waiter[]
  /** Highest sequence in the group. */
  highest: number
}

function emptyGroup(): Group {
  return { bytes: byteWriter(64 * 1024), starts: [], written: [], waiters: [], highest: 0 }
}

interface OpenSegment extends SegmentInfo {
  readonly file: FsFile
  readonly seed: number
  syncedTo: number
}

export function logWriter(options: LogWriterOptions): LogWriter {
  const { fs, directory, owner } = options
  let previous = options.previous
  let { nextSequence } = options
  let current: OpenSegment | undefined
  // One group is being written while the next one collects; then they swap.
  let collecting = emptyGroup()
  let writing = emptyGroup()
  let loop: Promise<void> | undefined
  let failure: QueueError | undefined
  let closed = false

  function check(): void {
    if (failure !== undefined) throw failure
    if (closed) throw storageClosed()
  }

  function fail(error: unknown): QueueError {
    failure ??=
      error instanceof QueueError ? error : storageFailed(`writing to the log in ${directory} failed`, error)
    return failure
  }

  async function startSegment(): Promise<OpenSegment> {
    const salt = options.randomBytes(8)
    const segment = previous.segment + 1
    const file = await fs.create(`${directory}/${segmentName(segment)}`)
    try {
      const header = encodeSegmentHeader({
        version: FORMAT_VERSION,
        segment,
        generation: owner.generation,
        previous: previous.segment,
        previousEnd: previous.end,
        nextSequence,
        salt,
        createdAt: options.now(),
      })
      await writeWhole(file, header, 0)
      await file.datasync()
      // Without this a power cut could take the name away together with everything written under it.
      await fs.syncDirectory(directory)
      await owner.check()
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    const seed = seedOf(salt)
    const started = { segment, file, seed, size: SEGMENT_HEADER_BYTES, syncedTo: SEGMENT_HEADER_BYTES }
    options.started(started)
    return started
  }

  async function segmentFor(bytes: number): Promise<OpenSegment> {
    if (current !== undefined) {
      const full = current.size + bytes > options.segmentBytes && current.size > SEGMENT_HEADER_BYTES
      if (!full) return current
      // Recovery relies on it: only the last segment may have a tail that was never synced.
      if (current.syncedTo < current.size) await syncCurrent(current)
      const old = current
      previous = { segment: old.segment, end: old.size }
      current = await startSegment()
      await old.file.close()
      return current
    }
    current = await startSegment()
    return current
  }

  async function syncCurrent(segment: OpenSegment): Promise<void> {
    // The ownership is looked at after the write and beside the sync: see takeOwnership.
    const results = await Promise.allSettled([segment.file.datasync(), owner.check()])
    for (const result of results) if (result.status === 'rejected') throw result.reason
    segment.syncedTo = segment.size
  }

  async function writeGroup(group: Group): Promise<void> {
    if (group.starts.length > 0) {
      const segment = await segmentFor(group.bytes.length)
      const { seed, syncedTo } = segment
      const at = segment.size
      for (const start of group.starts) {
        sealFrame(group.bytes, start, { seed, at: at + start, generation: owner.generation, syncedTo })
      }
      await writeWhole(segment.file, group.bytes.view(), at)
      segment.size = at + group.bytes.length
      nextSequence = Math.max(nextSequence, group.highest + 1)
      for (let index = 0; index < group.starts.length; index++) {
        group.written[index]?.(locationOf(segment.segment, at + (group.starts[index] ?? 0)))
      }
    }
    if (group.waiters.some((waiter) => waiter.durable) && current !== undefined) {
      if (current.syncedTo < current.size) await syncCurrent(current)
      else await owner.check()
    }
  }

  async function run(): Promise<void> {
    // One turn of the event loop, so that callers of the same moment share a group; no timers.
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    while (failure === undefined && (collecting.starts.length > 0 || collecting.waiters.length > 0)) {
      const group = collecting
      collecting = writing
      writing = group
      try {
        await writeGroup(group)
      } catch (error) {
        fail(error)
      }
      const { waiters } = group
      group.waiters = []
      group.bytes.clear()
      group.starts.length = 0
      group.highest = 0
      group.written.length = 0
      for (const waiter of waiters) {
        if (failure === undefined) {
          waiter.apply?.()
          waiter.resolve()
        } else waiter.reject(failure)
      }
    }
    loop = undefined
    if (failure === undefined) return
    const { waiters } = collecting
    collecting.waiters = []
    for (const waiter of waiters) waiter.reject(failure)
  }

  function wait(durable: boolean, apply?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (failure !== undefined) {
        reject(failure)
        return
      }
      collecting.waiters.push({ durable, apply, resolve, reject })
      loop ??= run()
    })
  }

  return {
    push: (frames) => {
      check()
      const { bytes, starts, written } = collecting
      const length = bytes.length
      const count = starts.length
      try {
        for (const frame of frames) {
          starts.push(layFrame(bytes, frame, frame.meta, frame.data))
          written.push(frame.written)
          collecting.highest = Math.max(collecting.highest, frame.sequence)
        }
      } catch (error) {
        // Half a unit must not stay among the frames of others.
        bytes.truncate(length)
        starts.length = count
        written.length = count
        throw error
      }
      loop ??= run()
    },
    flush: () => wait(false),
    sync: (apply) => wait(true, apply),
    check,
    close: async () => {
      await wait(true)
      closed = true
      await current?.file.close()
    },
    abandon: async () => {
      closed = true
      fail(storageClosed())
      await loop
      await current?.file.close().catch(() => undefined)
    },
    get current() {
      return current
    },
    get queuedBytes() {
      return collecting.bytes.length + writing.bytes.length
    },
  }
}

async function writeWhole(file: FsFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const count = await file.write(done === 0 ? bytes : bytes.subarray(done), position + done)
    if (count <= 0) throw new Error('the file system wrote nothing')
    done += count
  }
}
