import { fields, invalid, join, list, member } from './internal/check.js'
import { parseDevice, parseGateway, parsePatient } from './internal/parse-identity.js'
import { parseMeasurement } from './internal/parse-measurement.js'
import { parseTime } from './internal/parse-time.js'
import type { Reading } from './reading.js'

/**
 * Turns untrusted JSON into a `Reading`: ids in their one spelling, decimals exact, unknown members refused.
 *
 * @param path prefix of the paths in errors, as `readings[3]`.
 * @throws BundleError `ERR_INVALID_READING` with the `path` of the first thing that is wrong.
 * @example parseReading(JSON.parse(text)).device.systemId // '00-1C-05-04-00-00-78-25'
 */
export function parseReading(json: unknown, path: string = ''): Reading {
  const raw = fields(json, path, ['device', 'gateway', 'patient', 'time', 'measurements'])
  const measurementsPath = join(path, 'measurements')
  const measurements = list(member(raw, 'measurements'), measurementsPath, parseMeasurement)
  if (measurements.length === 0) throw invalid(measurementsPath, 'must not be empty')
  return {
    device: parseDevice(member(raw, 'device'), join(path, 'device')),
    gateway: parseGateway(member(raw, 'gateway'), join(path, 'gateway')),
    patient: parsePatient(member(raw, 'patient'), join(path, 'patient')),
    time: parseTime(member(raw, 'time'), join(path, 'time')),
    measurements,
  }
}
