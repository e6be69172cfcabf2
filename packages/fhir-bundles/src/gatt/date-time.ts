import { octetsOf, type Octets } from './internal/octets.js'

const two = (number: number): string => String(number).padStart(2, '0')

/**
 * The seven octets of a Date Time (2A08) as `2026-03-02T07:00:00`, by the device's clock and without offset. Parts the
 * device does not know are zeros: see `knownDateTime`.
 */
export function readDateTime(octets: Octets): string {
  const year = String(octets.u16()).padStart(4, '0')
  const [month, day, hours, minutes, seconds] = Array.from(octets.take(5), two)
  return `${year}-${month ?? ''}-${day ?? ''}T${hours ?? ''}:${minutes ?? ''}:${seconds ?? ''}`
}

/** The date and time when all its parts are known and such a moment exists, else undefined. */
export function knownDateTime(text: string): string | undefined {
  const milliseconds = Date.parse(`${text}Z`)
  if (!/^\d{4}-/.test(text) || text.startsWith('0000') || Number.isNaN(milliseconds)) return undefined
  // Date.parse turns February 30 into March; a clock that says such a thing is not to be trusted.
  return new Date(milliseconds).toISOString().startsWith(text) ? text : undefined
}

/** Date Time, 2A08. */
export interface DateTime {
  readonly dateTime: string
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeDateTime(value: Uint8Array): DateTime {
  return { dateTime: readDateTime(octetsOf(value, '2A08')) }
}

/** Current Time, 2A2B. */
export interface CurrentTime extends DateTime {
  /** 1 is Monday, 0 unknown. */
  readonly dayOfWeek: number
  /** 1/256 seconds. */
  readonly fractions256: number
  /** Bit 0 by hand, 1 by an external reference, 2 time zone, 3 daylight saving. */
  readonly adjustReason: number
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeCurrentTime(value: Uint8Array): CurrentTime {
  const octets = octetsOf(value, '2A2B')
  return {
    dateTime: readDateTime(octets),
    dayOfWeek: octets.u8(),
    fractions256: octets.u8(),
    adjustReason: octets.u8(),
  }
}
