import { BundleError } from './errors.js'

/**
 * An exact decimal: `mantissa × 10^exponent`. Mantissa 20 with exponent -1 is `2.0`, not `2`: trailing zeros are
 * the precision of the measurement.
 *
 * The mantissa is a bigint on purpose: plain `JSON.stringify` throws on it instead of silently losing the
 * precision. Use `stringifyExact` or `toPlainJson`.
 */
export type Decimal = { readonly mantissa: bigint; readonly exponent: number }

const TEXT = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?$/
const MAX_DIGITS = 256
const MIN_EXPONENT = -128
const MAX_EXPONENT = 127
const LIMIT = 10n ** BigInt(MAX_DIGITS)

/**
 * Makes a decimal from its JSON text (`'2.0'`, `'-1.5e3'`), or from the two integers a device sends.
 *
 * @throws BundleError `ERR_INVALID_DECIMAL`: not a JSON number, more than 256 digits when written out, exponent outside -128..127.
 * @example decimal('36.60') // { mantissa: 3660n, exponent: -2 }
 */
export function decimal(text: string): Decimal
export function decimal(mantissa: bigint | number, exponent: number): Decimal
export function decimal(value: string | bigint | number, exponent?: number): Decimal {
  if (typeof value === 'string') return fromText(value)
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new BundleError(
      'ERR_INVALID_DECIMAL',
      'A mantissa must be an integer that a number can hold exactly',
    )
  }
  return bounded(BigInt(value), exponent ?? 0)
}

/** True for `{ mantissa: bigint, exponent: integer }`. */
export function isDecimal(value: unknown): value is Decimal {
  if (typeof value !== 'object' || value === null) return false
  const { mantissa, exponent } = value as { readonly mantissa?: unknown; readonly exponent?: unknown }
  return typeof mantissa === 'bigint' && Number.isInteger(exponent)
}

/** The JSON text of a decimal with exactly its digits: `{ 20n, -1 }` is `2.0`, `{ 2n, 2 }` is `200`. */
export function decimalText(value: Decimal): string {
  const { mantissa, exponent } = value
  checkBounds(mantissa, exponent)
  if (exponent > 0) return (mantissa * 10n ** BigInt(exponent)).toString()
  const number = Number(mantissa)
  // A number has the same digits up to here, and is printed several times faster.
  const text = Number.isSafeInteger(number) ? String(number) : mantissa.toString()
  if (exponent === 0) return text
  const sign = mantissa < 0n ? '-' : ''
  const digits = text.slice(sign.length).padStart(1 - exponent, '0')
  const point = digits.length + exponent
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

/** The exact sum, at the finer resolution of the two. */
export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const exponent = a.exponent < b.exponent ? a.exponent : b.exponent
  return { mantissa: atExponent(a, exponent) + atExponent(b, exponent), exponent }
}

/** The exact difference, at the finer resolution of the two. */
export function subtractDecimals(a: Decimal, b: Decimal): Decimal {
  return addDecimals(a, { mantissa: -b.mantissa, exponent: b.exponent })
}

/** The exact product, then rounded half away from zero to `exponent` (kept when it is coarser already). */
export function multiplyDecimals(a: Decimal, b: Decimal, exponent: number): Decimal {
  return roundDecimal({ mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent }, exponent)
}

/** Rounds half away from zero, so that nothing finer than `10^exponent` is left. */
export function roundDecimal(value: Decimal, exponent: number): Decimal {
  const drop = exponent - value.exponent
  if (drop <= 0) return value
  const unit = 10n ** BigInt(drop)
  const magnitude = value.mantissa < 0n ? -value.mantissa : value.mantissa
  const rounded = (magnitude + unit / 2n) / unit
  return { mantissa: value.mantissa < 0n ? -rounded : rounded, exponent }
}

/** The same value written at the (finer or equal) resolution `exponent`. */
export function rescaleDecimal(value: Decimal, exponent: number): Decimal {
  return { mantissa: atExponent(value, exponent), exponent }
}

function atExponent(value: Decimal, exponent: number): bigint {
  if (value.exponent === exponent) return value.mantissa
  if (value.exponent < exponent) return roundDecimal(value, exponent).mantissa
  return value.mantissa * 10n ** BigInt(value.exponent - exponent)
}

function fromText(text: string): Decimal {
  const match = TEXT.exec(text)
  if (match === null || text.length > MAX_DIGITS + 16) {
    throw new BundleError('ERR_INVALID_DECIMAL', 'The text is not a decimal number as JSON writes it')
  }
  const [, sign, whole = '', fraction = '', power = '0'] = match
  return bounded(BigInt(`${sign ?? ''}${whole}${fraction}`), Number(power) - fraction.length)
}

function bounded(mantissa: bigint, exponent: number): Decimal {
  checkBounds(mantissa, exponent)
  // An exponent of -0 would print like 0 but not compare like it.
  return { mantissa, exponent: exponent === 0 ? 0 : exponent }
}

function checkBounds(mantissa: bigint, exponent: number): void {
  const inRange = Number.isInteger(exponent) && exponent >= MIN_EXPONENT && exponent <= MAX_EXPONENT
  if (!inRange || !isWritable(mantissa, exponent)) {
    throw new BundleError('ERR_INVALID_DECIMAL', 'The decimal has too many digits or too large an exponent')
  }
}

function isWritable(mantissa: bigint, exponent: number): boolean {
  // Nearly every mantissa is this small, and then no exponent in range makes it too long.
  if (mantissa === BigInt.asIntN(64, mantissa)) return true
  const written = exponent > 0 ? mantissa * 10n ** BigInt(exponent) : mantissa
  return written < LIMIT && written > -LIMIT
}
