import {
  addDecimals,
  decimal,
  type Decimal,
  decimalText,
  rescaleDecimal,
  subtractDecimals,
} from '../decimal.js'
import { BundleError } from '../errors.js'

/**
 * A point of time, exactly as written: seconds since 2000-01-01T00:00:00 of the digits themselves (no zone
 * applied), the offset if one was written, or a bare tick counter. Decimals, so that a fraction keeps its digits.
 */
export type Instant =
  | { readonly kind: 'calendar'; readonly seconds: Decimal; readonly offset: Offset | undefined }
  | { readonly kind: 'ticks'; readonly seconds: Decimal }

/** `utc` is a written `Z`: the same instant as `+00:00`, but nothing was reported about a zone. */
export type Offset = { readonly minutes: number; readonly utc: boolean }

const CALENDAR =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d{2}):(\d{2}))?$/
const TICKS = /^(?:0|[1-9]\d{0,17})(?:\.\d{1,9})?$/
const EPOCH_MS = Date.UTC(2000, 0, 1)
const MAX_OFFSET_MINUTES = 14 * 60
// 0001-01-01T00:00:00 and 9999-12-31T23:59:59, in seconds since 2000.
const FIRST_SECOND = -63_082_281_600
const LAST_SECOND = 252_455_615_999

/** Reads a date-time with seconds, or a tick counter; undefined when it is neither, or a day that does not exist. */
export function readInstant(value: string): Instant | undefined {
  if (value[4] !== '-') return TICKS.test(value) ? { kind: 'ticks', seconds: decimal(value) } : undefined
  const match = CALENDAR.exec(value)
  if (match === null) return undefined
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction = ''] = match
  const date = new Date(0)
  // Not Date.UTC: it takes the years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  const exists = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!exists || Number(year) === 0 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) {
    return undefined
  }
  const offset = readOffset(match[8], match[9], match[10], match[11])
  if (offset === 'invalid') return undefined
  const whole =
    (date.getTime() - EPOCH_MS) / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second)
  const seconds = addDecimals(
    { mantissa: BigInt(whole), exponent: 0 },
    { mantissa: BigInt(`0${fraction}`), exponent: -fraction.length },
  )
  return { kind: 'calendar', seconds, offset }
}

function readOffset(
  z: string | undefined,
  sign: string | undefined,
  hours: string | undefined,
  minutes: string | undefined,
): Offset | undefined | 'invalid' {
  if (z !== undefined) return { minutes: 0, utc: true }
  if (sign === undefined) return undefined
  const total = Number(hours) * 60 + Number(minutes)
  if (Number(minutes) > 59 || total > MAX_OFFSET_MINUTES) return 'invalid'
  return { minutes: sign === '-' && total !== 0 ? -total : total, utc: false }
}

/** Seconds since 2000-01-01T00:00:00Z. */
export function utcSeconds(seconds: Decimal, offset: Offset): Decimal {
  return subtractDecimals(seconds, { mantissa: BigInt(offset.minutes * 60), exponent: 0 })
}

/** A FHIR dateTime: the digits of `seconds` as they stand, followed by the offset. */
export function printInstant(seconds: Decimal, offset: Offset): string {
  const exact = seconds.exponent > 0 ? rescaleDecimal(seconds, 0) : seconds
  const { whole, rest } = parts(exact)
  // A shift by a broken clock may leave the calendar that FHIR can write.
  if (whole < FIRST_SECOND || whole > LAST_SECOND) {
    throw new BundleError('ERR_INVALID_READING', 'A corrected time is outside the years 0001 to 9999')
  }
  const fraction = exact.exponent === 0 ? '' : `.${rest.toString().padStart(-exact.exponent, '0')}`
  return `${printSeconds(whole)}${fraction}${printOffset(offset)}`
}

const DAY_SECONDS = 86_400
/** Measurements come in days: the last one printed, since a Date costs more than all else here. */
let lastDay: { readonly day: number; readonly text: string } = { day: 0, text: '2000-01-01T' }

function printSeconds(whole: number): string {
  const day = Math.floor(whole / DAY_SECONDS)
  if (day !== lastDay.day) {
    lastDay = { day, text: new Date(EPOCH_MS + day * DAY_SECONDS * 1000).toISOString().slice(0, 11) }
  }
  const seconds = whole - day * DAY_SECONDS
  const minutes = Math.floor(seconds / 60)
  return `${lastDay.text}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

/** Whole units and what is left of the next one, never negative. */
function parts({ mantissa, exponent }: Decimal): { readonly whole: number; readonly rest: number | bigint } {
  const small = Number(mantissa)
  if (Number.isSafeInteger(small) && exponent >= -9) {
    // Remainders are exact, and so is the division of what they divide.
    const unit = 10 ** -exponent
    const rest = ((small % unit) + unit) % unit
    return { whole: (small - rest) / unit, rest }
  }
  const unit = 10n ** BigInt(-exponent)
  const rest = ((mantissa % unit) + unit) % unit
  return { whole: Number((mantissa - rest) / unit), rest }
}

function printOffset(offset: Offset): string {
  if (offset.utc) return 'Z'
  const minutes = Math.abs(offset.minutes)
  return `${offset.minutes < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/**
 * The time part of an observation identifier: the device's own seconds at the device's resolution, then the
 * reported offset in quarter hours with its sign, then `..` and the duration at the same resolution.
 */
export function timePart(time: Instant, duration?: Decimal): string {
  const offset = time.kind === 'calendar' ? time.offset : undefined
  const quarters = offset === undefined || offset.utc ? '' : signed(offset.minutes / 15)
  const length =
    duration === undefined ? '' : `..${decimalText(rescaleDecimal(duration, time.seconds.exponent))}`
  return `${decimalText(time.seconds)}${quarters}${length}`
}

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`
}
