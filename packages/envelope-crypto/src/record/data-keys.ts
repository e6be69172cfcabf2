import { aesGcmOfBytes, nonceLength } from '../internal/aes-gcm.js'
import type { AesGcm } from '../internal/aes-gcm.js'
import { sameBytes } from '../internal/bytes.js'
import { andThen } from '../internal/soon.js'
import type { Soon } from '../internal/soon.js'
import { randomBytes } from '../internal/web-crypto.js'
import { dataKeyLength } from './record-format.js'

/** How many records share a data key. Few enough that a leaked one shows little, enough to save nearly all wraps. */
export const recordsPerDataKey = 100
/** How many unwrapped data keys are kept in memory. */
const remembered = 16

/** A data key with its wrapped form, which is stored in every record it seals. */
export interface DataKey {
  readonly wrapped: Uint8Array
  readonly cipher: AesGcm
}

/** A new data key, wrapped by `key`. `named` (version and key id) is authenticated with it. */
export function newDataKey(key: AesGcm, named: Uint8Array): Soon<DataKey> {
  const raw = randomBytes(dataKeyLength)
  const nonce = randomBytes(nonceLength)
  const wrapping = key.encrypt({ nonce, plain: raw, associated: named, prefix: [nonce] })
  return andThen(wrapping, (wrapped) => ({ wrapped, cipher: aesGcmOfBytes(raw) }))
}

/** Undefined when `key` did not wrap it, or not under this name. */
export function unwrapDataKey(
  key: AesGcm,
  named: Uint8Array,
  wrapped: Uint8Array,
): Soon<DataKey | undefined> {
  const unwrapping = key.decrypt(wrapped.subarray(0, nonceLength), wrapped.subarray(nonceLength), named)
  return andThen(unwrapping, (raw) =>
    raw?.length === dataKeyLength ? { wrapped: wrapped.slice(), cipher: aesGcmOfBytes(raw) } : undefined,
  )
}

/** The data keys met last: neighbours in a storage share them. */
export interface DataKeyMemory {
  find(wrapped: Uint8Array): AesGcm | undefined
  add(key: DataKey): void
}

export function dataKeyMemory(): DataKeyMemory {
  let keys: DataKey[] = []
  return {
    find: (wrapped) => keys.find((key) => sameBytes(key.wrapped, wrapped))?.cipher,
    add(key) {
      keys = [key, ...keys.slice(0, remembered - 1)]
    },
  }
}
