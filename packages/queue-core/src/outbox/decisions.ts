import { noSuchEntry } from '../errors.js'
import { encodeJson } from '../internal/bytes.js'
import { sha256Hex } from '../internal/sha256.js'
import type { Decision, QueueStorage } from '../storage-port.js'
import { decisionNote, type Receipt } from './notes.js'
import type { DecidedBy, RedriveOptions } from './types.js'

/** Turns a person's decision into what the storage keeps. `at` is ISO 8601. */
export async function decisionFor(
  storage: QueueStorage,
  sequence: number,
  kind: Decision['kind'],
  by: DecidedBy & Partial<RedriveOptions>,
  at: string,
): Promise<Decision> {
  const entry = await storage.read(sequence)
  if (entry === undefined) throw noSuchEntry(sequence)
  const { actor, reason } = by
  if (kind === 'assume-delivered') {
    const receipt: Receipt = {
      v: 1,
      sequence,
      key: entry.key,
      at,
      contentSha256: entry.payload === undefined ? '' : await sha256Hex(entry.payload),
      assumed: { actor, reason },
    }
    return { kind, note: encodeJson(receipt) }
  }
  if (kind !== 'redrive') return { kind, note: decisionNote(kind, { actor, reason }, at, entry.note) }
  const { payload, header } = by
  const corrected = payload !== undefined || header !== undefined
  const replaced =
    payload === undefined || entry.payload === undefined
      ? {}
      : { replacedSha256: await sha256Hex(entry.payload) }
  return {
    kind,
    note: decisionNote(kind, { actor, reason, corrected, ...replaced }, at, entry.note),
    ...(payload === undefined ? {} : { payload }),
    ...(header === undefined ? {} : { header }),
  }
}
