import type { MeasuredValue } from '../reading.js'
import { readDateTime } from './date-time.js'
import { bit, octetsOf, when } from './internal/octets.js'

interface OximeterMeasurement {
  readonly flags: number
  /** Percent. */
  readonly spo2: MeasuredValue
  /** Beats per minute. */
  readonly pulseRate: MeasuredValue
  /** Bit 5 ongoing, 6 early, 7 validated, 8 qualified, 9 stored, 10 demo, 11 test, 12 calibrating, 13 unavailable, 14 questionable, 15 invalid. */
  readonly measurementStatus?: number
  readonly deviceAndSensorStatus?: number
  /** Percent. */
  readonly pulseAmplitudeIndex?: MeasuredValue
}

/** PLX Spot-Check Measurement, 2A5E. */
export interface PulseOximetrySpot extends OximeterMeasurement {
  readonly timestamp?: string
  readonly deviceClockNotSet: boolean
}

/** PLX Continuous Measurement, 2A5F. */
export interface PulseOximetryContinuous extends OximeterMeasurement {
  readonly spo2Fast?: MeasuredValue
  readonly pulseRateFast?: MeasuredValue
  readonly spo2Slow?: MeasuredValue
  readonly pulseRateSlow?: MeasuredValue
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodePulseOximetrySpot(value: Uint8Array): PulseOximetrySpot {
  const octets = octetsOf(value, '2A5E')
  const flags = octets.u8()
  return {
    flags,
    spo2: octets.sfloat(),
    pulseRate: octets.sfloat(),
    ...when(bit(flags, 0), 'timestamp', () => readDateTime(octets)),
    ...when(bit(flags, 1), 'measurementStatus', () => octets.u16()),
    ...when(bit(flags, 2), 'deviceAndSensorStatus', () => octets.u24()),
    ...when(bit(flags, 3), 'pulseAmplitudeIndex', () => octets.sfloat()),
    deviceClockNotSet: bit(flags, 4),
  }
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodePulseOximetryContinuous(value: Uint8Array): PulseOximetryContinuous {
  const octets = octetsOf(value, '2A5F')
  const flags = octets.u8()
  return {
    flags,
    spo2: octets.sfloat(),
    pulseRate: octets.sfloat(),
    ...(bit(flags, 0) ? { spo2Fast: octets.sfloat(), pulseRateFast: octets.sfloat() } : {}),
    ...(bit(flags, 1) ? { spo2Slow: octets.sfloat(), pulseRateSlow: octets.sfloat() } : {}),
    ...when(bit(flags, 2), 'measurementStatus', () => octets.u16()),
    ...when(bit(flags, 3), 'deviceAndSensorStatus', () => octets.u24()),
    ...when(bit(flags, 4), 'pulseAmplitudeIndex', () => octets.sfloat()),
  }
}
