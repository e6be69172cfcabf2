import type { Resource } from '@fhir-outbox/mock-server'
import { describe, expect, test } from 'vitest'
import { isSameContent } from '../src/demo/compare.js'
import { countAtServer, type ServerContent } from '../src/demo/count.js'
import { dayOfReadings, demoSystem, type Happening } from '../src/demo/day.js'
import { patientRecord } from '../src/demo/patient-record.js'
import { seededRandom } from '../src/demo/random.js'
import { deviceBundle, parseReading, stringifyExact } from '@fhir-outbox/fhir-bundles'
import { createMockServer } from '@fhir-outbox/mock-server'

type Json = Record<string, unknown>

const random = seededRandom(5)
const day = dayOfReadings(random)
/** Two readings, answers and a complete record, in the order in which they happened. */
const happenings: readonly Happening[] = [
  ...day.filter(({ proof }) => proof.kind === 'blood-pressure').slice(0, 2),
  ...day.filter(({ proof }) => proof.kind === 'identifier').slice(0, 1),
  patientRecord(random),
]

/** A server that got these, without any code of the queue. */
async function delivered(sent: readonly Happening[]): Promise<ServerContent> {
  const mock = createMockServer({ open: true, seed: 3 })
  for (const { json, proof } of sent) {
    const single = proof.kind === 'identifier'
    const body = proof.kind === 'blood-pressure' ? bundleOf(json) : json
    const path = single ? `/fhir/${proof.type}` : '/fhir'
    const answer = await mock.fetch(
      new Request(`https://mock.example${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/fhir+json' },
        body,
      }),
    )
    if (!answer.ok) throw new Error(`The mock answered ${answer.status}.`)
  }
  const byType = new Map<string, Resource[]>()
  for (const resource of mock.state.resources())
    byType.set(resource.resourceType, [...(byType.get(resource.resourceType) ?? []), resource])
  return { byType, commits: mock.state.commits }
}

function bundleOf(json: string): string {
  const { bundle } = deviceBundle([parseReading(JSON.parse(json))])
  if (bundle === undefined) throw new Error('The reading makes no bundle.')
  return stringifyExact(bundle)
}

/** The same content with the resources of one type changed. */
function withType(
  { byType, commits }: ServerContent,
  type: string,
  change: (resources: readonly Resource[]) => readonly Resource[],
): ServerContent {
  return { byType: new Map([...byType, [type, change(byType.get(type) ?? [])]]), commits }
}

const perfect = { accepted: 4, delivered: 4, lost: 0, duplicated: 0, outOfOrder: 0, changed: 0 }

describe('the count of the demo', () => {
  test('is spotless when everything is there once and in order', async () => {
    expect(countAtServer(happenings, await delivered(happenings))).toEqual(perfect)
  })

  test.each([0, 1, 2, 3])('notices that unit %i is missing', async (missing) => {
    const content = await delivered(happenings.filter((_one, index) => index !== missing))
    expect(countAtServer(happenings, content)).toEqual({ ...perfect, delivered: 3, lost: 1 })
  })

  test('notices that one resource of a record is missing', async () => {
    const content = withType(await delivered(happenings), 'Immunization', (all) => all.slice(1))
    expect(countAtServer(happenings, content)).toMatchObject({ delivered: 3, lost: 1 })
  })

  test('notices that the pulse of a reading is missing', async () => {
    const pulse = (one: Resource): boolean => JSON.stringify(one['code']).includes('"8867-4"')
    const content = withType(await delivered(happenings), 'Observation', (all) => {
      const first = all.find(pulse)
      return all.filter((one) => one !== first)
    })
    expect(countAtServer(happenings, content)).toMatchObject({ delivered: 3, lost: 1 })
  })

  test.each(['Observation', 'QuestionnaireResponse', 'Provenance', 'Patient', 'Device'])(
    'notices a second %s',
    async (type) => {
      const content = withType(await delivered(happenings), type, (all) => [
        ...all,
        ...all.slice(0, 1).map((one) => ({ ...one, id: 'second' })),
      ])
      const { duplicated } = countAtServer(happenings, content)
      expect(duplicated).toBeGreaterThan(0)
    },
  )

  test('notices that one unit overtook another', async () => {
    const [first, second, ...rest] = happenings
    if (first === undefined || second === undefined) throw new Error('There is no day.')
    const content = await delivered([second, first, ...rest])
    expect(countAtServer(happenings, content)).toEqual({ ...perfect, outOfOrder: 1 })
  })

  test.each<[string, string, (resource: Json) => Json]>([
    ['a reading', 'Observation', (one) => withValue(one, 1)],
    ['answers', 'QuestionnaireResponse', (one) => ({ ...one, status: 'in-progress' })],
    ['a record', 'Condition', (one) => ({ ...one, onsetDateTime: '2015-06-02' })],
    ['a reference in a record', 'CareTeam', (one) => ({ ...one, subject: { reference: 'Patient/other' } })],
    ['a member in a record', 'Location', (one) => ({ ...one, note: 'added' })],
  ])('notices that %s was changed', async (_name, type, change) => {
    const content = withType(await delivered(happenings), type, (all) =>
      all.map((one, index) => (index === 0 ? (change(one) as Resource) : one)),
    )
    expect(countAtServer(happenings, content)).toEqual({ ...perfect, changed: 1 })
  })
})

function withValue(observation: Json, value: number): Json {
  const [first, ...rest] = observation['component'] as { valueQuantity: object }[]
  return {
    ...observation,
    component: [{ ...first, valueQuantity: { ...first?.valueQuantity, value } }, ...rest],
  }
}

describe('isSameContent', () => {
  const key = { system: 'urn:ietf:rfc:3986', value: 'urn:uuid:00000000-0000-4000-8000-000000000001' }
  const sent = { resourceType: 'Basic', id: 'sent', subject: { reference: 'urn:uuid:p' }, n: 1 }
  const own = { system: 'urn:oid:2.999', value: '1' }
  const rewritten = new Map([['urn:uuid:p', 'Patient/7']])

  test('allows id, meta, our key and rewritten references', () => {
    const stored = {
      ...sent,
      id: 'other',
      meta: { versionId: '1' },
      identifier: [key],
      subject: { reference: 'Patient/7' },
    }
    expect(isSameContent(sent, stored, rewritten)).toBe(true)
    expect(
      isSameContent({ ...sent, identifier: [own] }, { ...stored, identifier: [own, key] }, rewritten),
    ).toBe(true)
    expect(
      isSameContent(
        { resourceType: 'QuestionnaireResponse' },
        { resourceType: 'QuestionnaireResponse', identifier: key },
      ),
    ).toBe(true)
  })

  test.each<[string, object, object]>([
    ['a member was added', sent, { ...sent, more: true }],
    ['a member is missing', sent, { resourceType: 'Basic', subject: sent.subject }],
    ['a number became a text', sent, { ...sent, n: '1' }],
    ['an identifier of its own is missing', { ...sent, identifier: [own] }, { ...sent, identifier: [key] }],
    ['its own UUID is missing', { ...sent, identifier: [key] }, sent],
    ['two keys were added', sent, { ...sent, identifier: [key, key] }],
    ['another identifier was added', sent, { ...sent, identifier: [own] }],
    ['a list is shorter', { ...sent, list: [1, 2] }, { ...sent, list: [1] }],
    ['a list became an object', { ...sent, list: [] }, { ...sent, list: {} }],
    ['it is not there', sent, undefined as unknown as object],
  ])('notices when %s', (_name, before, after) => {
    expect(isSameContent(before, after)).toBe(false)
  })

  test('notices a reference that was not rewritten, or leads elsewhere', () => {
    expect(isSameContent(sent, sent, rewritten)).toBe(false)
    expect(isSameContent(sent, { ...sent, subject: { reference: 'Patient/8' } }, rewritten)).toBe(false)
  })
})

test('the record of the demo is complete: 200 entries or more of 12 types or more, and the seed decides', () => {
  const { json, proof } = patientRecord(seededRandom(1))
  const { entry } = JSON.parse(json) as { entry: { fullUrl: string; resource: Resource }[] }
  expect(entry.length).toBeGreaterThanOrEqual(200)
  expect(new Set(entry.map(({ resource }) => resource.resourceType)).size).toBeGreaterThanOrEqual(12)
  expect(proof.kind === 'record' && proof.tagged).toHaveLength(entry.length)
  const urls = new Set(entry.map(({ fullUrl }) => fullUrl))
  expect(urls.size).toBe(entry.length)
  for (const [, target] of json.matchAll(/"reference":"([^"]+)"/g)) expect(urls).toContain(target)
  expect(patientRecord(seededRandom(1)).json).toBe(json)
  expect(patientRecord(seededRandom(2)).json).not.toBe(json)
  expect(json).toContain(demoSystem)
})
