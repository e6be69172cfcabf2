import { QueueError } from '../errors.js'
import { encodeJson } from '../internal/bytes.js'
import type { QueueStorage } from '../storage-port.js'
import type { DecidedBy } from './types.js'

/** Name of the note that tells of the last wipe. */
export const wipeNoteName = 'fhir-outbox-wiped'

/** What a wipe erased, on whose word. */
export interface WipeRecord {
  readonly v: 1
  /** ISO 8601, by this machine's clock. */
  readonly at: string
  readonly actor: string
  readonly reason: string
  /** Entries that were never delivered. */
  readonly waiting: number
  /** Of those, how many may have been applied: their request had left and nobody knew. */
  readonly unknown: number
  readonly dead: number
  readonly quarantined: number
  /** Receipts of these were erased, unless retention had ended before. */
  readonly delivered: number
}

export async function wipeStorage(storage: QueueStorage, by: DecidedBy, at: string): Promise<WipeRecord> {
  if (storage.wipe === undefined) {
    throw new QueueError('ERR_UNSUPPORTED', 'the storage cannot be wiped', {
      hint: 'Close it and delete its files or its database.',
    })
  }
  const { actor, reason } = by
  const { waiting, unknown, dead, quarantined, delivered } = await storage.stats()
  const record: WipeRecord = { v: 1, at, actor, reason, waiting, unknown, dead, quarantined, delivered }
  await storage.wipe([{ name: wipeNoteName, bytes: encodeJson(record) }])
  return record
}
