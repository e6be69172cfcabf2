import { addDecimals, type Decimal, subtractDecimals } from '../decimal.js'
import type { ReadingTime, TimeSync } from '../reading.js'
import type { Period } from '../resources.js'
import { type Instant, type Offset, printInstant, timePart, utcSeconds } from './instant.js'
import { instantOf } from './parse-time.js'

/** A reading placed on the gateway's time line. */
export type PlacedTime = {
  /** Seconds as the gateway's wall clock shows them, to be printed with `offset`. */
  readonly seconds: Decimal
  readonly offset: Offset
  /** The device's own time, for the identifier; undefined when the device gave none: then it is of the reception. */
  readonly own: Instant | undefined
  readonly coincidence: Coincidence | undefined
  /** `seconds` with `offset`, as FHIR writes it. */
  readonly text: string
  /** The instant that identifies a measurement: the device's own, or the reception in UTC. */
  readonly identifying: Instant
  /** Its part of an identifier, when there is no duration. */
  readonly key: string
}

/** The two clocks, read at the same moment. */
export type Coincidence = {
  /** Undefined when the device could not tell its time. */
  readonly device: Instant | undefined
  /** A time of the same clock, for its type. */
  readonly own: Instant
  readonly gateway: { readonly seconds: Decimal; readonly offset: Offset }
  readonly syncMethod: TimeSync | undefined
}

const UTC: Offset = { minutes: 0, utc: true }

/**
 * The time line rule of the guide; undefined means the reading cannot be placed and has to be skipped.
 *
 * @throws BundleError `ERR_INVALID_READING`: a shift by a broken clock has left the years that FHIR can write.
 */
export function placeTime(time: ReadingTime): PlacedTime | undefined {
  switch (time.quality) {
    case 'other-time-line':
      return undefined
    case 'none': {
      const gateway = wallClock(time.gatewayTime)
      return placed(gateway.seconds, gateway.offset, undefined)
    }
    case 'synchronized-utc': {
      const own = instantOf(time.measuredAt)
      return placed(own.seconds, offsetOf(own) ?? UTC, own)
    }
    case 'synchronized-local': {
      const own = instantOf(time.measuredAt)
      return placed(own.seconds, wallClock(time.gatewayTime).offset, own)
    }
    case 'time-fault': {
      const own = instantOf(time.measuredAt)
      const gateway = wallClock(time.gatewayTime)
      const coincidence = { device: undefined, own, gateway, syncMethod: undefined }
      return placed(own.seconds, offsetOf(own) ?? gateway.offset, own, coincidence)
    }
    case 'unsynchronized': {
      const own = instantOf(time.measuredAt)
      const device = instantOf(time.deviceTime)
      const gateway = wallClock(time.gatewayTime)
      // Ago on the device's clock is ago on the gateway's clock.
      const ago = subtractDecimals(comparable(device), comparable(own))
      const coincidence = { device, own, gateway, syncMethod: time.syncMethod }
      return placed(subtractDecimals(gateway.seconds, ago), gateway.offset, own, coincidence)
    }
  }
}

/** The same, so many seconds later, on both clocks. */
export function laterBy({ seconds, offset, own, coincidence }: PlacedTime, by: Decimal): PlacedTime {
  const later = own === undefined ? undefined : { ...own, seconds: addDecimals(own.seconds, by) }
  return placed(addDecimals(seconds, by), offset, later, coincidence)
}

function placed(
  seconds: Decimal,
  offset: Offset,
  own: Instant | undefined,
  coincidence?: Coincidence,
): PlacedTime {
  const identifying: Instant = own ?? { kind: 'calendar', seconds: utcSeconds(seconds, offset), offset: UTC }
  const text = printInstant(seconds, offset)
  return { seconds, offset, own, coincidence, text, identifying, key: timePart(identifying) }
}

function comparable(time: Instant): Decimal {
  const offset = offsetOf(time)
  return offset === undefined ? time.seconds : utcSeconds(time.seconds, offset)
}

function offsetOf(time: Instant): Offset | undefined {
  return time.kind === 'calendar' ? time.offset : undefined
}

function wallClock(gatewayTime: string): { seconds: Decimal; offset: Offset } {
  const time = instantOf(gatewayTime)
  return { seconds: time.seconds, offset: offsetOf(time) ?? UTC }
}

/** `effectivePeriod` of a measurement that took some time: the time stamp is its start, the reception its end. */
export function periodOf({ seconds, offset, own }: PlacedTime, duration: Decimal): Period {
  const start = own === undefined ? subtractDecimals(seconds, duration) : seconds
  return { start: printInstant(start, offset), end: printInstant(addDecimals(start, duration), offset) }
}
