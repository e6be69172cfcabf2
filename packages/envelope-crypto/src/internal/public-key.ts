import { EnvelopeError } from '../errors.js'
import { algorithmOf, parseDer, sequenceOf } from './der.js'
import { curveBits, ecPublicKey, encodeEcSpki, pointFromPkcs8, pointFromSpki } from './elliptic.js'
import type { Curve, EcPoint } from './elliptic.js'
import { encodeSpki, requireUsableRsa, rsaEncryption, rsaFromPkcs8, rsaFromSpki } from './rsa.js'
import type { RsaNumbers } from './rsa.js'

/** A public key that something can be encrypted to. */
export type PublicKey = RsaPublicKey | EcPublicKey

interface RsaPublicKey {
  readonly kind: 'RSA'
  /** Length of the modulus. */
  readonly bits: number
  /** SubjectPublicKeyInfo (DER). */
  readonly spki: Uint8Array<ArrayBuffer>
}

interface EcPublicKey {
  readonly kind: 'EC'
  readonly curve: Curve
  /** Of the curve. */
  readonly bits: number
  readonly spki: Uint8Array<ArrayBuffer>
}

const otherAlgorithms: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.10': 'an RSA key for PSS signatures',
  '1.2.840.10040.4.1': 'a DSA key',
  '1.3.101.110': 'an X25519 key',
  '1.3.101.112': 'an Ed25519 key',
}

/** Throws ERR_WEAK_KEY or ERR_UNSUPPORTED_KEY. */
export function rsaPublicKey(numbers: RsaNumbers): PublicKey {
  return { kind: 'RSA', bits: requireUsableRsa(numbers), spki: encodeSpki(numbers) }
}

export function ecPublicKeyOf(point: EcPoint): PublicKey {
  return { kind: 'EC', curve: point.curve, bits: curveBits(point.curve), spki: encodeEcSpki(point) }
}

/** Undefined when damaged. Throws ERR_WEAK_KEY, or ERR_UNSUPPORTED_KEY for a key of another algorithm. */
export function publicKeyFromSpki(spki: Uint8Array<ArrayBuffer>): PublicKey | undefined {
  if (kindOf(sequenceOf(parseDer(spki))?.[0]) === 'EC') return mapped(pointFromSpki(spki), ecPublicKeyOf)
  return mapped(rsaFromSpki(spki), rsaPublicKey)
}

/**
 * The public half of a private key. Undefined when damaged, or when an elliptic key does not carry it.
 * Throws ERR_WEAK_KEY or ERR_UNSUPPORTED_KEY.
 */
export function publicKeyFromPkcs8(pkcs8: Uint8Array<ArrayBuffer>): PublicKey | undefined {
  if (kindOf(sequenceOf(parseDer(pkcs8))?.[1]) === 'EC') return mapped(pointFromPkcs8(pkcs8), ecPublicKeyOf)
  return mapped(rsaFromPkcs8(pkcs8), rsaPublicKey)
}

export function unsupportedKey(message: string): EnvelopeError {
  return new EnvelopeError('ERR_UNSUPPORTED_KEY', message, {
    hint: 'Use an RSA key of 2048 to 4096 bits, or for the suite jwe one on the curve P-256, P-384 or P-521.',
  })
}

function kindOf(algorithm: Parameters<typeof algorithmOf>[0]): PublicKey['kind'] {
  const oid = algorithmOf(algorithm)
  if (oid === undefined || oid === rsaEncryption) return 'RSA'
  if (oid === ecPublicKey) return 'EC'
  const found = Object.hasOwn(otherAlgorithms, oid) ? otherAlgorithms[oid] : `a key of the algorithm ${oid}`
  throw unsupportedKey(`This is ${found}; envelopes need RSA or an elliptic curve of NIST.`)
}

function mapped<T, R>(value: T | undefined, map: (value: T) => R): R | undefined {
  return value === undefined ? undefined : map(value)
}
