import { type Decimal, multiplyDecimals, roundDecimal, subtractDecimals } from './decimal.js'
import { BundleError } from './errors.js'

/** Digits behind the point of a factor that does not come out even: far finer than any converter. */
const FACTOR_EXPONENT = -12

/**
 * Origin and factor of a wave whose samples run over `scaled` and stand for values over `actual`:
 * factor = (A - B) / (I - J), origin = A - factor × I.
 *
 * @param actual the ends of the range of values, A and B, as the device reports them.
 * @param scaled the ends of the range of samples, I and J.
 * @throws BundleError `ERR_INVALID_OPTION`: I and J are the same, or no integers.
 * @example sampleScale([decimal('-1.5'), decimal('1.5')], [0, 3000]) // { origin: -1.5, factor: 0.001 }
 */
export function sampleScale(
  actual: readonly [Decimal, Decimal],
  scaled: readonly [number, number],
): { readonly origin: Decimal; readonly factor: Decimal } {
  const [i, j] = scaled
  if (!Number.isSafeInteger(i) || !Number.isSafeInteger(j) || i === j) {
    throw new BundleError('ERR_INVALID_OPTION', 'scaled must be two different integers', { path: 'scaled' })
  }
  const range = subtractDecimals(actual[0], actual[1])
  const factor = quotient(range, BigInt(i - j))
  const shift = multiplyDecimals(factor, { mantissa: BigInt(i), exponent: 0 }, factor.exponent)
  return { origin: trimmed(subtractDecimals(actual[0], shift)), factor }
}

function quotient(range: Decimal, steps: bigint): Decimal {
  const exponent = Math.min(range.exponent, 0) + FACTOR_EXPONENT - 1
  const scaled = (range.mantissa * 10n ** BigInt(range.exponent - exponent)) / steps
  return trimmed(roundDecimal({ mantissa: scaled, exponent }, exponent + 1))
}

/** Without zeros at the end: they would claim digits that a division has made up. */
function trimmed({ mantissa, exponent }: Decimal): Decimal {
  let [digits, power] = [mantissa, exponent]
  while (power < 0 && digits % 10n === 0n) [digits, power] = [digits / 10n, power + 1]
  return { mantissa: digits, exponent: power }
}
