import { BundleError } from '../errors.js'
import type { DeviceIdentity, GatewayIdentity, PatientIdentity, Reading } from '../reading.js'
import { compact, isWithin } from './check.js'
import type { IdentifiedPatient } from './identity.js'
import { rowOf } from './measurement-table.js'

export type MergedDevice = DeviceIdentity & {
  readonly specializations: readonly { readonly code: number; readonly version?: string }[]
}

/** Every device, gateway and patient of the readings, once. Details are joined, the later reading wins. */
export type Identities = {
  readonly devices: ReadonlyMap<string, MergedDevice>
  readonly gateways: ReadonlyMap<string, GatewayIdentity>
  readonly patients: ReadonlyMap<string, PatientIdentity>
}

export function gatherIdentities(readings: readonly { reading: Reading; path: string }[]): Identities {
  const devices = new Map<string, MergedDevice>()
  const gateways = new Map<string, GatewayIdentity>()
  const patients = new Map<string, PatientIdentity>()
  for (const { reading, path } of readings) {
    addDevice(devices, gateways, reading, `${path}.device`)
    addGateway(gateways, devices, reading.gateway, `${path}.gateway`)
    addPatient(patients, reading.patient)
  }
  return { devices, gateways, patients }
}

function addDevice(
  devices: Map<string, MergedDevice>,
  gateways: ReadonlyMap<string, unknown>,
  reading: Reading,
  path: string,
): void {
  const key = deviceMapKey(reading.device)
  const device = isSpecialized(reading.device)
    ? reading.device
    : { ...reading.device, specializations: specializationsOf(reading) }
  const earlier = devices.get(key)
  if (earlier === undefined) {
    if (gateways.has(key)) throw twofold(path)
    devices.set(key, device)
  } else if (!isWithin(device, earlier)) devices.set(key, mergeDevice(earlier, device, path))
}

function addGateway(
  gateways: Map<string, GatewayIdentity>,
  devices: ReadonlyMap<string, unknown>,
  gateway: GatewayIdentity,
  path: string,
): void {
  const key = deviceMapKey(gateway)
  const earlier = gateways.get(key)
  if (earlier === undefined) {
    if (devices.has(key)) throw twofold(path)
    gateways.set(key, gateway)
  } else if (!isWithin(gateway, earlier)) gateways.set(key, mergeHardware(earlier, gateway, path))
}

function addPatient(patients: Map<string, PatientIdentity>, patient: PatientIdentity): void {
  const key = patientMapKey(patient)
  const earlier = patients.get(key)
  if (earlier === undefined) patients.set(key, patient)
  else if (isIdentified(earlier) && isIdentified(patient) && !saysNothingNew(patient, earlier)) {
    patients.set(key, {
      ...earlier,
      ...patient,
      identifier: { ...earlier.identifier, ...patient.identifier },
    })
  }
}

/** Names are not joined: parts of two spellings would make a third one that nobody has given. */
function saysNothingNew(later: IdentifiedPatient, earlier: IdentifiedPatient): boolean {
  return isWithin(later, earlier) && (later.name === undefined || isWithin(earlier.name ?? {}, later.name))
}

export function isIdentified(patient: PatientIdentity): patient is IdentifiedPatient {
  return !('id' in patient)
}

/** Unlike `deviceKey` never the same for two identifiers: addresses of two kinds may have the same octets. */
export function deviceMapKey({ systemId, address }: DeviceIdentity | GatewayIdentity): string {
  return systemId ?? `${address?.kind}:${address?.value}`
}

/** Unlike `patientKey` never the same for two patients, whatever characters they hold. */
export function patientMapKey(patient: PatientIdentity): string {
  if (!isIdentified(patient)) return patient.id
  const { system, value } = patient.identifier
  return `${system.length}:${system}${value}`
}

function isSpecialized(device: DeviceIdentity): device is MergedDevice {
  return device.specializations !== undefined && device.specializations.length > 0
}

function specializationsOf({ measurements }: Reading): MergedDevice['specializations'] {
  const codes = new Set(measurements.map(({ type }) => rowOf(type).specialization))
  return [...codes].map((code) => ({ code }))
}

function mergeDevice(earlier: MergedDevice, later: MergedDevice, path: string): MergedDevice {
  const byCode = new Map(earlier.specializations.map((item) => [item.code, item]))
  for (const item of later.specializations) byCode.set(item.code, { ...byCode.get(item.code), ...item })
  return { ...mergeHardware(earlier, later, path), specializations: [...byCode.values()] }
}

function mergeHardware<T extends DeviceIdentity | GatewayIdentity>(earlier: T, later: T, path: string): T {
  const { address: a, serialNumber: serialA } = earlier
  const { address: b, serialNumber: serialB } = later
  if (a !== undefined && b !== undefined && a.kind === b.kind && a.value !== b.value) {
    throw conflict(path, 'has the identifier of an earlier reading but another address')
  }
  if (serialA !== undefined && serialB !== undefined && serialA !== serialB) {
    throw conflict(path, 'has the identifier of an earlier reading but another serial number')
  }
  return {
    ...earlier,
    ...later,
    ...compact({
      versions:
        earlier.versions === undefined && later.versions === undefined
          ? undefined
          : { ...earlier.versions, ...later.versions },
    }),
  }
}

function twofold(path: string): BundleError {
  return conflict(path, 'is device and gateway under one identifier')
}

function conflict(path: string, what: string): BundleError {
  return new BundleError('ERR_CONFLICTING_IDENTITY', `${path} ${what}`, { path })
}
