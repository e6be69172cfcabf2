import { decimal } from '../../decimal.js'
import type { Measurement } from '../../reading.js'
import {
  type ContinuousGlucoseRecord,
  decodeContinuousGlucose,
  decodeSessionStartTime,
  type SessionStartTime,
} from '../continuous-glucose.js'
import { knownDateTime } from '../date-time.js'
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
 * CGM Measurement, 2AA7. Its records count minutes from the start of the session, 2AAA; when nobody knows that, the
 * latest record is taken to be of now.
 */
export function measuredByMonitor(packets: readonly Uint8Array[], values: Values): Measured {
  const records = packets.flatMap((packet) => decodeContinuousGlucose(packet).records)
  const session = decoded(values, '2AAA', decodeSessionStartTime)
  if (session === undefined || knownDateTime(session.sessionStartTime) === undefined) {
    const latest = Math.max(...records.map((record) => record.timeOffsetMinutes))
    return { measurements: records.flatMap((record) => ofRecord(record, record.timeOffsetMinutes - latest)) }
  }
  const zone = zoneOf(session)
  return {
    measurements: records.flatMap((record) => ofRecord(record, record.timeOffsetMinutes)),
    timestamp: session.sessionStartTime,
    ...(zone === undefined ? {} : { zone }),
    stored: true,
  }
}

const MOST_WEST = -48
const MOST_EAST = 56
/** None, half an hour, one hour, two hours. */
const DAYLIGHT_SAVING = [0, 2, 4, 8]

/** Zone and daylight saving time as one offset; undefined unless both are known. */
function zoneOf({ timeZone, dstOffset }: SessionStartTime): string | undefined {
  const quarters = timeZone + dstOffset
  if (timeZone < MOST_WEST || quarters > MOST_EAST || !DAYLIGHT_SAVING.includes(dstOffset)) return undefined
  const minutes = Math.abs(quarters) * 15
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0'))
  return `${quarters < 0 ? '-' : '+'}${hours ?? ''}:${rest ?? ''}`
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
