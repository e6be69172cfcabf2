import type { MeasuredValue, Measurement, MeasurementStatus } from '../../reading.js'
import {
  decodePulseOximetryContinuous,
  decodePulseOximetrySpot,
  type PulseOximetryContinuous,
  type PulseOximetrySpot,
} from '../pulse-oximetry.js'
import { bits, type Measured, numeric, plausible } from './measured.js'
import { bit } from './octets.js'

const FAST = 150580
const SLOW = 150584
const SPOT = 150588

/** By bit of the measurement status; 8 (qualified) and 9 (from storage) are no states of a measurement. */
const STATES: Readonly<Record<number, MeasurementStatus>> = {
  5: 'ongoing',
  6: 'early',
  7: 'validated',
  10: 'demo',
  11: 'test',
  12: 'calibrating',
  13: 'not-available',
  14: 'questionable',
  15: 'invalid',
}
const FROM_STORAGE = 9

/** IEEE 11073 counts the same bits from the other end. */
const DEVICE_STATUS = [
  'device-extended-update',
  'device-equipment-malfunction',
  'signal-processing-irregularity',
  'signal-inadequate',
  'signal-poor',
  'signal-low-perfusion',
  'signal-erratic',
  'signal-non-pulsatile',
  'signal-pulse-questionable',
  'signal-searching',
  'sensor-interference',
  'sensor-off',
  'sensor-unsupported',
  'sensor-displaced',
  'sensor-malfunction',
  'sensor-disconnected',
] as const

/** PLX Spot-Check Measurement, 2A5E. */
export function measuredBySpotCheck(value: Uint8Array): Measured {
  const spot = decodePulseOximetrySpot(value)
  return {
    measurements: [...pair(spot.spo2, spot.pulseRate, spot, [SPOT]), ...others(spot)],
    ...(spot.timestamp === undefined ? {} : { timestamp: spot.timestamp }),
    clockNotSet: spot.deviceClockNotSet,
    stored: bit(spot.measurementStatus ?? 0, FROM_STORAGE),
  }
}

/** PLX Continuous Measurement, 2A5F. */
export function measuredContinuously(value: Uint8Array): Measured {
  const all = decodePulseOximetryContinuous(value)
  const { spo2Fast, pulseRateFast, spo2Slow, pulseRateSlow } = all
  return {
    measurements: [
      ...pair(all.spo2, all.pulseRate, all),
      ...(spo2Fast === undefined || pulseRateFast === undefined
        ? []
        : pair(spo2Fast, pulseRateFast, all, [FAST])),
      ...(spo2Slow === undefined || pulseRateSlow === undefined
        ? []
        : pair(spo2Slow, pulseRateSlow, all, [SLOW])),
      ...others(all),
    ],
  }
}

type Oximetry = PulseOximetrySpot | PulseOximetryContinuous

function pair(
  spo2: MeasuredValue,
  pulseRate: MeasuredValue,
  { measurementStatus = 0 }: Oximetry,
  modality?: readonly number[],
): readonly Measurement[] {
  const status = Object.entries(STATES).flatMap(([index, state]) =>
    bit(measurementStatus, Number(index)) ? [state] : [],
  )
  const more = {
    ...(status.length === 0 ? {} : { status }),
    ...(modality === undefined ? {} : { supplementalTypes: modality }),
  }
  return [
    numeric('oxygen-saturation', plausible(spo2), '%', more),
    numeric('oximeter-pulse-rate', plausible(pulseRate), '/min', more),
  ]
}

function others({ pulseAmplitudeIndex, deviceAndSensorStatus }: Oximetry): readonly Measurement[] {
  return [
    ...(pulseAmplitudeIndex === undefined
      ? []
      : [numeric('pulse-amplitude-index', plausible(pulseAmplitudeIndex), '%')]),
    ...bits('oximeter-status', deviceAndSensorStatus, DEVICE_STATUS),
  ]
}
