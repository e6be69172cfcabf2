import { EnvelopeError } from './errors.js'
import { derShape } from './internal/der.js'
import type { Curve } from './internal/elliptic.js'
import { fetchJwks } from './internal/fetch-jwks.js'
import { isPrivateJwk, keyUsage, publicKeyFromJwk, requireEncryptionJwk } from './internal/jwk.js'
import { readKeySource } from './internal/key-source.js'
import type { KeySource, ReadKeySource } from './internal/key-source.js'
import { publicKeyFromSpki } from './internal/public-key.js'
import type { PublicKey } from './internal/public-key.js'
import { importRsaPublicKey } from './internal/rsa-oaep.js'
import { selfSignatureFits } from './internal/self-signature.js'
import { checkValidity } from './internal/validity.js'
import type { RecipientWarning, Validity } from './internal/validity.js'
import { sha256Hex, webCrypto } from './internal/web-crypto.js'
import { keyUsageBit, knownExtensions } from './internal/x509-names.js'
import { readCertificate } from './internal/x509-read.js'
import type { CertificateFields } from './internal/x509-read.js'
import { requireKeyId } from './key-id.js'

interface CheckedKey {
  readonly keyId: string
  /** Length of the RSA modulus, or of the curve. */
  readonly bits: number
  /** The public key as SubjectPublicKeyInfo (DER). */
  readonly spki: Uint8Array<ArrayBuffer>
  /** SHA-256 of `spki` in lower-case hex; compare it with the receiver's over another channel. */
  readonly fingerprint: string
  /** First moment of the certificate, ISO 8601; undefined for a bare key. */
  readonly notBefore?: string
  /** Last moment of the certificate, ISO 8601; undefined for a bare key, which never expires. */
  readonly notAfter?: string
}

/** A checked public key to seal for. RSA serves both suites, elliptic keys the suite `jwe`. */
export type Recipient = CheckedKey &
  ({ readonly kind: 'RSA' } | { readonly kind: 'EC'; readonly curve: Curve })

export interface RecipientOptions {
  /** The id under which the receiver keeps the private key: 1 to 128 letters, digits, `-`, `_` and inner dots. */
  readonly keyId: string
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
  /** Told when the certificate ends within 30 days. Default: nobody is told. */
  readonly warn?: (warning: RecipientWarning) => void
  /** Gets a JWKS. Default: the global `fetch`. */
  readonly fetch?: typeof fetch
  /** Aborts getting a JWKS; the rejection is named AbortError. */
  readonly signal?: AbortSignal
}

/**
 * Imports the public key of a receiver: an X.509 certificate or SubjectPublicKeyInfo as PEM or DER, a JWK (object or
 * JSON text), or the URL of a JWKS, of which the key with `kid` equal to `keyId` is taken. The key is taken as trusted
 * because you pass it in: no chain is built and no revocation checked.
 *
 * Rejects with ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_INVALID_RECIPIENT (not readable, or no such key in the JWKS),
 * ERR_PRIVATE_KEY_GIVEN, ERR_CERTIFICATE_EXPIRED, ERR_CERTIFICATE_NOT_YET_VALID, ERR_WEAK_KEY (RSA below 2048 bits),
 * ERR_UNSUPPORTED_KEY (another algorithm, or RSA longer than 8192 bits), ERR_KEY_USAGE (not made for encryption),
 * ERR_TOO_LARGE, ERR_KEYS_UNREACHABLE (the JWKS was not to be had) or ERR_CRYPTO_UNAVAILABLE.
 */
export async function importRecipient(
  source: KeySource | URL,
  options: RecipientOptions,
): Promise<Recipient> {
  const keyId = requireKeyId(options.keyId)
  const read = source instanceof URL ? await fromJwks(source, options) : readKeySource(source, refuse)
  const { key, certificate } = readPublicKey(read, keyId)
  await requireImportable(key)
  const { spki } = key
  const recipient: Recipient = { ...key, keyId, fingerprint: await sha256Hex(spki) }
  if (certificate === undefined) return recipient
  await requireUndamaged(certificate, key)
  const warning = checkValidity(certificate, keyId, (options.now ?? Date.now)())
  if (warning !== undefined) options.warn?.(warning)
  return { ...recipient, ...isoValidity(certificate) }
}

async function fromJwks(url: URL, options: RecipientOptions): Promise<ReadKeySource> {
  const named = (await fetchJwks(url, options)).filter(({ kid }) => kid === options.keyId)
  const usable = named.length < 2 ? named : named.filter((jwk) => isUsable(jwk, options.keyId))
  const jwk = required(usable[0] ?? named[0], 'The JWKS has no key with this key id.')
  // Which of several keys is meant must not be a guess: a wrong guess is data that nobody can open.
  if (usable.some((other) => !sameKey(jwk, other)))
    throw refuse('The JWKS has several keys with this key id.')
  return { form: 'jwk', jwk }
}

/** A JWKS may give a key for signatures the id of one for encryption. */
function isUsable(jwk: JsonWebKey, keyId: string): boolean {
  try {
    return readPublicKey({ form: 'jwk', jwk: { ...jwk } }, keyId).key.bits > 0
  } catch {
    return false
  }
}

function sameKey(one: JsonWebKey, other: JsonWebKey): boolean {
  return (['kty', 'n', 'e', 'crv', 'x', 'y'] as const).every((member) => one[member] === other[member])
}

interface FoundKey {
  readonly key: PublicKey
  readonly certificate?: CertificateFields
}

function readPublicKey(read: ReadKeySource, keyId: string): FoundKey {
  if (read.form === 'jwk') {
    if (isPrivateJwk(read.jwk)) throw privateKeyGiven()
    const key = required(publicKeyFromJwk(read.jwk), 'The JWK is not a complete RSA or elliptic key.')
    requireEncryptionJwk(read.jwk, key.kind, keyId, publicOperations[key.kind])
    return { key }
  }
  if (read.form === 'pem') {
    const { label, der } = read.block
    if (label.endsWith('PRIVATE KEY')) throw privateKeyGiven()
    if (label !== 'CERTIFICATE' && label !== 'PUBLIC KEY') {
      throw refuse('The PEM block is neither a CERTIFICATE nor a PUBLIC KEY.')
    }
    return readPublicDer(der)
  }
  return readPublicDer(read.der)
}

function readPublicDer(der: Uint8Array<ArrayBuffer>): FoundKey {
  switch (derShape(der)) {
    case 'certificate': {
      const certificate = required(
        readCertificate(der),
        'The certificate is damaged, or is not an X.509 certificate.',
      )
      const key = requiredKey(certificate.spki)
      requireEncryptionCertificate(certificate, key)
      return { key, certificate }
    }
    case 'spki':
      return { key: requiredKey(der) }
    case 'pkcs8':
    case 'encrypted-pkcs8':
    case 'other-private-key':
      throw privateKeyGiven()
    case 'pkcs1-public':
      throw refuse('The source is a PKCS#1 public key; convert it to SubjectPublicKeyInfo.')
    case 'unknown':
      throw refuse('The source is cut off, damaged or not a certificate.')
  }
}

function requiredKey(spki: Uint8Array<ArrayBuffer>): PublicKey {
  return required(publicKeyFromSpki(spki), 'The public key is damaged, or on a curve that is not used here.')
}

const encryptionBits: Readonly<Record<PublicKey['kind'], number>> = {
  RSA: keyUsageBit.keyEncipherment | keyUsageBit.dataEncipherment,
  EC: keyUsageBit.keyAgreement,
}

/** What `key_ops` of a JWK must allow; the public half of a key agreement has no operations of its own. */
const publicOperations: Readonly<Record<PublicKey['kind'], readonly string[]>> = {
  RSA: ['encrypt', 'wrapKey'],
  EC: ['deriveKey', 'deriveBits'],
}

function requireEncryptionCertificate(certificate: CertificateFields, { kind }: PublicKey): void {
  const { keyUsage: usage, criticalExtensions } = certificate
  if (usage !== undefined && (usage & encryptionBits[kind]) === 0) {
    throw keyUsage('The key usage of the certificate does not allow encryption.')
  }
  if (criticalExtensions.some((oid) => !knownExtensions.includes(oid))) {
    throw refuse('The certificate has a critical extension that is not known here.')
  }
}

/**
 * One flipped bit in the public key would make data that nobody can ever open. A self-signed certificate carries the
 * means to notice: its signature verifies under the very key it contains.
 */
async function requireUndamaged(certificate: CertificateFields, key: PublicKey): Promise<void> {
  if ((await selfSignatureFits(certificate, key)) !== false) return
  throw refuse('The self-signed certificate is damaged: its signature does not fit its content.')
}

async function requireImportable(key: PublicKey): Promise<void> {
  const { subtle } = webCrypto()
  try {
    if (key.kind === 'RSA') await importRsaPublicKey(key.spki, 'SHA-1')
    else await subtle.importKey('spki', key.spki, { name: 'ECDH', namedCurve: key.curve }, false, [])
  } catch (cause) {
    throw refuse('The public key is damaged or of a kind this platform cannot use.', cause)
  }
}

function isoValidity({ notBefore, notAfter }: Validity): { notBefore: string; notAfter: string } {
  return { notBefore: new Date(notBefore).toISOString(), notAfter: new Date(notAfter).toISOString() }
}

function required<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw refuse(message)
  return value
}

function privateKeyGiven(): EnvelopeError {
  return new EnvelopeError('ERR_PRIVATE_KEY_GIVEN', 'This is a private key where a public one belongs.', {
    hint: "Pass the receiver's certificate or public key; keep the private key off sending devices and rotate it if it got here by mistake.",
  })
}

function refuse(message: string, cause?: unknown): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_RECIPIENT', message, {
    hint: 'Pass one X.509 certificate or one public key (SubjectPublicKeyInfo) as PEM or DER, or one JWK.',
    cause,
  })
}
