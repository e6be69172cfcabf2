import { QueueError } from './errors.js'
import { encodeText } from './internal/bytes.js'
import type { AttemptNote, Decision, EntryDraft, LeaseRequest } from './storage-port.js'

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
  readonly noteNameBytes: number
}

/** What an entry and its notes may hold: every storage accepts it. */
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
  noteNameBytes: 512,
}

/**
 * Where an adapter refuses. `sealStorage` puts sealed lane, gate and key into the header and every sealed text
 * is longer than the plain one, so an adapter takes a little more than callers may hand in.
 */
export const adapterLimits: StorageLimits = {
  ...storageLimits,
  headerBytes: 2 * storageLimits.headerBytes,
  markInfoBytes: 2 * storageLimits.markInfoBytes,
  noteBytes: storageLimits.noteBytes + 4096,
}

const loneSurrogate = /\p{Surrogate}/u

function invalid(message: string): QueueError {
  return new QueueError('ERR_INVALID_ENTRY', message, { hint: 'Correct the call; nothing was stored.' })
}

function checkUnicode(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw invalid(`${name} is not a string`)
  // Two of them would be stored as the same replacement character.
  if (loneSurrogate.test(value)) throw invalid(`${name} is not well-formed Unicode`)
}

function checkText(value: unknown, name: string, maxBytes: number): void {
  checkUnicode(value, name)
  // No text takes more than three bytes for a code unit: most need not be encoded to be measured.
  if (value.length * 3 > maxBytes && encodeText(value).length > maxBytes)
    throw invalid(`${name} is longer than ${maxBytes} UTF-8 bytes`)
}

function checkBytes(value: unknown, name: string, maxBytes: number): void {
  if (!(value instanceof Uint8Array)) throw invalid(`${name} is not a Uint8Array`)
  if (value.length > maxBytes) throw invalid(`${name} is longer than ${maxBytes} bytes`)
}

/**
 * Checks what a caller hands to `append`, so that every storage refuses the same things. `lastSequence` is
 * the highest sequence given so far: `after` can only name entries that exist already. Adapters leave `limits`
 * alone. Throws `ERR_INVALID_ENTRY`.
 */
export function checkDrafts(
  drafts: readonly EntryDraft[],
  lastSequence: number,
  limits: StorageLimits = adapterLimits,
): void {
  for (const draft of drafts) {
    checkText(draft.lane, 'lane', limits.laneBytes)
    checkText(draft.gate, 'gate', limits.gateBytes)
    checkText(draft.key, 'key', limits.keyBytes)
    if (draft.key === '') throw invalid('key is empty')
    checkBytes(draft.header, 'header', limits.headerBytes)
    checkBytes(draft.payload, 'payload', limits.payloadBytes)
    const after = draft.after ?? []
    if (after.length > limits.after) throw invalid(`after names more than ${limits.after} entries`)
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
export function checkMarks(notes: readonly AttemptNote[], limits: StorageLimits = adapterLimits): void {
  for (const note of notes) {
    checkUnicode(note.group, 'the mark group')
    if (note.group.length > limits.markGroupCharacters) throw invalid('the mark group is too long')
    if (note.info !== undefined) checkBytes(note.info, 'mark info', limits.markInfoBytes)
  }
}

/** Checks an opaque note: of a settlement, of a decision, or in the note store. Throws `ERR_INVALID_ENTRY`. */
export function checkNote(bytes: Uint8Array | undefined, limits: StorageLimits = adapterLimits): void {
  if (bytes !== undefined) checkBytes(bytes, 'note', limits.noteBytes)
}

/** Checks the name of a note in the note store. Throws `ERR_INVALID_ENTRY`. */
export function checkNoteName(name: string, limits: StorageLimits = adapterLimits): void {
  checkText(name, 'the name of the note', limits.noteNameBytes)
}

/** Checks a decision: a corrected entry must be as valid as a new one. Throws `ERR_INVALID_ENTRY`. */
export function checkDecision(decision: Decision, limits: StorageLimits = adapterLimits): void {
  checkNote(decision.note, limits)
  if (decision.kind !== 'redrive') return
  if (decision.payload !== undefined) checkBytes(decision.payload, 'payload', limits.payloadBytes)
  if (decision.header !== undefined) checkBytes(decision.header, 'header', limits.headerBytes)
}
