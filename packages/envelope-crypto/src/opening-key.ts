import { EnvelopeError } from './errors.js'
import { sameBytes } from './internal/bytes.js'
import { derShape } from './internal/der.js'
import type { Curve } from './internal/elliptic.js'
import { isPrivateJwk, publicKeyFromJwk, requireEncryptionJwk } from './internal/jwk.js'
import { readKeySource } from './internal/key-source.js'
import type { KeySource, ReadKeySource } from './internal/key-source.js'
import { decryptPkcs8 } from './internal/pkcs8-passphrase.js'
import { publicKeyFromPkcs8 } from './internal/public-key.js'
import type { PublicKey } from './internal/public-key.js'
import { importRsaPublicKey } from './internal/rsa-oaep.js'
import type { OaepHash } from './internal/rsa-oaep.js'
import { randomBytes, webCrypto } from './internal/web-crypto.js'
import { requireKeyId } from './key-id.js'

interface KeyName {
  readonly keyId: string
  /** Length of the RSA modulus, or of the curve. */
  readonly bits: number
}

/**
 * A private key that opens envelopes. The key material cannot be read back out of it: the keys are not extractable.
 * They stand under the JOSE algorithm they serve; `RSA-OAEP` is that of C3-PRO.
 */
export type OpeningKey = KeyName &
  (
    | {
        readonly kind: 'RSA'
        readonly privateKeys: { readonly 'RSA-OAEP': CryptoKey; readonly 'RSA-OAEP-256': CryptoKey }
      }
    | { readonly kind: 'EC'; readonly privateKeys: { readonly 'ECDH-ES+A256KW': CryptoKey } }
  )

export interface OpeningKeyOptions {
  /** The key id of the envelopes this key opens. */
  readonly keyId: string
  /** For PKCS#8 that is encrypted with a passphrase (PBES2 with PBKDF2 and AES-CBC, what OpenSSL writes). */
  readonly passphrase?: string
}

/**
 * Imports a private key, RSA or on a curve of NIST: PKCS#8 as PEM or DER, with or without passphrase, or a JWK (object
 * or JSON text).
 * Rejects with ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_INVALID_OPENING_KEY, ERR_WRONG_PASSPHRASE,
 * ERR_UNSUPPORTED_KEY (another algorithm, or RSA longer than 8192 bits), ERR_WEAK_KEY (RSA below 2048 bits),
 * ERR_KEY_USAGE, ERR_TOO_LARGE or ERR_CRYPTO_UNAVAILABLE.
 */
export async function importOpeningKey(source: KeySource, options: OpeningKeyOptions): Promise<OpeningKey> {
  const keyId = requireKeyId(options.keyId)
  webCrypto()
  const material = await readPrivateKey(readKeySource(source, refuse), options)
  const { bits } = material.publicKey
  try {
    if (material.publicKey.kind === 'EC') {
      const privateKey = await importElliptic(material, material.publicKey.curve)
      return { keyId, bits, kind: 'EC', privateKeys: { 'ECDH-ES+A256KW': privateKey } }
    }
    const [sha1, sha256] = await Promise.all([importRsa(material, 'SHA-1'), importRsa(material, 'SHA-256')])
    return { keyId, bits, kind: 'RSA', privateKeys: { 'RSA-OAEP': sha1, 'RSA-OAEP-256': sha256 } }
  } catch {
    // No cause: nothing a platform says about private key bytes is passed on.
    throw refuse('The private key is damaged or of a kind this platform cannot use.')
  } finally {
    if (material.form === 'pkcs8') material.der.fill(0)
  }
}

type PrivateMaterial = { readonly publicKey: PublicKey } & (
  | { readonly form: 'jwk'; readonly jwk: JsonWebKey }
  | { readonly form: 'pkcs8'; readonly der: Uint8Array<ArrayBuffer> }
)

async function readPrivateKey(read: ReadKeySource, options: OpeningKeyOptions): Promise<PrivateMaterial> {
  if (read.form === 'jwk') {
    const publicKey = publicKeyFromJwk(read.jwk)
    if (publicKey === undefined) throw refuse('The private key is damaged.')
    if (!isPrivateJwk(read.jwk)) throw refuse('The JWK is a public key; opening needs the private one.')
    requireEncryptionJwk(read.jwk, publicKey.kind, options.keyId, privateOperations)
    return { form: 'jwk', jwk: bareJwk(read.jwk), publicKey }
  }
  const der = await plainPkcs8(read, options.passphrase)
  const publicKey = publicKeyFromPkcs8(der)
  if (publicKey === undefined) throw refuse('The private key is damaged, or does not carry its public half.')
  return { form: 'pkcs8', der, publicKey }
}

const privateOperations = ['decrypt', 'unwrapKey', 'deriveKey', 'deriveBits']

async function plainPkcs8(
  read: Exclude<ReadKeySource, { form: 'jwk' }>,
  passphrase: string | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (read.form === 'pem' && !['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'].includes(read.block.label)) {
    throw refuse('The PEM block is not a PKCS#8 private key ("PRIVATE KEY").')
  }
  const der = read.form === 'pem' ? read.block.der : read.der
  const shape = derShape(der)
  if (shape === 'pkcs8') return der.slice()
  if (shape === 'encrypted-pkcs8') {
    if (passphrase === undefined) throw refuse('The private key has a passphrase, and none was given.')
    return await decryptPkcs8(der, passphrase, refuse)
  }
  throw refuse(
    shape === 'other-private-key'
      ? 'The private key is not in PKCS#8 form.'
      : 'The source is not a PKCS#8 private key.',
  )
}

/**
 * Imports and tries once. Platforms differ in what they check on import, and a damaged key that got in would make good
 * envelopes look like bad ones.
 */
async function importRsa(material: PrivateMaterial, hash: OaepHash): Promise<CryptoKey> {
  const { subtle } = webCrypto()
  const privateKey = await importPrivate(material, { name: 'RSA-OAEP', hash }, ['decrypt'])
  const publicKey = await importRsaPublicKey(material.publicKey.spki, hash)
  const probe = randomBytes(32)
  const wrapped = await subtle.encrypt({ name: 'RSA-OAEP' }, publicKey, probe)
  requireSame(await subtle.decrypt({ name: 'RSA-OAEP' }, privateKey, wrapped), probe.buffer)
  return privateKey
}

async function importElliptic(material: PrivateMaterial, namedCurve: Curve): Promise<CryptoKey> {
  const { subtle } = webCrypto()
  const algorithm = { name: 'ECDH', namedCurve }
  const privateKey = await importPrivate(material, algorithm, ['deriveBits'])
  const publicKey = await subtle.importKey('spki', material.publicKey.spki, algorithm, false, [])
  const other = await subtle.generateKey(algorithm, false, ['deriveBits'])
  const [ours, theirs] = await Promise.all([
    subtle.deriveBits({ name: 'ECDH', public: other.publicKey }, privateKey, 256),
    subtle.deriveBits({ name: 'ECDH', public: publicKey }, other.privateKey, 256),
  ])
  requireSame(ours, theirs)
  return privateKey
}

function importPrivate(
  material: PrivateMaterial,
  algorithm: RsaHashedImportParams | EcKeyImportParams,
  usages: readonly KeyUsage[],
): Promise<CryptoKey> {
  const { subtle } = webCrypto()
  return material.form === 'jwk'
    ? subtle.importKey('jwk', material.jwk, algorithm, false, usages)
    : subtle.importKey('pkcs8', material.der, algorithm, false, [...usages])
}

function requireSame(one: ArrayBuffer, other: ArrayBuffer): void {
  if (!sameBytes(new Uint8Array(one), new Uint8Array(other))) {
    throw new TypeError('The halves of the key do not fit.')
  }
}

/** Only the numbers: WebCrypto would compare use, key_ops and ext with what is asked of it here. */
function bareJwk(jwk: Readonly<Record<string, unknown>>): JsonWebKey {
  const members = ['kty', 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'crv', 'x', 'y']
  return Object.fromEntries(members.filter((name) => name in jwk).map((name) => [name, jwk[name]]))
}

function refuse(message: string): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_OPENING_KEY', message, {
    hint: 'Pass the private key as PKCS#8 (PEM or DER) or JWK; `openssl pkcs8 -topk8` converts other forms.',
  })
}
