import { liveBytes } from './catalog.js'
import { type Digest, digestBuilder, ROW_BYTES, ROW_OFFSET, rowSequence } from './digest.js'
import { readFooter } from './footer.js'
import { segmentName } from './frame.js'
import { locationOf, segmentOf } from './location.js'
import {
  type Base,
  baseOf,
  LANES,
  NOTE,
  SNAPSHOT,
  STATE,
  writeLanes,
  writeSnapshot,
  writeState,
} from './records.js'
import { readBaseAt, readNote } from './read.js'
import { keepBytes, pushQuarantined } from './quarantine.js'
import { scanSegment } from './scan.js'
import { DamagedRecord, type FrameReader } from './segment-files.js'
import { snapshotOf } from './snapshot.js'
import { exclusively, type Store } from './store.js'
import { MalformedRecord } from './bytes.js'
import { writeNote } from './notes.js'

/** Copies are pushed in portions, so that memory stays small and appends get their turn. */
const PORTION = 1024 * 1024

/** The oldest segment, when removing it is worth copying what still lives in it. */
function victim(store: Store): number | undefined {
  const { segments } = store.catalog
  const { current } = store.writer
  const [oldest] = segments.keys()
  if (oldest === undefined || current === undefined || oldest >= current.segment) return undefined
  const facts = segments.get(oldest)
  if (facts === undefined) return undefined
  // Not at half: a segment that is being drained will soon be empty by itself.
  if (liveBytes(facts) * 4 < facts.size) return oldest
  let total = 0
  let live = 0
  for (const each of segments.values()) {
    total += each.size
    live += liveBytes(each)
  }
  // Segments go from the oldest on, so one that is fully alive may stand before much that is dead.
  const tooMuch = total > 2 * live + 4 * store.segmentBytes
  const tooMany = segments.size > 8 + (4 * live) / store.segmentBytes
  return tooMuch || tooMany ? oldest : undefined
}

/** So many files more than the content needs are too many for an opening to look at. */
const CROWD = 64

/**
 * Brings many small segments together: every life of a store that writes leaves one, and short lives do not live to
 * see them compacted. Before anything else is done, so that it comes to its end.
 */
export async function thinOut(store: Store): Promise<void> {
  const { catalog, writer, segmentBytes } = store
  let live = 0
  for (const each of catalog.segments.values()) live += liveBytes(each)
  if (catalog.segments.size <= CROWD + (4 * live) / segmentBytes) return
  // On a full disk the crowd is in nobody's way, and a copy that does not fit would fail the store.
  const free = await store.fs.freeBytes(store.directory).catch(() => undefined)
  if (free !== undefined && free < live + 2 * segmentBytes) return
  const [first = 1] = catalog.segments.keys()
  const totals = catalog.forgotten
  // The segment that takes the copies.
  writer.push({
    type: STATE,
    sequence: 0,
    at: store.clock(),
    meta: (into) => writeState(into, first, totals),
  })
  await writer.flush()
  // What cannot be read now is in nobody's way; what cannot be written fails the store.
  await compact(store).catch(() => undefined)
  writer.check()
}

/** Removes old segments as long as that is worth it. */
export async function compact(store: Store): Promise<void> {
  const until = store.writer.current?.segment ?? 0
  for (;;) {
    const oldest = victim(store)
    // What was copied in this round is not copied again in it.
    if (oldest === undefined || oldest >= until || store.closed) return
    await removeSegment(store, oldest)
  }
}

async function removeSegment(store: Store, segment: number): Promise<void> {
  const { catalog, writer } = store
  if (!(await copyEntries(store, segment))) return
  copyLanes(store, segment)
  const totals = catalog.forgotten
  writer.push({
    type: STATE,
    sequence: 0,
    at: store.clock(),
    meta: (into) => writeState(into, segment + 1, totals),
  })
  // Only when the copies are durable may the originals go.
  await writer.sync()
  catalog.segments.delete(segment)
  await store.files.forget(segment)
  await store.spares.drain(segment)
}

/** What a segment holds: from its footer, or by reading it. */
async function digestOf(store: Store, segment: number): Promise<Digest | undefined> {
  const { fs, directory } = store
  const info = store.files.info(segment)
  if (info === undefined) return undefined
  const file = await fs.open(`${directory}/${segmentName(segment)}`, 'read')
  try {
    const footer = await readFooter(file, info.seed, info.end())
    if (footer !== undefined) return footer
    const builder = digestBuilder()
    await scanSegment(file, info.seed, info.end(), builder)
    return builder.digest()
  } finally {
    await file.close()
  }
}

/** Resolves to `false` when the store is being closed: the copies do no harm, and the segment stays. */
async function copyEntries(store: Store, segment: number): Promise<boolean> {
  const { catalog, writer } = store
  const digest = await digestOf(store, segment)
  if (digest === undefined) return false
  const reader = store.files.reader()

  async function copyIfHere(sequence: number, offset: number): Promise<void> {
    const location = locationOf(segment, offset)
    if (catalog.index.entry(sequence, 0)?.location !== location) return
    await exclusively(store, sequence, () => copyEntry(store, reader, sequence, location))
    if (writer.queuedBytes > PORTION) await writer.flush()
  }

  for (let row = 0; row < digest.entries * ROW_BYTES; row += ROW_BYTES) {
    if (store.closed) return false
    await copyIfHere(rowSequence(digest.rows, row), digest.rows.getUint32(row + ROW_OFFSET, true))
  }
  for (const { record, sequence, offset } of digest.frames) {
    if (store.closed) return false
    const location = locationOf(segment, offset)
    if (baseOf(record) !== undefined) await copyIfHere(sequence, offset)
    else if (record.type === NOTE && catalog.notes.get(record.name)?.location === location) {
      const { data } = await reader.frame(location, PORTION)
      await writeNote(store, record.name, record.version, data.slice(), location)
    }
  }
  return true
}

async function copyEntry(
  store: Store,
  reader: FrameReader,
  sequence: number,
  location: number,
): Promise<void> {
  const { catalog, writer } = store
  for (;;) {
    const before = catalog.index.entry(sequence, store.clock())
    if (before?.location !== location) return
    const needsPayload = before.state === 'waiting' || before.state === 'unknown' || before.state === 'dead'
    const extra = catalog.extras.get(sequence)
    const noteAt = extra?.noteAt
    const noteBytes = extra?.noteBytes
    const note = await readNote(store, store.files.reader(), sequence, extra)
    let base: Base = {
      appendedAt: store.clock() - before.ageMs,
      lane: before.lane,
      gate: before.gate,
      key: '',
      after: before.after,
      header: new Uint8Array(0),
    }
    let payload = new Uint8Array(0)
    try {
      const found = await readBaseAt(reader, location, PORTION, needsPayload)
      base = found.base
      payload = new Uint8Array(found.payload)
    } catch (error) {
      if (!(error instanceof DamagedRecord || error instanceof MalformedRecord)) throw error
      if (needsPayload) {
        await quarantineHere(store, sequence, base, before.payloadBytes, location)
        return
      }
    }
    const now = store.clock()
    const entry = catalog.index.entry(sequence, now)
    const latest = catalog.extras.get(sequence)
    if (entry === undefined) return
    // It changed while it was read: read again, so that the copy is of one moment.
    if (latest?.noteAt !== noteAt || latest?.noteBytes !== noteBytes || entry.state !== before.state) continue
    const { payloadBytes } = entry
    const state = snapshotOf(entry, latest, note, now)
    writer.push({
      type: SNAPSHOT,
      sequence,
      at: now,
      meta: (into) => writeSnapshot(into, base, state),
      ...(needsPayload ? { data: payload } : {}),
      written: (place) => {
        catalog.moved(sequence, payloadBytes, place, store.clock())
        const extraNow = catalog.extras.get(sequence)
        if (extraNow === undefined || note === undefined) return
        // A settlement that came after the copy brought its own note.
        if (extraNow.noteAt === noteAt && extraNow.noteBytes === noteBytes) {
          extraNow.noteBytes = undefined
          extraNow.noteAt = place
        }
      },
    })
    return
  }
}

async function quarantineHere(
  store: Store,
  sequence: number,
  base: Base,
  payloadBytes: number,
  location: number,
): Promise<void> {
  const gap = { segment: segmentOf(location), offset: location % 2 ** 32, length: payloadBytes + 16 * 1024 }
  await keepBytes(store, gap)
  store.catalog.index.quarantine(sequence, store.clock())
  pushQuarantined(store, { sequence, base, payloadBytes, gap })
}

/** The last receipt hash of each lane must not go with the segment that holds it. */
function copyLanes(store: Store, segment: number): void {
  const { catalog, writer } = store
  const lanes: (readonly [string, Uint8Array])[] = []
  for (const [lane, chain] of catalog.chains) {
    if (chain.segment <= segment) lanes.push([lane, chain.hash])
  }
  for (let from = 0; from < lanes.length; from += 1000) {
    const portion = lanes.slice(from, from + 1000)
    writer.push({
      type: LANES,
      sequence: 0,
      at: store.clock(),
      meta: (into) => writeLanes(into, portion),
      written: (location) => {
        for (const [lane, hash] of portion) {
          const chain = catalog.chains.get(lane)
          if (chain?.hash === hash) chain.segment = segmentOf(location)
        }
      },
    })
  }
}
