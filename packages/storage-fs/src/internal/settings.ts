import type { QueueLimits, Retention } from '@fhir-outbox/queue-core'

const DAY = 24 * 60 * 60 * 1000
const MIB = 1024 * 1024
/** Places in a segment are 32-bit numbers, and the last group may reach beyond the limit. */
const MOST_SEGMENT_BYTES = 1024 * MIB
const LEAST_SEGMENT_BYTES = 512

export interface Settings {
  readonly limits: Required<QueueLimits>
  /** Free bytes that must stay on the disk; 0 for no check. */
  readonly keepFree: number
  readonly retention: Retention
  readonly segmentBytes: number
}

function amount(name: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  if (typeof value === 'number' && value >= 0) return value
  throw new RangeError(`${name} must be a number that is not negative.`)
}

/** Throws a `RangeError`: a segment that never ends would outgrow its own numbers, long after it was opened. */
export function segmentSize(value: number | undefined): number {
  if (value === undefined) return 16 * MIB
  if (Number.isInteger(value) && value >= LEAST_SEGMENT_BYTES && value <= MOST_SEGMENT_BYTES) return value
  throw new RangeError(
    `segmentBytes must be a whole number between ${LEAST_SEGMENT_BYTES} and ${MOST_SEGMENT_BYTES}.`,
  )
}

/** The options of a storage with their defaults. Throws a `RangeError` for numbers that make no sense. */
export function settingsOf(options: {
  readonly limits?: QueueLimits & { readonly freeDiskBytes?: number }
  readonly receipts?: Partial<Retention>
  readonly segmentBytes?: number
}): Settings {
  const { limits = {}, receipts = {} } = options
  return {
    limits: {
      entries: amount('limits.entries', limits.entries, 1_000_000),
      bytes: amount('limits.bytes', limits.bytes, 2 * 1024 * MIB),
    },
    keepFree: amount('limits.freeDiskBytes', limits.freeDiskBytes, 256 * MIB),
    retention: {
      maxAgeMs: amount('receipts.maxAgeMs', receipts.maxAgeMs, 30 * DAY),
      maxCount: amount('receipts.maxCount', receipts.maxCount, 100_000),
    },
    segmentBytes: segmentSize(options.segmentBytes),
  }
}
