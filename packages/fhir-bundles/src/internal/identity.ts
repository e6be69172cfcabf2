import type { Decimal } from '../decimal.js'
import type { DeviceIdentity, GatewayIdentity, PatientIdentity } from '../reading.js'
import type { CodeableConcept, Identifier } from '../resources.js'
import { compact } from './check.js'
import { ADDRESS_KINDS, DEVICE_IDENTIFIER_TYPE, IDENTIFIER_TYPE, SYSTEM_ID } from './codes.js'
import { inOnePiece, remembered } from './constant.js'
import { type Instant, timePart } from './instant.js'

/**
 * The search condition that finds exactly this identifier: `\ , | $` escaped inside the token as FHIR search asks,
 * then percent-encoded as a query. Always made from the identifier in the resource itself, so that the resource
 * meets its own condition.
 */
export function identifierCondition(identifier: Identifier): string {
  return `${conditionStart(identifier.system)}${encodedToken(identifier.value)}`
}

/** There are few systems, and each is in thousands of conditions. */
const starts = new Map<string, string>()
const MOST_STARTS = 100

function conditionStart(system: string): string {
  const known = starts.get(system)
  if (known !== undefined) return known
  const start = `identifier=${encodedToken(system)}%7C`
  if (starts.size < MOST_STARTS) starts.set(system, start)
  return start
}

function encodedToken(text: string): string {
  return encodeURIComponent(/[\\,|$]/.test(text) ? text.replaceAll(/[\\,|$]/g, '\\$&') : text)
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

const identifierTypes = new Map<string, CodeableConcept>()

function deviceIdentifier(type: string, system: string, value: string): Identifier {
  const concept = remembered(identifierTypes, type, () => ({
    coding: [{ system: DEVICE_IDENTIFIER_TYPE, code: type }],
  }))
  return { type: concept, system, value }
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

/** A part of an identifier, and what it is in a condition. Escapes are character by character, so parts can be joined. */
export type KeyPart = { readonly text: string; readonly encoded: string }

export function keyPart(text: string): KeyPart {
  return { text, encoded: encodedToken(text) }
}

/** What the identifiers of all Observations of a reading begin with, and so their conditions. */
export type Beginning = { readonly system: string; readonly value: string; readonly condition: string }

export function beginningOf(system: string, device: KeyPart, patient: KeyPart): Beginning {
  return {
    system,
    value: inOnePiece(`${device.text}-${patient.text}-`),
    condition: inOnePiece(`${conditionStart(system)}${device.encoded}-${patient.encoded}-`),
  }
}

/**
 * `device-patient-type-timestamp[-supplementals]`, see the guide's rule for the conditional create identifier, and
 * its condition.
 */
export function observationIdentity(
  { system, value, condition }: Beginning,
  mdc: number,
  time: { readonly identifying: Instant; readonly key: string },
  { duration, supplementalTypes }: { duration?: Decimal; supplementalTypes?: readonly number[] },
): { readonly identifier: Identifier; readonly condition: string } {
  const at = duration === undefined ? time.key : timePart(time.identifying, duration)
  const types = supplementalTypes === undefined ? '' : supplementalTypes.map((type) => `-${type}`).join('')
  const rest = `${mdc}-${at}${types}`
  // Digits, points and signs: only a plus is not itself in a condition.
  const encoded = rest.includes('+') ? encodedToken(rest) : rest
  return { identifier: { system, value: value + rest }, condition: condition + encoded }
}
