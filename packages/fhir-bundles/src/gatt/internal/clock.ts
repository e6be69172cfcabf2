import { type Decimal, decimal } from '../../decimal.js'
import type { ReadingTime } from '../../reading.js'
import { type CurrentTime, decodeCurrentTime, decodeDateTime, knownDateTime } from '../date-time.js'
import type { Measured } from './measured.js'
import { decoded, type Values } from './values.js'

/**
 * So much later than the clock that is to have made it, or so much earlier: the clock was set in between. Where only
 * the gateway's clock is known, a day is also what two zones can differ by.
 */
const MOST_AHEAD_MS = 86_400_000
const MOST_AGO_MS = 100 * 366 * 86_400_000

export type Placed = {
  readonly time: ReadingTime
  /** Seconds from the reading's time to the moment of `clockReadAt`; undefined when nobody knows. */
  readonly untilNow: Decimal | undefined
}

/** How far to trust the time stamp of a packet, by what the device tells of its clock. */
export function placedTime(
  { timestamp, zone, clockNotSet = false, timeFault = false, stored = false }: Measured,
  values: Values,
  gateway: { readonly receivedAt: string; readonly clockReadAt: string },
): Placed {
  const measuredAt = timestamp === undefined ? undefined : knownDateTime(timestamp)
  const received: Placed = {
    time: { quality: 'none', gatewayTime: gateway.receivedAt },
    untilNow: { mantissa: 0n, exponent: 0 },
  }
  // What was measured just now is of now; nobody knows when a record was made that has no time of its own.
  if (measuredAt === undefined) return stored ? otherTimeLine(undefined, gateway.receivedAt) : received
  // The record's own word that the clock cannot be trusted: what it shows now is no measure of how long ago that was.
  if (timeFault) {
    const time = { quality: 'time-fault', measuredAt, gatewayTime: gateway.receivedAt } as const
    return { time, untilNow: undefined }
  }
  const clock = clockOf(values)
  if (clock === undefined) {
    // The device's own word is that it does not know the time.
    if (clockNotSet) return stored ? otherTimeLine(measuredAt, gateway.receivedAt) : received
    return trusted(measuredAt, zone, gateway.receivedAt)
  }
  const ago = Date.parse(`${clock.deviceTime}Z`) - Date.parse(`${measuredAt}Z`)
  if (isElsewhere(ago)) return otherTimeLine(measuredAt, gateway.receivedAt)
  return {
    time: { quality: 'unsynchronized', measuredAt, gatewayTime: gateway.clockReadAt, ...clock },
    untilNow: ago % 1000 === 0 ? decimal(ago / 1000, 0) : decimal(ago, -3),
  }
}

/** A time stamp that nothing is known against: by its own zone, or else by the gateway's. */
function trusted(measuredAt: string, zone: string | undefined, gatewayTime: string): Placed {
  const ago =
    zone === undefined
      ? Date.parse(`${gatewayTime.slice(0, measuredAt.length)}Z`) - Date.parse(`${measuredAt}Z`)
      : Date.parse(gatewayTime) - Date.parse(`${measuredAt}${zone}`)
  if (isElsewhere(ago)) return otherTimeLine(measuredAt, gatewayTime)
  const time: ReadingTime =
    zone === undefined
      ? { quality: 'synchronized-local', measuredAt, gatewayTime }
      : { quality: 'synchronized-utc', measuredAt: `${measuredAt}${zone}`, gatewayTime }
  return { time, untilNow: undefined }
}

function isElsewhere(agoMs: number): boolean {
  return agoMs < -MOST_AHEAD_MS || agoMs > MOST_AGO_MS
}

function otherTimeLine(measuredAt: string | undefined, gatewayTime: string): Placed {
  const time: ReadingTime = {
    quality: 'other-time-line',
    ...(measuredAt === undefined ? {} : { measuredAt }),
    gatewayTime,
  }
  return { time, untilNow: undefined }
}

type Clock = { readonly deviceTime: string; readonly syncMethod?: 'manual' }

const BY_HAND = 0b1

/** Current Time, 2A2B, or else Date Time, 2A08. */
function clockOf(values: Values): Clock | undefined {
  const current = decoded(values, '2A2B', decodeCurrentTime)
  const text = current?.dateTime ?? decoded(values, '2A08', decodeDateTime)?.dateTime
  const known = text === undefined ? undefined : knownDateTime(text)
  if (known === undefined) return undefined
  return {
    deviceTime: `${known}${fraction(current)}`,
    ...((current?.adjustReason ?? 0) & BY_HAND ? { syncMethod: 'manual' } : {}),
  }
}

function fraction(current: CurrentTime | undefined): string {
  const parts = current?.fractions256 ?? 0
  return parts === 0 ? '' : `.${String(Math.floor((parts * 1000) / 256)).padStart(3, '0')}`
}

/** Date and time so many minutes later; unchanged when they are not known. */
export function shiftedDateTime(text: string, minutes: number): string {
  if (minutes === 0 || knownDateTime(text) === undefined) return text
  return new Date(Date.parse(`${text}Z`) + minutes * 60_000).toISOString().slice(0, 19)
}
