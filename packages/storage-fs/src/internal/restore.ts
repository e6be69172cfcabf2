import type { AttemptNote, Decision, Settlement } from '@fhir-outbox/queue-core'
import type { Catalog } from './catalog.js'
import {
  type DigestedFrame,
  ROW_APPENDED,
  ROW_BYTES,
  ROW_GATE,
  ROW_HASH,
  ROW_LANE,
  ROW_OFFSET,
  ROW_PAYLOAD,
  rowSequence,
} from './digest.js'
import { FRAME_HEADER_BYTES } from './frame.js'
import { keyHash } from './key-table.js'
import { locationOf, offsetOf, segmentOf } from './location.js'
import type { Collected, LostEntry } from './recover.js'
import {
  baseOf,
  DECIDE,
  decodeRecord,
  LANES,
  MARK,
  NOTE,
  RETIRE,
  SETTLE,
  SNAPSHOT,
  type SnapshotState,
  STATE,
} from './records.js'
import type { FrameReader, SegmentFiles } from './segment-files.js'

const SPAN = 1024 * 1024

export interface RestoreInput {
  readonly catalog: Catalog
  readonly collected: Collected
  readonly firstSegment: number
  readonly gaps: readonly {
    readonly segment: number
    readonly offset: number
    readonly length: number
    readonly missing: readonly number[]
  }[]
  readonly files: SegmentFiles
  /** Entries from before this location may have lost a mark. */
  readonly doubtfulBefore: number
  readonly now: number
}

export interface Restored {
  readonly lost: readonly LostEntry[]
  readonly doubtful: readonly number[]
}

// A base record is found again by digest, kind and position in one number.
const DIGEST_FACTOR = 2 ** 28
const IS_FRAME = 2 ** 27

interface Bases {
  readonly sequences: number[]
  readonly places: number[]
}

/** The newest base record of each entry, in order of sequence. */
function newestBases(collected: Collected, firstSegment: number): Bases {
  const sequences: number[] = []
  const places: number[] = []
  let sorted = true
  const add = (sequence: number, place: number): void => {
    if (sequences.length > 0 && (sequences.at(-1) ?? 0) >= sequence) sorted = false
    sequences.push(sequence)
    places.push(place)
  }
  for (const [number, { segment, digest }] of collected.digests.entries()) {
    if (segment < firstSegment) continue
    // Of one segment, any other base of an entry comes after its plain append.
    for (let row = 0; row < digest.entries; row++) {
      add(rowSequence(digest.rows, row * ROW_BYTES), number * DIGEST_FACTOR + row)
    }
    for (const [at, { record, sequence }] of digest.frames.entries()) {
      if (baseOf(record) !== undefined) add(sequence, number * DIGEST_FACTOR + IS_FRAME + at)
    }
  }
  if (sorted) return { sequences, places }
  const order = sequences.map((_, index) => index)
  order.sort((a, b) => (sequences[a] ?? 0) - (sequences[b] ?? 0) || a - b)
  const newest = order.filter((index, at) => sequences[index] !== sequences[order[at + 1] ?? -1])
  return {
    sequences: newest.map((index) => sequences[index] ?? 0),
    places: newest.map((index) => places[index] ?? 0),
  }
}

/** Fills the catalog with the entries of the log and then lets everything happen to them again. */
export async function restoreEntries(input: RestoreInput): Promise<Restored> {
  const { catalog, collected, firstSegment, files, now } = input
  const { index } = catalog
  const retired = new Set<number>()
  for (const { segment, digest } of collected.digests) {
    if (segment < firstSegment) continue
    for (const { record, offset } of digest.frames) {
      if (record.type === RETIRE) {
        for (const sequence of record.sequences) retired.add(sequence)
        catalog.forgotten = record.totals
      } else if (record.type === STATE) catalog.forgotten = record.totals
      else if (record.type === NOTE && record.version >= (catalog.notes.get(record.name)?.version ?? 0)) {
        // By version, not by place: compaction may have copied an older one while a newer was on its way.
        catalog.notes.set(record.name, { version: record.version, location: locationOf(segment, offset) })
      }
    }
  }
  index.restoreForgotten(catalog.forgotten)

  const lost: LostEntry[] = []
  const missing = new Map<number, (typeof input.gaps)[number]>()
  for (const gap of input.gaps) for (const sequence of gap.missing) missing.set(sequence, gap)
  const bases = newestBases(collected, firstSegment)
  const present = new Set(missing.size === 0 ? [] : bases.sequences)
  const lacking = [...missing.keys()].filter((sequence) => !present.has(sequence) && !retired.has(sequence))
  lacking.sort((a, b) => a - b)

  let nextLacking = 0
  const restoreLacking = (before: number): void => {
    for (; nextLacking < lacking.length && (lacking[nextLacking] ?? 0) < before; nextLacking++) {
      const sequence = lacking[nextLacking] ?? 0
      const gap = missing.get(sequence)
      if (gap === undefined) continue
      const { segment, offset, length } = gap
      index.restore(
        { sequence, lane: '', gate: '', payloadBytes: 0, appendedAt: now, state: 'quarantined' },
        now,
      )
      catalog.learn({ sequence, payloadBytes: 0, location: 0 })
      lost.push({ sequence, payloadBytes: 0, gap: { segment, offset, length } })
    }
  }
  for (const [at, sequence] of bases.sequences.entries()) {
    restoreLacking(sequence)
    if (retired.has(sequence)) continue
    const place = bases.places[at] ?? 0
    const found = collected.digests[Math.floor(place / DIGEST_FACTOR)]
    if (found === undefined) continue
    const within = place % DIGEST_FACTOR
    if (within < IS_FRAME) restoreRow(catalog, found, within * ROW_BYTES, sequence, now)
    else restoreFrame(catalog, found.segment, found.digest.frames[within - IS_FRAME], now)
  }
  restoreLacking(Infinity)

  for (const { segment, digest } of collected.digests) {
    if (segment < firstSegment) continue
    for (const frame of digest.frames) replay(catalog, frame, locationOf(segment, frame.offset), now)
  }
  index.abandonLeases(now)
  await findDamaged(catalog, files.reader(), collected.damaged, lost, now)
  return { lost, doubtful: becomeDoubtful(catalog, input.doubtfulBefore, now) }
}

function restoreRow(
  catalog: Catalog,
  from: Collected['digests'][number],
  at: number,
  sequence: number,
  now: number,
): void {
  const { rows, names } = from.digest
  const lane = names[rows.getUint32(at + ROW_LANE, true)] ?? ''
  const payloadBytes = rows.getUint32(at + ROW_PAYLOAD, true)
  const location = locationOf(from.segment, rows.getUint32(at + ROW_OFFSET, true))
  catalog.index.restore(
    {
      sequence,
      lane,
      gate: names[rows.getUint32(at + ROW_GATE, true)] ?? '',
      // A clock that stood ahead must not make entries younger than nothing.
      appendedAt: Math.min(rows.getFloat64(at + ROW_APPENDED, true), now),
      payloadBytes,
      location,
      state: 'waiting',
    },
    now,
  )
  const hash = rows.getUint32(at + ROW_HASH, true)
  catalog.learn({ sequence, keyHash: hash, payloadBytes, location })
}

function restoreFrame(
  catalog: Catalog,
  segment: number,
  frame: DigestedFrame | undefined,
  now: number,
): void {
  const base = baseOf(frame?.record)
  if (frame === undefined || base === undefined) return
  const { sequence, record } = frame
  const location = locationOf(segment, frame.offset)
  const { lane, gate, after, key } = base
  const common = {
    sequence,
    lane,
    gate,
    after,
    appendedAt: Math.min(base.appendedAt, now),
    location,
  }
  const known = { sequence, ...(key === '' ? {} : { keyHash: keyHash(key) }), location }
  if (record.type !== SNAPSHOT) {
    const payloadBytes = frame.dataLength
    catalog.index.restore({ ...common, payloadBytes, state: 'waiting' }, now)
    catalog.learn({ ...known, payloadBytes })
    // A redrive with another content starts the entry anew, with the note of the decision.
    if (record.type === DECIDE) catalog.extra(sequence, lane).noteAt = location
    return
  }
  const { state } = record
  const { payloadBytes } = state
  catalog.index.restore({ ...common, payloadBytes, ...restorable(state, frame.at, now) }, now)
  catalog.learn({ ...known, payloadBytes })
  if (state.note !== undefined) catalog.extra(sequence, lane).noteAt = location
  if (state.state === 'delivered' || state.state === 'discarded') {
    catalog.settled(sequence, state.state === 'delivered', Math.min(state.settledAt ?? now, now))
  }
}

function restorable(
  state: SnapshotState,
  at: number,
  now: number,
): Pick<SnapshotState, 'state' | 'attempts' | 'markOpen'> & {
  deadReason?: NonNullable<SnapshotState['deadReason']>
  dueAt?: number
  troubledSince?: number
  settledAt?: number
  mark?: AttemptNote
} {
  const { deadReason, dueAt, troubledSince, settledAt, mark } = state
  return {
    state: state.state,
    attempts: state.attempts,
    markOpen: state.markOpen,
    ...(deadReason === undefined ? {} : { deadReason }),
    // Whatever the clocks say, nobody waits longer than was asked for.
    ...(dueAt === undefined ? {} : { dueAt: Math.min(dueAt, now + Math.max(0, dueAt - at)) }),
    ...(troubledSince === undefined ? {} : { troubledSince: Math.min(troubledSince, now) }),
    ...(settledAt === undefined ? {} : { settledAt: Math.min(settledAt, now) }),
    ...(mark === undefined ? {} : { mark }),
  }
}

/** Replays a mark, settlement or decision; not for entries of which a newer copy includes it. */
function replay(catalog: Catalog, frame: DigestedFrame, location: number, now: number): void {
  const { index } = catalog
  const { record } = frame
  // Time of the log, which never runs ahead of ours: a delay counts from then, at most from now.
  const then = Math.min(frame.at, now)
  // A quarantined entry has lost its record: what happened to it later has nothing to stand on.
  const applies = (sequence: number): boolean => {
    const entry = index.entry(sequence, 0)
    return entry !== undefined && entry.location < location && entry.state !== 'quarantined'
  }
  if (record.type === MARK) {
    for (const mark of record.marks) if (applies(mark.sequence)) index.replayMark(mark, then)
  } else if (record.type === SETTLE) {
    for (const settlement of record.settlements) {
      if (applies(settlement.sequence)) replaySettlement(catalog, settlement, location, then)
      else keepHash(catalog, settlement, location)
    }
  } else if (record.type === DECIDE) {
    if (applies(frame.sequence)) replayDecision(catalog, record, frame.sequence, location, then)
  } else if (record.type === LANES) {
    for (const [lane, hash] of record.lanes) setHash(catalog, lane, hash, location)
  }
}

function setHash(catalog: Catalog, lane: string, hash: Uint8Array, location: number): void {
  if (!catalog.index.hasLane(lane)) return
  catalog.index.restoreReceiptHash(lane, hash)
  catalog.chains.set(lane, { hash, segment: segmentOf(location) })
}

/** The entry was copied to a later place since; its lane still ends in this receipt. */
function keepHash(catalog: Catalog, settlement: Settlement, location: number): void {
  const lane = catalog.index.entry(settlement.sequence, 0)?.lane
  if (lane === undefined || settlement.outcome !== 'delivered' || settlement.receiptHash === undefined) return
  setHash(catalog, lane, settlement.receiptHash, location)
}

function replaySettlement(catalog: Catalog, settlement: Settlement, location: number, then: number): void {
  const lane = catalog.index.entry(settlement.sequence, 0)?.lane ?? ''
  catalog.index.replaySettlement(settlement, then)
  catalog.noted([settlement], lane, location)
  if (settlement.outcome === 'delivered') catalog.settled(settlement.sequence, true, then)
}

function replayDecision(
  catalog: Catalog,
  record: { readonly kind: Decision['kind'] },
  sequence: number,
  location: number,
  then: number,
): void {
  const { index } = catalog
  const lane = index.entry(sequence, 0)?.lane ?? ''
  index.decide(sequence, record.kind, then)
  const extra = catalog.extra(sequence, lane)
  extra.noteBytes = undefined
  extra.noteAt = location
  if (record.kind === 'discard' || record.kind === 'withdraw') catalog.settled(sequence, false, then)
  if (record.kind === 'assume-delivered') catalog.settled(sequence, true, then)
}

/** Entries whose payload is still needed and cannot be read. */
async function findDamaged(
  catalog: Catalog,
  reader: FrameReader,
  damaged: ReadonlySet<number>,
  lost: LostEntry[],
  now: number,
): Promise<void> {
  for (const location of damaged) {
    const { header, meta } = await reader.head(location, SPAN)
    const entry = catalog.index.entry(header.sequence, 0)
    if (entry === undefined || entry.location !== location) continue
    if (entry.state === 'delivered' || entry.state === 'discarded' || entry.state === 'quarantined') continue
    const record = decodeRecord(header.type, meta)
    const base = baseOf(record)
    catalog.index.quarantine(header.sequence, now)
    lost.push({
      sequence: header.sequence,
      ...(base === undefined ? {} : { base }),
      payloadBytes: entry.payloadBytes,
      gap: {
        segment: segmentOf(location),
        offset: offsetOf(location),
        length: header.metaLength + header.dataLength + FRAME_HEADER_BYTES,
      },
    })
  }
}

/** A mark may be among what was lost: what waits from before then may have been sent. */
function becomeDoubtful(catalog: Catalog, before: number, now: number): number[] {
  const doubtful: number[] = []
  if (before < 0) return doubtful
  const { index } = catalog
  for (let after = 0; ;) {
    const page = index.list({ state: 'waiting', after, limit: 1000 }, now)
    for (const sequence of page) {
      const entry = index.entry(sequence, now)
      if (entry !== undefined && entry.location < before) doubtful.push(sequence)
    }
    const last = page.at(-1)
    if (last === undefined) break
    after = last
  }
  for (const sequence of doubtful) index.replayMark(doubtfulMark(sequence), now)
  index.abandonLeases(now)
  return doubtful
}

export function doubtfulMark(sequence: number): AttemptNote {
  return { sequence, group: `lost-record-${sequence}` }
}
