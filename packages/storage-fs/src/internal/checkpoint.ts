import { dumpLaneIndex, loadLaneIndex } from '@fhir-outbox/queue-core'
import type { FsPort } from '../fs-port.js'
import { type Catalog, createCatalog } from './catalog.js'
import {
  type CheckpointContent,
  decodeCheckpoint,
  encodeCheckpoint,
  platformFits,
} from './checkpoint-format.js'
import { seedOf } from './frame.js'
import { readWhole, type SegmentFiles } from './segment-files.js'
import type { PresentSegment } from './segments.js'
import { writeWhole } from './write-whole.js'

export type Checkpoint = CheckpointContent

export const CHECKPOINT_NAME = 'checkpoint.bin'
export const CHECKPOINT_DRAFT = 'checkpoint.bin.tmp'

/** The checkpoint, when there is an intact one. */
export async function readCheckpoint(fs: FsPort, directory: string): Promise<Checkpoint | undefined> {
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
  return decodeCheckpoint(bytes)
}

/** Whether the log is exactly as it was when the checkpoint was written. */
export function agrees(content: CheckpointContent, present: readonly PresentSegment[]): boolean {
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

/** A catalog with everything the checkpoint says; `undefined` when this version cannot read its index. */
export function restoreCheckpoint(content: Checkpoint, owner: string, now: number): Catalog | undefined {
  const [dump] = content.index
  const index = dump && loadLaneIndex(dump, { owner }, now)
  if (index === undefined) return undefined
  const catalog = createCatalog(index)
  const laneOf = (number: number): string => content.lanes[number] ?? ''
  catalog.forgotten = content.forgotten
  catalog.keys.load(content.keys)
  for (const { name, version, location } of content.notes) catalog.notes.set(name, { version, location })
  for (const { sequence, lane, noteAt, settled } of content.extras) {
    catalog.extras.set(sequence, {
      lane: laneOf(lane),
      noteAt,
      noteBytes: undefined,
      settled: settled && { ...settled },
    })
  }
  for (const { lane, ...end } of content.chains) catalog.chains.set(laneOf(lane), end)
  for (const { segment, end, total, live } of content.segments) {
    catalog.segments.set(segment, { size: end, total, live })
  }
  index.abandonLeases(now)
  return catalog
}

/** What is known now. Leases must have been abandoned before. */
export function contentOf(
  catalog: Catalog,
  files: SegmentFiles,
  where: Pick<CheckpointContent, 'generation' | 'nextSequence' | 'last'>,
  now: number,
): CheckpointContent {
  const numbers = new Map<string, number>()
  const numberOf = (lane: string): number => {
    const known = numbers.get(lane)
    if (known !== undefined) return known
    numbers.set(lane, numbers.size)
    return numbers.size - 1
  }
  const extras = [...catalog.extras].map(([sequence, { lane, noteAt, settled }]) => ({
    sequence,
    lane: numberOf(lane),
    ...(noteAt === undefined ? {} : { noteAt }),
    ...(settled === undefined ? {} : { settled }),
  }))
  const chains = [...catalog.chains].map(([lane, end]) => ({ lane: numberOf(lane), ...end }))
  return {
    ...where,
    at: now,
    forgotten: catalog.forgotten,
    segments: [...catalog.segments].map(([segment, { size, total, live }]) => ({
      segment,
      end: size,
      seed: files.info(segment)?.seed ?? 0,
      total,
      live,
    })),
    lanes: [...numbers.keys()],
    chains,
    notes: [...catalog.notes].map(([name, note]) => ({ name, ...note })),
    extras,
    keys: catalog.keys.dump(),
    index: dumpLaneIndex(catalog.index, now),
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
