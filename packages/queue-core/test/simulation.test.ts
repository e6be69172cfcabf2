import { describe, expect, it } from 'vitest'
import {
  runSeeds,
  seededRandom,
  simulateOutbox,
  survivingMemory,
  type SimulationKit,
} from '@fhir-outbox/queue-core/simulation'
import { isLease, sealStorage, type Lease, type QueueStorage } from '@fhir-outbox/queue-core'
import { aesCipher } from './aes-cipher.js'

const broken = { lost: 0, duplicated: 0, reordered: 0, early: 0, corrupted: 0, stuck: 0, unbalanced: 0 }

describe('simulateOutbox', () => {
  it('200 seeds: nothing lost, nothing twice, everything in order, and every trouble has happened', async () => {
    const summary = await runSeeds({ seeds: 200, entries: 20 })
    expect(summary.failed).toEqual([])
    expect(summary).toMatchObject({ seeds: 200, accepted: 200 * 20, ...broken })
    expect(summary.crashes).toBeGreaterThan(200)
    expect(summary.sleeps).toBeGreaterThan(200)
    for (const trouble of ['lostBefore', 'lostAfter', 'late', 'busy', 'throttled', 'outage', 'spoilt']) {
      expect(summary.troubles[trouble] ?? 0, trouble).toBeGreaterThan(100)
    }
  })

  it('the same seed takes the same course, another seed another', async () => {
    const first: string[] = []
    const second: string[] = []
    const report = await simulateOutbox({ seed: 11, log: (line) => first.push(line) })
    expect(await simulateOutbox({ seed: 11, log: (line) => second.push(line) })).toEqual(report)
    expect(second).toEqual(first)
    expect(first.length).toBeGreaterThan(200)
    expect((await simulateOutbox({ seed: 12 })).digest).not.toBe(report.digest)
  })

  it('runs over other storages, which get a clock and numbers of their own', async () => {
    let opened = 0
    const createStore = (kit: SimulationKit): ReturnType<typeof survivingMemory> => {
      const memory = survivingMemory(kit)
      const cipher = aesCipher()
      return {
        async open() {
          opened++
          return sealStorage(await memory.open(), cipher, { wallClock: () => kit.now() })
        },
        crash: () => memory.crash(),
      }
    }
    const report = await simulateOutbox({ seed: 3, entries: 15, createStore })
    expect(report).toMatchObject({ ok: true, accepted: 15 })
    expect(opened).toBe(report.crashes + 1)
    expect(await simulateOutbox({ seed: 3, entries: 15, createStore })).toEqual(report)
  })
})

/** Whoever forgets the fence acts with whatever lease the lane has. */
function withoutFence(storage: QueueStorage): QueueStorage {
  const current = new Map<string, Lease>()
  const anyhow = async (lease: Lease, act: (held: Lease) => Promise<void>): Promise<void> => {
    try {
      await act(lease)
    } catch {
      await act(current.get(lease.lane) ?? lease).catch(() => undefined)
    }
  }
  return {
    ...storage,
    async lease(request) {
      const lease = await storage.lease(request)
      if (isLease(lease)) current.set(lease.lane, lease)
      return lease
    },
    mark: (lease, notes) => anyhow(lease, (held) => storage.mark(held, notes)),
    renew: (lease, ttlMs) => anyhow(lease, (held) => storage.renew(held, ttlMs)),
    settle: (lease, settlements) => anyhow(lease, (held) => storage.settle(held, settlements)),
  }
}

/** Short leases, and processes that sleep often and a little longer than that. */
const restless = {
  defaults: { leaseMs: 6000, renewMs: 2000 },
  sleeps: { share: 0.3, longestMs: 15_000 },
  network: { busy: 0.3, lostBefore: 0.1 },
}

const mutants: readonly [string, (storage: QueueStorage) => QueueStorage, keyof typeof broken][] = [
  ['without the mark', (storage) => ({ ...storage, mark: async () => undefined }), 'duplicated'],
  ['without the fence', withoutFence, 'duplicated'],
  [
    'without the hold',
    (storage) => ({
      ...storage,
      append: (drafts) => storage.append(drafts.map(({ after: _after, ...draft }) => draft)),
    }),
    'early',
  ],
  [
    'without once',
    (storage) => ({
      ...storage,
      append: (drafts) => storage.append(drafts.map(({ once: _once, ...draft }) => draft)),
    }),
    'corrupted',
  ],
  [
    'with an append that is not there',
    (storage) => ({
      ...storage,
      append: async (drafts) =>
        drafts.length > 2
          ? drafts.map((_, at) => ({ sequence: 9e9 + at, duplicate: false }))
          : storage.append(drafts),
    }),
    'lost',
  ],
  [
    'with leases that never end',
    (storage) => ({ ...storage, lease: (request) => storage.lease({ ...request, ttlMs: 1e9 }) }),
    'stuck',
  ],
]

describe('simulateOutbox of a broken storage', () => {
  it('but of a whole one, none is', async () => {
    expect((await runSeeds({ seeds: 40, entries: 25, ...restless })).failed).toEqual([])
  })

  it.each(mutants)('%s: a promise is broken, and it is said which', async (_how, wrapStorage, promise) => {
    let found = 0
    let seed = 0
    while (found === 0 && seed < 150) {
      const report = await simulateOutbox({ seed: ++seed, entries: 25, wrapStorage, ...restless })
      found = report[promise]
      expect(report.ok).toBe(Object.keys(broken).every((name) => Reflect.get(report, name) === 0))
    }
    expect(found, `${promise} after ${seed} seeds`).toBeGreaterThan(0)
  })
})

describe('the simulation’s parts', () => {
  it('seededRandom gives the same numbers for the same seed, within their bounds', () => {
    const draw = (seed: number): unknown[] => {
      const random = seededRandom(seed)
      return [
        random.next(),
        random.between(1, 6),
        random.chance(0.5),
        random.pick('abc'.split('')),
        random.uuid(),
      ]
    }
    expect(draw(4)).toEqual(draw(4))
    expect(draw(4)).not.toEqual(draw(5))
    const random = seededRandom(9)
    const thrown = new Set(Array.from({ length: 500 }, () => random.between(1, 6)))
    expect([...thrown].sort()).toEqual([1, 2, 3, 4, 5, 6])
    expect(random.pick([])).toBeUndefined()
    expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
