import { EnvelopeError } from './errors.js'
import { sameBytes } from './internal/bytes.js'
import { derShape } from './internal/der.js'
import { isPrivateJwk, requireEncryptionJwk, rsaFromJwk } from './internal/jwk.js'
import { readKeySource } from './internal/key-source.js'
import type { KeySource, ReadKeySource } from './internal/key-source.js'
import { encodeSpki, importPublicKey, requireUsableRsa, rsaFromPkcs8 } from './internal/rsa.js'
import type { RsaNumbers } from './internal/rsa.js'
import { randomBytes, webCrypto } from './internal/web-crypto.js'
import { requireKeyId } from './key-id.js'
import { rsaOaepSha1 } from './suites/c3-pro.js'

/** A private key that opens envelopes. The key material cannot be read back out of it. */
export interface OpeningKey {
  readonly keyId: string
  /** Length of the RSA modulus in bits. */
  readonly bits: number
  /** Non-extractable keys by JOSE algorithm name. */
  readonly privateKeys: { readonly 'RSA-OAEP': CryptoKey }
}

export interface OpeningKeyOptions {
  /** The `key_id` of the envelopes this key opens. */
  readonly keyId: string
}

/**
 * Imports an RSA private key: PKCS#8 as PEM or DER, or a JWK (object or JSON text).
 * Rejects with ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_INVALID_OPENING_KEY, ERR_UNSUPPORTED_KEY (not RSA, or longer
 * than 8192 bits), ERR_WEAK_KEY (below 2048 bits), ERR_KEY_USAGE, ERR_TOO_LARGE or ERR_CRYPTO_UNAVAILABLE.
 */
export async function importOpeningKey(source: KeySource, options: OpeningKeyOptions): Promise<OpeningKey> {
  const keyId = requireKeyId(options.keyId)
  const { subtle } = webCrypto()
  const read = readKeySource(source, refuse)
  const numbers = privateRsa(read, keyId)
  if (numbers === undefined) throw refuse('The private key is damaged.')
  const bits = requireUsableRsa(numbers)
  try {
    const privateKey =
      read.form === 'jwk'
        ? await subtle.importKey('jwk', bareJwk(read.jwk), rsaOaepSha1, false, ['decrypt'])
        : await subtle.importKey('pkcs8', derOf(read), rsaOaepSha1, false, ['decrypt'])
    await requireWorking(privateKey, numbers)
    return { keyId, bits, privateKeys: { 'RSA-OAEP': privateKey } }
  } catch {
    // No cause: nothing a platform says about private key bytes is passed on.
    throw refuse('The private key is damaged or of a kind this platform cannot use.')
  }
}

/**
 * Wraps and unwraps once. Platforms differ in what they check on import, and a damaged key that got in would make good
 * envelopes look like bad ones.
 */
async function requireWorking(privateKey: CryptoKey, numbers: RsaNumbers): Promise<void> {
  const publicKey = await importPublicKey(encodeSpki(numbers), rsaOaepSha1)
  const { subtle } = webCrypto()
  const probe = randomBytes(32)
  const wrapped = await subtle.encrypt({ name: 'RSA-OAEP' }, publicKey, probe)
  const unwrapped = new Uint8Array(await subtle.decrypt({ name: 'RSA-OAEP' }, privateKey, wrapped))
  if (!sameBytes(unwrapped, probe)) throw new TypeError('The halves of the key do not fit.')
}

/** The public numbers of the private key, or undefined when damaged. */
function privateRsa(read: ReadKeySource, keyId: string): RsaNumbers | undefined {
  if (read.form === 'jwk') {
    const numbers = rsaFromJwk(read.jwk)
    if (numbers !== undefined && !isPrivateJwk(read.jwk)) {
      throw refuse('The JWK is a public key; opening needs the private one.')
    }
    requireEncryptionJwk(read.jwk, keyId, ['decrypt', 'unwrapKey'])
    return numbers
  }
  if (read.form === 'pem' && read.block.label !== 'PRIVATE KEY') {
    throw refuse('The PEM block is not a PKCS#8 private key ("PRIVATE KEY").')
  }
  const der = derOf(read)
  const shape = derShape(der)
  if (shape === 'pkcs8') return rsaFromPkcs8(der)
  throw refuse(
    shape === 'other-private-key'
      ? 'The private key is not in PKCS#8 form, or has a passphrase.'
      : 'The source is not a PKCS#8 private key.',
  )
}

function derOf(read: Exclude<ReadKeySource, { form: 'jwk' }>): Uint8Array<ArrayBuffer> {
  return read.form === 'pem' ? read.block.der : read.der
}

/** Only the numbers: WebCrypto would compare use, key_ops and ext with what is asked of it here. */
function bareJwk(jwk: Readonly<Record<string, unknown>>): JsonWebKey {
  const members = ['kty', 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi']
  return Object.fromEntries(members.map((name) => [name, jwk[name]]))
}

function refuse(message: string): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_OPENING_KEY', message, {
    hint: 'Pass the RSA private key as PKCS#8 (PEM or DER, no passphrase) or JWK; `openssl pkcs8 -topk8 -nocrypt` converts other forms.',
  })
}
