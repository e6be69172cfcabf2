import type { MeasuredValue } from '../reading.js'
import { readDateTime } from './date-time.js'
import { bit, octetsOf, when } from './internal/octets.js'

/** Temperature Measurement, 2A1C, and Intermediate Temperature, 2A1E. */
export interface TemperatureMeasurement {
  readonly flags: number
  readonly unit: 'Cel' | '[degF]'
  readonly temperature: MeasuredValue
  readonly timestamp?: string
  /** 1 axilla, 2 body, 3 ear, 4 finger, 5 gastro-intestinal, 6 mouth, 7 rectum, 8 toe, 9 tympanum. */
  readonly type?: number
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeTemperature(value: Uint8Array): TemperatureMeasurement {
  const octets = octetsOf(value, '2A1C')
  const flags = octets.u8()
  return {
    flags,
    unit: bit(flags, 0) ? '[degF]' : 'Cel',
    temperature: octets.float(),
    ...when(bit(flags, 1), 'timestamp', () => readDateTime(octets)),
    ...when(bit(flags, 2), 'type', () => octets.u8()),
  }
}

/** Temperature Type, 2A1D, for a thermometer whose site never changes. Throws as `decodeTemperature`. */
export function decodeTemperatureType(value: Uint8Array): number {
  return octetsOf(value, '2A1D').u8()
}
