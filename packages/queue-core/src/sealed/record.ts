import { decodeText, writeText } from '../internal/bytes.js'
import type { RecordSealer } from './sealer.js'
import { andThen, both, type Soon } from './soon.js'

/** What is said about an entry and sealed. */
export interface Head {
  readonly lane: string
  readonly gate: string
  readonly key: string
  readonly header: Uint8Array
}

/**
 * A sealed entry as the adapter keeps it. The payload is as long as the plain one, so that limits, runs and
 * the audit count the same bytes with and without sealing: what the cipher adds stands in the header.
 */
export interface SealedRecord {
  readonly header: Uint8Array
  readonly payload: Uint8Array
}

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length >>> 24
  bytes[at + 1] = length >>> 16
  bytes[at + 2] = length >>> 8
  bytes[at + 3] = length
}

/** Texts, each as a block with its length before it, and what follows them; in the memory that `room` gives. */
function pack(texts: readonly string[], rest: Uint8Array, room: (size: number) => Uint8Array): Uint8Array {
  let most = rest.length
  for (const { length } of texts) most += 4 + 3 * length
  const bytes = room(most)
  let at = 0
  for (const text of texts) {
    const end = writeText(bytes, at + 4, text)
    writeLength(bytes, at, end - at - 4)
    at = end
  }
  bytes.set(rest, at)
  return bytes.subarray(0, at + rest.length)
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)
}

/** The block at `at`, a view, and where the next one starts. Throws when the bytes end before it does. */
function blockAt(bytes: Uint8Array, at: number): { readonly content: Uint8Array; readonly end: number } {
  const end = at + 4 + lengthAt(bytes, at)
  if (end > bytes.length) throw new RangeError('a block is cut off')
  return { content: bytes.subarray(at + 4, end), end }
}

/** Name and content of a named note: the adapter knows only a hash of the name. */
export function packNamed(name: string, bytes: Uint8Array): Uint8Array {
  return pack([name], bytes, (size) => new Uint8Array(size))
}

export function unpackNamed(packed: Uint8Array): { readonly name: string; readonly bytes: Uint8Array } {
  const { content, end } = blockAt(packed, 0)
  return { name: decodeText(content), bytes: packed.slice(end) }
}

function unpackHead(bytes: Uint8Array): Head {
  const lane = blockAt(bytes, 0)
  const gate = blockAt(bytes, lane.end)
  const key = blockAt(bytes, gate.end)
  return {
    lane: decodeText(lane.content),
    gate: decodeText(gate.content),
    key: decodeText(key.content),
    header: bytes.slice(key.end),
  }
}

/** Header: sealed head as a block, length of the sealed payload, and the beginning of the sealed payload. */
function frame([sealedHead, sealed]: readonly [Uint8Array, Uint8Array], payloadLength: number): SealedRecord {
  const split = Math.max(0, sealed.length - payloadLength)
  const lengthAt = 4 + sealedHead.length
  const header = new Uint8Array(lengthAt + 4 + split)
  writeLength(header, 0, sealedHead.length)
  header.set(sealedHead, 4)
  writeLength(header, lengthAt, sealed.length)
  header.set(sealed.subarray(0, split), lengthAt + 4)
  if (sealed.length >= payloadLength) return { header, payload: sealed.subarray(split) }
  // A cipher that compresses leaves zeros at the end.
  const payload = new Uint8Array(payloadLength)
  payload.set(sealed)
  return { header, payload }
}

/** As much of the sealed payload stands in the header as makes the rest as long as the plain payload. */
export function sealRecord(
  sealer: RecordSealer,
  label: string,
  head: Head,
  payload: Uint8Array,
): Soon<SealedRecord> {
  const { lane, gate, key, header } = head
  // Read now: whoever appends may give its bytes away while the cipher works.
  const { length } = payload
  const sealedHead = sealer.seal('head', label, pack([lane, gate, key], header, sealer.borrow))
  const sealed = sealer.seal('payload', label, payload)
  return andThen(both(sealedHead, sealed), (parts) => frame(parts, length))
}

/** The sealed head of a header, a view, and the sealed payload that began in it. Throws when they are cut off. */
export function recordsOf({
  header,
  payload,
}: SealedRecord): readonly [head: Uint8Array, payload: Uint8Array] {
  const { content, end } = blockAt(header, 0)
  const length = lengthAt(header, end)
  const beginning = header.subarray(end + 4, end + 4 + length)
  // A length that is none is damage; the bytes that are there do not open.
  const sealed = new Uint8Array(Math.min(length, beginning.length + payload.length))
  sealed.set(beginning)
  sealed.set(payload.subarray(0, sealed.length - beginning.length), beginning.length)
  return [content, sealed]
}

/** Resolves to `undefined` when the head does not open. Rejects with `ERR_KEY_LOCKED`. */
export async function openHead(
  sealer: RecordSealer,
  label: string,
  header: Uint8Array,
): Promise<Head | undefined> {
  try {
    const plain = await sealer.open('head', label, blockAt(header, 0).content)
    return plain === undefined ? undefined : unpackHead(plain)
  } catch (error) {
    if (isMalformed(error)) return undefined
    throw error
  }
}

/** Resolves to `undefined` when the payload does not open. Rejects with `ERR_KEY_LOCKED`. */
export async function openPayload(
  sealer: RecordSealer,
  label: string,
  { header, payload }: SealedRecord,
): Promise<Uint8Array | undefined> {
  let sealed: Uint8Array
  try {
    ;[, sealed] = recordsOf({ header, payload })
  } catch (error) {
    if (isMalformed(error)) return undefined
    throw error
  }
  const plain = await sealer.open('payload', label, sealed)
  return plain?.length === payload.length ? plain : undefined
}

/** Damaged bytes show as a length past the end (RangeError) or as text that is none (TypeError). */
function isMalformed(error: unknown): boolean {
  return error instanceof RangeError || error instanceof TypeError
}
