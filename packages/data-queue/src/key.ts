import { sha256 } from '@noble/hashes/sha2.js'
import { DataQueueError } from './errors.js'
import { isObject, type JsonObject } from './json.js'

/** Identifier and tag system of our keys (RFC 3986 URIs, as HL7 registers it). */
export const keySystem = 'urn:ietf:rfc:3986'

/** Where a resource carries its key. */
export type KeyPlace = 'identifier' | 'tag'

/** R4 types whose `identifier` is a list that servers can search by. */
const identifierLists = new Set(
  (
    'Account ActivityDefinition AllergyIntolerance Appointment AppointmentResponse Basic BodyStructure CarePlan ' +
    'CareTeam ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication ' +
    'CommunicationRequest Condition Consent Contract Coverage CoverageEligibilityRequest ' +
    'CoverageEligibilityResponse DetectedIssue Device DeviceMetric DeviceRequest DeviceUseStatement ' +
    'DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint ' +
    'EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ' +
    'ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal Group GuidanceResponse ' +
    'HealthcareService ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation ' +
    'InsurancePlan Invoice Library List Location Measure MeasureReport Media Medication ' +
    'MedicationAdministration MedicationDispense MedicationRequest MedicationStatement MessageDefinition ' +
    'MolecularSequence NutritionOrder Observation Organization OrganizationAffiliation Patient PaymentNotice ' +
    'PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole Procedure Questionnaire ' +
    'RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject ' +
    'RiskAssessment RiskEvidenceSynthesis Schedule ServiceRequest Slot Specimen StructureDefinition ' +
    'StructureMap Substance SupplyDelivery SupplyRequest Task ValueSet VisionPrescription'
  ).split(' '),
)

/** R4 types with at most one, searchable `identifier`. */
const singleIdentifiers = new Set([
  'Composition',
  'ConceptMap',
  'QuestionnaireResponse',
  'TestReport',
  'TestScript',
])

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Rejects with `ERR_INVALID_KEY` what could not serve as id, identifier and idempotency key at once. */
export function checkKey(key: string): string {
  if (!uuidPattern.test(key)) {
    throw new DataQueueError('ERR_INVALID_KEY', 'The key is not a lower-case UUID.', {
      hint: 'Leave the key out, or pass a UUID such as crypto.randomUUID() makes.',
    })
  }
  return key
}

/**
 * Writes the key into the resource (which is changed) and tells where. The place is `identifier` unless the
 * type has none or a single one that is taken; every resource has `meta.tag`.
 */
export function writeKey(resource: JsonObject, key: string): KeyPlace {
  const value = `urn:uuid:${key}`
  const type = resource['resourceType']
  if (typeof type === 'string' && identifierLists.has(type)) {
    const present = resource['identifier']
    if (present === undefined || Array.isArray(present)) {
      const others: unknown[] = present ?? []
      if (!others.some((one) => isObject(one) && one['system'] === keySystem && one['value'] === value)) {
        resource['identifier'] = [...others, { system: keySystem, value }]
      }
      return 'identifier'
    }
  }
  if (typeof type === 'string' && singleIdentifiers.has(type) && resource['identifier'] === undefined) {
    resource['identifier'] = { system: keySystem, value }
    return 'identifier'
  }
  const meta = isObject(resource['meta']) ? resource['meta'] : {}
  const tags: unknown[] = Array.isArray(meta['tag']) ? meta['tag'] : []
  resource['meta'] = { ...meta, tag: [...tags, { system: keySystem, code: value }] }
  return 'tag'
}

/** Where a new resource of a type carries its key. */
export function keyPlace(type: string): KeyPlace {
  return identifierLists.has(type) || singleIdentifiers.has(type) ? 'identifier' : 'tag'
}

const encodedStart = encodeURIComponent(`${keySystem}|urn:uuid:`)

/** The bare query that finds the resource with this key, as `If-None-Exist` and searches want it. */
export function keyCondition(place: KeyPlace, key: string): string {
  return `${place === 'identifier' ? 'identifier' : '_tag'}=${encodedStart}${key}`
}

const encoder = new TextEncoder()

/**
 * A key for one part of a unit that has a key: the same parts of the same unit always get the same keys, so
 * that building it again changes nothing. UUID version 8 (RFC 9562), from SHA-256.
 */
export function derivedKey(key: string, part: string | number): string {
  // Not by WebCrypto, which pages without TLS lack, and which takes longer for so few bytes.
  const bytes = sha256(encoder.encode(`fhir-outbox/${key}/${part}`)).subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
