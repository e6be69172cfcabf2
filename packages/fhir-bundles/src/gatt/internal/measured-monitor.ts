import { decimal } from '../../decimal.js'
import type { Measurement } from '../../reading.js'
import {
  type ContinuousGlucoseRecord,
  decodeContinuousGlucose,
  decodeSessionStartTime,
} from '../continuous-glucose.js'
import { bits, type Measured, numeric, plausible } from './measured.js'
import { decoded, type Values } from './values.js'

/** Three octets: status, calibration and temperature, warning. The guide counts otherwise. */
const STATUS: readonly (string | undefined)[] = [
  'session-stopped',
  undefined,
  'sensor-type-incorrect',
  'sensor-malfunction',
  'device-specific-alert',
  undefined,
  undefined,
  undefined,
  undefined,
  'calibration-not-allowed',
  'calibration-recommended',
  'calibration-required',
  'temperature-too-high',
  'temperature-too-low',
  undefined,
  undefined,
  'below-patient-low',
  'above-patient-high',
  'below-hypo',
  'above-hyper',
  'falls-too-fast',
  'rises-too-fast',
  'result-too-low',
  'result-too-high',
]

/**
 * CGM Measurement, 2AA7. Its records count minutes from the start of the session, 2AAA; without that, the latest
 * record is taken to be of now.
 */
export function measuredByMonitor(packets: readonly Uint8Array[], values: Values): Measured {
  const records = packets.flatMap((packet) => decodeContinuousGlucose(packet).records)
  const start = decoded(values, '2AAA', decodeSessionStartTime)?.sessionStartTime
  const zero = start === undefined ? Math.max(...records.map((record) => record.timeOffsetMinutes)) : 0
  return {
    measurements: records.flatMap((record) => ofRecord(record, record.timeOffsetMinutes - zero)),
    ...(start === undefined ? {} : { timestamp: start }),
    stored: start !== undefined,
  }
}

function ofRecord(record: ContinuousGlucoseRecord, minutes: number): readonly Measurement[] {
  const { concentrationMgDl, trendMgDlMin, status = 0, calTemp = 0, warning = 0 } = record
  const at = minutes === 0 ? {} : { offset: decimal(minutes * 60, 0) }
  return [
    numeric('glucose-interstitial-fluid', plausible(concentrationMgDl), 'mg/dL', at),
    // A trend may well be negative.
    ...(trendMgDlMin === undefined ? [] : [numeric('glucose-trend', trendMgDlMin, 'mg/dL/min', at)]),
    ...bits('glucose-monitor-status', status | (calTemp << 8) | (warning << 16), STATUS).map((one) => ({
      ...one,
      ...at,
    })),
  ]
}
