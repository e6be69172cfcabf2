import type { EntryState, RestoredEntry } from '@fhir-outbox/queue-core'
import type { FsPort } from '../fs-port.js'
import type { Catalog } from './catalog.js'
import {
  CHECKPOINT_STATES,
  type CheckpointContent,
  decodeCheckpoint,
  encodeCheckpoint,
  type EntryDetails,
  type EntryExtra,
  platformFits,
} from './checkpoint-format.js'
import { seedOf } from './frame.js'
import { readWhole, type SegmentFiles } from './segment-files.js'
import type { PresentSegment } from './segments.js'
import { writeWhole } from './write-whole.js'

export type Checkpoint = CheckpointContent

export const CHECKPOINT_NAME = 'checkpoint.bin'
export const CHECKPOINT_DRAFT = 'checkpoint.bin.tmp'

/** The checkpoint, when there is an intact one and the log is exactly as it was when it was written. */
export async function readCheckpoint(
  fs: FsPort,
  directory: string,
  present: readonly PresentSegment[],
): Promise<Checkpoint | undefined> {
  if (!platformFits()) return undefined
  const path = `${directory}/${CHECKPOINT_NAME}`
  let bytes: Uint8Array
  try {
    const size = (await fs.stat(path))?.size
    if (size === undefined) return undefined
    const file = await fs.open(path, 'read')
    try {
      bytes = new Uint8Array(size)
      if ((await readWhole(file, bytes, 0)) < size) return undefined
    } finally {
      await file.close()
    }
  } catch {
    // It saves work and nothing else: the log says the same.
    return undefined
  }
  const content = decodeCheckpoint(bytes)
  return content !== undefined && agrees(content, present) ? content : undefined
}

function agrees(content: CheckpointContent, present: readonly PresentSegment[]): boolean {
  const { segments, last, generation } = content
  if (segments.length !== present.length) return false
  for (const [at, { segment, size, header }] of present.entries()) {
    const known = segments[at]
    if (known?.segment !== segment || header === undefined || size < known.end) return false
    if (known.seed !== seedOf(header.salt)) return false
    if (segment === last.segment && (header.generation !== generation || known.end !== last.end)) return false
  }
  return segments.at(-1)?.segment === last.segment || segments.length === 0
}

/** Fills an empty catalog. */
export function restoreCheckpoint(content: Checkpoint, catalog: Catalog, now: number): void {
  const { index } = catalog
  const { names, sequences, locations, appendedAt, payloadBytes, lanes, gates, states } = content
  catalog.forgotten = content.forgotten
  index.restoreForgotten(content.forgotten)
  let nextDetails = 0
  for (let row = 0; row < sequences.length; row++) {
    const details = content.details[nextDetails]?.row === row ? content.details[nextDetails++] : undefined
    const [state, deadReason] = CHECKPOINT_STATES[states[row] ?? 0] ?? ['waiting']
    const sequence = sequences[row] ?? 0
    const lane = names[lanes[row] ?? 0] ?? ''
    const location = locations[row] ?? 0
    const bytes = payloadBytes[row] ?? 0
    index.restore(
      {
        sequence,
        lane,
        gate: names[gates[row] ?? 0] ?? '',
        // A clock that stood ahead must not make entries younger than nothing.
        appendedAt: Math.min(appendedAt[row] ?? 0, now),
        payloadBytes: bytes,
        location,
        state: beforeSettlement(state),
        ...(deadReason === undefined ? {} : { deadReason }),
        ...(details === undefined ? {} : restorable(details, now)),
      },
      now,
    )
    catalog.learn({ sequence, lane, payloadBytes: bytes, location })
  }
  catalog.keys.load(content.keys)
  for (const { name, version, location } of content.notes) catalog.notes.set(name, { version, location })
  for (const extra of content.extras) restoreExtra(catalog, extra, now)
  index.abandonLeases(now)
  for (const { lane, hash, segment } of content.hashes) {
    const name = names[lane] ?? ''
    if (!catalog.lanes.has(name)) continue
    catalog.chains.set(name, { hash, segment })
    index.restoreReceiptHash(name, hash)
  }
  for (const { segment, end, total, live } of content.segments) {
    catalog.segments.set(segment, { size: end, total, live })
  }
}

/** Settlements are repeated in their order, because the oldest are forgotten first. */
function beforeSettlement(state: EntryState): EntryState {
  return state === 'delivered' || state === 'discarded' ? 'waiting' : state
}

function restorable(
  { attempts, dueAt, troubledSince, mark, after }: EntryDetails,
  now: number,
): Pick<RestoredEntry, 'attempts' | 'dueAt' | 'troubledSince' | 'mark' | 'after'> {
  return {
    attempts,
    after,
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(troubledSince === undefined ? {} : { troubledSince: Math.min(troubledSince, now) }),
    ...(mark === undefined ? {} : { mark }),
  }
}

function restoreExtra(catalog: Catalog, { sequence, noteAt, settled }: EntryExtra, now: number): void {
  const { index } = catalog
  const entry = index.entry(sequence, 0)
  if (entry === undefined) return
  if (noteAt !== undefined) catalog.extra(sequence, entry.lane).noteAt = noteAt
  if (settled === undefined) return
  const at = Math.min(settled.at, now)
  if (settled.delivered) {
    index.replaySettlement({ sequence, outcome: 'delivered', note: new Uint8Array(0) }, at)
  } else index.decide(sequence, 'withdraw', at)
  catalog.settled(sequence, settled.delivered, at)
}

/** What is known now, in columns. Leases must have been abandoned before. */
export function contentOf(
  catalog: Catalog,
  files: SegmentFiles,
  where: Pick<CheckpointContent, 'generation' | 'nextSequence' | 'last'>,
  now: number,
): CheckpointContent {
  const { index } = catalog
  const known = index.stats(now)
  const most = known.waiting + known.dead + known.quarantined + catalog.extras.size
  const sequences = new Float64Array(most)
  const locations = new Float64Array(most)
  const appendedAt = new Float64Array(most)
  const payloadBytes = new Uint32Array(most)
  const lanes = new Uint32Array(most)
  const gates = new Uint32Array(most)
  const states = new Uint8Array(most)
  const details: EntryDetails[] = []
  const names: string[] = []
  const numbers = new Map<string, number>()
  const nameOf = (name: string): number => {
    const number = numbers.get(name)
    if (number !== undefined) return number
    numbers.set(name, names.length)
    return names.push(name) - 1
  }
  let count = 0
  for (let after = 0; ;) {
    const page = index.list({ after, limit: 10_000 }, now)
    for (const sequence of page) {
      const entry = index.entry(sequence, now)
      if (entry === undefined) continue
      const { state, deadReason, dueInMs, troubledForMs, mark, attempts } = entry
      sequences[count] = sequence
      locations[count] = entry.location
      appendedAt[count] = now - entry.ageMs
      payloadBytes[count] = entry.payloadBytes
      lanes[count] = nameOf(entry.lane)
      gates[count] = nameOf(entry.gate)
      states[count] = CHECKPOINT_STATES.findIndex(([name, reason]) => name === state && reason === deadReason)
      const isPlain = attempts === 0 && dueInMs === undefined && troubledForMs === undefined
      if (!isPlain || mark !== undefined || entry.after.length > 0) {
        details.push({
          row: count,
          attempts,
          ...(dueInMs === undefined ? {} : { dueAt: now + dueInMs }),
          ...(troubledForMs === undefined ? {} : { troubledSince: now - troubledForMs }),
          ...(mark === undefined || state !== 'unknown' ? {} : { mark }),
          after: entry.after,
        })
      }
      count++
    }
    const last = page.at(-1)
    if (last === undefined) break
    after = last
  }
  const extras = [...catalog.extras].map(([sequence, { noteAt, settled }]) => ({
    order: settled?.order ?? 0,
    extra: {
      sequence,
      ...(noteAt === undefined ? {} : { noteAt }),
      ...(settled === undefined ? {} : { settled: { at: settled.at, delivered: settled.delivered } }),
    },
  }))
  extras.sort((a, b) => a.order - b.order)
  return {
    ...where,
    segments: [...catalog.segments].map(([segment, { size, total, live }]) => ({
      segment,
      end: size,
      seed: files.info(segment)?.seed ?? 0,
      total,
      live,
    })),
    forgotten: catalog.forgotten,
    names,
    hashes: [...catalog.chains].map(([lane, { hash, segment }]) => ({ lane: nameOf(lane), hash, segment })),
    notes: [...catalog.notes].map(([name, note]) => ({ name, ...note })),
    details,
    extras: extras.map(({ extra }) => extra),
    keys: catalog.keys.dump(),
    sequences: sequences.subarray(0, count),
    locations: locations.subarray(0, count),
    appendedAt: appendedAt.subarray(0, count),
    payloadBytes: payloadBytes.subarray(0, count),
    lanes: lanes.subarray(0, count),
    gates: gates.subarray(0, count),
    states: states.subarray(0, count),
  }
}

/** Puts a checkpoint in the place of an older one, all at once. The log must be durable before. */
export async function writeCheckpoint(
  fs: FsPort,
  directory: string,
  content: CheckpointContent,
): Promise<void> {
  if (!platformFits()) return
  const draft = `${directory}/${CHECKPOINT_DRAFT}`
  if ((await fs.stat(draft)) !== undefined) await fs.unlink(draft)
  const file = await fs.create(draft)
  try {
    await writeWhole(file, encodeCheckpoint(content), 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await fs.rename(draft, `${directory}/${CHECKPOINT_NAME}`)
  await fs.syncDirectory(directory)
}
