import { deepFrozen } from './internal/constant.js'
import { fields, invalid, join, list, member } from './internal/check.js'
import { parseDevice, parseGateway, parsePatient } from './internal/parse-identity.js'
import { parseMeasurement } from './internal/parse-measurement.js'
import { parseTime } from './internal/parse-time.js'
import type { Reading } from './reading.js'

/**
 * Turns untrusted JSON into a `Reading`: ids in their one spelling, decimals exact, unknown members refused. The
 * reading is frozen; `deviceBundle` takes it without checking it again.
 *
 * @param path prefix of the paths in errors, as `readings[3]`.
 * @throws BundleError `ERR_INVALID_READING` with the `path` of the first thing that is wrong.
 * @example parseReading(JSON.parse(text)).device.systemId // '00-1C-05-04-00-00-78-25'
 */
export function parseReading(json: unknown, path: string = ''): Reading {
  const reading = deepFrozen(parse(json, path))
  parsed.add(reading)
  return reading
}

/** Readings that were parsed and, being frozen, need not be again. */
const parsed = new WeakSet<Reading>()

/** The reading itself when `parseReading` made it, else what it makes of it. */
export function parsedReading(reading: Reading, path: string): Reading {
  return parsed.has(reading) ? reading : parseReading(reading, path)
}

function parse(json: unknown, path: string): Reading {
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
