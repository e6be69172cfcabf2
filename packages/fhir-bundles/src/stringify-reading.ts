import { decimalText, isDecimal } from './decimal.js'
import type { Reading } from './reading.js'

/**
 * The JSON text of a reading, for a file or a message: decimals are written as texts (`"36.50"`), which no JSON parser
 * rounds. `parseReading(JSON.parse(text))` gives the same reading back, to the digit.
 *
 * @param indent spaces per level; 0 (the default) prints one line.
 * @example stringifyReading(readingFromGatt(values, { gateway, patient, receivedAt }))
 */
export function stringifyReading(reading: Reading, indent: number = 0): string {
  return JSON.stringify(reading, (_, value: unknown) => (isDecimal(value) ? textOf(value) : value), indent)
}

/** Unlike `decimalText` it tells 200 from 2 × 10². */
function textOf(value: Parameters<typeof decimalText>[0]): string {
  return value.exponent > 0 ? `${value.mantissa}e${value.exponent}` : decimalText(value)
}
