import { QueueError } from '@fhir-outbox/queue-core'
import { newerFormat } from '../errors.js'
import type { FsPort } from '../fs-port.js'
import { type Catalog, createCatalog } from './catalog.js'
import {
  decodeSegmentHeader,
  type FrameHeader,
  frameLength,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  seedOf,
  segmentName,
} from './frame.js'
import { locationOf } from './log-writer.js'
import {
  type Base,
  DECIDE,
  ENTRY,
  type Gap,
  GAP,
  LANES,
  type LogRecord,
  MARK,
  SETTLE,
  STATE,
} from './records.js'
import { restoreEntries } from './restore.js'
import { type ScannedSegment, scanSegment, validEnd } from './scan.js'
import { readWhole, type SegmentFiles } from './segment-files.js'

/** An entry whose record cannot be read. */
export interface LostEntry {
  readonly sequence: number
  /** What is still known of it. */
  readonly base?: Base
  readonly payloadBytes: number
  readonly gap: Gap
}

export interface Recovered {
  readonly catalog: Catalog
  readonly nextSequence: number
  /** The last segment and where its valid bytes end. */
  readonly previous: { readonly segment: number; readonly end: number }
  readonly firstSegment: number
  readonly generation: number
  readonly lost: readonly LostEntry[]
  /** Damaged stretches that were not dealt with before. */
  readonly gaps: readonly Gap[]
  /** Something was lost that may have been a mark: these waiting entries may have been sent. */
  readonly doubtful: readonly number[]
  /** Bytes of a write that a crash interrupted. */
  readonly cutBytes: number
  /** Segment files that hold nothing any more, or never did. */
  readonly obsolete: readonly string[]
  /** Segment files without a readable header; their whole content is kept aside. */
  readonly unreadable: readonly number[]
}

/** What one pass over the log collects: positions, not records, so that a million entries stay small. */
export interface Collected {
  /** Sequence and location of each base record, in the order of the log. */
  readonly baseSequences: number[]
  readonly baseLocations: number[]
  /** Locations of everything that changes an entry, in the order of the log. */
  readonly events: number[]
  readonly damaged: Set<number>
  readonly control: { readonly location: number; readonly record: LogRecord }[]
  readonly gaps: OpenGap[]
}

interface OpenGap extends Gap {
  readonly claim?: FrameHeader
  /** Sequences that are missing around it. */
  missing: number[]
}

interface Opened {
  readonly segment: number
  readonly size: number
  readonly header: SegmentHeader | undefined
}

async function openSegments(fs: FsPort, directory: string): Promise<Opened[]> {
  const numbers: number[] = []
  for (const name of await fs.readdir(directory)) {
    const number = parseSegmentName(name)
    if (number !== undefined) numbers.push(number)
  }
  numbers.sort((a, b) => a - b)
  const opened: Opened[] = []
  for (const segment of numbers) {
    const file = await fs.open(`${directory}/${segmentName(segment)}`, 'read')
    try {
      const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
      const count = await readWhole(file, bytes, 0)
      const header = decodeSegmentHeader(bytes.subarray(0, count))
      if (header !== undefined && 'newer' in header) throw newerFormat(directory, header.newer)
      opened.push({ segment, size: await file.size(), header })
    } finally {
      await file.close()
    }
  }
  return opened
}

/**
 * Refuses a directory that was written by a newer version, before anything is touched. Resolves to the highest
 * owner number in the log.
 */
export async function checkFormat(fs: FsPort, directory: string): Promise<number> {
  const opened = await openSegments(fs, directory)
  return opened.reduce((highest, { header }) => Math.max(highest, header?.generation ?? 0), 0)
}

/** Adds what a segment holds. `open`: gaps behind its last entry, of which it is not known yet what they held. */
function collect(
  into: Collected,
  segment: number,
  scanned: ScannedSegment,
  end: number,
  first: number,
): { readonly expected: number; readonly open: readonly OpenGap[] } {
  let expected = first
  let open: OpenGap[] = []
  for (const item of scanned.items) {
    if (item.offset >= end) break
    if (item.kind === 'gap') {
      const gap: OpenGap = { segment, offset: item.offset, length: item.length, missing: [] }
      open.push(item.claim === undefined ? gap : { ...gap, claim: item.claim })
      const last = open.at(-1)
      if (last !== undefined) into.gaps.push(last)
      continue
    }
    const location = locationOf(segment, item.offset)
    if (!item.dataIntact) into.damaged.add(location)
    if (item.control !== undefined) into.control.push({ location, record: item.control })
    if (item.isBase) {
      into.baseSequences.push(item.sequence)
      into.baseLocations.push(location)
    } else if (item.type === MARK || item.type === SETTLE || item.type === DECIDE || item.type === LANES) {
      into.events.push(location)
    }
    if (item.type !== ENTRY) continue
    attribute(open, expected, item.sequence)
    open = []
    expected = item.sequence + 1
  }
  return { expected, open }
}

/** The sequences from `expected` up to `next` were in these gaps. */
function attribute(gaps: readonly OpenGap[], expected: number, next: number): void {
  const [gap] = gaps
  if (gap === undefined) return
  for (let sequence = expected; sequence < next; sequence++) gap.missing.push(sequence)
}

/** Whether everything that was in the gap is known: one append, and nothing else. */
function isOneEntry(gap: OpenGap): boolean {
  const { claim, missing } = gap
  if (missing.length !== 1 || claim === undefined) return false
  return claim.type === ENTRY && claim.sequence === missing[0] && frameLength(claim) === gap.length
}

/** Reads the whole log. Changes nothing but makes the tail durable that a killed process may have left unsynced. */
export async function recover(
  fs: FsPort,
  directory: string,
  files: SegmentFiles,
  options: { readonly owner: string; readonly now: number; readonly readOnly?: boolean },
): Promise<Recovered> {
  const { owner, now, readOnly = false } = options
  const opened = await openSegments(fs, directory)
  const catalog = createCatalog(owner)
  const collected: Collected = {
    baseSequences: [],
    baseLocations: [],
    events: [],
    damaged: new Set(),
    control: [],
    gaps: [],
  }
  const obsolete: string[] = []
  const unreadable: number[] = []
  let expected = 1
  let generation = 0
  let cutBytes = 0
  let previous = { segment: 0, end: 0 }
  const whole: OpenGap[] = []

  // The header is durable before anything else is written: a short last file never held a record.
  for (let last = opened.at(-1); last !== undefined; last = opened.at(-1)) {
    if (last.header !== undefined || last.size > SEGMENT_HEADER_BYTES) break
    obsolete.push(segmentName(last.segment))
    opened.pop()
  }
  for (let index = 0; index < opened.length; index++) {
    const current = opened[index]
    if (current === undefined) continue
    const { segment, size, header } = current
    const next = opened[index + 1]
    if (header === undefined) {
      const gap: OpenGap = { segment, offset: 0, length: size, missing: [] }
      unreadable.push(segment)
      whole.push(gap)
      collected.gaps.push(gap)
      previous = { segment, end: size }
      continue
    }
    generation = Math.max(generation, header.generation)
    if (index > 0 && whole.length === 0 && header.previous > previous.segment) {
      // A segment in between is gone altogether.
      const gap: OpenGap = { segment: header.previous, offset: 0, length: 0, missing: [] }
      whole.push(gap)
      collected.gaps.push(gap)
    }
    if (whole.length > 0) attribute(whole.splice(0), expected, header.nextSequence)
    expected = Math.max(expected, header.nextSequence)

    const sealed = next?.header?.previous === segment ? next.header.previousEnd : undefined
    let end = Math.min(size, sealed ?? size)
    const seed = seedOf(header.salt)
    const file = await fs.open(
      `${directory}/${segmentName(segment)}`,
      next === undefined && !readOnly ? 'write' : 'read',
    )
    try {
      const scanned = await scanSegment(file, seed, end)
      if (scanned.unknownType !== undefined) {
        throw new QueueError('ERR_STORAGE_FORMAT', `${directory} holds records of a newer version`, {
          hint: 'Nothing was changed. Open it with the version of the package that wrote it, or a newer one.',
        })
      }
      if (next === undefined) {
        end = validEnd(scanned)
        cutBytes += size - end
        // A killed process may have left written but unsynced bytes; what is built on them must not outlive them.
        if (!readOnly) await file.datasync()
      }
      const tail = collect(collected, segment, scanned, end, expected)
      expected = tail.expected
      const claim = tail.open[0]?.claim
      if (tail.open.length > 0 && next?.header !== undefined) {
        attribute(tail.open, expected, next.header.nextSequence)
      } else if (claim?.type === ENTRY && claim.sequence === expected) {
        attribute(tail.open, expected, ++expected)
      }
    } finally {
      await file.close()
    }
    if (sealed !== undefined && size < sealed) {
      const gap: OpenGap = { segment, offset: size, length: sealed - size, missing: [] }
      collected.gaps.push(gap)
      attribute([gap], expected, next?.header?.nextSequence ?? expected)
    }
    const readable = end
    files.set(segment, { seed, end: () => readable })
    catalog.segments.set(segment, { size: end, total: 0, live: 0 })
    previous = { segment, end }
  }
  // The last segments have lost their header: nobody can say how many sequences they held, so leave room.
  for (const gap of whole) expected += Math.ceil(gap.length / 64)

  const firstSegment = firstLive(collected, opened[0]?.segment ?? 1)
  for (const { segment } of opened) {
    if (segment >= firstSegment) continue
    obsolete.push(segmentName(segment))
    catalog.segments.delete(segment)
  }
  const gaps = openGaps(collected, firstSegment)
  const doubtfulBefore = Math.max(
    -1,
    ...gaps.filter((gap) => !isOneEntry(gap)).map((gap) => locationOf(gap.segment, gap.offset)),
  )
  const restored = await restoreEntries({
    catalog,
    collected,
    firstSegment,
    gaps,
    files,
    doubtfulBefore,
    now,
  })
  return {
    catalog,
    nextSequence: Math.max(expected, catalog.index.lastSequence + 1),
    previous,
    firstSegment,
    generation,
    lost: restored.lost,
    gaps,
    doubtful: restored.doubtful,
    cutBytes,
    obsolete,
    unreadable,
  }
}

function firstLive(collected: Collected, lowest: number): number {
  let first = lowest
  for (const { record } of collected.control) {
    if (record.type === STATE) first = Math.max(first, record.firstSegment)
  }
  return first
}

/** Gaps that matter and were not dealt with by an earlier recovery. */
function openGaps(collected: Collected, firstSegment: number): OpenGap[] {
  const handled = new Set<number>()
  for (const { record } of collected.control) {
    if (record.type === GAP) handled.add(locationOf(record.gap.segment, record.gap.offset))
  }
  return collected.gaps.filter(
    (gap) => gap.segment >= firstSegment && !handled.has(locationOf(gap.segment, gap.offset)),
  )
}
