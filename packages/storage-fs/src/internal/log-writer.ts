import { type EntryDraft, QueueError, storageClosed } from '@fhir-outbox/queue-core'
import { storageFailed } from '../errors.js'
import { type ByteWriter, byteWriter } from './bytes.js'
import type { DigestedEntry } from './digest.js'
import { beginFrame, decodeFrameHeader, endFrame, FRAME_HEADER_BYTES, sealFrame } from './frame.js'
import { locationOf } from './location.js'
import { ENTRY, writeBase } from './records.js'
import { type SegmentInfo, segmentWriter, type SegmentWriterOptions } from './segment-writer.js'

export interface FrameDraft {
  readonly type: number
  /** The entry it is about; 0 when it is about none or several. */
  readonly sequence: number
  /** Wall-clock milliseconds. */
  readonly at: number
  readonly meta: (writer: ByteWriter) => void
  /**
   * What the footer says of it: the bytes of `writeRecordWithoutContent`, or `whole` when these are the bytes of
   * `meta`. Absent: found out by decoding what was encoded, which takes longer.
   */
  readonly outline?: Uint8Array | 'whole'
  readonly data?: Uint8Array
  /** Called when the frame is in the file (durable or not), in the order of the log. */
  readonly written?: (location: number) => void
}

/** An append on its way: the one object that is made for it, from the call until the index has taken it over. */
export interface NewEntry extends DigestedEntry {
  readonly sequence: number
  readonly key: string
  readonly after: readonly number[]
  readonly payloadBytes: number
  /** Set when its frame is in the file. */
  location: number
}

export interface LogWriter {
  /** Queues a frame; it reaches the file with the next group, soon, but nobody syncs for it. */
  push(frame: FrameDraft): void
  /** Queues the appends of one call, all or none. Their bytes are copied before it returns. */
  append(entries: readonly NewEntry[], drafts: readonly EntryDraft[]): void
  /**
   * Begins a new segment with these frames, all or none, and resolves when they are durable. Nothing else may be
   * pushed meanwhile.
   */
  restart(frames: (segment: number) => readonly FrameDraft[]): Promise<void>
  /** Resolves when everything pushed so far is in the file. */
  flush(): Promise<void>
  /** Resolves when everything pushed so far is durable. */
  sync(): Promise<void>
  /** The same; `apply` is called first, in the order of the calls, and is what the promise resolves to. */
  commit<T>(apply: () => T): Promise<T>
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
  /** Number of the segment after it. */
  readonly nextSegment: number
  /** Appends that are queued or being written, in order. */
  arriving(): Generator<NewEntry>
  /** Bytes queued or being written. */
  readonly queuedBytes: number
}

export interface LogWriterOptions extends SegmentWriterOptions {
  /** Higher than the sequence of every entry in the log so far. */
  readonly nextSequence: number
}

interface Waiter {
  readonly durable: boolean
  readonly apply: (() => unknown) | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Group {
  readonly bytes: ByteWriter
  /** Start and origin of each frame. */
  readonly starts: number[]
  readonly frames: (FrameDraft | NewEntry)[]
  waiters: Waiter[]
  /** Highest sequence in the group. */
  highest: number
}

function emptyGroup(): Group {
  return { bytes: byteWriter(64 * 1024), starts: [], frames: [], waiters: [], highest: 0 }
}

/** One turn of the event loop, so that callers of the same moment share a group; no timers. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
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

  function digest(group: Group, start: number, frame: FrameDraft | NewEntry, offset: number): void {
    if (isEntry(frame) && frame.after.length === 0) {
      segments.digest.entry(frame.sequence, offset, frame.payloadBytes, frame)
      return
    }
    const bytes = group.bytes.view()
    const header = decodeFrameHeader(bytes, start)
    if (header === undefined) return
    const metaStart = start + FRAME_HEADER_BYTES
    const meta = bytes.subarray(metaStart, metaStart + header.metaLength)
    const outline = isEntry(frame) ? undefined : frame.outline
    if (outline === undefined) segments.digest.frame(header, offset, meta)
    else segments.digest.outline(header, offset, outline === 'whole' ? meta : outline)
  }

  async function writeGroup(group: Group): Promise<void> {
    const durable = group.waiters.some((waiter) => waiter.durable)
    if (group.starts.length === 0) {
      if (durable) await segments.sync()
      return
    }
    const { seed, segment, size: at, syncedTo } = await segments.roomFor(group.bytes.length, nextSequence)
    const seal = { seed, generation: owner.generation, syncedTo }
    for (const start of group.starts) sealFrame(group.bytes, start, at + start, seal)
    await segments.write(group.bytes.view(), durable)
    nextSequence = Math.max(nextSequence, group.highest + 1)
    for (const [index, frame] of group.frames.entries()) {
      const start = group.starts[index] ?? 0
      digest(group, start, frame, at + start)
      if (isEntry(frame)) frame.location = locationOf(segment, at + start)
      else frame.written?.(locationOf(segment, at + start))
    }
  }

  async function run(): Promise<void> {
    await nextTurn()
    while (failure === undefined && (collecting.starts.length > 0 || collecting.waiters.length > 0)) {
      // What nobody waits for goes along with what somebody is about to wait for: whoever was just called back.
      if (collecting.waiters.length === 0) await nextTurn()
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
      for (const waiter of waiters) {
        if (failure === undefined) waiter.resolve(waiter.apply?.())
        else waiter.reject(failure)
      }
      group.bytes.clear()
      group.starts.length = 0
      group.highest = 0
      group.frames.length = 0
    }
    loop = undefined
    if (failure === undefined) return
    const { waiters } = collecting
    collecting.waiters = []
    for (const waiter of waiters) waiter.reject(failure)
  }

  function wait<T>(durable: boolean, apply?: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (failure !== undefined) {
        reject(failure)
        return
      }
      // A waiter is resolved to what its own `apply` returned.
      collecting.waiters.push({ durable, apply, resolve: resolve as (value: unknown) => void, reject })
      loop ??= run()
    })
  }

  function lay({ bytes, starts, frames }: Group, frame: FrameDraft, more: boolean): void {
    const { type, sequence, at, meta, data } = frame
    const start = beginFrame(bytes, type, more, sequence, at)
    meta(bytes)
    endFrame(bytes, start, data)
    starts.push(start)
    frames.push(frame)
  }

  /** Half a unit must not stay among the frames of others. */
  function whole(lay: (group: Group) => void): void {
    check()
    const group = collecting
    const { bytes, starts, frames } = group
    const { length } = bytes
    const count = starts.length
    try {
      lay(group)
    } catch (error) {
      bytes.truncate(length)
      starts.length = count
      frames.length = count
      throw error
    }
    loop ??= run()
  }

  return {
    push: (frame) => {
      whole((group) => lay(group, frame, false))
    },
    restart: async (make) => {
      await wait(true)
      check()
      let segment: number
      try {
        ;({ segment } = await segments.turn(nextSequence))
      } catch (error) {
        throw fail(error)
      }
      const unit = make(segment)
      whole((group) => {
        for (const [index, frame] of unit.entries()) lay(group, frame, index < unit.length - 1)
      })
      await wait(true)
    },
    append: (entries, drafts) => {
      whole((group) => {
        for (const [index, entry] of entries.entries()) {
          const draft = drafts[index]
          if (draft === undefined) continue
          const { sequence, appendedAt } = entry
          const start = beginFrame(group.bytes, ENTRY, index < entries.length - 1, sequence, appendedAt)
          writeBase(group.bytes, entry, draft.header)
          endFrame(group.bytes, start, draft.payload)
          group.starts.push(start)
          group.frames.push(entry)
          group.highest = sequence
        }
      })
    },
    flush: () => wait(false),
    sync: () => wait(true),
    commit: (apply) => wait(true, apply),
    check,
    close: async () => {
      await wait<void>(true)
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
    get nextSegment() {
      return segments.next
    },
    *arriving() {
      for (const { frames } of [writing, collecting]) {
        for (const frame of frames) if (isEntry(frame)) yield frame
      }
    },
    get queuedBytes() {
      return collecting.bytes.length + writing.bytes.length
    },
  }
}

function isEntry(frame: FrameDraft | NewEntry): frame is NewEntry {
  return 'keyHash' in frame
}
