import { BitString, Null, ObjectIdentifier, Sequence } from 'asn1js'
import { EnvelopeError } from '../errors.js'
import { bitsOf, octetsOf, parseDer, sequenceOf, unsigned, unsignedOf } from './der.js'
import type { Der } from './der.js'

/** Modulus and public exponent, big-endian, without leading zeros. */
export interface RsaNumbers {
  readonly modulus: Uint8Array<ArrayBuffer>
  readonly exponent: Uint8Array<ArrayBuffer>
}

export const rsaEncryption = '1.2.840.113549.1.1.1'
const fewestBits = 2048
// Chromium imports no longer ones; and a single operation would keep a receiver busy for seconds.
const mostBits = 8192

/** Undefined when damaged. */
export function rsaFromSpki(spki: Uint8Array<ArrayBuffer>): RsaNumbers | undefined {
  const key = bitsOf(sequenceOf(parseDer(spki))?.[1])
  return key && rsaNumbers(sequenceOf(parseDer(key)), 0)
}

/** Undefined when damaged. */
export function rsaFromPkcs8(pkcs8: Uint8Array<ArrayBuffer>): RsaNumbers | undefined {
  const key = octetsOf(sequenceOf(parseDer(pkcs8))?.[2])
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

function weakKey(message: string): EnvelopeError {
  return new EnvelopeError('ERR_WEAK_KEY', message, {
    hint: 'Ask the receiver for an RSA key of 3072 bits, or make one with generateRecipient.',
  })
}

function bitLength(bytes: Uint8Array): number {
  const first = bytes[0]
  return first === undefined ? 0 : bytes.length * 8 - Math.clz32(first) + 24
}
