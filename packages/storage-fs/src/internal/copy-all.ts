import type { FsPort } from '../fs-port.js'
import { MalformedRecord } from './bytes.js'
import { segmentName } from './frame.js'
import { offsetOf, segmentOf } from './location.js'
import type { LogWriter } from './log-writer.js'
import { readBaseAt, readNote } from './read.js'
import {
  type Base,
  type Gap,
  LANES,
  NOTE,
  SNAPSHOT,
  type SnapshotState,
  STATE,
  writeLanes,
  writeSnapshot,
  writeState,
} from './records.js'
import type { Recovered } from './recover.js'
import { DamagedRecord, type FrameReader, readWhole, type SegmentFiles } from './segment-files.js'
import { snapshotOf } from './snapshot.js'

export interface CopyAllInput {
  readonly fs: FsPort
  readonly directory: string
  readonly into: string
  readonly files: SegmentFiles
  readonly recovered: Recovered
  readonly writer: LogWriter
  readonly now: () => number
}

export interface CopiedAll {
  readonly saved: number
  readonly lost: readonly number[]
  readonly lostNotes: readonly string[]
  readonly damagedBytes: number
  readonly keptAside: readonly string[]
}

const SPAN = 256 * 1024
const PORTION = 4 * 1024 * 1024

function isDamage(error: unknown): boolean {
  return error instanceof DamagedRecord || error instanceof MalformedRecord
}

/** Writes everything that can be read into a new log. */
export async function copyAll(input: CopyAllInput): Promise<CopiedAll> {
  const { recovered, writer, now } = input
  const { catalog } = recovered
  const lost: number[] = []
  const gaps: Gap[] = [...recovered.gaps, ...recovered.lost.map(({ gap }) => gap)]
  let saved = 0
  const totals = catalog.forgotten
  writer.push({ type: STATE, sequence: 0, at: now(), meta: (bytes) => writeState(bytes, 1, totals) })
  const reader = input.files.reader()
  const noteReader = input.files.reader()
  for (let after = 0; ;) {
    const page = catalog.index.list({ after, limit: 1000 }, now())
    for (const sequence of page) {
      const gap = await copyEntry(input, reader, noteReader, sequence)
      if (gap === undefined) saved++
      else {
        lost.push(sequence)
        if (gap.length > 0) gaps.push(gap)
      }
      if (writer.queuedBytes > PORTION) await writer.flush()
    }
    const last = page.at(-1)
    if (last === undefined) break
    after = last
  }
  const lostNotes = await copyNotes(input, reader)
  copyHashes(input)
  await writer.sync()
  return { saved, lost, lostNotes, ...(await keepAside(input, gaps)) }
}

/** Resolves to where the record should have been, when it cannot be read. */
async function copyEntry(
  { directory, recovered, writer, now }: CopyAllInput,
  reader: FrameReader,
  noteReader: FrameReader,
  sequence: number,
): Promise<Gap | undefined> {
  const { index, extras } = recovered.catalog
  const at = now()
  const entry = index.entry(sequence, at)
  if (entry === undefined) return undefined
  const { lane, gate, after, location, payloadBytes } = entry
  const needsPayload = entry.state === 'waiting' || entry.state === 'unknown' || entry.state === 'dead'
  const extra = extras.get(sequence)
  const note = await readNote({ directory }, noteReader, sequence, extra)
  let base: Base = { appendedAt: at - entry.ageMs, lane, gate, key: '', after, header: new Uint8Array(0) }
  let data = new Uint8Array(0)
  let state: SnapshotState = snapshotOf(entry, extra, note, at)
  let gap: Gap | undefined
  try {
    // Where nobody knows what was there, there is nothing to read.
    if (location === 0) throw new DamagedRecord('no record')
    const found = await readBaseAt(reader, location, SPAN, needsPayload)
    base = found.base
    data = new Uint8Array(found.payload)
  } catch (error) {
    if (!isDamage(error)) throw error
    index.quarantine(sequence, at)
    state = { state: 'quarantined', attempts: 0, payloadBytes, markOpen: false }
    gap = { segment: segmentOf(location), offset: offsetOf(location), length: 0 }
  }
  if (entry.state === 'quarantined') gap ??= { segment: 0, offset: 0, length: 0 }
  writer.push({
    type: SNAPSHOT,
    sequence,
    at,
    meta: (bytes) => writeSnapshot(bytes, base, state),
    ...(needsPayload && gap === undefined ? { data } : {}),
  })
  return gap
}

async function copyNotes({ recovered, writer, now }: CopyAllInput, reader: FrameReader): Promise<string[]> {
  const lost: string[] = []
  for (const [name, { version, location }] of recovered.catalog.notes) {
    try {
      const { data } = await reader.frame(location, SPAN)
      writer.push({
        type: NOTE,
        sequence: 0,
        at: now(),
        meta: (bytes) => {
          bytes.text(name)
          bytes.u64(version)
        },
        data: data.slice(),
      })
    } catch (error) {
      if (!isDamage(error)) throw error
      lost.push(name)
    }
  }
  return lost
}

function copyHashes({ recovered, writer, now }: CopyAllInput): void {
  const lanes = [...recovered.catalog.chains].map(([lane, { hash }]) => [lane, hash] as const)
  for (let from = 0; from < lanes.length; from += 1000) {
    const portion = lanes.slice(from, from + 1000)
    const meta = (bytes: Parameters<typeof writeLanes>[0]): void => writeLanes(bytes, portion)
    writer.push({ type: LANES, sequence: 0, at: now(), meta })
  }
}

/** Somebody with more patience than a program may still make sense of them. */
async function keepAside(
  { fs, directory, into }: CopyAllInput,
  gaps: readonly Gap[],
): Promise<{ damagedBytes: number; keptAside: string[] }> {
  const keptAside: string[] = []
  let damagedBytes = 0
  for (const { segment, offset, length } of gaps) {
    const name = `salvaged-${String(segment).padStart(8, '0')}-${offset}.bin`
    if (length === 0 || keptAside.includes(name)) continue
    const path = `${directory}/${segmentName(segment)}`
    if ((await fs.stat(path)) === undefined) continue
    const file = await fs.open(path, 'read')
    try {
      const bytes = new Uint8Array(length)
      const count = await readWhole(file, bytes, offset)
      await fs.publish(`${into}/${name}`, bytes.subarray(0, count))
      damagedBytes += count
      keptAside.push(name)
    } finally {
      await file.close()
    }
  }
  return { damagedBytes, keptAside }
}
