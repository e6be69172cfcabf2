import { demoSystem, noon, type Happening, type Part } from './day.js'
import { between, pick, uuid } from './random.js'

type Resource = Record<string, unknown> & { readonly resourceType: string }

interface RecordEntry {
  readonly fullUrl: string
  readonly resource: Resource
}

const loinc = 'http://loinc.org'
const snomed = 'http://snomed.info/sct'

const concept = (system: string, code: string, display: string): object => ({
  coding: [{ system, code, display }],
})

/**
 * One patient's complete record as a transaction: more than 200 entries of 13 types that refer to each other by
 * `urn:uuid`. Made up from the seed; no real person has it.
 */
export function patientRecord(random: () => number): Happening {
  const entries: RecordEntry[] = []

  function add(resource: Resource): { reference: string } {
    const fullUrl = `urn:uuid:${uuid(random)}`
    const value = `record-${entries.length}`
    const own = { system: demoSystem, value }
    // Provenance has no identifier: a tag does the same.
    const marked =
      resource.resourceType === 'Provenance'
        ? { meta: { tag: [{ system: demoSystem, code: value }] } }
        : { identifier: [own] }
    entries.push({ fullUrl, resource: { ...resource, ...marked } })
    return { reference: fullUrl }
  }

  const organization = add({ resourceType: 'Organization', name: 'Hillside Practice' })
  const location = add({
    resourceType: 'Location',
    name: 'Hillside, room 2',
    managingOrganization: organization,
  })
  const practitioner = add({ resourceType: 'Practitioner', name: [{ family: 'Winter', given: ['Rosa'] }] })
  const patient = add({
    resourceType: 'Patient',
    name: [{ family: 'Sample', given: ['Dora'] }],
    gender: 'female',
    birthDate: '1957-04-12',
    managingOrganization: organization,
  })
  const conditions = [
    concept(snomed, '38341003', 'Hypertension'),
    concept(snomed, '44054006', 'Diabetes mellitus type 2'),
  ].map((code) => add({ resourceType: 'Condition', code, subject: patient, onsetDateTime: '2015-06-01' }))
  add({
    resourceType: 'AllergyIntolerance',
    code: concept(snomed, '91936005', 'Allergy to penicillin'),
    patient,
  })
  const careTeam = add({
    resourceType: 'CareTeam',
    status: 'active',
    subject: patient,
    participant: [{ member: practitioner }],
  })
  add({
    resourceType: 'CarePlan',
    status: 'active',
    intent: 'plan',
    subject: patient,
    careTeam: [careTeam],
    addresses: conditions,
  })
  for (let visit = 0; visit < 24; visit += 1) {
    const date = `20${String(14 + Math.floor(visit / 2)).padStart(2, '0')}-${visit % 2 === 0 ? '03' : '09'}-${String(between(random, 1, 28)).padStart(2, '0')}`
    addVisit(date)
  }
  add({
    resourceType: 'Provenance',
    target: entries.slice(0, 8).map(({ fullUrl }) => ({ reference: fullUrl })),
    recorded: '2026-03-02T06:30:00Z',
    agent: [{ who: practitioner }],
  })

  function addVisit(date: string): void {
    const encounter = add({
      resourceType: 'Encounter',
      status: 'finished',
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
      subject: patient,
      participant: [{ individual: practitioner }],
      location: [{ location }],
      period: { start: `${date}T09:00:00Z`, end: `${date}T09:20:00Z` },
    })
    const results = [
      quantity('8302-2', 'Body height', 164, 'cm'),
      quantity('29463-7', 'Body weight', between(random, 61, 74), 'kg'),
      quantity('8867-4', 'Heart rate', between(random, 58, 88), '/min'),
      quantity('4548-4', 'Hemoglobin A1c', between(random, 6, 8), '%'),
      quantity('2339-0', 'Glucose', between(random, 95, 180), 'mg/dL'),
    ].map((result) =>
      add({
        resourceType: 'Observation',
        status: 'final',
        subject: patient,
        encounter,
        effectiveDateTime: `${date}T09:10:00Z`,
        ...result,
      }),
    )
    add({
      resourceType: 'DiagnosticReport',
      status: 'final',
      code: concept(loinc, '24323-8', 'Metabolic panel'),
      subject: patient,
      encounter,
      result: results,
    })
    add({
      resourceType: 'MedicationRequest',
      status: 'active',
      intent: 'order',
      medicationCodeableConcept: pick(random, [
        concept('http://www.nlm.nih.gov/research/umls/rxnorm', '314076', 'Lisinopril 10 MG'),
        concept('http://www.nlm.nih.gov/research/umls/rxnorm', '860975', 'Metformin 500 MG'),
      ]),
      subject: patient,
      encounter,
      requester: practitioner,
    })
    add({
      resourceType: 'Immunization',
      status: 'completed',
      vaccineCode: concept('http://hl7.org/fhir/sid/cvx', '140', 'Influenza'),
      patient,
      encounter,
      occurrenceDateTime: date,
    })
  }

  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: entries.map(({ fullUrl, resource }) => ({
      fullUrl,
      resource,
      request: { method: 'POST', url: resource.resourceType },
    })),
  }
  const parts = entries.map((entry): Part => ({ ...entry, shared: false }))
  return { kind: 'record', at: noon, json: JSON.stringify(bundle), parts }
}

function quantity(code: string, display: string, value: number, unit: string): object {
  return {
    code: concept(loinc, code, display),
    valueQuantity: { value, unit, system: 'http://unitsofmeasure.org', code: unit },
  }
}
