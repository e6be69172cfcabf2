import { decodeText, encodeText } from '../internal/bytes.js'
import type { RecordSealer } from './sealer.js'

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

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** A block with its length before it. */
function block(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + bytes.length)
  new DataView(framed.buffer).setUint32(0, bytes.length)
  framed.set(bytes, 4)
  return framed
}

/** The block at `at` and where the next one starts. Throws when the bytes end before it does. */
function blockAt(bytes: Uint8Array, at: number): { readonly content: Uint8Array; readonly end: number } {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)
  const end = at + 4 + length
  if (end > bytes.length) throw new RangeError('a block is cut off')
  return { content: bytes.slice(at + 4, end), end }
}

/** Name and content of a named note: the adapter knows only a hash of the name. */
export function packNamed(name: string, bytes: Uint8Array): Uint8Array {
  return join([block(encodeText(name)), bytes])
}

export function unpackNamed(packed: Uint8Array): { readonly name: string; readonly bytes: Uint8Array } {
  const { content, end } = blockAt(packed, 0)
  return { name: decodeText(content), bytes: packed.slice(end) }
}

function packHead(head: Head): Uint8Array {
  const texts = [head.lane, head.gate, head.key].map((text) => block(encodeText(text)))
  return join([...texts, head.header])
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

/**
 * Header: sealed head as a block, length of the sealed payload, and as much of its beginning as makes the rest
 * as long as the plain payload.
 */
export async function sealRecord(
  sealer: RecordSealer,
  label: string,
  head: Head,
  payload: Uint8Array,
): Promise<SealedRecord> {
  const [sealedHead, sealed] = await Promise.all([
    sealer.seal('head', label, packHead(head)),
    sealer.seal('payload', label, payload),
  ])
  const rest = new Uint8Array(payload.length)
  const split = Math.max(0, sealed.length - payload.length)
  // A cipher that compresses leaves zeros at the end.
  rest.set(sealed.subarray(split))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, sealed.length)
  return { header: join([block(sealedHead), length, sealed.subarray(0, split)]), payload: rest }
}

/** The sealed head of a header, and the sealed payload that began in it. Throws when they are cut off. */
export function recordsOf({
  header,
  payload,
}: SealedRecord): readonly [head: Uint8Array, payload: Uint8Array] {
  const { content, end } = blockAt(header, 0)
  const length = new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(end)
  return [content, join([header.subarray(end + 4), payload]).slice(0, length)]
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
