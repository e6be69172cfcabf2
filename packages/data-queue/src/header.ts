import { DataQueueError } from './errors.js'
import { isObject } from './json.js'
import type { KeyPlace } from './key.js'
import type { PlanName } from './plan.js'

/** What to do when somebody else has changed the resource in the meantime. */
export type ConflictPolicy = 'park' | 'refetch' | 'overwrite'

/**
 * What is stored beside the payload: everything about the write but how it is made safe to repeat, which is
 * decided when it leaves, by what is known of the server then.
 * Never a credential: those are fetched when the request is sent. The destination is the entry's gate.
 */
export interface EntryHeader {
  readonly method: 'POST' | 'PUT' | 'DELETE'
  /** Relative to the endpoint's base URL; empty for the base itself. A type alone for an update `of` an entry. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** The plan as it looked at enqueue; the one in force is in the mark and in the receipt. */
  readonly plan: PlanName
  /** The plan was asked for, or there is no other. */
  readonly fixed?: true
  /** `Bundle` for a transaction. Absent for an envelope. */
  readonly resourceType?: string
  /** Where a create carries its key. Absent for everything else. */
  readonly place?: KeyPlace
  /** Entries of a transaction: what its answer is checked against. */
  readonly entries?: number
  /** A transaction whose creates are PUTs to ids of ours. */
  readonly puts?: true
  /** Index of the first of them that its own condition does not protect. */
  readonly doubtful?: number
  /** Local references: where each begins in the payload, and the entry it refers to. */
  readonly refs?: readonly (readonly [offset: number, sequence: number])[]
  /** Update or delete of what this entry has written: its receipt tells id and version. */
  readonly of?: number
  readonly conflict?: ConflictPolicy
  /** Its lane keeps no order: it may travel in a batch. */
  readonly ordered?: false
  /** The payload is a resource that is sealed when it leaves. Absent for an envelope. */
  readonly seal?: true
  /** Content type of a payload that is not FHIR JSON. */
  readonly contentType?: string
}

const version = 1

export function encodeHeader(header: EntryHeader): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify({ v: version, ...header }))
  if (bytes.length > 4096) {
    throw new DataQueueError(
      'ERR_ENTRY_TOO_LARGE',
      'Method, path, headers and local references of the write exceed 4,096 bytes.',
      {
        hint: 'Shorten the path or the condition of the write, or split a resource with very many local references.',
      },
    )
  }
  return bytes
}

/** Reads headers one after the other. Neighbours in a lane mostly have the very same one, which is read once. */
export function headerReader(): (bytes: Uint8Array) => EntryHeader {
  let last: { readonly bytes: Uint8Array; readonly header: EntryHeader } | undefined
  return (bytes) => {
    if (last !== undefined && sameBytes(last.bytes, bytes)) return last.header
    // A copy: the bytes may lie in a large piece of a file, which is not to be kept for them.
    last = { bytes: bytes.slice(), header: decodeHeader(bytes) }
    return last.header
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** Throws `ERR_ENTRY_FORMAT` for what a newer version wrote, or something else than this package. */
export function decodeHeader(bytes: Uint8Array): EntryHeader {
  const value = parseHeader(bytes)
  if (
    !isObject(value) ||
    value['v'] !== version ||
    typeof value['method'] !== 'string' ||
    typeof value['path'] !== 'string'
  ) {
    throw new DataQueueError('ERR_ENTRY_FORMAT', 'The header of the entry is not of a format known here.', {
      hint: 'Upgrade @fhir-outbox/data-queue if a newer version wrote it; the entry is kept as it is.',
    })
  }
  const header = value as unknown as EntryHeader
  return header.headers === undefined ? { ...header, headers: {} } : header
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
