import type { MeasuredValue } from '../reading.js'
import { readDateTime } from './date-time.js'
import { bit, octetsOf, when, type Octets } from './internal/octets.js'

interface CuffMeasurement {
  readonly flags: number
  readonly unit: 'mm[Hg]' | 'kPa'
  /** By the device's clock; unknown parts are zeros. */
  readonly timestamp?: string
  readonly pulseRate?: MeasuredValue
  /** 255: unknown. */
  readonly userId?: number
  /** Bit 0 movement, 1 cuff loose, 2 irregular pulse, 3-4 pulse rate (1 above, 2 below range), 5 position. */
  readonly measurementStatus?: number
}

/** Blood Pressure Measurement, 2A35. */
export interface BloodPressureMeasurement extends CuffMeasurement {
  readonly systolic: MeasuredValue
  readonly diastolic: MeasuredValue
  readonly meanArterialPressure: MeasuredValue
}

/** Intermediate Cuff Pressure, 2A36. */
export interface IntermediateCuffPressure extends CuffMeasurement {
  readonly cuffPressure: MeasuredValue
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeBloodPressure(value: Uint8Array): BloodPressureMeasurement {
  const octets = octetsOf(value, '2A35')
  const flags = octets.u8()
  const pressures = {
    systolic: octets.sfloat(),
    diastolic: octets.sfloat(),
    meanArterialPressure: octets.sfloat(),
  }
  return { ...pressures, ...rest(octets, flags) }
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeIntermediateCuffPressure(value: Uint8Array): IntermediateCuffPressure {
  const octets = octetsOf(value, '2A36')
  const flags = octets.u8()
  const cuffPressure = octets.sfloat()
  // Two unused values: NaN by the specification, 0 in the wild.
  octets.take(4)
  return { cuffPressure, ...rest(octets, flags) }
}

function rest(octets: Octets, flags: number): CuffMeasurement {
  return {
    flags,
    unit: bit(flags, 0) ? 'kPa' : 'mm[Hg]',
    ...when(bit(flags, 1), 'timestamp', () => readDateTime(octets)),
    ...when(bit(flags, 2), 'pulseRate', () => octets.sfloat()),
    ...when(bit(flags, 3), 'userId', () => octets.u8()),
    ...when(bit(flags, 4), 'measurementStatus', () => octets.u16()),
  }
}
