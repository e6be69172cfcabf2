import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createFhirClient, type FhirClient } from '@fhir-outbox/fhir-client'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { laneBySubject, openDataQueue, openEncryptedDataQueue } from '../src/index.js'
import { hour, world, type World } from './model/time.js'
import { modelServer } from './model/server.js'

const observation = (text: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
})
const patient = { resourceType: 'Patient', active: true }
const by = { actor: 'anna', reason: 'she has looked' }

async function run({ queue, time }: World, ms = 1): Promise<void> {
  queue.start()
  await time.pass(ms)
}

describe('the time limit of a transaction', () => {
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [{ resource: patient, request: { method: 'POST', url: 'Patient' } }],
  }

  it.each([
    ['in clear', undefined, { path: 'fhir' }],
    ['sealed', { typeInPath: false }, { path: 'sealed' }],
    ['sealed, with its type in the path', { typeInPath: true }, { path: 'sealed' }],
  ])('is that of the client for Bundles: %s', async (_, sealed, { path }) => {
    const seen: (number | undefined)[] = []
    const clientFor = (name: string): FhirClient =>
      createFhirClient({
        baseUrl: `https://model.example/${name}`,
        bundleTimeoutMs: 77_000,
        send: async ({ method, url, timeoutMs }) => {
          if (method === 'POST' && url.includes(path)) seen.push(timeoutMs)
          return method === 'POST' ? new Response(null, { status: 204 }) : new Response('', { status: 404 })
        },
      })
    const options = { storage: memoryStorage(), fhir: clientFor('fhir') }
    const queue =
      sealed === undefined
        ? openDataQueue(options)
        : openEncryptedDataQueue({
            ...options,
            encryption: {
              client: clientFor('sealed'),
              sealer: { seal: async () => ({ sealed: true }) },
              receiverRunsTransactions: true,
              ...sealed,
            },
          })
    onTestFinished(() => queue.close())
    await queue.enqueue(bundle, { transaction: true })
    await queue.flush()
    expect(seen[0]).toBe(77_000)
  })
})

describe('what tried a server out', () => {
  it('is taken away again when the queue stops in the middle', async () => {
    const set = world({}, { canaries: true })
    const { queue, server, time } = set
    let stopping: Promise<void> | undefined
    server.mishap = ({ method }) => {
      if (method === 'PUT') stopping ??= queue.stop()
      return undefined
    }
    await queue.enqueue(observation('x'))
    await run(set)
    await time.pass(hour)
    await stopping
    expect(stopping).toBeDefined()
    expect([...server.store.keys()]).toEqual([])
  })
})

describe('nonsense', () => {
  it.each([
    [{ bundle: { entries: Number.NaN } }],
    [{ bundle: { entries: 0 } }],
    [{ bundle: { bytes: -1 } }],
    [{ bundle: { conditionalEntries: 0.5 } }],
    [{ searchLagMs: Number.NaN }],
    [{ searchLagMs: -1 }],
  ])('in options is refused: %j', (options) => {
    const { client } = modelServer()
    expect(() => openDataQueue({ storage: memoryStorage(), fhir: client, ...options })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION' }),
    )
  })
})

describe('an entry that belongs to another one', () => {
  it('is written to the id that the server gave, whatever id it brings itself', async () => {
    const set = world()
    const { sequence } = await set.queue.enqueue(patient)
    const second = await set.queue.enqueue({ ...patient, id: 'mine', active: false }, { of: sequence })
    await run(set, hour)
    expect(await set.queue.outbox.settled(second.sequence)).toMatchObject({
      state: 'delivered',
      id: 'Patient/s1',
    })
    expect(set.server.store.get('Patient/s1')).toMatchObject({ version: 2, resource: { active: false } })
  })

  it('stays in the lane of its subject when that has got its id meanwhile', async () => {
    const set = world({}, { lane: laneBySubject })
    const { queue } = set
    const { sequence, reference } = await queue.enqueue(patient)
    const about = (text: string): object => ({ ...observation(text), subject: { reference } })
    const early = await queue.enqueue(about('early'))
    set.server.mishap = (_, path) => (path === 'Observation' ? { status: 500 } : undefined)
    await run(set, 100)
    expect(await queue.outbox.read(sequence)).toMatchObject({ state: 'delivered' })
    const late = await queue.enqueue(about('late'))
    set.server.mishap = () => undefined
    await set.time.pass(hour)
    const lanes = await Promise.all(
      [early, late].map(async (one) => (await queue.outbox.read(one.sequence))?.lane),
    )
    expect(lanes).toEqual([reference, reference])
    expect(set.server.texts().slice(-2)).toEqual(['early', 'late'])
  })

  it('stays in the lane of what it updates or deletes', async () => {
    const set = world({}, { lane: laneBySubject, conflict: 'overwrite' })
    const { queue, server } = set
    const { sequence, reference } = await queue.enqueue(patient)
    const ofIt = { of: sequence }
    const all = [
      await queue.enqueue({ ...patient, active: false }, ofIt),
      await queue.enqueue({ ...patient, language: 'last' }, ofIt),
      await queue.delete('Patient', ofIt, { wait: 0 }),
    ]
    const lanes = await Promise.all(all.map(async (one) => (await queue.outbox.read(one.sequence))?.lane))
    expect(lanes).toEqual([reference, reference, reference])
    expect(await queue.preview(patient, ofIt)).toMatchObject({ lane: reference })
    await run(set, hour)
    expect(server.requests.filter(({ method }) => method !== 'GET').map(({ method }) => method)).toEqual([
      'POST',
      'PUT',
      'PUT',
      'DELETE',
    ])
  })

  it('is refused at once when that one was given up', async () => {
    const { queue } = world()
    const { sequence, reference } = await queue.enqueue(patient)
    await queue.outbox.withdraw(sequence, by)
    await expect(queue.enqueue({ ...observation('x'), subject: { reference } })).rejects.toMatchObject({
      code: 'ERR_UNRESOLVED_REFERENCE',
    })
  })

  it('is written again over what somebody else wrote only when the server can be read', async () => {
    const set = world({}, { conflict: 'overwrite' })
    const { queue, server } = set
    server.put('Patient/p', { ...patient, id: 'p' })
    server.put('Patient/p', { ...patient, id: 'p', language: 'somebody' })
    let puts = 0
    server.mishap = ({ method }) => (method === 'PUT' && ++puts === 2 ? 'lost-before' : undefined)
    await queue.enqueue({ ...patient, id: 'p', active: false }, { ifMatch: '1' })
    await run(set, hour)
    expect(server.store.get('Patient/p')?.resource['active']).toBe(false)
    const writes = server.requests
      .filter(({ path }) => path.startsWith('Patient/'))
      .map(({ method, status }) => `${method} ${status}`)
    // Refused, read, lost; then a read that finds the server well.
    expect(writes.slice(0, 4)).toEqual(['PUT 412', 'GET 200', 'PUT 0', 'GET 404'])
  })

  it('is not corrected into referring to what is not there yet', async () => {
    const set = world()
    const { queue } = set
    const poisoned = await queue.enqueue(observation('poison'))
    await run(set)
    set.server.mishap = () => 'refused'
    const { reference } = await queue.enqueue(patient)
    const resource = { ...observation('mended'), subject: { reference } }
    await expect(queue.redrive(poisoned.sequence, { ...by, resource })).rejects.toMatchObject({
      code: 'ERR_UNRESOLVED_REFERENCE',
    })
    expect(await queue.outbox.read(poisoned.sequence)).toMatchObject({ state: 'dead' })
  })
})

describe('calls that do not wait for each other', () => {
  it('are numbered in the order in which they were made', async () => {
    const { queue } = world()
    const { sequence, reference } = await queue.enqueue(patient)
    const calls = [
      queue.enqueue({ ...patient, active: false }, { of: sequence }),
      queue.enqueue({ ...observation('x'), subject: { reference } }),
      queue.enqueue({ ...observation('y'), subject: { reference: `urn:uuid:${crypto.randomUUID()}` } }),
      queue.enqueue(observation('z')),
    ]
    const settled = await Promise.allSettled(calls)
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value.sequence : undefined))).toEqual([
      sequence + 1,
      sequence + 2,
      undefined,
      sequence + 3,
    ])
  })

  it('do not wait until an earlier one is on disk', async () => {
    const storage = memoryStorage()
    const held: (() => void)[] = []
    const append: typeof storage.append = async (drafts) => {
      const appended = storage.append(drafts)
      await new Promise<void>((resolve) => held.push(resolve))
      return await appended
    }
    const { queue } = world({}, { storage: { ...storage, append } })
    const calls = ['a', 'b', 'c'].map(async (text) => queue.enqueue(observation(text)))
    await vi.waitFor(() => expect(held).toHaveLength(3))
    for (const go of held) go()
    expect((await Promise.all(calls)).map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })
})

describe('a page without TLS, whose platform has no WebCrypto', () => {
  it('queues transactions and tries servers out all the same', async () => {
    const { queue, server, time } = world({}, { canaries: true })
    const getRandomValues = crypto.getRandomValues.bind(crypto)
    vi.stubGlobal('crypto', { getRandomValues })
    onTestFinished(() => {
      vi.unstubAllGlobals()
    })
    const entry = [{ resource: patient, request: { method: 'POST', url: 'Patient' } }]
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry }
    await queue.enqueue(bundle, { transaction: true })
    queue.start()
    await time.pass(1)
    expect(await queue.stats()).toMatchObject({ delivered: 1 })
    expect((await queue.plan()).evidence.canaries).toMatchObject({ clientIds: true })
    expect([...server.store.values()].map(({ resource }) => resource.resourceType)).toEqual(['Patient'])
  })
})
