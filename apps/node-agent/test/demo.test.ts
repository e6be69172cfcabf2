import { Writable } from 'node:stream'
import { type Resource } from '@fhir-outbox/mock-server'
import { describe, expect, test } from 'vitest'
import { play } from '../src/commands/demo.js'
import { isSameContent } from '../src/demo/compare.js'
import { countAtServer, type ServerContent } from '../src/demo/count.js'
import { dayOfHappenings, demoSystem, type Happening } from '../src/demo/day.js'
import { patientRecord } from '../src/demo/patient-record.js'
import { seededRandom } from '../src/demo/random.js'
import { type Stage } from '../src/demo/stage.js'
import { delivered } from './support/delivered.js'
import { type Event, eventsOf } from './support/transcript.js'

type Json = Record<string, unknown>

const random = seededRandom(5)
const day = dayOfHappenings(random)

/** The first of a kind of happening that has this code. */
function withCode(code: string): Happening {
  const found = day.find(({ kind, json }) => kind === 'reading' && json.includes(code))
  if (found === undefined) throw new Error(`Nothing of the day is a ${code}.`)
  return found
}

/** Two readings, answers and a complete record, in the order in which they happened. */
const happenings: readonly Happening[] = [
  withCode('blood-pressure'),
  withCode('glucose-capillary'),
  ...day.filter(({ kind }) => kind === 'answers').slice(0, 1),
  patientRecord(random),
]

/** A server on which all is well; nobody changes it. */
const whole = delivered(happenings)

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
    expect(countAtServer(happenings, await whole)).toEqual(perfect)
  })

  test.each([0, 1, 2, 3])('notices that unit %i is missing', async (missing) => {
    const content = await delivered(happenings.filter((_one, index) => index !== missing))
    expect(countAtServer(happenings, content)).toEqual({ ...perfect, delivered: 3, lost: 1 })
  })

  test('notices that one resource of a record is missing', async () => {
    const content = withType(await whole, 'Immunization', (all) => all.slice(1))
    expect(countAtServer(happenings, content)).toMatchObject({ delivered: 3, lost: 1 })
  })

  test('notices that the pulse of a reading is missing', async () => {
    const pulse = (one: Resource): boolean => JSON.stringify(one['code']).includes('"8867-4"')
    const content = withType(await whole, 'Observation', (all) => {
      const first = all.find(pulse)
      return all.filter((one) => one !== first)
    })
    expect(countAtServer(happenings, content)).toMatchObject({ delivered: 3, lost: 1 })
  })

  test.each(['Observation', 'QuestionnaireResponse', 'Provenance', 'Patient', 'Device'])(
    'notices a second %s',
    async (type) => {
      const content = withType(await whole, type, (all) => [
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
    ['a reading', 'Observation', (one) => ({ ...one, status: 'amended' })],
    ['answers', 'QuestionnaireResponse', (one) => ({ ...one, status: 'in-progress' })],
    ['a record', 'Condition', (one) => ({ ...one, onsetDateTime: '2015-06-02' })],
    ['a reference in a record', 'CareTeam', (one) => ({ ...one, subject: { reference: 'Patient/other' } })],
    ['a member in a record', 'Location', (one) => ({ ...one, note: 'added' })],
  ])('notices that %s was changed', async (_name, type, change) => {
    const content = withType(await whole, type, (all) =>
      all.map((one, index) => (index === 0 ? (change(one) as Resource) : one)),
    )
    expect(countAtServer(happenings, content)).toEqual({ ...perfect, changed: 1 })
  })
})

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
  const { json, parts } = patientRecord(seededRandom(1))
  const { entry } = JSON.parse(json) as { entry: { fullUrl: string; resource: Resource }[] }
  expect(entry.length).toBeGreaterThanOrEqual(200)
  expect(new Set(entry.map(({ resource }) => resource.resourceType)).size).toBeGreaterThanOrEqual(12)
  expect(parts.map(({ resource }) => resource)).toEqual(entry.map(({ resource }) => resource))
  const urls = new Set(entry.map(({ fullUrl }) => fullUrl))
  expect(urls.size).toBe(entry.length)
  for (const [, target] of json.matchAll(/"reference":"([^"]+)"/g)) expect(urls).toContain(target)
  expect(patientRecord(seededRandom(1)).json).toBe(json)
  expect(patientRecord(seededRandom(2)).json).not.toBe(json)
  expect(json).toContain(demoSystem)
})

/** What the server of the quiet stage has in the end: the same for every story of one seed. */
let content: Promise<ServerContent> | undefined

/** A stage without processes and without a network, on which everything goes as it should; the rest is overridden. */
function quietStage(overrides: Partial<Stage> = {}): Stage {
  const handed: Happening[] = []
  return {
    url: 'http://127.0.0.1:1',
    startAgent: async () => ({ lost: 0 }),
    killAgent: async () => undefined,
    cutNetwork: async () => undefined,
    restoreNetwork: async () => undefined,
    loseReply: () => ({ committed: async () => undefined }),
    repliesLost: () => 3,
    expireTokens: () => undefined,
    hand: async (some) => void handed.push(...some),
    handed: () => handed.length,
    happenings: () => handed,
    allAccepted: async () => 40,
    allDelivered: async () => undefined,
    end: async () => ({ dead: 0, alreadyThere: 3 }),
    readServer: () => (content ??= delivered(handed)),
    close: async () => undefined,
    ...overrides,
  }
}

async function told(
  stage: Stage,
): Promise<{ readonly code: number | string; readonly events: readonly Event[] }> {
  let text = ''
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  const code = await play(stage, 42, { out, err: out, json: true }).catch(
    (error: { code: string }) => error.code,
  )
  return { code, events: eventsOf(text) }
}

test('the story is told as events, and ends with the count', async () => {
  const stage = quietStage()
  const { code, events } = await told(stage)
  expect(code).toBe(0)
  expect(events.map(({ event }) => event)).toEqual([
    'start',
    'registered',
    'morning',
    'killed',
    'cut',
    'killed',
    'replies-lost',
    'next',
    'balance',
  ])
  expect(events.at(-1)).toEqual({
    event: 'balance',
    accepted: 100,
    delivered: 100,
    dead: 0,
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    changed: 0,
  })
  const { byType } = await stage.readServer()
  // Twelve devices of six kinds, and the gateway; three people, and the one whose record it is.
  const devices = byType.get('Device') ?? []
  expect(devices).toHaveLength(13)
  expect(new Set(devices.map(({ modelNumber }) => modelNumber)).size).toBe(7)
  expect(byType.get('Patient')).toHaveLength(4)
  const records = stage.happenings().filter(({ kind }) => kind === 'record')
  expect(records).toHaveLength(1)
})

test.each<[string, (content: ServerContent) => ServerContent, Event]>([
  ['lost', (content) => withFirst(content, () => []), { lost: 1 }],
  ['doubled', (content) => withFirst(content, (one) => [one, { ...one, id: 'second' }]), { duplicated: 1 }],
  ['changed', (content) => withFirst(content, (one) => [{ ...one, status: 'amended' }]), { changed: 1 }],
])('it fails when something was %s', async (_name, change, balance) => {
  const stage = quietStage()
  const { code, events } = await told({ ...stage, readServer: async () => change(await stage.readServer()) })
  expect(code).toBe('ERR_DEMO_FAILED')
  expect(events.at(-1)).toMatchObject({ event: 'balance', ...balance })
})

test('it fails when an entry was refused', async () => {
  const { code } = await told(quietStage({ end: async () => ({ dead: 1, alreadyThere: 3 }) }))
  expect(code).toBe('ERR_DEMO_FAILED')
})

type Stored = NonNullable<ReturnType<ServerContent['byType']['get']>>[number]

function withFirst(content: ServerContent, change: (one: Stored) => readonly Stored[]): ServerContent {
  const [first, ...rest] = content.byType.get('QuestionnaireResponse') ?? []
  if (first === undefined) throw new Error('There are no answers.')
  return {
    ...content,
    byType: new Map([...content.byType, ['QuestionnaireResponse', [...change(first), ...rest]]]),
  }
}
