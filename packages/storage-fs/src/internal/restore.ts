import type { AttemptNote, Decision, Settlement } from '@fhir-outbox/queue-core'
import { FRAME_HEADER_BYTES } from './frame.js'
import type { Catalog } from './catalog.js'
import { offsetOf, segmentOf } from './log-writer.js'
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
import type { Collected, LostEntry } from './recover.js'
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

/** Positions of the newest base record of each entry, in order of sequence. */
function newestBases(collected: Collected, firstSegment: number): number[] {
  const { baseSequences, baseLocations } = collected
  const order: number[] = []
  let sorted = true
  for (let index = 0; index < baseSequences.length; index++) {
    if (segmentOf(baseLocations[index] ?? 0) < firstSegment) continue
    const last = order.at(-1)
    if (last !== undefined && (baseSequences[last] ?? 0) >= (baseSequences[index] ?? 0)) sorted = false
    order.push(index)
  }
  if (sorted) return order
  order.sort((a, b) => (baseSequences[a] ?? 0) - (baseSequences[b] ?? 0) || a - b)
  return order.filter((index, at) => baseSequences[index] !== baseSequences[order[at + 1] ?? -1])
}

/** Fills the catalog with the entries of the log and then lets everything happen to them again. */
export async function restoreEntries(input: RestoreInput): Promise<Restored> {
  const { catalog, collected, firstSegment, files, now } = input
  const { index } = catalog
  const retired = new Set<number>()
  for (const { location, record } of collected.control) {
    if (segmentOf(location) < firstSegment) continue
    if (record.type === RETIRE) {
      for (const sequence of record.sequences) retired.add(sequence)
      catalog.forgotten = record.totals
    } else if (record.type === STATE) catalog.forgotten = record.totals
    else if (record.type === NOTE && record.version >= (catalog.notes.get(record.name)?.version ?? 0)) {
      // By version, not by place: compaction may have copied an older one while a newer was on its way.
      catalog.notes.set(record.name, { version: record.version, location })
    }
  }
  index.restoreForgotten(catalog.forgotten)

  const lost: LostEntry[] = []
  const missing = new Map<number, (typeof input.gaps)[number]>()
  for (const gap of input.gaps) for (const sequence of gap.missing) missing.set(sequence, gap)
  const bases = newestBases(collected, firstSegment)
  const present = new Set(missing.size === 0 ? [] : bases.map((base) => collected.baseSequences[base] ?? 0))
  const lacking = [...missing.keys()].filter((sequence) => !present.has(sequence) && !retired.has(sequence))
  lacking.sort((a, b) => a - b)

  const reader = files.reader()
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
      catalog.learn({ sequence, lane: '', key: '', payloadBytes: 0, location: 0 })
      lost.push({ sequence, payloadBytes: 0, gap: { segment, offset, length } })
    }
  }
  for (const at of bases) {
    const sequence = collected.baseSequences[at] ?? 0
    restoreLacking(sequence)
    if (retired.has(sequence)) continue
    await restoreBase(catalog, reader, sequence, collected.baseLocations[at] ?? 0, now)
  }
  restoreLacking(Infinity)

  await replay(catalog, files.reader(), collected.events, firstSegment, now)
  index.abandonLeases(now)
  for (const [lane, facts] of catalog.lanes) {
    if (facts.hash !== undefined) index.restoreReceiptHash(lane, facts.hash)
  }
  await findDamaged(catalog, reader, collected.damaged, lost, now)
  return { lost, doubtful: becomeDoubtful(catalog, input.doubtfulBefore, now) }
}

async function restoreBase(
  catalog: Catalog,
  reader: FrameReader,
  sequence: number,
  location: number,
  now: number,
): Promise<void> {
  const { header, meta } = await reader.head(location, SPAN)
  const record = decodeRecord(header.type, meta)
  const base = baseOf(record)
  if (base === undefined) return
  const common = {
    sequence,
    lane: base.lane,
    gate: base.gate,
    after: base.after,
    // A clock that stood ahead must not make entries younger than nothing.
    appendedAt: Math.min(base.appendedAt, now),
    location,
  }
  if (record?.type !== SNAPSHOT) {
    const payloadBytes = header.dataLength
    catalog.index.restore({ ...common, payloadBytes, state: 'waiting' }, now)
    catalog.learn({ sequence, lane: base.lane, key: base.key, payloadBytes, location })
    // A redrive with another content starts the entry anew, with the note of the decision.
    if (record?.type === DECIDE) catalog.extra(sequence, base.lane).noteAt = location
    return
  }
  const { state } = record
  const { payloadBytes } = state
  catalog.index.restore({ ...common, payloadBytes, ...restorable(state, header.at, now) }, now)
  catalog.learn({ sequence, lane: base.lane, key: base.key, payloadBytes, location })
  if (state.note !== undefined) catalog.extra(sequence, base.lane).noteAt = location
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

/** Replays marks, settlements and decisions. Those that a newer copy of the entry includes are skipped. */
async function replay(
  catalog: Catalog,
  reader: FrameReader,
  events: readonly number[],
  firstSegment: number,
  now: number,
): Promise<void> {
  const { index } = catalog
  for (const location of events) {
    if (segmentOf(location) < firstSegment) continue
    const frame = await reader.head(location, SPAN)
    const record = decodeRecord(frame.header.type, frame.meta)
    // Time of the log, which never runs ahead of ours: a delay counts from then, at most from now.
    const then = Math.min(frame.header.at, now)
    const applies = (sequence: number): boolean => {
      const entry = index.entry(sequence, 0)
      return entry !== undefined && entry.location < location
    }
    if (record?.type === MARK) {
      for (const mark of record.marks) if (applies(mark.sequence)) index.replayMark(mark, then)
    } else if (record?.type === SETTLE) {
      for (const settlement of record.settlements) {
        if (applies(settlement.sequence)) replaySettlement(catalog, settlement, location, then)
        else keepHash(catalog, settlement, location)
      }
    } else if (record?.type === DECIDE) {
      const { sequence } = frame.header
      if (applies(sequence)) replayDecision(catalog, record, sequence, location, then)
    } else if (record?.type === LANES) {
      for (const [lane, hash] of record.lanes) setHash(catalog, lane, hash, location)
    }
  }
}

function setHash(catalog: Catalog, lane: string, hash: Uint8Array, location: number): void {
  const facts = catalog.lanes.get(lane)
  if (facts === undefined) return
  facts.hash = hash
  facts.hashSegment = segmentOf(location)
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
  delete extra.noteBytes
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
