import { EnvelopeError } from '../errors.js'
import { aesGcmOfBytes, aesGcmOfKey } from '../internal/aes-gcm.js'
import type { AesGcm } from '../internal/aes-gcm.js'
import { isBytes } from '../internal/bytes.js'
import { invalidOption } from '../internal/options.js'
import type { Soon } from '../internal/soon.js'

const keyLength = 32

/** 32 random bytes, or an AES-GCM key of WebCrypto that may encrypt and decrypt; it need not be extractable. */
export type RecordKey = Uint8Array | CryptoKey

/**
 * A key, or where it comes from. A function is asked when the key is first needed, and again after it had none:
 * undefined or a rejection means that the key is locked now.
 */
export type RecordKeySource = RecordKey | (() => Promise<RecordKey | undefined>)

/** A key that may have to be unlocked first. */
export interface HeldKey {
  /** Rejects with ERR_KEY_LOCKED or ERR_INVALID_OPTION. */
  get(): Soon<AesGcm>
  /** Forgets what a function gave. */
  forget(): void
}

/** Throws ERR_INVALID_OPTION for a key of the wrong kind; one that a function gives is checked when it comes. */
export function holdKey(source: RecordKeySource): HeldKey {
  if (typeof source !== 'function') {
    const key = readKey(source)
    return { get: () => key, forget: () => undefined }
  }
  /** The key, or the answer that is waited for. */
  let asked: Soon<AesGcm> | undefined
  return {
    get() {
      if (asked !== undefined) return asked
      const ask = unlock(source)
      asked = ask
      ask.then(
        (key) => {
          if (asked === ask) asked = key
        },
        () => {
          // What failed now may work later.
          if (asked === ask) asked = undefined
        },
      )
      return ask
    },
    forget() {
      asked = undefined
    },
  }
}

async function unlock(source: () => Promise<RecordKey | undefined>): Promise<AesGcm> {
  let key: RecordKey | undefined
  try {
    key = await source()
  } catch (cause) {
    throw locked(cause)
  }
  if (key === undefined) throw locked()
  return readKey(key)
}

function readKey(key: unknown): AesGcm {
  if (isBytes(key)) {
    if (key.length !== keyLength) throw invalidOption(`The key of records must have ${keyLength} bytes.`)
    return aesGcmOfBytes(new Uint8Array(key))
  }
  if (isCryptoKey(key)) {
    const { algorithm, usages } = key
    const bits: unknown = Reflect.get(algorithm, 'length')
    if (
      algorithm.name === 'AES-GCM' &&
      bits === keyLength * 8 &&
      usages.includes('encrypt') &&
      usages.includes('decrypt')
    ) {
      return aesGcmOfKey(key)
    }
  }
  throw invalidOption(
    'The key of records must be 32 bytes or an AES-GCM CryptoKey of 256 bits for encrypt and decrypt.',
  )
}

function isCryptoKey(value: unknown): value is CryptoKey {
  return Object.prototype.toString.call(value) === '[object CryptoKey]'
}

function locked(cause?: unknown): EnvelopeError {
  return new EnvelopeError('ERR_KEY_LOCKED', 'The key of the records is locked.', {
    hint: 'Unlock the key and try again; nothing was stored or lost.',
    cause,
  })
}
