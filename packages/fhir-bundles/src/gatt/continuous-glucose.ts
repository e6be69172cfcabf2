import type { MeasuredValue } from '../reading.js'
import { readDateTime } from './date-time.js'
import { crcOf } from './internal/e2e-crc.js'
import { bit, octetsOf, when } from './internal/octets.js'
import { GattError } from './errors.js'

/** One record of a CGM Measurement, 2AA7. */
export interface ContinuousGlucoseRecord {
  /** Octets of the record, this one included. */
  readonly size: number
  readonly flags: number
  readonly concentrationMgDl: MeasuredValue
  /** Since the session began, which characteristic 2AAA tells. */
  readonly timeOffsetMinutes: number
  readonly status?: number
  readonly calTemp?: number
  readonly warning?: number
  /** mg/dL per minute. */
  readonly trendMgDlMin?: MeasuredValue
  readonly qualityPercent?: MeasuredValue
  /** E2E-CRC as hex, when there is one; it has been checked. */
  readonly crc?: string
}

/** CGM Measurement, 2AA7: several records in one packet. */
export interface ContinuousGlucoseMeasurement {
  readonly records: readonly ContinuousGlucoseRecord[]
}

const SMALLEST = 6
const CRC_LENGTH = 2

/**
 * Throws `ERR_NO_PACKET`, `ERR_PACKET_TOO_SHORT`, or `ERR_PACKET_MALFORMED`: a record is smaller than what its flags
 * announce, or its CRC does not fit.
 */
export function decodeContinuousGlucose(value: Uint8Array): ContinuousGlucoseMeasurement {
  const octets = octetsOf(value, '2AA7')
  const records: ContinuousGlucoseRecord[] = []
  do {
    const size = octets.u8()
    if (size < SMALLEST) throw malformed('A record of 2AA7 is smaller than any can be.')
    const content = octets.take(size - 1)
    records.push(decodeRecord(Uint8Array.of(size, ...content)))
  } while (octets.left > 0)
  return { records }
}

function decodeRecord(record: Uint8Array): ContinuousGlucoseRecord {
  const octets = octetsOf(record, '2AA7')
  const size = octets.u8()
  const flags = octets.u8()
  const decoded = {
    size,
    flags,
    concentrationMgDl: octets.sfloat(),
    timeOffsetMinutes: octets.u16(),
    ...when(bit(flags, 7), 'status', () => octets.u8()),
    ...when(bit(flags, 6), 'calTemp', () => octets.u8()),
    ...when(bit(flags, 5), 'warning', () => octets.u8()),
    ...when(bit(flags, 0), 'trendMgDlMin', () => octets.sfloat()),
    ...when(bit(flags, 1), 'qualityPercent', () => octets.sfloat()),
  }
  if (octets.left < CRC_LENGTH) return decoded
  const crc = octets.u16()
  if (crc !== crcOf(record.subarray(0, record.length - octets.left - CRC_LENGTH))) {
    throw malformed('The CRC of a record of 2AA7 does not fit.')
  }
  return { ...decoded, crc: crc.toString(16).padStart(4, '0') }
}

function malformed(message: string): GattError {
  return new GattError('ERR_PACKET_MALFORMED', message)
}

/** CGM Session Start Time, 2AAA. */
export interface SessionStartTime {
  readonly sessionStartTime: string
  /** Quarter hours from UTC; -128: unknown. */
  readonly timeZone: number
  /** Quarter hours of daylight saving time; 255: unknown. */
  readonly dstOffset: number
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeSessionStartTime(value: Uint8Array): SessionStartTime {
  const octets = octetsOf(value, '2AAA')
  return {
    sessionStartTime: readDateTime(octets),
    timeZone: (octets.u8() << 24) >> 24,
    dstOffset: octets.u8(),
  }
}
