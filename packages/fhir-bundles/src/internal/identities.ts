import { BundleError } from '../errors.js'
import type { DeviceIdentity, GatewayIdentity, PatientIdentity, Reading } from '../reading.js'
import { compact } from './check.js'
import { type IdentifiedPatient, patientKey } from './identity.js'
import { rowOf } from './measurement-table.js'

export type MergedDevice = DeviceIdentity & {
  readonly specializations: readonly { readonly code: number; readonly version?: string }[]
}

/** Every device, gateway and patient of the readings, once. Details are joined, the later reading wins. */
export type Identities = {
  readonly devices: ReadonlyMap<string, MergedDevice>
  readonly gateways: ReadonlyMap<string, GatewayIdentity>
  readonly patients: ReadonlyMap<string, IdentifiedPatient>
}

export function gatherIdentities(readings: readonly { reading: Reading; path: string }[]): Identities {
  const devices = new Map<string, MergedDevice>()
  const gateways = new Map<string, GatewayIdentity>()
  const patients = new Map<string, IdentifiedPatient>()
  for (const { reading, path } of readings) {
    const device = { ...reading.device, specializations: specializationsOf(reading) }
    const deviceId = deviceMapKey(device)
    const earlier = devices.get(deviceId)
    devices.set(deviceId, earlier === undefined ? device : mergeDevice(earlier, device, `${path}.device`))

    const gatewayId = deviceMapKey(reading.gateway)
    const other = gateways.get(gatewayId)
    gateways.set(
      gatewayId,
      other === undefined ? reading.gateway : mergeHardware(other, reading.gateway, `${path}.gateway`),
    )
    if (isIdentified(reading.patient)) {
      const key = patientMapKey(reading.patient)
      patients.set(key, { ...patients.get(key), ...reading.patient })
    }
    for (const [id, place] of [
      [deviceId, `${path}.device`],
      [gatewayId, `${path}.gateway`],
    ] as const) {
      if (devices.has(id) && gateways.has(id))
        throw conflict(place, 'is device and gateway under one identifier')
    }
  }
  return { devices, gateways, patients }
}

export function isIdentified(patient: PatientIdentity): patient is IdentifiedPatient {
  return !('id' in patient)
}

/** Unlike `deviceKey` never the same for two identifiers: addresses of two kinds may have the same octets. */
export function deviceMapKey(device: DeviceIdentity | GatewayIdentity): string {
  return device.systemId ?? `${device.address?.kind}:${device.address?.value}`
}

/** Unlike `patientKey` never the same for two identifiers, whatever characters they hold. */
export function patientMapKey(patient: PatientIdentity): string {
  return isIdentified(patient)
    ? JSON.stringify([patient.identifier.system, patient.identifier.value])
    : patientKey(patient)
}

function specializationsOf(reading: Reading): MergedDevice['specializations'] {
  const given = reading.device.specializations ?? []
  if (given.length > 0) return given
  const codes = new Set(reading.measurements.map(({ type }) => rowOf(type).specialization))
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

function conflict(path: string, what: string): BundleError {
  return new BundleError('ERR_CONFLICTING_IDENTITY', `${path} ${what}`, { path })
}
