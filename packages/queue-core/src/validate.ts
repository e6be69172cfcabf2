import { QueueError } from './errors.js'
import { encodeText } from './internal/bytes.js'
import type { AttemptNote, EntryDraft, LeaseRequest } from './storage-port.js'

/** See `storageLimits`. Lengths of text are in UTF-8 bytes. */
export interface StorageLimits {
  readonly laneBytes: number
  readonly gateBytes: number
  readonly keyBytes: number
  readonly headerBytes: number
  readonly payloadBytes: number
  /** How many entries one entry may name in `after`. */
  readonly after: number
  /** In UTF-16 code units. */
  readonly markGroupCharacters: number
  readonly markInfoBytes: number
  readonly noteBytes: number
}

/** The hard limits of every storage: what lies within them must be accepted, what lies beyond refused. */
export const storageLimits: StorageLimits = {
  laneBytes: 1024,
  gateBytes: 1024,
  keyBytes: 512,
  headerBytes: 4096,
  payloadBytes: 16 * 1024 * 1024,
  after: 1000,
  markGroupCharacters: 64,
  markInfoBytes: 1024,
  noteBytes: 256 * 1024,
}

const loneSurrogate = /\p{Surrogate}/u

function invalid(message: string): QueueError {
  return new QueueError('ERR_INVALID_ENTRY', message, { hint: 'Correct the call; nothing was stored.' })
}

function checkText(value: unknown, name: string, maxBytes: number): void {
  if (typeof value !== 'string') throw invalid(`${name} is not a string`)
  if (loneSurrogate.test(value)) throw invalid(`${name} is not well-formed Unicode`)
  if (encodeText(value).length > maxBytes) throw invalid(`${name} is longer than ${maxBytes} UTF-8 bytes`)
}

function checkBytes(value: unknown, name: string, maxBytes: number): void {
  if (!(value instanceof Uint8Array)) throw invalid(`${name} is not a Uint8Array`)
  if (value.length > maxBytes) throw invalid(`${name} is longer than ${maxBytes} bytes`)
}

/**
 * Checks what a caller hands to `append`, so that every storage refuses the same things. `lastSequence` is
 * the highest sequence given so far: `after` can only name entries that exist already.
 * Throws `ERR_INVALID_ENTRY`.
 */
export function checkDrafts(drafts: readonly EntryDraft[], lastSequence: number): void {
  for (const draft of drafts) {
    checkText(draft.lane, 'lane', storageLimits.laneBytes)
    checkText(draft.gate, 'gate', storageLimits.gateBytes)
    checkText(draft.key, 'key', storageLimits.keyBytes)
    if (draft.key === '') throw invalid('key is empty')
    checkBytes(draft.header, 'header', storageLimits.headerBytes)
    checkBytes(draft.payload, 'payload', storageLimits.payloadBytes)
    const after = draft.after ?? []
    if (after.length > storageLimits.after)
      throw invalid(`after names more than ${storageLimits.after} entries`)
    for (const sequence of after) {
      if (!Number.isSafeInteger(sequence) || sequence < 1 || sequence > lastSequence) {
        throw invalid('after names an entry that does not exist yet')
      }
    }
  }
}

/** Checks a lease request. Throws `ERR_INVALID_ENTRY`. */
export function checkLeaseRequest(request: LeaseRequest): void {
  if (!Number.isInteger(request.limit) || request.limit < 1) throw invalid('limit is not a positive integer')
  if (!(request.ttlMs > 0)) throw invalid('ttlMs is not positive')
  if (!(request.maxBytes >= 0)) throw invalid('maxBytes is negative')
}

/** Checks the notes of a mark. Throws `ERR_INVALID_ENTRY`. */
export function checkMarks(notes: readonly AttemptNote[]): void {
  for (const note of notes) {
    if (note.group.length > storageLimits.markGroupCharacters) throw invalid('the mark group is too long')
    if (note.info !== undefined) checkBytes(note.info, 'mark info', storageLimits.markInfoBytes)
  }
}

/** Checks an opaque note: of a settlement, of a decision, or in the note store. Throws `ERR_INVALID_ENTRY`. */
export function checkNote(bytes: Uint8Array | undefined): void {
  if (bytes !== undefined) checkBytes(bytes, 'note', storageLimits.noteBytes)
}
