import {
  decimal,
  type DeviceIdentity,
  type MeasuredValue,
  type Measurement,
  type Reading,
} from '../../src/index.js'
import type { GuideIds } from './files.js'

/** The devices and people of the guide's examples, as a gateway would know them. */

export const omron: DeviceIdentity = {
  systemId: 'B0-49-5F-FF-FE-00-10-71',
  address: { kind: 'bluetooth', value: 'B0-49-5F-00-10-71' },
  manufacturer: 'OMRONHEALTHCARE',
  model: 'HEM-9200T',
  serialNumber: '20150200002A',
  versions: { firmware: 'C.00.7AJ-02', software: '0000000000000101', hardware: '0000000000000100' },
  specializations: [{ code: 528391 }],
  timeSync: 'none',
}

export const nonin: DeviceIdentity = {
  systemId: '00-1C-05-FF-FE-FF-E8-74',
  address: { kind: 'bluetooth', value: '00-1C-05-FF-E8-74' },
  manufacturer: 'Nonin_Medical_Inc.',
  model: 'Model 3230',
  serialNumber: '501900083',
  versions: { firmware: 'r2.1', software: 'r1.5 9.7', hardware: 'r1.0', continua: '6.0' },
  specializations: [{ code: 528388 }],
  timeSync: 'none',
}

export const meter: DeviceIdentity = {
  systemId: '00-60-19-00-01-0E-92-34',
  address: { kind: 'bluetooth', value: 'F4-5E-AB-A8-08-32' },
  manufacturer: 'Diabetes Care',
  model: 'Gluc-23',
  serialNumber: '20130200002A',
  versions: { firmware: 'GLU.7AJ-02', software: '3.55.6', hardware: '5.4.2' },
  specializations: [{ code: 528401 }],
  timeSync: 'none',
}

/** What the guide calls them, and its coincident time stamp. */
export function guideIdsOf({ device }: Reading, clocks = 'none'): GuideIds {
  const name = [
    [omron, 'phd-711000FEFF5F49B0.B0495F001071'],
    [nonin, 'phd-74E8FFFEFF051C00.001C05FFE874'],
    [meter, 'phd-00601900010E9234.F45EABA80832'],
  ].find(([one]) => one === device)?.[1]
  return {
    PhdPatient: 'Patient/patientExample-1',
    PhgDevice: 'Device/phg-ecde3d4e58532d31.000000000000',
    PhdDevice: `Device/${String(name)}`,
    PhdCoincidentTimeStampObservation: `Observation/${clocks}`,
    PhdCompoundNumericObservation: 'Observation/compound-numeric-blood-pressure',
  }
}

const gateway: Reading['gateway'] = {
  systemId: 'ec-de-3d-4e-58-53-2d-31',
  address: { kind: 'bluetooth', value: '3d-4e-58-53-2d-31' },
  versions: { continua: '5.0' },
  timeSync: 'ntpv4',
}

const patient: Reading['patient'] = {
  identifier: { system: 'urn:oid:2.999.1.2.3.4.5.6.7.8.10', value: 'sisansarahId', type: 'MR' },
  name: { family: 'Piggy', given: ['Sisansarah', 'Lorianthah'] },
}

export function readingOf(
  device: DeviceIdentity,
  time: Reading['time'],
  ...measurements: readonly Measurement[]
): Reading {
  return { device, gateway, patient, time, measurements }
}

/** A device clock that shows `deviceTime` when the gateway's shows `gatewayTime`. */
export function shifted(
  measuredAt: string,
  deviceTime: string,
  gatewayTime: string,
): Extract<Reading['time'], { quality: 'unsynchronized' }> {
  return { quality: 'unsynchronized', measuredAt, deviceTime, gatewayTime }
}

/** A device clock that happens to show the gateway's time. */
export function at(gatewayTime: string): Reading['time'] {
  const deviceTime = gatewayTime.replace(/[+-]\d\d:\d\d$/, '')
  return shifted(deviceTime, deviceTime, gatewayTime)
}

type Numeric = Extract<Measurement, { kind: 'numeric' }>

export function numeric(
  type: Numeric['type'],
  value: string,
  unit: string,
  more: Pick<Numeric, 'status' | 'supplementalTypes'> = {},
): Measurement {
  return { kind: 'numeric', type, value: value === 'NaN' ? value : decimal(value), unit, ...more }
}

export function pressure(mean: MeasuredValue): Measurement {
  const components = { systolic: decimal('116'), diastolic: decimal('71'), mean }
  return { kind: 'compound', type: 'blood-pressure', components, unit: 'mm[Hg]' }
}

type Samples = Extract<Measurement, { kind: 'samples' }>
type Scale = Readonly<
  Record<'period' | 'origin' | 'factor', string> & Partial<Record<'lowerLimit' | 'upperLimit', string>>
>

export function wave(
  type: Samples['type'],
  unit: string,
  { samples, ...scale }: Scale & Pick<Samples, 'samples'>,
): Measurement {
  const decimals = Object.entries(scale).map(([name, text]) => [name, decimal(text)])
  return { kind: 'samples', type, unit, samples, ...Object.fromEntries(decimals) } as Samples
}
