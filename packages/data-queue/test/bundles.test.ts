import { describe, expect, it } from 'vitest'
import type { Mishap } from './model/server.js'
import { hour, world, type World } from './model/time.js'

const observation = (text: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
})

async function accept(queue: World['queue'], count: number, poisoned?: number): Promise<readonly string[]> {
  const texts = Array.from({ length: count }, (_, index) =>
    index === poisoned ? `poison ${index}` : `n${index}`,
  )
  await queue.enqueueAll(texts.map((text) => ({ resource: observation(text) })))
  return texts
}

const writes = ({ server }: World): typeof server.requests =>
  server.requests.filter(({ method }) => method !== 'GET')

describe('a run of a lane', () => {
  it('travels one by one where nobody knows whether a transaction is all or nothing', async () => {
    const set = world()
    const texts = await accept(set.queue, 5)
    set.queue.start()
    await set.time.pass(1)
    expect(set.server.texts()).toEqual(texts)
    expect(writes(set).map(({ path }) => path)).toEqual(Array.from({ length: 5 }, () => 'Observation'))
  })

  it.each([
    ['tried out', { canaries: true }],
    ['trusted', { transactions: 'trusted' }],
  ] as const)(
    'travels as transactions where that is %s, in order, with as few requests as possible',
    async (_name, options) => {
      const set = world({}, options)
      await set.queue.plan()
      const before = writes(set).length
      const texts = await accept(set.queue, 120)
      set.queue.start()
      await set.time.pass(1)
      expect(set.server.texts().slice(-120)).toEqual(texts)
      expect(writes(set).length - before).toBe(3)
      expect(await set.queue.receipt(120)).toMatchObject({
        status: 201,
        id: expect.stringMatching(/^Observation\//),
      })
    },
  )

  it('keeps stored bytes as they are inside the Bundle', async () => {
    const { queue, server, time } = world({}, { transactions: 'trusted' })
    await queue.plan()
    const bodies: string[] = []
    server.mishap = ({ body }) => {
      if (body !== undefined) bodies.push(typeof body === 'string' ? body : new TextDecoder().decode(body))
      return undefined
    }
    for (const value of ['1.50', '2.0']) {
      await queue.enqueue(
        `{"resourceType":"Observation","status":"final","valueQuantity":{"value":${value}}}`,
      )
    }
    const stored = new TextDecoder().decode((await queue.outbox.read(1))?.payload)
    queue.start()
    await time.pass(1)
    expect(bodies).toHaveLength(1)
    expect(bodies[0]).toContain(stored)
    expect(bodies[0]).toContain('"value":2.0}')
  })

  it('is no batch unless its lane keeps no order', async () => {
    const { queue, server, time } = world()
    await queue.plan()
    const kinds: unknown[] = []
    server.mishap = ({ body }, path) => {
      if (path === '' && body instanceof Uint8Array)
        kinds.push(JSON.parse(new TextDecoder().decode(body)).type)
      return undefined
    }
    await queue.enqueueAll(
      Array.from({ length: 200 }, (_, index) => ({ resource: observation(`n${index}`), ordered: false })),
    )
    queue.start()
    await time.pass(1)
    expect(new Set(kinds)).toEqual(new Set(['batch']))
    expect(server.created).toHaveLength(200)
    expect(server.requests.filter(({ method }) => method !== 'GET').length).toBeLessThanOrEqual(16)
  })

  it('never has one resource twice in a transaction', async () => {
    const { queue, server, time } = world({}, { transactions: 'trusted' })
    await queue.plan()
    for (const active of [true, false, true, false])
      await queue.enqueue({ resourceType: 'Patient', id: 'p', active })
    queue.start()
    await time.pass(1)
    expect(server.store.get('Patient/p')).toMatchObject({ version: 4, resource: { active: false } })
  })
})

describe('one poisoned entry', () => {
  const positions = [0, 1, 2, 31, 32, 33, 62, 63]
  it.each(positions)(
    'in place %i of 64 costs O(log N) requests, and the rest arrives in order',
    async (poisoned) => {
      const set = world({}, { transactions: 'trusted', bundle: { entries: 64 } })
      await set.queue.plan()
      const texts = await accept(set.queue, 64, poisoned)
      set.queue.start()
      await set.time.pass(hour)
      expect(set.server.texts()).toEqual(texts.filter((_, index) => index !== poisoned))
      expect(await set.queue.stats()).toMatchObject({ delivered: 63, dead: 1, waiting: 0 })
      expect(writes(set).length).toBeLessThanOrEqual(2 * Math.log2(64) + 1)
      expect(await set.queue.outbox.settled(poisoned + 1)).toMatchObject({
        state: 'dead',
        failure: { status: 422 },
      })
    },
  )

  it('that the server names is found at once', async () => {
    const set = world(
      { poison: { status: 400, issue: 'structure', named: true } },
      { transactions: 'trusted' },
    )
    await set.queue.plan()
    await accept(set.queue, 50, 20)
    set.queue.start()
    await set.time.pass(hour)
    expect(await set.queue.stats()).toMatchObject({ delivered: 49, dead: 1 })
    expect(writes(set)).toHaveLength(4)
  })

  it('that makes the server fail comes in smaller and smaller bundles, and is parked alone', async () => {
    const set = world(
      { poison: { status: 500, issue: 'exception', named: false } },
      { transactions: 'trusted', bundle: { entries: 16 } },
    )
    await set.queue.plan()
    const texts = await accept(set.queue, 16, 5)
    set.queue.start()
    await set.time.pass(48 * hour)
    expect(set.server.texts()).toEqual(texts.filter((_, index) => index !== 5))
    expect(await set.queue.stats()).toMatchObject({ delivered: 15, dead: 1 })
    expect(await set.queue.outbox.settled(6)).toMatchObject({ reason: 'parked' })
  })

  it.each([0, 1, 7])('in every position of 8 with several others (%i)', async (first) => {
    const set = world({}, { transactions: 'trusted' })
    await set.queue.plan()
    const texts = Array.from({ length: 8 }, (_, index) =>
      index === first || index === 4 ? `poison ${index}` : `n${index}`,
    )
    await set.queue.enqueueAll(texts.map((text) => ({ resource: observation(text) })))
    set.queue.start()
    await set.time.pass(hour)
    expect(set.server.texts()).toEqual(texts.filter((text) => !text.startsWith('poison')))
    expect(await set.queue.stats()).toMatchObject({ delivered: 6, dead: 2 })
  })
})

describe('the size', () => {
  it('follows what the server takes, and is remembered', async () => {
    const set = world({ mostEntries: 10 }, { transactions: 'trusted' })
    await set.queue.plan()
    const texts = await accept(set.queue, 200)
    set.queue.start()
    await set.time.pass(hour)
    expect(set.server.texts()).toEqual(texts)
    const refused = writes(set).filter(({ status }) => status === 400)
    expect(refused.length).toBeLessThanOrEqual(3)
    expect((await set.queue.plan()).evidence.learned.entries).toBeLessThanOrEqual(10)
  })

  it('of what carries conditions stays at eight where the server cannot be asked', async () => {
    const set = world(
      { search: 'forbidden', scope: 'system/*.c', mostConditional: 8, clientIds: false },
      { transactions: 'trusted' },
    )
    await set.queue.plan()
    const texts = await accept(set.queue, 40)
    set.queue.start()
    await set.time.pass(1)
    expect(set.server.texts()).toEqual(texts)
    expect(writes(set)).toHaveLength(5)
  })

  it('is halved by a 413, and a single resource that is too large is a dead letter with its size', async () => {
    const set = world({}, { transactions: 'trusted' })
    await set.queue.plan()
    set.server.mishap = ({ body }): Mishap | undefined =>
      body instanceof Uint8Array && body.length > 2_000 ? { status: 413 } : undefined
    await accept(set.queue, 20)
    await set.queue.enqueue(observation('x'.repeat(3_000)))
    set.queue.start()
    await set.time.pass(hour)
    expect(await set.queue.stats()).toMatchObject({ delivered: 20, dead: 1 })
    expect(await set.queue.outbox.settled(21)).toMatchObject({
      failure: { message: expect.stringMatching(/\d{4} bytes/) },
    })
  })

  it('is one for a server that takes no Bundles, which is remembered', async () => {
    const set = world({ transactions: 'refused' }, { transactions: 'trusted' })
    await set.queue.plan()
    // Its statement does not list transactions; a batch lane tries.
    await set.queue.enqueueAll(
      Array.from({ length: 4 }, (_, n) => ({
        resource: observation(`n${n}`),
        ordered: false,
        lane: 'x',
        key: `00000000-0000-4000-8000-00000000000${n}`,
      })),
    )
    set.queue.start()
    await set.time.pass(hour)
    expect(set.server.created).toHaveLength(4)
  })
})

describe('a transaction that was run as a batch', () => {
  it('is settled entry by entry, and the server is not trusted with one again', async () => {
    const set = world({ transactions: 'batch' }, { transactions: 'trusted' })
    const { queue, server, time, events } = set
    await queue.plan()
    await accept(queue, 10, 3)
    queue.start()
    await time.pass(1)
    expect(await queue.stats()).toMatchObject({ delivered: 9, dead: 1 })
    expect(server.created).toHaveLength(9)
    expect(events).toContainEqual({
      type: 'evidence-changed',
      gate: server.client.baseUrl,
      changes: ['learned'],
    })
    await accept(queue, 3)
    await time.pass(1)
    expect(writes(set).map(({ path }) => path)).toEqual(['', 'Observation', 'Observation', 'Observation'])
  })

  it('is found out by a canary before anything is at stake', async () => {
    const { queue } = world({ transactions: 'batch' }, { canaries: true })
    const { evidence, bundling } = await queue.plan()
    expect(evidence.canaries).toMatchObject({ transaction: false })
    expect(bundling).toMatchObject({ transactions: false })
  })
})

describe('a bundle without an answer', () => {
  it.each(['lost-before', 'lost-after', 'truncated', '500-after'] as const)(
    '(%s) is asked about by one of its own resources',
    async (fate) => {
      const set = world(
        { mostConditional: 8, clientIds: false },
        { canaries: true, bundle: { entries: 300, bytes: 1e6 } },
      )
      const { queue, server, time } = set
      await queue.plan()
      const before = { writes: writes(set).length, created: server.created.length }
      const texts = await accept(queue, 300)
      let struck = 0
      server.mishap = ({ method }) => (method !== 'GET' && struck++ === 0 ? fate : undefined)
      queue.start()
      await time.pass(hour)
      expect(server.texts().slice(before.created)).toEqual(texts)
      expect(await queue.stats()).toMatchObject({ delivered: 300, dead: 0 })
      expect(writes(set).length - before.writes).toBe(fate === 'lost-before' ? 2 : 1)
      expect(await queue.receipt(300)).toMatchObject({ id: expect.stringMatching(/^Observation\/s/) })
    },
  )

  it('of a batch is asked about entry by entry', async () => {
    const { queue, server, time } = world({ conditionalCreate: 'ignored', clientIds: false })
    await queue.plan()
    let struck = 0
    server.mishap = ({ method }) => (method !== 'GET' && struck++ % 2 === 0 ? 'lost-after' : undefined)
    await queue.enqueueAll(
      Array.from({ length: 60 }, (_, n) => ({ resource: observation(`n${n}`), ordered: false })),
    )
    queue.start()
    await time.pass(20 * hour)
    expect(new Set(server.created).size).toBe(60)
    expect(server.created).toHaveLength(60)
  })
})
