import { aesCbcDecrypt, aesCbcEncrypt } from '../internal/aes-cbc.js'
import type { KeyWrap } from '../internal/rsa-oaep.js'
import { randomBytes, webCrypto } from '../internal/web-crypto.js'

// The cipher of the C3-PRO envelope, byte for byte: AES-CBC with PKCS#7 padding and an IV of zeros that is never sent,
// and RSA-OAEP with SHA-1, MGF1 with SHA-1 and an empty label over the raw AES key.

export type C3ProKeyBits = 128 | 192 | 256

/** What the consumer's database columns hold, for `key_id` as for `version`. */
export const longestC3ProColumn = 40

const keyLengths: readonly number[] = [16, 24, 32]

export interface C3ProSealed {
  readonly wrappedKey: Uint8Array<ArrayBuffer>
  readonly message: Uint8Array<ArrayBuffer>
}

/**
 * Seals under an AES key that lives for this one call. With an IV that never changes, a second message under the same
 * key would show every prefix the two share; so there is no way to pass a key or a random source in.
 */
export async function sealC3Pro(
  wrap: KeyWrap,
  keyBits: C3ProKeyBits,
  plaintext: Uint8Array,
): Promise<C3ProSealed> {
  const key = randomBytes(keyBits / 8)
  try {
    const wrapping = wrap(key)
    const encrypting = encryptMessage(key, plaintext)
    if (!(wrapping instanceof Promise || encrypting instanceof Promise)) {
      return { wrappedKey: wrapping, message: encrypting }
    }
    const [wrappedKey, message] = await Promise.all([wrapping, encrypting])
    return { wrappedKey, message }
  } finally {
    key.fill(0)
  }
}

/**
 * The plaintext, or undefined for every reason why there is none. A key that does not unwrap is replaced by a random
 * one and the message is decrypted all the same, so that the time taken says little about which step failed.
 */
export async function openC3Pro(
  privateKey: CryptoKey,
  sealed: C3ProSealed,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const unwrapped = await unwrapKey(privateKey, sealed.wrappedKey)
  const key = unwrapped ?? randomBytes(32)
  try {
    const plaintext = await decryptMessage(key, sealed.message)
    return unwrapped === undefined ? undefined : plaintext
  } finally {
    key.fill(0)
  }
}

export function encryptMessage(
  key: Uint8Array<ArrayBuffer>,
  plaintext: Uint8Array,
): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
  return aesCbcEncrypt(key, zeroIv(), plaintext)
}

export async function decryptMessage(
  key: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  webCrypto() // a missing platform must not look like a bad message
  try {
    return await aesCbcDecrypt(key, zeroIv(), message)
  } catch {
    return undefined
  }
}

async function unwrapKey(
  privateKey: CryptoKey,
  wrappedKey: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { subtle } = webCrypto()
  try {
    const key = new Uint8Array(await subtle.decrypt({ name: 'RSA-OAEP' }, privateKey, wrappedKey))
    return keyLengths.includes(key.length) ? key : undefined
  } catch {
    return undefined
  }
}

function zeroIv(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(16)
}
