import { DataQueueError } from './errors.js'
import { isObject } from './json.js'
import type { PlanName } from './plan.js'

/**
 * What is stored beside the payload so that the write can be repeated exactly as it was decided at enqueue.
 * Never a credential: those are fetched when the request is sent. The destination is the entry's gate.
 */
export interface EntryHeader {
  readonly method: 'POST' | 'PUT'
  /** Relative to the endpoint's base URL; empty for the base itself. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly plan: PlanName
  /** `Bundle` for a transaction. Absent for an envelope. */
  readonly resourceType?: string
  /** Entries of a transaction: what its answer is checked against. */
  readonly entries?: number
}

const version = 1

export function encodeHeader(header: EntryHeader): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify({ v: version, ...header }))
  if (bytes.length > 4096) {
    throw new DataQueueError(
      'ERR_ENTRY_TOO_LARGE',
      'Method, path and headers of the write exceed 4,096 bytes.',
      {
        hint: 'Shorten the path or the condition of the write.',
      },
    )
  }
  return bytes
}

/** Throws `ERR_ENTRY_FORMAT` for what a newer version wrote, or something else than this package. */
export function decodeHeader(bytes: Uint8Array): EntryHeader {
  const value = parseHeader(bytes)
  if (!isObject(value) || value['v'] !== version) {
    throw new DataQueueError('ERR_ENTRY_FORMAT', 'The header of the entry is not of a format known here.', {
      hint: 'Upgrade @fhir-outbox/data-queue if a newer version wrote it; the entry is kept as it is.',
    })
  }
  return value as unknown as EntryHeader
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
