import { EnvelopeError } from '../errors.js'

/** A whole number between two limits, or the default when the option is left out. Throws ERR_INVALID_OPTION. */
export function wholeNumber(
  name: string,
  value: number | undefined,
  range: { default: number; min: number; max: number },
): number {
  if (value === undefined) return range.default
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return value
  throw invalidOption(`${name} must be a whole number from ${range.min} to ${range.max}.`)
}

/** One of a fixed list, or the default when the option is left out. Throws ERR_INVALID_OPTION. */
export function oneOf<const T>(name: string, value: T | undefined, list: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  if (list.includes(value)) return value
  throw invalidOption(`${name} must be one of ${list.join(', ')}.`)
}

export function invalidOption(message: string): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_OPTION', message, { hint: 'Correct the option or leave it out.' })
}
