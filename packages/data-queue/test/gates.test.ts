import { queryObjects } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import type { DataQueueEvent } from '../src/index.js'
import { hour, world, type World } from './model/time.js'

const observation = (text: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
})
const outage = {
  status: 400,
  headers: { 'content-type': 'application/fhir+json' },
  body: JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: 'invalid', details: { text: 'connect ECONNREFUSED 127.0.0.1:5432' } }],
  }),
}
const day = 24 * hour
const month = 30 * day

async function accept(queue: World['queue'], count: number): Promise<readonly string[]> {
  const texts = Array.from({ length: count }, (_, index) => `n${index}`)
  await queue.enqueueAll(texts.map((text) => ({ resource: observation(text) })))
  return texts
}

/** What is alive, after a full collection: what grows with time is a leak. */
function liveObjects(time: World['time']): Record<string, number> {
  const kinds = [Promise, Map]
  const counts = kinds.map((kind) => [kind.name, queryObjects(kind, { format: 'count' })] as const)
  const real = process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
  return { ...Object.fromEntries(counts), queueTimers: time.timers(), realTimers: real.length }
}

const attempts = async (queue: World['queue']): Promise<number> => {
  let sum = 0
  for await (const entry of queue.outbox.list()) sum += entry.attempts
  return sum
}

describe('an outage that answers 400 to everything', () => {
  it('makes no dead letter in ten minutes, spends no attempt, and loses no order', async () => {
    const { queue, server, time } = world()
    await queue.plan()
    const texts = await accept(queue, 20)
    server.mishap = () => outage
    queue.start()
    await time.pass(10 * 60_000)
    expect(await queue.stats()).toMatchObject({ dead: 0, waiting: 20, delivered: 0 })
    expect(await attempts(queue)).toBe(0)
    server.mishap = () => undefined
    await time.pass(hour)
    expect(await queue.stats()).toMatchObject({ dead: 0, waiting: 0, delivered: 20 })
    expect(server.texts()).toEqual(texts)
  })

  it('in the middle of bundles as well', async () => {
    const { queue, server, time } = world({}, { transactions: 'trusted' })
    await queue.plan()
    const texts = await accept(queue, 60)
    server.mishap = () => outage
    queue.start()
    await time.pass(10 * 60_000)
    expect(await queue.stats()).toMatchObject({ dead: 0, waiting: 60 })
    server.mishap = () => undefined
    await time.pass(hour)
    expect(server.texts()).toEqual(texts)
  })

  it('is told apart from a bad resource by a control request', async () => {
    const { queue, server, time } = world()
    await queue.plan()
    await accept(queue, 2)
    server.mishap = ({ body }) =>
      body instanceof Uint8Array && new TextDecoder().decode(body).includes('n0') ? outage : undefined
    queue.start()
    await time.pass(5 * hour)
    expect(await queue.stats()).toMatchObject({ delivered: 1, dead: 1 })
    expect(await queue.outbox.settled(1)).toMatchObject({ failure: { status: 400 } })
  })
})

describe('a destination that is away', () => {
  it(
    'for a month costs nothing, and everything arrives in order when it is back',
    { timeout: 60_000 },
    async () => {
      // Trials every hour instead of every five minutes: the same course in a twelfth of the steps.
      const gateBackoff = { baseMs: 1_000, capMs: hour }
      const { queue, server, time } = world({}, { defaults: { gateBackoff } })
      await queue.plan()
      server.mishap = () => 'refused'
      const texts = await accept(queue, 500)
      queue.start()
      await time.pass(2 * day)
      const before = liveObjects(time)
      await time.pass(month)
      const after = liveObjects(time)
      expect(after['queueTimers']).toBe(before['queueTimers'])
      // There were some 700 trials: one object left by each would show. The test runner has a few of its own.
      for (const [name, count] of Object.entries(before)) expect(after[name], name).toBeLessThan(count + 100)
      expect(await queue.stats()).toMatchObject({ waiting: 500, unknown: 0, dead: 0 })
      expect(await attempts(queue)).toBe(0)
      server.mishap = () => undefined
      await time.pass(2 * hour)
      expect(await queue.stats()).toMatchObject({ waiting: 0, delivered: 500, dead: 0 })
      expect(server.texts()).toEqual(texts)
    },
  )

  it('and whose platform never says whether anything was sent leaves unknown what was under way, and no more', async () => {
    const { queue, server, time } = world({}, { defaults: { lanes: 4 } })
    await queue.plan()
    server.mishap = () => 'lost-before'
    const texts = Array.from({ length: 100 }, (_, index) => `n${index}`)
    await queue.enqueueAll(
      texts.map((text, index) => ({ resource: observation(text), lane: `lane ${index % 20}` })),
    )
    queue.start()
    await time.pass(20 * hour)
    expect(server.requests.filter(({ method }) => method !== 'GET').length).toBeLessThanOrEqual(4)
    expect((await queue.stats()).unknown).toBeLessThanOrEqual(4)
    expect(await queue.stats()).toMatchObject({ waiting: 100, dead: 0 })
    server.mishap = () => undefined
    await time.pass(hour)
    expect(server.texts().toSorted()).toEqual(texts.toSorted())
  })

  it('is tried at once when somebody says that it is back', async () => {
    const { queue, server, time } = world()
    server.mishap = () => 'refused'
    await accept(queue, 3)
    queue.start()
    await time.pass(day)
    server.mishap = () => undefined
    queue.outbox.nudge()
    await time.pass(1)
    expect(await queue.stats()).toMatchObject({ delivered: 3 })
  })
})

describe('credentials', () => {
  it.each([
    ['a token endpoint that is away while FHIR is up', 'ERR_AUTH_UNREACHABLE', false],
    ['a sign-in that is needed', 'ERR_LOGIN_REQUIRED', true],
  ])('%s closes the destination and spends nobody', async (_name, code, needsPerson) => {
    let broken = true
    const set = world()
    const fhir = createFhirClient({
      baseUrl: set.server.client.baseUrl,
      send: set.server.send,
      tokens: {
        async getToken() {
          if (broken) throw Object.assign(new Error('no token'), { code })
          return { value: 't', type: 'Bearer' }
        },
      },
    })
    const { queue, server, time } = world({}, { fhir })
    const texts = await accept(queue, 5)
    queue.start()
    await time.pass(3 * day)
    const [gate] = queue.outbox.gates()
    expect(gate).toMatchObject({ state: 'closed', failure: { code } })
    expect(gate?.needsPerson === true).toBe(needsPerson)
    expect(await attempts(queue)).toBe(0)
    expect(server.created).toHaveLength(0)
    broken = false
    await time.pass(hour)
    expect(set.server.texts()).toEqual(texts)
  })
})

describe('what is known of a server', () => {
  it.each([
    ['ignores what it is asked', { search: 'ignores-parameters' }],
    ['lags behind', { searchLagMs: 3_000 }],
    ['finds nothing', { search: 'blind' }],
  ] as const)('holds no search at once when the search %s', async (_name, behaviour) => {
    const { queue } = world(behaviour, { canaries: true })
    const { canaries } = (await queue.plan()).evidence
    expect(canaries).toMatchObject({ clientIds: true })
    expect(canaries?.searchAtOnce).not.toBe(true)
  })

  it('holds a search at once when it shows what was just created, and only that', async () => {
    const { queue } = world({}, { canaries: true })
    expect((await queue.plan()).evidence.canaries).toMatchObject({ searchAtOnce: true })
  })

  it('is gathered once, kept in the notes of the storage, and read from there by the next process', async () => {
    const { queue, storage, server } = world({}, { canaries: true })
    const report = await queue.plan(['Observation'])
    expect(report.evidence).toMatchObject({
      statement: 'read',
      canaries: {
        conditionalCreate: true,
        clientIds: true,
        ifNoneMatch: true,
        ifMatch: true,
        transaction: true,
      },
    })
    expect(report.types['Observation']).toMatchObject({ name: 'put-if-none-match', guarantee: 'once' })
    expect(report.bundling).toMatchObject({ transactions: true })
    expect(server.store.size).toBe(0)
    const note = await storage.notes.get(`data-queue/evidence/${server.client.baseUrl}`)
    expect(JSON.parse(new TextDecoder().decode(note?.bytes))).toEqual(report.evidence)
    const asked = server.requests.length
    const second = world({}, { fhir: server.client, storage })
    expect((await second.queue.plan(['Observation'])).types).toEqual(report.types)
    expect(server.requests).toHaveLength(asked)
  })

  it('changes with an event when the server does', async () => {
    const { queue, server, events } = world()
    await queue.plan()
    server.mishap = (_request, path) =>
      path === 'metadata'
        ? {
            status: 200,
            headers: { 'content-type': 'application/fhir+json' },
            body: JSON.stringify({
              resourceType: 'CapabilityStatement',
              rest: [{ mode: 'server', resource: [{ type: 'Patient', interaction: [{ code: 'read' }] }] }],
            }),
          }
        : undefined
    const report = await queue.plan(['Observation', 'Patient'], { refresh: true })
    const changes: DataQueueEvent | undefined = events.find(({ type }) => type === 'evidence-changed')
    expect(changes).toMatchObject({ gate: server.client.baseUrl, changes: expect.arrayContaining(['types']) })
    expect(report.types).toMatchObject({
      Observation: { name: 'unsupported' },
      Patient: { name: 'unsupported' },
    })
  })

  it('of a restart is compared with what was stored, also when it is asked for anew at once', async () => {
    const { queue, server, storage } = world()
    await queue.plan()
    const second = world({}, { fhir: server.client, storage })
    server.mishap = (_request, path) =>
      path === 'metadata'
        ? {
            status: 200,
            headers: { 'content-type': 'application/fhir+json' },
            body: '{"resourceType":"CapabilityStatement","rest":[{"mode":"server","resource":[]}]}',
          }
        : undefined
    await second.queue.plan([], { refresh: true })
    expect(second.events.filter(({ type }) => type === 'evidence-changed')).toHaveLength(1)
  })

  it('may exclude a type: then the entry waits with that reason, and goes when the server has changed its mind', async () => {
    const { queue, server, time } = world()
    const { sequence } = await queue.enqueue({ resourceType: 'Slot', status: 'free' })
    queue.start()
    await time.pass(hour)
    expect(await queue.stats()).toMatchObject({ waiting: 1, dead: 0 })
    expect(server.requests.filter(({ method }) => method !== 'GET')).toHaveLength(0)
    const entry = await queue.outbox.read(sequence)
    expect(new TextDecoder().decode(entry?.note)).toContain('does not list Slot')
    server.mishap = (_request, path) =>
      path === 'metadata'
        ? {
            status: 200,
            headers: { 'content-type': 'application/fhir+json' },
            body: '{"resourceType":"CapabilityStatement","rest":[{"mode":"server","resource":[{"type":"Slot"}]}]}',
          }
        : undefined
    await time.pass(hour)
    expect(await queue.stats()).toMatchObject({ waiting: 0, delivered: 1 })
  })

  it('counts granted scopes: a write-only token changes the choice, and a missing one excludes the type', async () => {
    const behaviour = { conditionalCreate: 'ignored', clientIds: false, search: 'forbidden' } as const
    const readWrite = await world({ ...behaviour, scope: 'system/*.cruds' }).queue.plan(['Observation'])
    const writeOnly = await world({ ...behaviour, scope: 'system/*.c' }).queue.plan(['Observation'])
    const neither = await world({ ...behaviour, scope: 'system/Patient.cruds' }).queue.plan(['Observation'])
    expect(readWrite.types['Observation']?.name).toBe('probe')
    expect(writeOnly.types['Observation']).toMatchObject({
      name: 'at-least-once',
      guarantee: 'once-or-parked',
    })
    expect(neither.types['Observation']).toMatchObject({ name: 'unsupported' })
  })

  it('is no condition for delivering: an unreadable statement is no error', async () => {
    const { queue, server, time } = world({ statement: 'none' })
    await accept(queue, 2)
    queue.start()
    await time.pass(1)
    expect(server.texts()).toEqual(['n0', 'n1'])
    expect((await queue.plan()).evidence).toMatchObject({
      statement: 'unreadable',
      statementFailure: { status: 404 },
    })
  })

  it('may change while an answer is lost: what was sent is looked for where it was sent', async () => {
    const { queue, server, time } = world({ conditionalCreate: 'ignored' })
    let struck = 0
    server.mishap = ({ method }, path) => {
      if (path === 'metadata' && struck === 0) return { status: 503 }
      return method !== 'GET' && struck++ === 0 ? 'lost-after' : undefined
    }
    await queue.plan()
    await accept(queue, 2)
    queue.start()
    await time.pass(1)
    expect((await queue.plan(['Observation'], { refresh: true })).types['Observation']?.name).toBe(
      'put-client-id',
    )
    await time.pass(hour)
    expect(server.texts()).toEqual(['n0', 'n1'])
    expect(server.store.size).toBe(2)
    expect(await queue.receipt(1)).toMatchObject({ id: 'Observation/s1', alreadyThere: true })
  })

  it('tells how many resources have our key when a server has doubled it', async () => {
    const { queue, server, time, events } = world({ conditionalCreate: 'ignored', clientIds: false })
    await queue.plan()
    const { key } = await queue.enqueue(observation('twice'))
    server.mishap = ({ method }) => (method === 'GET' ? undefined : 'lost-before')
    const identifier = [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }]
    for (const id of ['a', 'b'])
      server.put(`Observation/${id}`, { resourceType: 'Observation', id, identifier })
    queue.start()
    await time.pass(hour)
    expect(events).toContainEqual({
      type: 'duplicate-found',
      sequence: 1,
      gate: server.client.baseUrl,
      count: 2,
    })
  })
})
