import { EnvelopeError } from './errors.js'
import { derShape } from './internal/der.js'
import { isPrivateJwk, keyUsage, requireEncryptionJwk, rsaFromJwk } from './internal/jwk.js'
import { readKeySource } from './internal/key-source.js'
import type { KeySource, ReadKeySource } from './internal/key-source.js'
import { encodeSpki, importPublicKey, requireUsableRsa, rsaFromSpki } from './internal/rsa.js'
import type { RsaNumbers } from './internal/rsa.js'
import { checkValidity } from './internal/validity.js'
import type { RecipientWarning, Validity } from './internal/validity.js'
import { sha256Hex, webCrypto } from './internal/web-crypto.js'
import { keyUsageBit, knownExtensions, rsaSignatureHash } from './internal/x509-names.js'
import { readCertificate } from './internal/x509-read.js'
import type { CertificateFields } from './internal/x509-read.js'
import { requireKeyId } from './key-id.js'
import { rsaOaepSha1 } from './suites/c3-pro.js'

/** A checked public key to seal for. */
export interface Recipient {
  readonly keyId: string
  /** Length of the RSA modulus in bits. */
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

export interface RecipientOptions {
  /** The id under which the receiver keeps the private key: 1 to 128 letters, digits, `-`, `_` and inner dots. */
  readonly keyId: string
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
  /** Told when the certificate ends within 30 days. Default: nobody is told. */
  readonly warn?: (warning: RecipientWarning) => void
}

/**
 * Imports the public key of a receiver: an X.509 certificate or SubjectPublicKeyInfo as PEM or DER, or a JWK (object or
 * JSON text). The certificate is taken as trusted because you pass it in: no chain is built and no revocation checked.
 *
 * Rejects with ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_INVALID_RECIPIENT (not readable), ERR_PRIVATE_KEY_GIVEN,
 * ERR_CERTIFICATE_EXPIRED, ERR_CERTIFICATE_NOT_YET_VALID, ERR_WEAK_KEY (RSA below 2048 bits), ERR_UNSUPPORTED_KEY (not
 * RSA, or longer than 8192 bits), ERR_KEY_USAGE (not made for encryption), ERR_TOO_LARGE or ERR_CRYPTO_UNAVAILABLE.
 */
export async function importRecipient(source: KeySource, options: RecipientOptions): Promise<Recipient> {
  const keyId = requireKeyId(options.keyId)
  const found = readPublicKey(readKeySource(source, refuse), keyId)
  const bits = requireUsableRsa(found.numbers)
  const spki = encodeSpki(found.numbers)
  await requireImportable(spki)
  const { certificate } = found
  if (certificate === undefined) {
    return { keyId, bits, spki, fingerprint: await sha256Hex(spki) }
  }
  await requireUndamaged(certificate, spki)
  const warning = checkValidity(certificate, keyId, (options.now ?? Date.now)())
  if (warning !== undefined) options.warn?.(warning)
  return { keyId, bits, spki, fingerprint: await sha256Hex(spki), ...isoValidity(certificate) }
}

interface FoundKey {
  readonly numbers: RsaNumbers
  readonly certificate?: CertificateFields
}

function readPublicKey(read: ReadKeySource, keyId: string): FoundKey {
  if (read.form === 'jwk') {
    if (isPrivateJwk(read.jwk)) throw privateKeyGiven()
    const numbers = required(rsaFromJwk(read.jwk), 'The JWK is not a complete RSA key.')
    requireEncryptionJwk(read.jwk, keyId, ['encrypt', 'wrapKey'])
    return { numbers }
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
      requireEncryptionCertificate(certificate)
      return { numbers: requiredRsa(certificate.spki), certificate }
    }
    case 'spki':
      return { numbers: requiredRsa(der) }
    case 'pkcs8':
    case 'other-private-key':
      throw privateKeyGiven()
    case 'pkcs1-public':
      throw refuse('The source is a PKCS#1 public key; convert it to SubjectPublicKeyInfo.')
    case 'unknown':
      throw refuse('The source is cut off, damaged or not a certificate.')
  }
}

function requiredRsa(spki: Uint8Array<ArrayBuffer>): RsaNumbers {
  return required(rsaFromSpki(spki), 'The public key is damaged.')
}

function requireEncryptionCertificate(certificate: CertificateFields): void {
  const { keyUsage: usage, criticalExtensions } = certificate
  if (usage !== undefined && (usage & (keyUsageBit.keyEncipherment | keyUsageBit.dataEncipherment)) === 0) {
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
async function requireUndamaged(
  certificate: CertificateFields,
  spki: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const hash = rsaSignatureHash[certificate.signatureAlgorithm]
  if (!certificate.selfSigned || hash === undefined) return
  const { subtle } = webCrypto()
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash }
  const key = await subtle.importKey('spki', spki, algorithm, false, ['verify'])
  if (!(await subtle.verify(algorithm.name, key, certificate.signature, certificate.signed))) {
    throw refuse('The self-signed certificate is damaged: its signature does not fit its content.')
  }
}

async function requireImportable(spki: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await importPublicKey(spki, rsaOaepSha1)
  } catch (cause) {
    if (cause instanceof EnvelopeError) throw cause
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
