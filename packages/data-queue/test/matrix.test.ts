import { seededRandom, survivingMemory } from '@fhir-outbox/queue-core/simulation'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openDataQueue, type DataQueue, type DataQueueOptions, type PlanName } from '../src/index.js'
import { modelServer, type Behaviour, type Mishap } from './model/server.js'
import { fakeTime } from './model/fake-time.js'
import { hour } from './model/time.js'

const mishaps = [
  'lost-before',
  'lost-after',
  'truncated',
  '500-after',
  'killed-before',
  'killed-after',
] as const
type Fate = (typeof mishaps)[number]

/** Servers, what is chosen for them, and whether that promises once without a person. */
const servers: readonly (readonly [
  name: string,
  behaviour: Partial<Behaviour>,
  options: Partial<DataQueueOptions>,
  plan: PlanName,
  parks?: true | 'unless-found',
])[] = [
  ['all there is, tried out', {}, { canaries: true }, 'put-if-none-match'],
  ['If-None-Match ignored, tried out', { ifNoneMatch: false }, { canaries: true }, 'put-client-id'],
  ['no client ids, tried out', { clientIds: false }, { canaries: true }, 'conditional-create'],
  ['conditions honoured, as it says', {}, {}, 'conditional-create'],
  ['conditions honoured, no statement', { statement: 'none' }, {}, 'conditional-create', 'unless-found'],
  [
    'blind: no statement, conditions ignored, searches empty',
    { statement: 'none', conditionalCreate: 'ignored', search: 'blind' },
    {},
    'conditional-create',
    true,
  ],
  ['conditions honoured, write-only scope', { search: 'forbidden' }, {}, 'conditional-create'],
  [
    'conditions honoured, write-only scope that is told',
    { search: 'forbidden', scope: 'system/*.cu' },
    {},
    'conditional-create',
  ],
  [
    'conditions ignored, though it boasts',
    { conditionalCreate: 'ignored', statement: 'boast' },
    {},
    'conditional-create',
  ],
  [
    'conditions ignored, tried out',
    { conditionalCreate: 'ignored', statement: 'boast', clientIds: false },
    { canaries: true },
    'probe',
  ],
  ['conditions ignored, as it says', { conditionalCreate: 'ignored', clientIds: false }, {}, 'probe'],
  ['conditions ignored, client ids taken', { conditionalCreate: 'ignored' }, {}, 'put-client-id'],
  ['a lagging search', { conditionalCreate: 'ignored', clientIds: false, searchLagMs: 5_000 }, {}, 'probe'],
  [
    'conditions refused',
    { conditionalCreate: 'refused', clientIds: false, statement: 'boast' },
    { plan: 'probe' },
    'probe',
  ],
  [
    'nothing helps, and asking turns out forbidden',
    { conditionalCreate: 'ignored', clientIds: false, search: 'forbidden' },
    {},
    'probe',
    true,
  ],
  [
    'nothing helps, write-only scope that is told',
    { conditionalCreate: 'ignored', clientIds: false, search: 'forbidden', scope: 'system/*.c' },
    {},
    'at-least-once',
    true,
  ],
]

const observation = { resourceType: 'Observation', status: 'final', code: { text: 'one' } }

async function deliver(
  behaviour: Partial<Behaviour>,
  options: Partial<DataQueueOptions>,
  fate: Fate,
  count: number,
): Promise<{ readonly queue: DataQueue; readonly created: readonly string[]; readonly struck: number }> {
  const time = fakeTime()
  const server = modelServer(behaviour, time.now)
  const store = survivingMemory({ seed: 1, now: time.now, random: seededRandom(1) })
  const { scope } = behaviour
  const open = async (): Promise<DataQueue> => {
    const queue = openDataQueue({
      storage: await store.open(),
      fhir: server.client,
      environment: time.environment,
      ...(scope === undefined ? {} : { tokens: { getToken: async () => ({ scope }) } }),
      ...options,
    })
    onTestFinished(() => queue.close())
    return queue
  }
  let queue = await open()
  await queue.plan([], { refresh: true })
  await queue.enqueueAll(Array.from({ length: count }, () => ({ resource: observation })))
  let struck = 0
  let killed = false
  server.mishap = (request): Mishap | undefined => {
    if (killed) return 'refused'
    if (struck > 0 || request.method === 'GET') return undefined
    struck++
    if (fate === 'killed-before' || fate === 'killed-after') {
      killed = true
      return fate === 'killed-before' ? 'hang-before' : 'hang-after'
    }
    return fate
  }
  if (fate.startsWith('killed')) {
    // Dead at the moment after the request: nothing of it is settled, and what is stored is found by the next process.
    queue.start()
    await time.pass(1)
    await store.crash()
    killed = false
    queue = await open()
  }
  queue.start()
  await time.pass(2 * hour)
  return { queue, created: server.created, struck }
}

describe.each(servers.map((row) => ({ name: row[0], row })))('$name', ({ row }) => {
  const [, behaviour, options, plan, parks] = row
  it('gets the plan that it allows', async () => {
    const { queue } = await deliver(behaviour, options, 'lost-before', 0)
    expect((await queue.plan(['Observation'])).types['Observation']?.name).toBe(plan)
  })

  it.each(mishaps)('has each resource once after %s', async (fate) => {
    const { queue, created, struck } = await deliver(behaviour, options, fate, 3)
    expect(struck).toBe(1)
    const ours = new Map<string, number>()
    for await (const { key } of queue.outbox.list()) {
      ours.set(key, created.filter((one) => one === key).length)
    }
    const { delivered, dead, waiting } = await queue.stats()
    expect(waiting).toBe(0)
    expect([...ours.values()].every((times) => times <= 1)).toBe(true)
    if ((parks === true && fate !== 'truncated') || (parks === 'unless-found' && fate.endsWith('before'))) {
      expect([delivered, dead]).toEqual([2, 1])
      const [letter] = await collect(queue.deadLetters())
      expect(letter).toMatchObject({ state: 'dead', deadReason: 'parked' })
    } else {
      expect([delivered, dead]).toEqual([3, 0])
      expect([...ours.values()]).toEqual([1, 1, 1])
    }
  })
})

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const one of all) list.push(one)
  return list
}
