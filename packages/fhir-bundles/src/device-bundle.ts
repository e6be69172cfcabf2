import { BundleError } from './errors.js'
import { buildCoincidence } from './internal/build-coincidence.js'
import { buildObservation } from './internal/build-observation.js'
import { invalid } from './internal/check.js'
import {
  COINCIDENT_EXTENSION,
  GATEWAY_EXTENSION,
  OBSERVATION_IDENTIFIER,
  RECEPTION_IDENTIFIER,
} from './internal/codes.js'
import { type Collector, createCollector } from './internal/collector.js'
import { constant } from './internal/constant.js'
import { beginningOf, identifierCondition, observationIdentity } from './internal/identity.js'
import { rowOf } from './internal/measurement-table.js'
import type { MeasurementRow } from './internal/measurements/row.js'
import { addParties, type Parties, partiesOf, type Party } from './internal/parties.js'
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
    const time = onCalendar(
      () => `${path}.time`,
      () => placeTime(reading.time),
    )
    if (time === undefined) skipped.push({ index, reason: 'other-time-line' })
    else placed.push({ reading, time, path })
  }
  const collector = createCollector(options.known ?? {}, options.uuid)
  const parties = addParties(placed, collector)
  for (const { reading, time, path } of placed) addReading(reading, time, path, collector, parties)
  const { entries } = collector
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries } as const
  return { bundle: entries.length === 0 ? undefined : bundle, skipped }
}

/** A shift by a broken clock may leave the calendar that FHIR can write. */
function onCalendar<T>(path: () => string, place: () => T): T {
  try {
    return place()
  } catch (cause) {
    throw invalid(path(), 'is shifted out of the years 0001 to 9999', cause)
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

function addReading(
  reading: Reading,
  time: PlacedTime,
  path: string,
  collector: Collector,
  parties: Parties,
): void {
  const { measurements } = reading
  if (!measurements.some(hasSomethingToSay)) return
  const { device, gateway, patient } = partiesOf(reading, parties)
  const extension = extensionOf(time, path, collector, device, gateway)
  const system = time.own === undefined ? RECEPTION_IDENTIFIER : OBSERVATION_IDENTIFIER
  const beginning = beginningOf(system, device.key, patient.key)
  const byType = new Map<string, string>()

  const add = (measurement: Measurement, row: MeasurementRow, index: number): void => {
    const at = (): string => `${path}.measurements[${index}]`
    const { offset } = measurement
    const own =
      offset === undefined
        ? time
        : onCalendar(
            () => `${at()}.offset`,
            () => laterBy(time, offset),
          )
    const { identifier, condition } = observationIdentity(beginning, row.mdc, own, measurement)
    const origins = row.derivedFrom?.flatMap((type) => byType.get(type) ?? []) ?? NONE
    const resource = buildObservation(measurement, {
      patient: patient.reference,
      device: device.reference,
      extension,
      derivedFrom: origins.map((reference) => ({ reference })),
      time: own,
      identifier,
    })
    byType.set(measurement.type, collector.add(resource, condition, at))
  }

  // What others are derived from comes first.
  for (const derived of [false, true]) {
    measurements.forEach((measurement, index) => {
      const row = rowOf(measurement.type)
      if ((row.derivedFrom !== undefined) !== derived || !hasSomethingToSay(measurement)) return
      add(measurement, row, index)
    })
  }
}

const NONE: readonly [] = []

/** Gateway and coincident time stamp, the same in every Observation of a reading. */
function extensionOf(
  { coincidence }: PlacedTime,
  path: string,
  collector: Collector,
  device: Party,
  gateway: Party,
): readonly Extension[] {
  const ofGateway = { url: GATEWAY_EXTENSION, valueReference: gateway.reference }
  if (coincidence === undefined) return constant([ofGateway])
  const { resource, identifier } = buildCoincidence(coincidence, device, gateway)
  const reference = collector.add(resource, identifierCondition(identifier), () => `${path}.time`)
  return constant([ofGateway, { url: COINCIDENT_EXTENSION, valueReference: { reference } }])
}

/** A status without a set bit is no event. */
function hasSomethingToSay(measurement: Measurement): boolean {
  return measurement.kind !== 'bits' || measurement.set.length + (measurement.clear?.length ?? 0) > 0
}
