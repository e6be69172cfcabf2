import { isKeyId } from '../key-id.js'
import { nonceLength, tagLength } from '../internal/aes-gcm.js'

// A sealed record, version 1:
//   1 byte    version
//   1 byte    length of the key id
//   n bytes   key id, ASCII
//   12 bytes  nonce of the wrapped data key
//   48 bytes  data key under the key, AES-256-GCM, with its tag
//   12 bytes  nonce of the record
//   m bytes   record under the data key, AES-256-GCM, with its tag of 16 bytes
// Everything before the nonce of the record is authenticated with the record; version and key id are
// authenticated with the wrapped data key.

export const recordVersion = 1
export const dataKeyLength = 32
/** Nonce, data key and tag. */
export const wrappedLength: number = nonceLength + dataKeyLength + tagLength

/** A record taken apart; views of its bytes. */
export interface RecordParts {
  readonly keyId: string
  /** Version and key id. */
  readonly named: Uint8Array
  readonly wrapped: Uint8Array
  /** `named` and `wrapped`. */
  readonly head: Uint8Array
  readonly nonce: Uint8Array
  readonly sealed: Uint8Array
}

/** Version and key id, as a record starts. */
export function nameOf(keyId: string): Uint8Array<ArrayBuffer> {
  const id = new TextEncoder().encode(keyId)
  const bytes = new Uint8Array(2 + id.length)
  bytes[0] = recordVersion
  bytes[1] = id.length
  bytes.set(id, 2)
  return bytes
}

/** Undefined when the bytes are no record of this version. */
export function takeApart(record: Uint8Array): RecordParts | undefined {
  const idLength = record[1]
  if (record[0] !== recordVersion || idLength === undefined) return undefined
  const named = 2 + idLength
  const head = named + wrappedLength
  if (record.length < head + nonceLength + tagLength) return undefined
  const keyId = new TextDecoder().decode(record.subarray(2, named))
  if (!isKeyId(keyId)) return undefined
  return {
    keyId,
    named: record.subarray(0, named),
    wrapped: record.subarray(named, head),
    head: record.subarray(0, head),
    nonce: record.subarray(head, head + nonceLength),
    sealed: record.subarray(head + nonceLength),
  }
}
