import type { Measurement } from '../../reading.js'
import { decodeBloodPressure } from '../blood-pressure.js'
import { bits, type Measured, numeric, plausible } from './measured.js'

const STATUS = [
  'body-movement',
  'cuff-too-loose',
  'irregular-pulse',
  // Bits 3 and 4 are one number: 1 above, 2 below the range.
  'pulse-rate-above-range',
  'pulse-rate-below-range',
  'improper-body-position',
] as const
const PULSE_RANGE = 0b11000

/** Blood Pressure Measurement, 2A35. */
export function measuredByCuff(value: Uint8Array): Measured {
  const { unit, systolic, diastolic, meanArterialPressure, timestamp, pulseRate, userId, measurementStatus } =
    decodeBloodPressure(value)
  const pressure: Measurement = {
    kind: 'compound',
    type: 'blood-pressure',
    components: {
      systolic: plausible(systolic),
      diastolic: plausible(diastolic),
      mean: plausible(meanArterialPressure),
    },
    unit,
  }
  const pulse = pulseRate === undefined ? [] : [numeric('pulse-rate', plausible(pulseRate), '/min')]
  const isReserved = ((measurementStatus ?? 0) & PULSE_RANGE) === PULSE_RANGE
  const status = isReserved ? (measurementStatus ?? 0) & ~PULSE_RANGE : measurementStatus
  return {
    measurements: [pressure, ...pulse, ...bits('blood-pressure-status', status, STATUS)],
    ...(timestamp === undefined ? {} : { timestamp }),
    userId,
  }
}
