import type { DeviceIdentity, GatewayIdentity, TimeSync, Versions } from '../reading.js'
import type { CodeableConcept, DeviceResource, Meta, PatientResource } from '../resources.js'
import { compact, keysOf } from './check.js'
import { MDC, phdProfile, SPECIALIZATIONS, TIME_SYNC_METHODS, VERSION_KINDS } from './codes.js'
import { remembered } from './constant.js'
import { deviceIdentifiers, type IdentifiedPatient, patientIdentifier } from './identity.js'

/** A concept coded in the IEEE nomenclature. */
export function mdcConcept(code: number, display?: string, text?: string): CodeableConcept {
  return compact({ coding: [compact({ system: MDC, code: String(code), display })], text })
}

const concepts = new Map<number, CodeableConcept>()

/** The same for a code of our own tables, which has one display and one text. */
export function knownConcept(
  code: number,
  display: string | undefined,
  text: string,
  system: string = MDC,
): CodeableConcept {
  return remembered(concepts, code, () => ({
    coding: [compact({ system, code: String(code), display })],
    text,
  }))
}

const metas = new Map<string, Meta>()

export function profileMeta(name: string): Meta {
  return remembered(metas, name, () => ({ profile: [phdProfile(name)] }))
}

// The guide demands both, a plain Bluetooth device reports neither: these defaults are ours.
const DEFAULT_SPECIALIZATION_VERSION = '1'
const DEFAULT_VERSIONS: Versions = { firmware: 'unknown' }
const GATEWAY_SPECIALIZATION = { code: 528457, version: '2' }

export function buildDevice(
  device: DeviceIdentity & { readonly specializations: readonly { code: number; version?: string }[] },
): DeviceResource {
  return {
    resourceType: 'Device',
    meta: profileMeta('PhdDevice'),
    identifier: deviceIdentifiers(device),
    ...compact({
      manufacturer: device.manufacturer,
      serialNumber: device.serialNumber,
      modelNumber: device.model,
    }),
    type: knownConcept(65573, 'MDC_MOC_VMS_MDS_SIMP', 'Personal health device'),
    specialization: device.specializations.map(specialization),
    version: versionList(device.versions) ?? versionList(DEFAULT_VERSIONS) ?? [],
    ...(device.timeSync === undefined ? {} : { property: [timeSyncProperty(device.timeSync)] }),
  }
}

export function buildGateway(gateway: GatewayIdentity): DeviceResource {
  return {
    resourceType: 'Device',
    meta: profileMeta('PhgDevice'),
    identifier: deviceIdentifiers(gateway),
    ...compact({
      manufacturer: gateway.manufacturer,
      serialNumber: gateway.serialNumber,
      modelNumber: gateway.model,
    }),
    type: knownConcept(531981, 'MDC_MOC_VMS_MDS_AHD', 'Personal health gateway'),
    specialization: [specialization(GATEWAY_SPECIALIZATION)],
    ...compact({ version: versionList(gateway.versions) }),
    property: [timeSyncProperty(gateway.timeSync ?? 'none')],
  }
}

export function buildPatient(patient: IdentifiedPatient): PatientResource {
  return compact({
    resourceType: 'Patient' as const,
    meta: profileMeta('PhdPatient'),
    identifier: [patientIdentifier(patient)],
    name: patient.name === undefined ? undefined : [patient.name],
  })
}

function specialization(item: { code: number; version?: string }): {
  systemType: CodeableConcept
  version: string
} {
  const known = SPECIALIZATIONS[item.code]
  return {
    systemType:
      known === undefined
        ? mdcConcept(item.code)
        : knownConcept(item.code, known.display, known.text, known.system),
    version: item.version ?? DEFAULT_SPECIALIZATION_VERSION,
  }
}

function versionList(versions: Versions | undefined): DeviceResource['version'] {
  if (versions === undefined) return undefined
  const list: { type: CodeableConcept; value: string }[] = []
  for (const kind of keysOf(VERSION_KINDS)) {
    const value = versions[kind]
    if (value === undefined) continue
    const { code, display, text } = VERSION_KINDS[kind]
    list.push({ type: knownConcept(code, display, text), value })
  }
  return list.length === 0 ? undefined : list
}

function timeSyncProperty(method: TimeSync): {
  type: CodeableConcept
  valueCode: readonly CodeableConcept[]
} {
  return {
    type: knownConcept(68220, 'MDC_TIME_SYNC_PROTOCOL', 'Time synchronisation'),
    valueCode: [timeSyncConcept(method)],
  }
}

export function timeSyncConcept(method: TimeSync): CodeableConcept {
  const { code, display, text } = TIME_SYNC_METHODS[method]
  return knownConcept(code, display, text)
}
