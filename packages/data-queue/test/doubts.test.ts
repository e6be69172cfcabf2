import { describe, expect, it, onTestFinished } from 'vitest'
import { createFhirClient, type FhirClient, type SendRequest } from '@fhir-outbox/fhir-client'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { openDataQueue } from '../src/index.js'
import { hour, world, type World } from './model/time.js'

const observation = (text: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
})
const patient = { resourceType: 'Patient', active: true }
const json = { 'content-type': 'application/fhir+json' }

async function run({ queue, time }: World, ms = 1): Promise<void> {
  queue.start()
  await time.pass(ms)
}

function refusal(
  status: number,
  code: string,
  text?: string,
): { status: number; headers: typeof json; body: string } {
  const details = text === undefined ? {} : { details: { text } }
  const issue = [{ severity: 'error', code, ...details }]
  return { status, headers: json, body: JSON.stringify({ resourceType: 'OperationOutcome', issue }) }
}

/** A client that sees the answers of another one's server in another light. */
function seenThrough(
  send: (request: SendRequest) => Promise<Response>,
  change: (bundle: Record<string, unknown>) => void,
): FhirClient {
  return createFhirClient({
    baseUrl: 'https://model.example/fhir',
    send: async (request) => {
      const response = await send(request)
      if (request.method !== 'POST' || new URL(request.url).pathname !== '/fhir') return response
      const bundle = (await response.json()) as Record<string, unknown>
      change(bundle)
      return new Response(JSON.stringify(bundle), { status: response.status, headers: json })
    },
  })
}

describe('412 to a conditional create', () => {
  it.each([
    [
      'says so in words only',
      refusal(
        412,
        'processing',
        'Failed to CREATE resource with match URL "x" because this search matched 2 resources',
      ),
    ],
    ['says nothing', { status: 412 }],
  ])('is taken for several matches when the server has our key twice, and %s', async (_, answer) => {
    const set = world()
    const { queue, server } = set
    const key = '5f0cbb11-0000-4000-8000-000000000001'
    for (const id of ['a', 'b']) {
      const identifier = [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }]
      server.put(`Patient/${id}`, { ...patient, id, identifier })
    }
    server.mishap = ({ headers }) => (new Headers(headers).has('if-none-exist') ? answer : undefined)
    const { sequence } = await queue.enqueue(patient, { key })
    await run(set, hour)
    expect(await queue.outbox.settled(sequence)).toMatchObject({
      state: 'dead',
      reason: 'parked',
      failure: { code: 'ERR_AMBIGUOUS_KEY' },
    })
    expect(server.store.size).toBe(2)
    // What another create shows next is not given away.
    server.mishap = () => undefined
    expect((await queue.plan(['Patient'])).types['Patient']).toMatchObject({ name: 'conditional-create' })
  })
})

describe('a transaction whose answer got lost', () => {
  it('is not sent again because a search that finds nothing of anything shows nothing', async () => {
    const set = world({ conditionalCreate: 'ignored', search: 'blind' }, { canaries: true })
    const { queue, server } = set
    await queue.plan()
    let lost = 0
    server.mishap = ({ method }, path) => {
      if (method === 'PUT' && path.startsWith('Observation')) return { status: 405 }
      return method === 'POST' && path === '' && lost++ === 0 ? 'lost-after' : undefined
    }
    // The first shows that ids of ours are not taken for this type.
    await queue.enqueue(observation('first'))
    await run(set)
    await queue.enqueueAll(['second', 'third'].map((text) => ({ resource: observation(text) })))
    await set.time.pass(hour)
    expect(lost).toBe(1)
    expect(server.texts().filter((text) => text !== undefined)).toEqual(['first', 'second', 'third'])
    expect(await queue.stats()).toMatchObject({ delivered: 1, dead: 2 })
  })

  it.each([2, 6])(
    'that was found by one of its resources was applied, if the others are not found %i times',
    async (times) => {
      const set = world({ clientIds: false, conditionalCreate: 'ignored' }, { canaries: true })
      const { queue, server } = set
      await queue.plan()
      const before = server.created.length
      let lost = 0
      let asked = 0
      server.mishap = ({ method, url }, path) => {
        if (method === 'POST' && path === '' && lost++ === 0) return 'lost-after'
        if (method !== 'GET' || path !== 'Observation' || asked++ >= times) return undefined
        // The index shows one of them, and the other one not for a while.
        const [shown] = [...server.store.values()].filter(
          ({ resource: { resourceType } }) => resourceType === path,
        )
        const entry =
          shown?.key !== undefined && url.includes(shown.key) ? [{ resource: shown.resource }] : []
        return {
          status: 200,
          headers: json,
          body: JSON.stringify({ resourceType: 'Bundle', type: 'searchset', entry }),
        }
      }
      await queue.enqueueAll(['one', 'two'].map((text) => ({ resource: observation(text) })))
      await run(set, hour)
      expect(lost).toBe(1)
      expect(server.created.length - before).toBe(2)
      expect(await queue.stats()).toMatchObject({ delivered: 2, dead: 0 })
      const receipts = await Promise.all([queue.receipt(1), queue.receipt(2)])
      expect(receipts.filter((receipt) => receipt?.id !== undefined)).toHaveLength(times === 2 ? 2 : 1)
    },
  )
})

describe('a transaction that was seen once', () => {
  it('was applied, however often it is not shown afterwards', async () => {
    const set = world({ clientIds: false, conditionalCreate: 'ignored' }, { canaries: true })
    const { queue, server } = set
    await queue.plan()
    const before = server.created.length
    let posts = 0
    let asked = 0
    server.mishap = ({ method, url }, path) => {
      if (method === 'POST' && path === '' && posts++ === 0) return 'lost-after'
      if (method !== 'GET' || path !== 'Observation' || asked++ >= 6) return undefined
      const [shown] = [...server.store.values()].filter(
        ({ resource: { resourceType } }) => resourceType === path,
      )
      const isShown = asked <= 2 && shown?.key !== undefined && url.includes(shown.key)
      const entry = isShown ? [{ resource: shown.resource }] : []
      const body = JSON.stringify({ resourceType: 'Bundle', type: 'searchset', entry })
      return { status: 200, headers: json, body }
    }
    await queue.enqueueAll(['one', 'two'].map((text) => ({ resource: observation(text) })))
    await run(set, hour)
    expect(asked).toBeGreaterThan(6)
    expect(posts).toBe(1)
    expect(server.created.length - before).toBe(2)
    expect(await queue.stats()).toMatchObject({ delivered: 2, dead: 0 })
  })
})

describe('a write whose answer got lost before the right to write was taken away', () => {
  it('is asked about when the right is back, and not sent a second time', async () => {
    let scope = 'system/*.cruds'
    const set = world(
      { clientIds: false, conditionalCreate: 'ignored' },
      { tokens: { getToken: async () => ({ scope }) } },
    )
    const { queue, server, time } = set
    expect((await queue.plan(['Observation'])).types['Observation']).toMatchObject({ name: 'probe' })
    let lost = 0
    server.mishap = ({ method }) => {
      if (method !== 'POST' || lost++ > 0) return undefined
      scope = 'system/Patient.cruds'
      return 'lost-after'
    }
    const { sequence } = await queue.enqueue(observation('x'))
    queue.start()
    await time.pass(1)
    await queue.plan([], { refresh: true })
    await time.pass(hour)
    expect(await queue.outbox.read(sequence)).toMatchObject({ state: 'unknown' })
    scope = 'system/*.cruds'
    await queue.plan([], { refresh: true })
    await time.pass(hour)
    expect(await queue.outbox.read(sequence)).toMatchObject({ state: 'delivered' })
    expect(server.texts()).toEqual(['x'])
  })
})

describe('404 where nothing has worked yet', () => {
  it('says nothing about what was sent before', async () => {
    const set = world({ statement: 'none', search: 'forbidden' }, { plan: 'conditional-create' })
    const { queue, server } = set
    let posts = 0
    server.mishap = ({ method }) => {
      if (method !== 'POST') return undefined
      return posts++ === 0 ? 'lost-after' : { status: 404 }
    }
    const { sequence } = await queue.enqueue(observation('x'))
    await run(set, hour)
    expect(posts).toBeGreaterThan(1)
    expect(queue.outbox.gates()).toMatchObject([{ state: 'closed', needsPerson: true }])
    expect(await queue.outbox.read(sequence)).toMatchObject({ state: 'unknown' })
  })
})

describe('404 to a transaction', () => {
  it('is about one of its entries where the server is known to take transactions', async () => {
    const set = world({ clientIds: false }, { transactions: 'trusted' })
    const { queue, server } = set
    const { evidence } = await queue.plan()
    expect(evidence.transaction).toBe(true)
    const resources = [...'abcdefgh'].map(observation)
    const missing = { ...patient, id: 'nobody' }
    await queue.enqueueAll(
      [...resources.slice(0, 3), missing, ...resources.slice(3)].map((resource) => ({ resource })),
    )
    await run(set, hour)
    expect(server.texts()).toEqual([...'abcdefgh'])
    expect(await queue.stats()).toMatchObject({ delivered: 8, dead: 1 })
    expect((await queue.plan()).evidence.learned).not.toHaveProperty('noBundles')
  })
})

describe('a server that says 409 to a second PUT with If-None-Match', () => {
  it.each(['works', 'forbidden'] as const)(
    'has it once when an answer got lost, search: %s',
    async (search) => {
      const set = world({ search }, { canaries: true })
      const { queue, server } = set
      let lost = 0
      server.mishap = ({ method, headers }, path) => {
        if (method !== 'PUT') return undefined
        if (new Headers(headers).has('if-none-match') && server.store.has(path)) return { status: 409 }
        return path.startsWith('Observation') && lost++ === 0 ? 'lost-after' : undefined
      }
      expect((await queue.plan(['Observation'])).types['Observation']).toMatchObject({
        name: 'put-client-id',
      })
      const { sequence, key } = await queue.enqueue(observation('x'))
      await run(set, hour)
      expect(lost).toBeGreaterThan(0)
      expect(await queue.outbox.settled(sequence)).toMatchObject({
        state: 'delivered',
        id: `Observation/${key}`,
      })
      expect(server.texts().filter((text) => text === 'x')).toHaveLength(1)
    },
  )
})

describe('a PUT to an id of ours whose answer got lost, where nothing can be read', () => {
  it.each([400, 403, 404, 405, 409, 412, 422])(
    'is left to a person when it is refused with %i the second time, and goes no other way',
    async (status) => {
      const set = world({ ifNoneMatch: false }, { plan: 'put-client-id' })
      const { queue, server } = set
      let puts = 0
      server.mishap = ({ method }, path) => {
        if (method === 'PUT') return puts++ === 0 ? 'lost-after' : { status }
        return method === 'GET' && path.startsWith('Observation') ? { status: 403 } : undefined
      }
      const { sequence } = await queue.enqueue(observation('x'))
      await run(set, hour)
      expect(puts).toBeGreaterThan(1)
      expect(await queue.outbox.settled(sequence)).toMatchObject({
        state: 'dead',
        reason: 'parked',
        failure: { code: 'ERR_OUTCOME_UNKNOWN', status },
      })
      expect(server.texts()).toEqual(['x'])
      expect(server.requests.filter(({ method }) => method === 'POST')).toEqual([])
    },
  )
})

describe('the answer to a Bundle', () => {
  it('without the places of what was created is no reason to lose what refers to it', async () => {
    const set = world()
    const fhir = seenThrough(set.server.send, (bundle) => {
      for (const { response } of (bundle['entry'] ?? []) as { response: { location?: string } }[])
        delete response.location
    })
    const queue = openDataQueue({
      storage: memoryStorage({ now: set.time.now }),
      fhir,
      transactions: 'trusted',
      environment: set.time.environment,
    })
    onTestFinished(() => queue.close())
    await queue.plan()
    const [first] = await queue.enqueueAll([{ resource: patient }, { resource: patient }])
    const third = await queue.enqueue({
      ...observation('of the first'),
      subject: { reference: first?.reference },
    })
    queue.start()
    await set.time.pass(hour)
    expect(await queue.receipt(first?.sequence ?? 0)).toMatchObject({ id: 'Patient/s1' })
    expect(await queue.outbox.settled(third.sequence)).toMatchObject({ state: 'delivered' })
    expect(set.server.store.get('Observation/s3')?.resource['subject']).toEqual({ reference: 'Patient/s1' })
  })

  it('that names a resource which was there before is compared with what was sent', async () => {
    const set = world()
    const { queue, server } = set
    await queue.plan()
    const keys = ['5f0cbb11-0000-4000-8000-000000000001', '5f0cbb11-0000-4000-8000-000000000002'] as const
    const identifier = (key: string): object => ({
      identifier: [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }],
    })
    server.put('Observation/a', { ...observation('another'), id: 'a', ...identifier(keys[0]) })
    server.put('Observation/b', { ...observation('second'), id: 'b', ...identifier(keys[1]) })
    const lane = { lane: 'l', ordered: false }
    const all = await queue.enqueueAll([
      { resource: observation('first'), key: keys[0], ...lane },
      { resource: observation('second'), key: keys[1], ...lane },
    ])
    await run(set, hour)
    expect(server.requests.filter(({ method }) => method === 'POST')).toEqual([
      { method: 'POST', path: '', status: 200 },
    ])
    expect(await queue.receipt(all[0]?.sequence ?? 0)).toMatchObject({ alreadyThere: true, differs: true })
    expect(await queue.receipt(all[1]?.sequence ?? 0)).not.toHaveProperty('differs')
    expect(set.events.filter(({ type }) => type === 'content-differs')).toMatchObject([
      { sequence: all[0]?.sequence },
    ])
  })

  it.each(['forbidden', 'silent'])(
    'is not held back by questions that nobody answers: searching is %s',
    async (search) => {
      const set = world()
      const { queue, server } = set
      await queue.plan()
      const keys = [1, 2, 3].map((digit) => `5f0cbb11-0000-4000-8000-00000000000${digit}`)
      const types = ['Observation', 'Patient', 'Patient']
      for (const [index, key] of keys.entries()) {
        const identifier = [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }]
        const resourceType = types[index] ?? ''
        server.put(`${resourceType}/r${index}`, { resourceType, id: `r${index}`, identifier })
      }
      server.requests.length = 0
      server.mishap = ({ method }) => {
        if (method !== 'GET' || server.requests.every((one) => one.method !== 'POST')) return undefined
        return search === 'silent' ? 'lost-before' : { status: 403 }
      }
      const lane = { lane: 'l', ordered: false }
      await queue.enqueueAll(
        keys.map((key, index) => ({
          resource: index === 0 ? observation('x') : patient,
          key,
          ...lane,
        })),
      )
      await run(set)
      expect(await queue.stats()).toMatchObject({ delivered: 3 })
      const questions = server.requests.slice(
        server.requests.findIndex(({ method }) => method === 'POST') + 1,
      )
      expect(questions.map(({ path }) => path)).toEqual(
        search === 'silent' ? ['Observation'] : ['Observation', 'Patient'],
      )
    },
  )
})
