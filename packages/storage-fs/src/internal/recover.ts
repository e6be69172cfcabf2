import { laneIndex, QueueError, type SteadyClock } from '@fhir-outbox/queue-core'
import type { FsFile, FsPort } from '../fs-port.js'
import { type Catalog, createCatalog } from './catalog.js'
import { agrees, type Checkpoint, readCheckpoint, restoreCheckpoint } from './checkpoint.js'
import { type Digest, digestBuilder, latestIn, ROW_BYTES, rowSequence, upTo } from './digest.js'
import { readFooter } from './footer.js'
import { type FrameHeader, frameLength, SEGMENT_HEADER_BYTES, seedOf, segmentName } from './frame.js'
import { locationOf } from './location.js'
import { lostEnd, type LostEnd } from './lost-end.js'
import { type Base, ENTRY, type Gap, GAP, STATE } from './records.js'
import { restoreEntries } from './restore.js'
import { type ScannedGap, type ScannedSegment, scanSegment, validEnd, wasFooter, writtenEnd } from './scan.js'
import { readWhole, type SegmentFiles } from './segment-files.js'
import { type PresentSegment, presentSegments } from './segments.js'
import { writeWhole } from './write-whole.js'

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
  readonly generation: number
  readonly lost: readonly LostEntry[]
  /** Damaged stretches that were not dealt with before. */
  readonly gaps: readonly Gap[]
  /** Something was lost that may have been a mark: these waiting entries may have been sent. */
  readonly doubtful: readonly number[]
  /** Bytes of a write that a crash interrupted. */
  readonly cutBytes: number
  /** Segments whose creation was interrupted; their names are needed again. */
  readonly unborn: readonly string[]
  /** No earlier segment counts. */
  readonly firstSegment: number
  /** Segments of which nothing is needed any more. */
  readonly drained: readonly number[]
  /** Segment files without a readable header; their whole content is kept aside. */
  readonly unreadable: readonly number[]
  /** How the content of the log was found out. */
  readonly source: RecoverySource
}

/** Segments by how they were read; `checkpoint`: none had to be. */
export interface RecoverySource {
  readonly checkpoint: boolean
  readonly footers: number
  readonly scanned: number
}

/** What one pass over the log collects: digests, not records, so that a million entries stay small. */
export interface Collected {
  /** In the order of the log. */
  readonly digests: { readonly segment: number; readonly digest: Digest }[]
  /** Locations of records whose data is damaged. */
  readonly damaged: Set<number>
  readonly gaps: OpenGap[]
}

interface OpenGap extends Gap {
  readonly claim?: FrameHeader
  /** Sequences that are missing around it. */
  missing: number[]
}

export interface RecoverOptions {
  readonly owner: string
  /** Goes on from the latest time in the log, so that no wait grows when the wall clock was set back. */
  readonly clock: SteadyClock
  readonly readOnly?: boolean
  /** Reads every record, whatever checkpoint and footers say. */
  readonly verify?: boolean
}

/** Adds what a scan found. `open`: gaps behind the last entry, of which it is not known yet what they held. */
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
      if (wasFooter(item, end)) continue
      const gap = openGap(segment, item)
      open.push(gap)
      into.gaps.push(gap)
      continue
    }
    if (!item.dataIntact) into.damaged.add(locationOf(segment, item.offset))
    if (item.type !== ENTRY) continue
    attribute(open, expected, item.sequence)
    open = []
    expected = item.sequence + 1
  }
  return { expected, open }
}

function openGap(segment: number, item: ScannedGap): OpenGap {
  const gap: OpenGap = { segment, offset: item.offset, length: item.length, missing: [] }
  return item.claim === undefined ? gap : { ...gap, claim: item.claim }
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

function sequenceAfter(digest: Digest): number {
  let last = digest.entries === 0 ? 0 : rowSequence(digest.rows, (digest.entries - 1) * ROW_BYTES)
  for (const { type, sequence } of digest.frames) if (type === ENTRY) last = Math.max(last, sequence)
  return last + 1
}

/** Reads the log. Changes nothing but makes the tail durable that a killed process may have left unsynced. */
export async function recover(
  fs: FsPort,
  directory: string,
  files: SegmentFiles,
  options: RecoverOptions,
): Promise<Recovered> {
  // First: a log may be ahead of a checkpoint that is there already, and never falls behind it.
  const checkpoint = await readCheckpoint(fs, directory)
  const present = await presentSegments(fs, directory, await fs.readdir(directory))
  if (options.verify !== true && checkpoint !== undefined && agrees(checkpoint, present)) {
    const recovered = fromCheckpoint(checkpoint, files, options)
    if (recovered !== undefined) return recovered
  }
  const lacking = checkpoint && lostEnd(checkpoint, present, options.clock.now())
  return await fromLog(fs, directory, files, present, options, lacking)
}

/** `undefined` when the index in it was written by another version of queue-core. */
function fromCheckpoint(
  checkpoint: Checkpoint,
  files: SegmentFiles,
  { owner, clock }: RecoverOptions,
): Recovered | undefined {
  clock.reach(checkpoint.at)
  const catalog = restoreCheckpoint(checkpoint, owner, clock.now())
  if (catalog === undefined) return undefined
  for (const { segment, end, seed } of checkpoint.segments) files.set(segment, { seed, end: () => end })
  return {
    catalog,
    nextSequence: checkpoint.nextSequence,
    previous: checkpoint.last,
    generation: checkpoint.generation,
    lost: [],
    gaps: [],
    doubtful: [],
    cutBytes: 0,
    unborn: [],
    firstSegment: checkpoint.segments[0]?.segment ?? 0,
    drained: [],
    unreadable: [],
    source: { checkpoint: true, footers: 0, scanned: 0 },
  }
}

async function fromLog(
  fs: FsPort,
  directory: string,
  files: SegmentFiles,
  present: PresentSegment[],
  options: RecoverOptions,
  lacking: LostEnd | undefined,
): Promise<Recovered> {
  const { owner, clock, readOnly = false, verify = false } = options
  const catalog = createCatalog(laneIndex({ owner }))
  const collected: Collected = { digests: [], damaged: new Set(), gaps: [] }
  const unborn: string[] = []
  const drained: number[] = []
  const unreadable: number[] = []
  let expected = 1
  let generation = 0
  let cutBytes = 0
  let footers = 0
  let scans = 0
  let previous = { segment: 0, end: 0 }
  const whole: OpenGap[] = []

  // The header is durable before anything else is written: a short last file never held a record.
  for (let last = present.at(-1); last !== undefined; last = present.at(-1)) {
    if (last.header !== undefined || last.size > SEGMENT_HEADER_BYTES) break
    unborn.push(segmentName(last.segment))
    present.pop()
  }
  for (let index = 0; index < present.length; index++) {
    const current = present[index]
    if (current === undefined) continue
    const { segment, size, header } = current
    const next = present[index + 1]
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
      const trusted = sealed === end && header.version > 1 && !verify
      let digest = trusted ? await readFooter(file, seed, end) : undefined
      if (digest === undefined) {
        scans++
        const builder = digestBuilder()
        const scanned = await scanSegment(file, seed, end, builder)
        refuseUnknown(directory, scanned)
        digest = builder.digest()
        if (next === undefined) {
          end = validEnd(scanned)
          digest = upTo(digest, end)
          const written = await writtenEnd(file, end, size)
          cutBytes += written - end
          // A killed process may have left written but unsynced bytes; what is built on them must not outlive them.
          if (!readOnly) {
            await writeAgain(file, scanned.syncedTo, end)
            await file.datasync()
            // What was prepared is not needed any more, and zeros mean the same as no bytes.
            if (written < size) await file.truncate(written).catch(() => undefined)
          }
        }
        const tail = collect(collected, segment, scanned, end, expected)
        expected = tail.expected
        const claim = tail.open[0]?.claim
        if (tail.open.length > 0 && next?.header !== undefined) {
          attribute(tail.open, expected, next.header.nextSequence)
        } else if (claim?.type === ENTRY && claim.sequence === expected) {
          attribute(tail.open, expected, ++expected)
        }
      } else {
        footers++
        expected = Math.max(expected, sequenceAfter(digest))
      }
      collected.digests.push({ segment, digest })
      clock.reach(latestIn(digest))
    } finally {
      await closed(file)
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

  const firstSegment = firstLive(collected)
  const oldest = present[0]?.header
  if (oldest !== undefined && oldest.previous >= firstSegment) {
    // A file that still counted is gone altogether. Only while none was ever removed is it known what came before,
    // and what else is missing may have been the record that says so.
    const gap: OpenGap = { segment: oldest.previous, offset: 0, length: 0, missing: [] }
    const isAll = collected.gaps.length === 0 && lacking === undefined && cutBytes === 0
    if (firstSegment === 1 && isAll) attribute([gap], 1, oldest.nextSequence)
    collected.gaps.push(gap)
  }
  for (const { segment } of present) {
    if (segment >= firstSegment) continue
    drained.push(segment)
    catalog.segments.delete(segment)
  }
  if (lacking !== undefined) {
    const { segment, sequences, nextSequence } = lacking
    const where = previous.segment > 0 ? previous : { segment, end: 0 }
    collected.gaps.push({
      segment: where.segment,
      offset: where.end,
      length: 0,
      missing: [...sequences],
    })
    expected = Math.max(expected, nextSequence)
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
    now: clock.now(),
  })
  return {
    catalog,
    nextSequence: Math.max(expected, catalog.index.lastSequence + 1),
    previous,
    generation,
    lost: restored.lost,
    gaps,
    doubtful: restored.doubtful,
    cutBytes,
    unborn,
    firstSegment,
    drained,
    unreadable,
    source: { checkpoint: false, footers, scanned: scans },
  }
}

/**
 * Where a sync has failed, the kernel may take what it could not write for clean: everybody reads it, and a second
 * sync succeeds without having done anything. So what no record vouches for is written once more, as it is.
 */
async function writeAgain(file: FsFile, syncedTo: number, end: number): Promise<void> {
  // Where nothing was synced after the header, the header itself may be such a case.
  const from = syncedTo > SEGMENT_HEADER_BYTES ? Math.min(syncedTo, end) : 0
  const bytes = new Uint8Array(end - from)
  await writeWhole(file, bytes.subarray(0, await readWhole(file, bytes, from)), from)
}

/** Nothing was written through it that matters, so a failure to close it changes nothing. */
async function closed(file: FsFile): Promise<void> {
  await file.close().catch(() => undefined)
}

function refuseUnknown(directory: string, scanned: ScannedSegment): void {
  if (scanned.unknownType === undefined) return
  throw new QueueError('ERR_STORAGE_FORMAT', `${directory} holds records of a newer version`, {
    hint: 'Nothing was changed. Open it with the version of the package that wrote it, or a newer one.',
  })
}

/** Earlier segments were taken out of the log. */
function firstLive(collected: Collected): number {
  let first = 1
  for (const { digest } of collected.digests) {
    for (const { record } of digest.frames) {
      if (record.type === STATE) first = Math.max(first, record.firstSegment)
    }
  }
  return first
}

/** Gaps that matter and were not dealt with by an earlier recovery. */
function openGaps(collected: Collected, firstSegment: number): OpenGap[] {
  const handled = new Set<number>()
  for (const { digest } of collected.digests) {
    for (const { record } of digest.frames) {
      if (record.type === GAP) handled.add(locationOf(record.gap.segment, record.gap.offset))
    }
  }
  return collected.gaps.filter(
    (gap) => gap.segment >= firstSegment && !handled.has(locationOf(gap.segment, gap.offset)),
  )
}
