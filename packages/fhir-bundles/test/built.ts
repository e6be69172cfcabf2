import {
  deviceBundle,
  type DeviceBundleEntry,
  type DeviceBundleOptions,
  type DeviceResource,
  type Measurement,
  type ObservationResource,
  type PatientResource,
  type Reading,
} from '../src/index.js'
import { countingUuid, reading } from './fixtures.js'

export const MDC = 'urn:iso:std:iso:11073:10101'

export function withMeasurements(...measurements: readonly Measurement[]): Reading {
  return { ...reading, measurements }
}

export function entriesOf(
  readings: readonly Reading[],
  options: DeviceBundleOptions = {},
): readonly DeviceBundleEntry[] {
  return deviceBundle(readings, { uuid: countingUuid(), ...options }).bundle?.entry ?? []
}

export type Built = {
  readonly patients: readonly PatientResource[]
  readonly gateways: readonly DeviceResource[]
  readonly devices: readonly DeviceResource[]
  readonly coincidences: readonly ObservationResource[]
  /** Observations of a code. */
  readonly coded: (mdc: string) => readonly ObservationResource[]
  readonly panels: readonly ObservationResource[]
  readonly pulses: readonly ObservationResource[]
}

/** The resources of a bundle by what they are. */
export function built(readings: readonly Reading[], options: DeviceBundleOptions = {}): Built {
  const all = entriesOf(readings, options).map(({ resource }) => resource)
  const observations = all.filter((item): item is ObservationResource => item.resourceType === 'Observation')
  const devices = all.filter((item): item is DeviceResource => item.resourceType === 'Device')
  const coded = (mdc: string) => observations.filter((item) => item.code.coding?.[0]?.code === mdc)
  return {
    patients: all.filter((item): item is PatientResource => item.resourceType === 'Patient'),
    gateways: devices.filter((item) => item.type.coding?.[0]?.code === '531981'),
    devices: devices.filter((item) => item.type.coding?.[0]?.code === '65573'),
    coincidences: observations.filter((item) => item.meta.profile[0]?.includes('Coincident')),
    coded,
    panels: coded('150020'),
    pulses: coded('149546'),
  }
}

export const pressure = reading.measurements[0] as Extract<Measurement, { kind: 'compound' }>
export const pulse = reading.measurements[1] as Extract<Measurement, { kind: 'numeric' }>

/** Members that are there with the value `undefined`, which no printed text shows, and empty arrays and objects. */
export function hollowMembers(value: unknown, path = ''): readonly string[] {
  if (value === undefined) return [path]
  if (typeof value !== 'object' || value === null) return []
  const members = Object.entries(value)
  return members.length === 0
    ? [path]
    : members.flatMap(([name, item]) => hollowMembers(item, `${path}/${name}`))
}
