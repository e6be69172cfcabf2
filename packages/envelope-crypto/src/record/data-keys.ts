import { aesGcmOfBytes, nonceLength } from '../internal/aes-gcm.js'
import type { AesGcm } from '../internal/aes-gcm.js'
import { sameBytes } from '../internal/bytes.js'
import { andThen, isPromise } from '../internal/soon.js'
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
export function unwrapDataKey(key: AesGcm, named: Uint8Array, wrapped: Uint8Array): Soon<AesGcm | undefined> {
  const unwrapping = key.decrypt(wrapped.subarray(0, nonceLength), wrapped.subarray(nonceLength), named)
  return andThen(unwrapping, (raw) => (raw?.length === dataKeyLength ? aesGcmOfBytes(raw) : undefined))
}

/** The data keys met last: neighbours in a storage share them. */
export interface DataKeyMemory {
  /**
   * The data key of records that begin like this. `unwrap` is called when it is not known, once for all who wait; what
   * comes to undefined or rejects is not remembered.
   */
  get(head: Uint8Array, unwrap: () => Soon<AesGcm | undefined>): Soon<AesGcm | undefined>
}

export function dataKeyMemory(): DataKeyMemory {
  interface Met {
    // With the key id: a record that names another key must not answer for this one.
    readonly head: Uint8Array
    cipher: Soon<AesGcm | undefined>
  }
  let known: readonly Met[] = []

  function remember(head: Uint8Array, cipher: Soon<AesGcm | undefined>): void {
    const met: Met = { head: head.slice(), cipher }
    known = [met, ...known.slice(0, remembered - 1)]
    if (!isPromise(cipher)) return
    const forget = (): void => {
      known = known.filter((one) => one !== met)
    }
    cipher.then((there) => (there === undefined ? forget() : void (met.cipher = there)), forget)
  }

  return {
    get(head, unwrap) {
      const met = known.find((one) => sameBytes(one.head, head))
      if (met !== undefined) return met.cipher
      const cipher = unwrap()
      if (cipher !== undefined) remember(head, cipher)
      return cipher
    },
  }
}
