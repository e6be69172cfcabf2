import { BundleError } from './errors.js'
import { buildCoincidence } from './internal/build-coincidence.js'
import { buildDevice, buildGateway, buildPatient } from './internal/build-device.js'
import { buildObservation } from './internal/build-observation.js'
import { invalid } from './internal/check.js'
import {
  COINCIDENT_EXTENSION,
  GATEWAY_EXTENSION,
  OBSERVATION_IDENTIFIER,
  RECEPTION_IDENTIFIER,
} from './internal/codes.js'
import { type Collector, createCollector } from './internal/collector.js'
import { deviceMapKey, gatherIdentities, isIdentified, patientMapKey } from './internal/identities.js'
import { deviceKey, observationKey, patientKey } from './internal/identity.js'
import { rowOf } from './internal/measurement-table.js'
import { laterBy, type PlacedTime, placeTime } from './internal/time-line.js'
import { parsedReading } from './parse-reading.js'
import type { Measurement, Reading } from './reading.js'
import type { DeviceBundleEntry, Extension, TransactionBundle } from './resources.js'

/**
 * What the server is known to have, from earlier responses: condition → reference, as
 * `{ 'Patient?identifier=…': 'Patient/123' }`. `knownFromResponse` makes it.
 */
export type KnownReferences = Readonly<Record<string, string>>

export type DeviceBundleOptions = {
  /** Entries to leave out and reference by id; none by default. */
  readonly known?: KnownReferences
  /** Source of the `urn:uuid` fullUrls; random by default. */
  readonly uuid?: () => string
  /**
   * `eui64` (default) writes a device's System ID in true order. `wire` writes its octets reversed, as some
   * gateways store them: only to match data that is already on a server in that order.
   */
  readonly systemIdOrder?: 'eui64' | 'wire'
}

export type SkippedReading = {
  /** Index of the reading. */
  readonly index: number
  readonly reason: 'other-time-line'
}

export type DeviceBundleResult = {
  /** Undefined when there is nothing to send: every reading skipped, or everything known. */
  readonly bundle: TransactionBundle<DeviceBundleEntry> | undefined
  /** Readings that cannot be placed in time; tell somebody. */
  readonly skipped: readonly SkippedReading[]
}

/**
 * Builds the transaction Bundle of the Personal Health Device guide: Patient, gateway, devices, coincident time
 * stamps and Observations, each a conditional create on an identifier of its own, so that sending the bundle
 * twice creates nothing twice.
 *
 * @throws BundleError `ERR_INVALID_READING` with the path; `ERR_CONFLICTING_IDENTITY`, two devices under one
 * identifier; `ERR_CONFLICTING_MEASUREMENT`, two values under one identifier; `ERR_INVALID_OPTION`.
 */
export function deviceBundle(
  readings: readonly Reading[],
  options: DeviceBundleOptions = {},
): DeviceBundleResult {
  const skipped: SkippedReading[] = []
  const placed: { reading: Reading; time: PlacedTime; path: string }[] = []
  for (const [index, raw] of readings.entries()) {
    const path = `readings[${index}]`
    const reading = inOrder(parsedReading(raw, path), options.systemIdOrder)
    const time = onCalendar(`${path}.time`, () => placeTime(reading.time))
    if (time === undefined) skipped.push({ index, reason: 'other-time-line' })
    else placed.push({ reading, time, path })
  }
  const collector = createCollector(options.known ?? {}, options.uuid)
  const references = addIdentities(placed, collector)
  for (const { reading, time, path } of placed) addReading(reading, time, path, collector, references)
  const { entries } = collector
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries } as const
  return { bundle: entries.length === 0 ? undefined : bundle, skipped }
}

/** A shift by a broken clock may leave the calendar that FHIR can write. */
function onCalendar<T>(path: string, place: () => T): T {
  try {
    return place()
  } catch (cause) {
    throw invalid(path, 'is shifted out of the years 0001 to 9999', cause)
  }
}

function inOrder(reading: Reading, order: DeviceBundleOptions['systemIdOrder']): Reading {
  const { systemId } = reading.device
  if (order === undefined || order === 'eui64' || systemId === undefined) return reading
  if (order !== 'wire') {
    throw new BundleError('ERR_INVALID_OPTION', 'systemIdOrder must be eui64 or wire', {
      path: 'systemIdOrder',
    })
  }
  return { ...reading, device: { ...reading.device, systemId: systemId.split('-').reverse().join('-') } }
}

type References = {
  readonly patients: ReadonlyMap<string, string>
  readonly gateways: ReadonlyMap<string, string>
  readonly devices: ReadonlyMap<string, string>
}

function addIdentities(
  placed: readonly { reading: Reading; path: string }[],
  collector: Collector,
): References {
  const identities = gatherIdentities(placed)
  const each = <T>(map: ReadonlyMap<string, T>, add: (item: T) => string): Map<string, string> =>
    new Map([...map].map(([key, item]) => [key, add(item)]))
  return {
    patients: each(identities.patients, (patient) => collector.add(buildPatient(patient), 'patient')),
    gateways: each(identities.gateways, (gateway) => collector.add(buildGateway(gateway), 'gateway')),
    devices: each(identities.devices, (device) => collector.add(buildDevice(device), 'device')),
  }
}

function addReading(
  reading: Reading,
  time: PlacedTime,
  path: string,
  collector: Collector,
  references: References,
): void {
  const { patient } = reading
  const toReport = inBuildingOrder(reading.measurements)
  if (toReport.length === 0) return
  const device = found(references.devices, deviceMapKey(reading.device))
  const gateway = found(references.gateways, deviceMapKey(reading.gateway))
  const subject = isIdentified(patient)
    ? found(references.patients, patientMapKey(patient))
    : `Patient/${patient.id}`
  const deviceId = deviceKey(reading.device)
  const extension: Extension[] = [{ url: GATEWAY_EXTENSION, valueReference: { reference: gateway } }]
  if (time.coincidence !== undefined) {
    const keys = { device: deviceId, gateway: deviceKey(reading.gateway) }
    const resource = buildCoincidence(time.coincidence, keys, { device, gateway })
    const reference = collector.add(resource, `${path}.time`)
    extension.push({ url: COINCIDENT_EXTENSION, valueReference: { reference } })
  }
  const who = `${deviceId}-${patientKey(patient)}`
  const byType = new Map<string, string>()
  for (const [index, measurement] of toReport) {
    const row = rowOf(measurement.type)
    const at = `${path}.measurements[${index}]`
    const { offset } = measurement
    const own = offset === undefined ? time : onCalendar(`${at}.offset`, () => laterBy(time, offset))
    const resource = buildObservation(measurement, {
      patient: subject,
      device,
      extension,
      derivedFrom: (row.derivedFrom ?? []).flatMap((type) => byType.get(type) ?? []),
      time: own,
      identifier: {
        system: own.own === undefined ? RECEPTION_IDENTIFIER : OBSERVATION_IDENTIFIER,
        value: observationKey(who, row.mdc, own, measurement),
      },
    })
    byType.set(measurement.type, collector.add(resource, at))
  }
}

/** With their indexes; what others are derived from comes first, and what says nothing is left out. */
function inBuildingOrder(measurements: readonly Measurement[]): readonly (readonly [number, Measurement])[] {
  const first: [number, Measurement][] = []
  const second: [number, Measurement][] = []
  for (const [index, measurement] of measurements.entries()) {
    if (!hasSomethingToSay(measurement)) continue
    const isDerived = rowOf(measurement.type).derivedFrom !== undefined
    ;(isDerived ? second : first).push([index, measurement])
  }
  return second.length === 0 ? first : [...first, ...second]
}

/** A status without a set bit is no event. */
function hasSomethingToSay(measurement: Measurement): boolean {
  return measurement.kind !== 'bits' || measurement.set.length + (measurement.clear?.length ?? 0) > 0
}

function found(references: ReadonlyMap<string, string>, key: string): string {
  const reference = references.get(key)
  if (reference === undefined) throw new RangeError('Every identity of a reading was gathered')
  return reference
}
