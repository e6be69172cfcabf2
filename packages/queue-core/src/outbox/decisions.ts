import { QueueError } from '../errors.js'
import { encodeJson, toHex } from '../internal/bytes.js'
import type { Decision, QueueStorage } from '../storage-port.js'
import type { OutboxEnvironment } from './environment.js'
import { decisionNote, type Receipt } from './notes.js'
import type { DecidedBy, RedriveOptions } from './types.js'

/** Turns a person's decision into what the storage keeps. `at` is ISO 8601. */
export async function decisionFor(
  storage: QueueStorage,
  sequence: number,
  kind: Decision['kind'],
  by: DecidedBy & Partial<RedriveOptions>,
  at: string,
  sha256: OutboxEnvironment['sha256'],
): Promise<Decision> {
  const entry = await storage.read(sequence)
  if (entry === undefined) {
    throw new QueueError('ERR_NO_SUCH_ENTRY', `there is no entry ${sequence}`, {
      hint: 'It never existed, or it was settled longer ago than settled entries are kept.',
    })
  }
  const { actor, reason } = by
  if (kind === 'assume-delivered') {
    const receipt: Receipt = {
      v: 1,
      sequence,
      key: entry.key,
      at,
      contentSha256: toHex(await sha256(entry.payload ?? new Uint8Array(0))),
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
      : { replacedSha256: toHex(await sha256(entry.payload)) }
  return {
    kind,
    note: decisionNote(kind, { actor, reason, corrected, ...replaced }, at, entry.note),
    ...(payload === undefined ? {} : { payload }),
    ...(header === undefined ? {} : { header }),
  }
}
