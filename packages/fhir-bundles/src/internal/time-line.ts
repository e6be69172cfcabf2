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
  /** The device's own time, for the identifier; absent when the device gave none. */
  readonly own?: Instant
  /** True when `seconds` is the moment of reception: a duration then ends there. */
  readonly isReception: boolean
  readonly coincidence?: Coincidence
  /** `seconds` with `offset`, as FHIR writes it. */
  readonly text: string
  /** The instant that identifies a measurement: the device's own, or the reception in UTC. */
  readonly identifying: Instant
  /** Its part of an identifier, when there is no duration. */
  readonly key: string
}

/** The two clocks, read at the same moment. */
export type Coincidence = {
  readonly device: Instant
  readonly gateway: { readonly seconds: Decimal; readonly offset: Offset }
  readonly syncMethod?: TimeSync
}

const UTC: Offset = { minutes: 0, utc: true }

/**
 * The time line rule of the guide; undefined means the reading cannot be placed and has to be skipped.
 *
 * @throws BundleError `ERR_INVALID_READING`: a shift by a broken clock has left the years that FHIR can write.
 */
export function placeTime(time: ReadingTime): PlacedTime | undefined {
  const placed = place(time)
  return placed === undefined ? undefined : complete(placed)
}

/** The same, so many seconds later, on both clocks. */
export function laterBy(time: PlacedTime, offset: Decimal): PlacedTime {
  const { own } = time
  return complete({
    ...time,
    seconds: addDecimals(time.seconds, offset),
    ...(own === undefined ? {} : { own: { ...own, seconds: addDecimals(own.seconds, offset) } }),
  })
}

type Place = Omit<PlacedTime, 'text' | 'identifying' | 'key'>

function complete(place: Place): PlacedTime {
  const { seconds, offset, own } = place
  const identifying: Instant = own ?? { kind: 'calendar', seconds: utcSeconds(seconds, offset), offset: UTC }
  return { ...place, text: printInstant(seconds, offset), identifying, key: timePart(identifying) }
}

function place(time: ReadingTime): Place | undefined {
  switch (time.quality) {
    case 'other-time-line':
      return undefined
    case 'none':
      return { ...wallClock(time.gatewayTime), isReception: true }
    case 'synchronized-utc': {
      const own = instantOf(time.measuredAt)
      const offset = (own.kind === 'calendar' ? own.offset : undefined) ?? UTC
      return { seconds: own.seconds, offset, own, isReception: false }
    }
    case 'synchronized-local': {
      const own = instantOf(time.measuredAt)
      return { seconds: own.seconds, offset: wallClock(time.gatewayTime).offset, own, isReception: false }
    }
    case 'unsynchronized': {
      const own = instantOf(time.measuredAt)
      const device = instantOf(time.deviceTime)
      const gateway = wallClock(time.gatewayTime)
      // Ago on the device's clock is ago on the gateway's clock.
      const ago = subtractDecimals(comparable(device), comparable(own))
      return {
        seconds: subtractDecimals(gateway.seconds, ago),
        offset: gateway.offset,
        own,
        isReception: false,
        coincidence: {
          device,
          gateway,
          ...(time.syncMethod === undefined ? {} : { syncMethod: time.syncMethod }),
        },
      }
    }
  }
}

function comparable(time: Instant): Decimal {
  return time.kind === 'calendar' && time.offset !== undefined
    ? utcSeconds(time.seconds, time.offset)
    : time.seconds
}

function wallClock(gatewayTime: string): { seconds: Decimal; offset: Offset } {
  const time = instantOf(gatewayTime)
  return { seconds: time.seconds, offset: (time.kind === 'calendar' ? time.offset : undefined) ?? UTC }
}

/** `effectiveDateTime`, or `effectivePeriod` for a measurement that took some time. */
export function effective(
  time: PlacedTime,
  duration: Decimal | undefined,
): { readonly effectiveDateTime: string } | { readonly effectivePeriod: Period } {
  if (duration === undefined) return { effectiveDateTime: time.text }
  const print = (seconds: Decimal): string => printInstant(seconds, time.offset)
  const start = time.isReception ? subtractDecimals(time.seconds, duration) : time.seconds
  return { effectivePeriod: { start: print(start), end: print(addDecimals(start, duration)) } }
}
