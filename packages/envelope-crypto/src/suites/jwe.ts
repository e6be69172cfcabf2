import { FlattenedEncrypt, flattenedDecrypt } from 'jose'
import { nonceLength } from '../internal/aes-gcm.js'
import { encryptOnce } from '../internal/aes-gcm-once.js'
import { decodeBase64Url, encodeBase64Url } from '../internal/base64.js'
import { invalidOption } from '../internal/options.js'
import { rsaOaepWrap } from '../internal/rsa-oaep.js'
import { isPromise } from '../internal/soon.js'
import { borrowBytes, giveBack } from '../internal/spare-bytes.js'
import { randomBytes, webCrypto } from '../internal/web-crypto.js'
import type { Recipient } from '../recipient.js'

// JSON Web Encryption (RFC 7516) in its JSON serialisations. Elliptic key agreement and opening are done by jose; the
// content goes to the platform's AES-GCM directly, which for large content is many times faster than jose's way.

/** Key management for each kind of key. */
export const jweAlgorithms = { RSA: 'RSA-OAEP-256', EC: 'ECDH-ES+A256KW' } as const
/** Content encryption; there is no other. */
export const jweEncryption = 'A256GCM'
/** Many times what a rotation needs; each one costs a look-up. */
export const mostRecipients = 16
/** Characters of a protected header. */
export const longestHeader: number = 16 * 1024
const keyLength = 32
const encoder = new TextEncoder()

/** One recipient's part of an envelope that several can open. */
export interface JweRecipient {
  readonly header: Readonly<Record<string, unknown>>
  readonly encrypted_key: string
}

/** A JWE: flattened for one recipient, general for several. */
export interface JweEnvelope {
  /** Base64url of the protected header. */
  readonly protected: string
  readonly encrypted_key?: string
  readonly recipients?: readonly JweRecipient[]
  readonly iv: string
  readonly ciphertext: string
  readonly tag: string
}

/** Encrypts content keys to one recipient; `header` tells how. */
export interface JweWrap {
  wrap(key: Uint8Array<ArrayBuffer>): WrappedKey | Promise<WrappedKey>
}

/** The header is there first, so that the content need not wait for the key. */
interface WrappedKey {
  readonly header: Readonly<Record<string, unknown>>
  readonly encryptedKey: Base64Url | Promise<Base64Url>
}

type Base64Url = string

export function jweWrap(recipient: Recipient): JweWrap {
  const { keyId, kind, spki } = recipient
  const header = { alg: jweAlgorithms[kind], kid: keyId }
  if (kind === 'RSA') {
    const wrapKey = rsaOaepWrap(spki, 'SHA-256')
    return {
      wrap(key) {
        const wrapped = wrapKey(key)
        const encryptedKey =
          wrapped instanceof Promise ? wrapped.then(encodeBase64Url) : encodeBase64Url(wrapped)
        return { header, encryptedKey }
      },
    }
  }
  let publicKey: CryptoKey | undefined
  return {
    async wrap(key) {
      const algorithm = { name: 'ECDH', namedCurve: recipient.curve }
      publicKey ??= await webCrypto().subtle.importKey('spki', spki, algorithm, false, [])
      // An envelope of nothing, for what jose puts around the content key.
      const made = await new FlattenedEncrypt(new Uint8Array(0))
        .setProtectedHeader({ ...header, enc: jweEncryption })
        .setContentEncryptionKey(key)
        .encrypt(publicKey)
      const { epk } = headerOf(made.protected)
      return { header: { ...header, epk }, encryptedKey: made.encrypted_key ?? '' }
    },
  }
}

/**
 * Seals under a content key made for this one call. `claims` go into the protected header. The plaintext is read before
 * the call returns. Rejects with ERR_INVALID_OPTION when the claims are longer than an opener takes.
 */
export async function sealJwe(
  wraps: readonly JweWrap[],
  claims: Readonly<Record<string, unknown>>,
  plaintext: Uint8Array,
): Promise<JweEnvelope> {
  const secret = randomBytes(keyLength + nonceLength)
  const key = secret.subarray(0, keyLength)
  const nonce = secret.subarray(keyLength)
  const wrapping = wraps.map(({ wrap }) => wrap(key))
  const waits = wrapping.some(isPromise)
  const content = waits ? new Uint8Array(plaintext) : plaintext
  try {
    const wrapped = waits ? await Promise.all(wrapping) : wrapping.filter(isThere)
    const [only, ...others] = wrapped
    const single = others.length === 0 ? only : undefined
    const header = encodeHeader({ ...single?.header, enc: jweEncryption, ...claims })
    if (header.length > longestHeader)
      throw invalidOption('The key and the destination are too long together.')
    const sealing = encryptOnce({ key, nonce, plain: content, associated: header })
    const [sealed, ...keys] = await Promise.all([sealing, ...wrapped.map(({ encryptedKey }) => encryptedKey)])
    return {
      protected: header,
      ...recipientMembers(wrapped, keys, single),
      iv: encodeBase64Url(nonce),
      ciphertext: encodeBase64Url(sealed.ciphertext),
      tag: encodeBase64Url(sealed.tag),
    }
  } finally {
    key.fill(0)
    if (content !== plaintext) content.fill(0)
  }
}

function isThere<T>(value: T): value is Exclude<T, Promise<unknown>> {
  return !isPromise(value)
}

function recipientMembers(
  wrapped: readonly WrappedKey[],
  keys: readonly string[],
  single: WrappedKey | undefined,
): Pick<JweEnvelope, 'encrypted_key' | 'recipients'> {
  if (single !== undefined) return { encrypted_key: keys[0] ?? '' }
  return { recipients: wrapped.map(({ header }, index) => ({ header, encrypted_key: keys[index] ?? '' })) }
}

/** One recipient's envelope, as it is opened. */
export interface FlatJwe {
  readonly protected: string
  readonly header?: Readonly<Record<string, unknown>>
  readonly encrypted_key: string
  readonly iv: string
  readonly ciphertext: string
  readonly tag: string
}

/** The plaintext, or undefined for every reason why there is none. */
export async function openJwe(
  jwe: FlatJwe,
  algorithm: string,
  privateKey: CryptoKey,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  webCrypto() // a missing platform must not look like a bad message
  const { header, ...rest } = jwe
  try {
    const { plaintext } = await flattenedDecrypt(
      { ...rest, ...(header === undefined ? {} : { header: { ...header } }) },
      privateKey,
      {
        keyManagementAlgorithms: [algorithm],
        contentEncryptionAlgorithms: [jweEncryption],
        maxDecompressedLength: 0,
      },
    )
    return new Uint8Array(plaintext)
  } catch {
    return undefined
  }
}

/** The object that Base64url text stands for; empty when it is none. */
export function headerOf(text: unknown): Readonly<Record<string, unknown>> {
  const bytes = decodeBase64Url(text)
  if (bytes === undefined) return {}
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof header === 'object' && header !== null && !Array.isArray(header) ? { ...header } : {}
  } catch {
    return {}
  }
}

function encodeHeader(header: Readonly<Record<string, unknown>>): Base64Url {
  const text = JSON.stringify(header)
  const bytes = borrowBytes(3 * text.length)
  const { written } = encoder.encodeInto(text, bytes)
  const encoded = encodeBase64Url(bytes.subarray(0, written))
  giveBack(bytes, written)
  return encoded
}
