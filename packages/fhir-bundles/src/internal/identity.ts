import type { Decimal } from '../decimal.js'
import type { DeviceIdentity, GatewayIdentity, PatientIdentity } from '../reading.js'
import type { Identifier } from '../resources.js'
import { compact } from './check.js'
import { ADDRESS_KINDS, DEVICE_IDENTIFIER_TYPE, IDENTIFIER_TYPE, SYSTEM_ID } from './codes.js'
import { type Instant, timePart } from './instant.js'

/**
 * The search condition that finds exactly this identifier: `\ , | $` escaped inside the token as FHIR search asks,
 * then percent-encoded as a query. Always made from the identifier in the resource itself, so that the resource
 * meets its own condition.
 */
export function identifierCondition(identifier: Identifier): string {
  const token = `${escapeToken(identifier.system)}|${escapeToken(identifier.value)}`
  return `identifier=${encodeURIComponent(token)}`
}

function escapeToken(text: string): string {
  return text.replaceAll(/[\\,|$]/g, '\\$&')
}

/** System ID first: it is the identity, and the one the condition asks for. */
export function deviceIdentifiers(device: DeviceIdentity | GatewayIdentity): readonly Identifier[] {
  const identifiers: Identifier[] = []
  if (device.systemId !== undefined) {
    identifiers.push(deviceIdentifier(SYSTEM_ID.type, SYSTEM_ID.system, device.systemId))
  }
  if (device.address !== undefined) {
    const { type, system } = ADDRESS_KINDS[device.address.kind]
    identifiers.push(deviceIdentifier(type, system, device.address.value))
  }
  return identifiers
}

function deviceIdentifier(type: string, system: string, value: string): Identifier {
  return { type: { coding: [{ system: DEVICE_IDENTIFIER_TYPE, code: type }] }, system, value }
}

export type IdentifiedPatient = Exclude<PatientIdentity, { readonly id: string }>

export function patientIdentifier({ identifier }: IdentifiedPatient): Identifier {
  const { type, system, value } = identifier
  return compact({
    type: type === undefined ? undefined : { coding: [{ system: IDENTIFIER_TYPE, code: type }] },
    system,
    value,
  })
}

/** Hex without dashes: 16 characters of the System ID, or the characters of the address. */
export function deviceKey(device: DeviceIdentity | GatewayIdentity): string {
  return (device.systemId ?? device.address?.value ?? '').replaceAll('-', '')
}

/** `value-system`, or the logical id. Never the id learnt from a server: that would change the identifier. */
export function patientKey(patient: PatientIdentity): string {
  return 'id' in patient ? patient.id : `${patient.identifier.value}-${patient.identifier.system}`
}

/** `device-patient-type-timestamp[-supplementals]`, see the guide's rule for the conditional create identifier. */
export function observationKey(parts: {
  readonly device: string
  readonly patient: string
  readonly mdc: number
  readonly time: Instant
  readonly duration?: Decimal | undefined
  readonly supplementalTypes?: readonly number[] | undefined
}): string {
  const time = timePart(parts.time, parts.duration)
  return [parts.device, parts.patient, parts.mdc, time, ...(parts.supplementalTypes ?? [])].join('-')
}
