import { BitString, Integer, Null, ObjectIdentifier, Sequence } from 'asn1js'
import { EnvelopeError } from '../errors.js'
import { algorithmOf, bitsOf, octetsOf, parseDer, sequenceOf, unsignedOf } from './der.js'
import type { Der } from './der.js'
import { webCrypto } from './web-crypto.js'

/** Modulus and public exponent, big-endian, without leading zeros. */
export interface RsaNumbers {
  readonly modulus: Uint8Array<ArrayBuffer>
  readonly exponent: Uint8Array<ArrayBuffer>
}

const rsaEncryption = '1.2.840.113549.1.1.1'
const fewestBits = 2048
// Chromium imports no longer ones; and a single operation would keep a receiver busy for seconds.
const mostBits = 8192

const otherAlgorithms: Readonly<Record<string, string>> = {
  '1.2.840.10045.2.1': 'an elliptic curve key',
  '1.2.840.113549.1.1.10': 'an RSA key for PSS signatures',
  '1.2.840.10040.4.1': 'a DSA key',
  '1.3.101.110': 'an X25519 key',
  '1.3.101.112': 'an Ed25519 key',
}

/** Undefined when damaged; throws ERR_UNSUPPORTED_KEY when it is a key of another algorithm. */
export function rsaFromSpki(spki: Uint8Array<ArrayBuffer>): RsaNumbers | undefined {
  const [algorithm, bits] = sequenceOf(parseDer(spki)) ?? []
  requireRsaAlgorithm(algorithm)
  const key = bitsOf(bits)
  return key && rsaNumbers(sequenceOf(parseDer(key)), 0)
}

/** Undefined when damaged; throws ERR_UNSUPPORTED_KEY when it is a key of another algorithm. */
export function rsaFromPkcs8(pkcs8: Uint8Array<ArrayBuffer>): RsaNumbers | undefined {
  const [, algorithm, octets] = sequenceOf(parseDer(pkcs8)) ?? []
  requireRsaAlgorithm(algorithm)
  const key = octetsOf(octets)
  return key && rsaNumbers(sequenceOf(parseDer(key)), 1)
}

function rsaNumbers(members: readonly Der[] | undefined, at: number): RsaNumbers | undefined {
  const modulus = unsignedOf(members?.[at])
  const exponent = unsignedOf(members?.[at + 1])
  return modulus && exponent && { modulus, exponent }
}

export function encodeSpki(numbers: RsaNumbers): Uint8Array<ArrayBuffer> {
  const key = new Sequence({ value: [unsigned(numbers.modulus), unsigned(numbers.exponent)] })
  const algorithm = new Sequence({ value: [new ObjectIdentifier({ value: rsaEncryption }), new Null()] })
  const spki = new Sequence({ value: [algorithm, new BitString({ valueHex: key.toBER() })] })
  return new Uint8Array(spki.toBER())
}

function unsigned(bytes: Uint8Array): Integer {
  // A leading zero keeps the number positive when its top bit is set.
  const valueHex = new Uint8Array(bytes.length + 1)
  valueHex.set(bytes, 1)
  const first = bytes[0]
  return new Integer({ valueHex: (first === undefined || first > 127 ? valueHex : valueHex.slice(1)).buffer })
}

/**
 * Refuses keys that protect nothing. Returns the length of the modulus in bits; throws ERR_WEAK_KEY or
 * ERR_UNSUPPORTED_KEY.
 */
export function requireUsableRsa({ modulus, exponent }: RsaNumbers): number {
  const bits = bitLength(modulus)
  if (bits < fewestBits) {
    throw weakKey(`The RSA key has ${bits} bits; at least ${fewestBits} are needed.`)
  }
  if (bits > mostBits) {
    throw new EnvelopeError(
      'ERR_UNSUPPORTED_KEY',
      `The RSA key has ${bits} bits; at most ${mostBits} work everywhere.`,
      {
        hint: 'Use an RSA key of 2048 to 4096 bits.',
      },
    )
  }
  // With the exponent 1 the ciphertext is the plaintext; even numbers are no RSA key at all.
  const exponentIsOdd = ((exponent.at(-1) ?? 0) & 1) === 1
  const modulusIsOdd = ((modulus.at(-1) ?? 0) & 1) === 1
  if (bitLength(exponent) < 2 || bitLength(exponent) > 33 || !exponentIsOdd || !modulusIsOdd) {
    throw weakKey('The numbers of the RSA key do not make a usable key.')
  }
  return bits
}

/** Imports a public key for one suite. */
export function importPublicKey(
  spki: Uint8Array<ArrayBuffer>,
  algorithm: { readonly name: 'RSA-OAEP'; readonly hash: string },
): Promise<CryptoKey> {
  return webCrypto().subtle.importKey('spki', spki, algorithm, false, ['encrypt'])
}

function requireRsaAlgorithm(algorithm: Der | undefined): void {
  const oid = algorithmOf(algorithm)
  if (oid === undefined || oid === rsaEncryption) return
  const found = Object.hasOwn(otherAlgorithms, oid) ? otherAlgorithms[oid] : `a key of the algorithm ${oid}`
  throw unsupportedKey(`This is ${found}; envelopes of the suite c3-pro need RSA.`)
}

export function unsupportedKey(message: string): EnvelopeError {
  return new EnvelopeError('ERR_UNSUPPORTED_KEY', message, { hint: 'Use an RSA key of 2048 to 4096 bits.' })
}

function weakKey(message: string): EnvelopeError {
  return new EnvelopeError('ERR_WEAK_KEY', message, {
    hint: 'Ask the receiver for an RSA key of 3072 bits, or make one with generateRecipient.',
  })
}

function bitLength(bytes: Uint8Array): number {
  const first = bytes[0]
  return first === undefined ? 0 : bytes.length * 8 - Math.clz32(first) + 24
}
