import { decimal, type Decimal, isDecimal } from '../decimal.js'
import type { MeasuredValue, SpecialValue } from '../reading.js'

// IEEE 11073-20601: a signed exponent above a signed mantissa, both in two's complement. The special values are whole
// patterns with the exponent 0, so FFFF is -0.1 and no special value.

const SFLOAT_SPECIALS: Readonly<Record<number, SpecialValue>> = {
  0x07fe: '+INFINITY',
  0x07ff: 'NaN',
  0x0800: 'NRes',
  0x0801: 'RESERVED',
  0x0802: '-INFINITY',
}
const FLOAT_SPECIALS: Readonly<Record<number, SpecialValue>> = {
  0x007ffffe: '+INFINITY',
  0x007fffff: 'NaN',
  0x00800000: 'NRes',
  0x00800001: 'RESERVED',
  0x00800002: '-INFINITY',
}

/** The value of a 16-bit SFLOAT: 4 bits of exponent, 12 of mantissa. */
export function sfloatOf(word: number): MeasuredValue {
  return SFLOAT_SPECIALS[word] ?? decimal((word << 20) >> 20, (word << 16) >> 28)
}

/** The value of a 32-bit FLOAT: 8 bits of exponent, 24 of mantissa. */
export function floatOf(word: number): MeasuredValue {
  return FLOAT_SPECIALS[word] ?? decimal((word << 8) >> 8, word >> 24)
}

/** The 16-bit word of a value. Throws a RangeError when the digits or the exponent do not fit. */
export function sfloatWord(value: MeasuredValue): number {
  return wordOf(value, SFLOAT_SPECIALS, 12, 4)
}

/** The 32-bit word of a value. Throws a RangeError when the digits or the exponent do not fit. */
export function floatWord(value: MeasuredValue): number {
  return wordOf(value, FLOAT_SPECIALS, 24, 8)
}

function wordOf(
  value: MeasuredValue,
  specials: Readonly<Record<number, SpecialValue>>,
  mantissaBits: number,
  exponentBits: number,
): number {
  if (!isDecimal(value)) {
    return Number(Object.entries(specials).find(([, name]) => name === value)?.[0])
  }
  if (!fits(value.mantissa, mantissaBits) || !fits(BigInt(value.exponent), exponentBits)) {
    throw new RangeError('The decimal has too many digits, or too large an exponent, for this float.')
  }
  const word = assembled(value, mantissaBits, exponentBits)
  if (word in specials) throw new RangeError('The decimal looks like a special value in this float.')
  return word
}

function assembled({ mantissa, exponent }: Decimal, mantissaBits: number, exponentBits: number): number {
  const low = Number(BigInt.asUintN(mantissaBits, mantissa))
  return low + Number(BigInt.asUintN(exponentBits, BigInt(exponent))) * 2 ** mantissaBits
}

function fits(value: bigint, bits: number): boolean {
  return BigInt.asIntN(bits, value) === value
}
