import { QueueError } from '@fhir-outbox/queue-core'
import { storageClosed, storageFailed } from '../errors.js'
import { type ByteWriter, byteWriter } from './bytes.js'
import type { DigestedEntry } from './digest.js'
import { decodeFrameHeader, FRAME_HEADER_BYTES, type FrameInput, layFrame, sealFrame } from './frame.js'
import { locationOf } from './location.js'
import { type SegmentInfo, segmentWriter, type SegmentWriterOptions } from './segment-writer.js'

export interface FrameDraft extends FrameInput {
  readonly meta: (writer: ByteWriter) => void
  readonly data?: Uint8Array
  /** Of a plain append: what the footer says of it. Of others the record itself tells. */
  readonly plain?: DigestedEntry
  /** Called when the frame is in the file (durable or not), in the order of the log. */
  readonly written?: (location: number) => void
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
  /**
   * Ends the log with a last sync and a footer, and closes the file. `false`: everything is durable, but the
   * footer could not be written.
   */
  close(): Promise<boolean>
  /** Closes the file as it is. */
  abandon(): Promise<void>
  /** The segment that is being written, once there is one, and how far its bytes can be read. */
  readonly current: SegmentInfo | undefined
  /** Bytes queued or being written. */
  readonly queuedBytes: number
}

export interface LogWriterOptions extends SegmentWriterOptions {
  /** Higher than the sequence of every entry in the log so far. */
  readonly nextSequence: number
}

interface Waiter {
  readonly durable: boolean
  readonly apply: (() => void) | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Group {
  readonly bytes: ByteWriter
  /** Start and draft of each frame. */
  readonly starts: number[]
  readonly frames: FrameDraft[]
  waiters: Waiter[]
  /** Highest sequence in the group. */
  highest: number
}

function emptyGroup(): Group {
  return { bytes: byteWriter(64 * 1024), starts: [], frames: [], waiters: [], highest: 0 }
}

export function logWriter(options: LogWriterOptions): LogWriter {
  const { directory, owner } = options
  const segments = segmentWriter(options)
  let { nextSequence } = options
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

  function digestFrame(group: Group, start: number, draft: FrameDraft | undefined, offset: number): void {
    if (draft === undefined) return
    if (draft.plain !== undefined) {
      segments.digest.entry(draft.sequence, offset, draft.data?.length ?? 0, draft.plain)
      return
    }
    const bytes = group.bytes.view()
    const header = decodeFrameHeader(bytes, start)
    if (header === undefined) return
    const meta = start + FRAME_HEADER_BYTES
    segments.digest.frame(header, offset, bytes.subarray(meta, meta + header.metaLength))
  }

  async function writeGroup(group: Group): Promise<void> {
    const durable = group.waiters.some((waiter) => waiter.durable)
    if (group.starts.length === 0) {
      if (durable) await segments.sync()
      return
    }
    const { seed, segment, size: at, syncedTo } = await segments.roomFor(group.bytes.length, nextSequence)
    for (const start of group.starts) {
      sealFrame(group.bytes, start, { seed, at: at + start, generation: owner.generation, syncedTo })
    }
    await segments.write(group.bytes.view(), durable)
    nextSequence = Math.max(nextSequence, group.highest + 1)
    for (let index = 0; index < group.starts.length; index++) {
      const start = group.starts[index] ?? 0
      digestFrame(group, start, group.frames[index], at + start)
      group.frames[index]?.written?.(locationOf(segment, at + start))
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
      group.frames.length = 0
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
      const { bytes, starts, frames: queued } = collecting
      const length = bytes.length
      const count = starts.length
      try {
        for (const frame of frames) {
          starts.push(layFrame(bytes, frame, frame.meta, frame.data))
          queued.push(frame)
          collecting.highest = Math.max(collecting.highest, frame.sequence)
        }
      } catch (error) {
        // Half a unit must not stay among the frames of others.
        bytes.truncate(length)
        starts.length = count
        queued.length = count
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
      const finished = await segments.finish().then(
        () => true,
        () => false,
      )
      await segments.close()
      return finished
    },
    abandon: async () => {
      closed = true
      fail(storageClosed())
      await loop
      await segments.close().catch(() => undefined)
    },
    get current() {
      return segments.current
    },
    get queuedBytes() {
      return collecting.bytes.length + writing.bytes.length
    },
  }
}
