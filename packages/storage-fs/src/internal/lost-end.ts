import { loadLaneIndex } from '@fhir-outbox/queue-core'
import type { Checkpoint } from './checkpoint.js'
import { seedOf } from './frame.js'
import { segmentOf } from './location.js'
import type { PresentSegment } from './segments.js'

/** What a log lacks that was in it when it was closed. */
export interface LostEnd {
  readonly segment: number
  /** Entries that waited or were dead then, and had their record in files that are shorter now or gone. */
  readonly sequences: readonly number[]
  readonly nextSequence: number
}

/** Whether these are files of the log that was closed, and not all of it. */
function isShorter({ segments, last }: Checkpoint, present: readonly PresentSegment[]): boolean {
  const seeds = new Map(segments.map(({ segment, seed }) => [segment, seed]))
  for (const { segment, header } of present) {
    if (!seeds.has(segment)) return false
    if (header !== undefined && seeds.get(segment) !== seedOf(header.salt)) return false
  }
  const end = present.at(-1)
  if (end === undefined || end.segment < last.segment) return last.segment > 0
  return end.size < last.end
}

/**
 * Nothing in a log says how it ended, so files that were cut short or removed look like a log that never had more.
 * The checkpoint of a clean close knows better.
 */
export function lostEnd(
  checkpoint: Checkpoint,
  present: readonly PresentSegment[],
  now: number,
): LostEnd | undefined {
  if (!isShorter(checkpoint, present)) return undefined
  const [dump] = checkpoint.index
  const index = dump && loadLaneIndex(dump, { owner: 'checkpoint' }, now)
  if (index === undefined) return undefined
  const from = present.at(-1)?.segment ?? 0
  const sequences: number[] = []
  for (let after = 0; ;) {
    const page = index.list({ after, limit: 1000 }, now)
    for (const sequence of page) {
      const entry = index.entry(sequence, now)
      if (entry === undefined || segmentOf(entry.location) < from) continue
      if (entry.state === 'waiting' || entry.state === 'unknown' || entry.state === 'dead')
        sequences.push(sequence)
    }
    const last = page.at(-1)
    if (last === undefined) break
    after = last
  }
  return { segment: checkpoint.last.segment, sequences, nextSequence: checkpoint.nextSequence }
}
