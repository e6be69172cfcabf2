import { BundleError } from './errors.js'
import { buildCoincidence } from './internal/build-coincidence.js'
import { buildDevice, buildGateway, buildPatient } from './internal/build-device.js'
import { buildObservation } from './internal/build-observation.js'
import { invalid } from './internal/check.js'
import { OBSERVATION_IDENTIFIER, RECEPTION_IDENTIFIER } from './internal/codes.js'
import { type Collector, createCollector } from './internal/collector.js'
import { deviceMapKey, gatherIdentities, isIdentified, patientMapKey } from './internal/identities.js'
import { deviceKey, observationKey, patientKey } from './internal/identity.js'
import { printInstant } from './internal/instant.js'
import { rowOf } from './internal/measurement-table.js'
import { type PlacedTime, placeTime, receptionInstant } from './internal/time-line.js'
import { randomUuid } from './internal/uuid.js'
import { parseReading } from './parse-reading.js'
import type { Measurement, Reading } from './reading.js'
import type { DeviceBundleEntry, Identifier, TransactionBundle } from './resources.js'

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
    const reading = inOrder(parseReading(raw, path), options.systemIdOrder)
    const time = placeTime(reading.time)
    if (time === undefined) skipped.push({ index, reason: 'other-time-line' })
    else placed.push({ reading, time: onCalendar(time, `${path}.time`), path })
  }
  const collector = createCollector(options.known ?? {}, options.uuid ?? randomUuid)
  const references = addIdentities(placed, collector)
  for (const { reading, time, path } of placed) addReading(reading, time, path, collector, references)
  const { entries } = collector
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries } as const
  return { bundle: entries.length === 0 ? undefined : bundle, skipped }
}

/** A shift by a broken clock may leave the calendar that FHIR can write. */
function onCalendar(time: PlacedTime, path: string): PlacedTime {
  try {
    printInstant(time.seconds, time.offset)
  } catch (cause) {
    throw invalid(path, 'is shifted out of the years 0001 to 9999', cause)
  }
  return time
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
  const device = found(references.devices, deviceMapKey(reading.device))
  const gateway = found(references.gateways, deviceMapKey(reading.gateway))
  const subject = isIdentified(patient)
    ? found(references.patients, patientMapKey(patient))
    : `Patient/${patient.id}`
  const measurements = reading.measurements.map((measurement, index) => ({
    measurement,
    path: `${path}.measurements[${index}]`,
  }))
  const toReport = measurements.filter(({ measurement }) => hasSomethingToSay(measurement))
  if (toReport.length === 0) return
  const coincidence =
    time.coincidence === undefined
      ? undefined
      : collector.add(
          buildCoincidence(
            time.coincidence,
            { device: deviceKey(reading.device), gateway: deviceKey(reading.gateway) },
            { device, gateway },
          ),
          `${path}.time`,
        )
  const byType = new Map<string, string>()
  // What others are derived from comes first, wherever it stands in the reading.
  for (const { measurement, path } of toReport.toSorted(
    (a, b) => rank(a.measurement) - rank(b.measurement),
  )) {
    const row = rowOf(measurement.type)
    const resource = buildObservation(measurement, {
      patient: subject,
      device,
      gateway,
      coincidence,
      derivedFrom: row.kind === 'bits' ? byType.get(row.derivedFrom) : undefined,
      time,
      identifier: observationIdentifier(reading, measurement, time),
    })
    byType.set(measurement.type, collector.add(resource, path))
  }
}

function rank(measurement: Measurement): number {
  return measurement.kind === 'bits' ? 1 : 0
}

/** A status without a set bit is no event. */
function hasSomethingToSay(measurement: Measurement): boolean {
  return measurement.kind !== 'bits' || measurement.set.length > 0
}

function observationIdentifier(reading: Reading, measurement: Measurement, time: PlacedTime): Identifier {
  return {
    system: time.own === undefined ? RECEPTION_IDENTIFIER : OBSERVATION_IDENTIFIER,
    value: observationKey({
      device: deviceKey(reading.device),
      patient: patientKey(reading.patient),
      mdc: rowOf(measurement.type).mdc,
      time: time.own ?? receptionInstant(time),
      duration: measurement.duration,
      supplementalTypes: measurement.supplementalTypes,
    }),
  }
}

function found(references: ReadonlyMap<string, string>, key: string): string {
  const reference = references.get(key)
  if (reference === undefined) throw new RangeError('Every identity of a reading was gathered')
  return reference
}
