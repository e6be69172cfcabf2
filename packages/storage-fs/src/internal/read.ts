import type { Entry, EntrySummary, IndexedEntry, LeasedEntry, ListQuery } from '@fhir-outbox/queue-core'
import { storageFailed } from '../errors.js'
import { systemCode } from '../fs-port.js'
import type { LeasedRecord } from './ahead.js'
import { MalformedRecord } from './bytes.js'
import type { Extra } from './catalog.js'
import { copier } from './copier.js'
import { offsetOf, segmentOf } from './location.js'
import { type Base, baseOf, DECIDE, decodeRecord, readKeyAndHeader, SETTLE, SNAPSHOT } from './records.js'
import { DamagedRecord, type FrameReader } from './segment-files.js'
import type { Readable, Store } from './store.js'

export interface StoredBase {
  readonly base: Base
  /** A copy. */
  readonly payload: Uint8Array
}

function isDamage(error: unknown): boolean {
  return error instanceof DamagedRecord || error instanceof MalformedRecord
}

/** A record may move to another segment while it is being read: then the index names another place. */
async function following<T>(
  store: Readable,
  sequence: number,
  read: (location: number) => Promise<T>,
): Promise<T | undefined> {
  for (;;) {
    const location = store.catalog.index.entry(sequence, 0)?.location
    if (location === undefined) return undefined
    try {
      return await read(location)
    } catch (error) {
      const movedTo = store.catalog.index.entry(sequence, 0)?.location
      if (movedTo !== location && (isDamage(error) || systemCode(error) === 'ENOENT')) continue
      if (isDamage(error) || error instanceof Error) throw error
      throw storageFailed(`reading from ${store.directory} failed`, error)
    }
  }
}

export async function readBaseAt(
  reader: FrameReader,
  location: number,
  span: number,
  withPayload: boolean,
): Promise<StoredBase> {
  const frame = withPayload ? await reader.frame(location, span) : await reader.head(location, span)
  const base = baseOf(decodeRecord(frame.header.type, frame.meta))
  if (base === undefined) throw new DamagedRecord('not the record of an entry')
  return { base, payload: 'data' in frame ? (frame.data as Uint8Array).slice() : new Uint8Array(0) }
}

/** Reads an entry's record; tells that it is damaged and resolves to `undefined` when it cannot be read any more. */
export async function readBase(
  store: Readable,
  reader: FrameReader,
  sequence: number,
  span: number,
  withPayload: boolean,
): Promise<StoredBase | undefined> {
  try {
    return await following(store, sequence, (location) => readBaseAt(reader, location, span, withPayload))
  } catch (error) {
    if (!isDamage(error)) throw failedRead(store, error)
    await store.damaged(sequence)
    return undefined
  }
}

function failedRead(store: Pick<Store, 'directory'>, error: unknown): unknown {
  return systemCode(error) === undefined
    ? error
    : storageFailed(`reading from ${store.directory} failed`, error)
}

/** The last note of an entry, from memory or from wherever its frame is. */
export async function readNote(
  store: Pick<Store, 'directory'>,
  reader: FrameReader,
  sequence: number,
  extra: Extra | undefined,
): Promise<Uint8Array | undefined> {
  for (;;) {
    if (extra?.noteBytes !== undefined) return extra.noteBytes.slice()
    const at = extra?.noteAt
    if (at === undefined) return undefined
    try {
      const { header, meta } = await reader.head(at, 4096)
      const record = decodeRecord(header.type, meta)
      if (record?.type === DECIDE) return record.note
      if (record?.type === SNAPSHOT) return record.state.note
      if (record?.type !== SETTLE) return undefined
      return record.settlements.findLast((settlement) => settlement.sequence === sequence)?.note
    } catch (error) {
      if (extra?.noteAt !== at) continue
      // A note that cannot be read is lost, the entry is not.
      if (isDamage(error)) return undefined
      throw failedRead(store, error)
    }
  }
}

function summary(entry: IndexedEntry, base: Base | undefined, note: Uint8Array | undefined): EntrySummary {
  const { location: _location, troubledForMs: _troubled, markOpen: _open, mark, ...rest } = entry
  return {
    ...rest,
    key: base?.key ?? '',
    header: base?.header ?? new Uint8Array(0),
    ...(note === undefined ? {} : { note }),
    ...(mark === undefined || entry.state !== 'unknown' ? {} : { mark }),
  }
}

async function readSummary(
  store: Readable,
  reader: FrameReader,
  sequence: number,
): Promise<EntrySummary | undefined> {
  const found = await readBase(store, reader, sequence, 64 * 1024, false)
  const note = await readNote(store, reader, sequence, store.catalog.extras.get(sequence))
  const entry = store.catalog.index.entry(sequence, store.clock())
  return entry === undefined ? undefined : summary(entry, found?.base, note)
}

export async function readPage(store: Readable, query: ListQuery): Promise<EntrySummary[]> {
  const reader = store.files.reader()
  const page: EntrySummary[] = []
  for (const sequence of store.catalog.index.list(query, store.clock())) {
    const found = await readSummary(store, reader, sequence)
    if (found !== undefined) page.push(found)
  }
  return page
}

export async function readEntry(store: Readable, sequence: number): Promise<Entry | undefined> {
  const { index, extras } = store.catalog
  const reader = store.files.reader()
  const before = index.entry(sequence, store.clock())
  if (before === undefined) return undefined
  const hasPayload = before.state === 'waiting' || before.state === 'unknown' || before.state === 'dead'
  const found = await readBase(store, reader, sequence, before.payloadBytes + 4096, hasPayload)
  const note = await readNote(store, reader, sequence, extras.get(sequence))
  const entry = index.entry(sequence, store.clock())
  if (entry === undefined) return undefined
  const kept = entry.state === 'waiting' || entry.state === 'unknown' || entry.state === 'dead'
  const payload = hasPayload && kept ? found?.payload : undefined
  return { ...summary(entry, found?.base, note), ...(payload === undefined ? {} : { payload }) }
}

/** Bytes that cover a run of neighbouring records; 0 when they are scattered. */
function runBytes(entries: readonly IndexedEntry[]): number {
  const [first] = entries
  const last = entries.at(-1)
  if (first === undefined || last === undefined) return 0
  const payloads = entries.reduce((sum, entry) => sum + entry.payloadBytes, 0)
  const distance = offsetOf(last.location) - offsetOf(first.location) + last.payloadBytes + 4096
  const isRun = segmentOf(first.location) === segmentOf(last.location) && distance >= 0
  const isDense = distance <= 2 * payloads + entries.length * 1024 + 4096
  return isRun && isDense ? distance : 0
}

const READ_AHEAD = 256 * 1024
/** A run of so many bytes takes so long to check that the next one is checked while it is on its way. */
const WORTH_READING_AHEAD = 64 * 1024
/** Records of such a run. */
const LONG_RUN = 4
/** Headers get room for this many bytes each. */
const USUAL_HEADER = 128

/** Reads what a lease hands out. Entries that cannot be read are quarantined and left out. */
export async function readLeased(store: Store, sequences: readonly number[]): Promise<LeasedEntry[]> {
  const now = store.clock()
  const { index, extras } = store.catalog
  const entries = sequences
    .map((sequence) => index.entry(sequence, now))
    .filter((entry) => entry !== undefined)
  const run = runBytes(entries)
  const start = entries[0]?.location ?? 0
  const least = Math.max((entries[0]?.payloadBytes ?? 0) + 4096, goesOn(store, entries) ? READ_AHEAD : 0)
  // What comes before in the run was read ahead.
  const rest = (location: number): number => Math.min(run, run - (location - start))
  const { leaseReader: reader, ahead } = store
  const copy = copier(entries.reduce((sum, { payloadBytes }) => sum + payloadBytes + USUAL_HEADER, 0))
  const leased: LeasedEntry[] = []
  for (const entry of entries) {
    const { sequence, attempts, ageMs, troubledForMs, mark } = entry
    const found =
      copied(ahead.take(entry.location), copy) ??
      readAtOnce(reader, entry.location, copy) ??
      (await readForLease(store, sequence, Math.max(rest(entry.location), least)))
    if (found === undefined) continue
    const extra = extras.get(sequence)
    const note =
      extra === undefined ? undefined : await readNote(store, store.files.reader(), sequence, extra)
    // Optional members are set, because spreading each of them takes longer.
    const handed: { -readonly [Name in keyof LeasedEntry]: LeasedEntry[Name] } = {
      sequence,
      key: found.key,
      header: found.header,
      payload: found.payload,
      state: entry.state === 'unknown' ? 'unknown' : 'waiting',
      attempts,
      ageMs,
    }
    if (troubledForMs !== undefined) handed.troubledForMs = troubledForMs
    if (entry.state === 'unknown' && mark !== undefined) handed.mark = mark
    if (note !== undefined) handed.note = note
    leased.push(handed)
  }
  reader.trim()
  const last = entries.at(-1)
  // The last record is read once more, because only it says where it ends; in a short run that is too much of it.
  if (last !== undefined && entries.length >= LONG_RUN && run >= WORTH_READING_AHEAD) {
    ahead.readBehind(last.location, last.payloadBytes + 4096 + run)
  }
  return leased
}

/** Whoever gets a record gets its bytes alone: not a view of others, which would also keep them in memory. */
function copied(
  record: LeasedRecord | undefined,
  copy: (bytes: Uint8Array) => Uint8Array,
): LeasedRecord | undefined {
  if (record === undefined) return undefined
  return { key: record.key, header: copy(record.header), payload: copy(record.payload) }
}

/** What was read ahead needs no file system, and no turn of the event loop. */
function readAtOnce(
  reader: FrameReader,
  location: number,
  copy: (bytes: Uint8Array) => Uint8Array,
): LeasedRecord | undefined {
  const frame = reader.peek(location)
  if (frame === undefined) return undefined
  try {
    const found = readKeyAndHeader(frame.header.type, frame.meta)
    return found === undefined
      ? undefined
      : { key: found.key, header: copy(found.header), payload: copy(frame.data) }
  } catch (error) {
    if (error instanceof MalformedRecord) return undefined
    throw error
  }
}

async function readForLease(store: Store, sequence: number, span: number): Promise<LeasedRecord | undefined> {
  const found = await readBase(store, store.leaseReader, sequence, span, true)
  if (found === undefined) return undefined
  const { base, payload } = found
  return { key: base.key, header: base.header, payload }
}

/** Whether this lease begins where the last one ended, so that the next will probably do so too. */
function goesOn(store: Store, entries: readonly IndexedEntry[]): boolean {
  const [first] = entries
  const last = entries.at(-1)
  if (first === undefined || last === undefined) return false
  const distance = first.location - store.leasedTo
  store.leasedTo = last.location + last.payloadBytes
  return distance >= 0 && distance < READ_AHEAD
}
