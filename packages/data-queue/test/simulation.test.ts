import type { QueueStorage } from '@fhir-outbox/queue-core'
import { isLease } from '@fhir-outbox/queue-core'
import { describe, expect, it } from 'vitest'
import { simulateDelivery, type DeliveryReport } from './model/simulation.js'

async function seeds(
  from: number,
  count: number,
  wrapStorage?: (storage: QueueStorage) => QueueStorage,
): Promise<readonly DeliveryReport[]> {
  const reports: DeliveryReport[] = []
  for (let seed = from; seed < from + count; seed++) {
    reports.push(await simulateDelivery({ seed, ...(wrapStorage === undefined ? {} : { wrapStorage }) }))
  }
  return reports
}

/** `pnpm simulate` runs thousands. */
const fewSeeds = 40

describe('queue, delivery and a modelled server', () => {
  it(
    `keep every promise over ${fewSeeds} seeds, and really were in trouble`,
    { timeout: 60_000 },
    async () => {
      const reports = await seeds(1, fewSeeds)
      expect(reports.filter(({ ok }) => !ok)).toEqual([])
      const met = new Set(reports.flatMap(({ troubles }) => Object.keys(troubles)))
      expect([...met].toSorted()).toEqual([
        '400',
        '429',
        '500-after',
        '503',
        'late',
        'lost-after',
        'lost-before',
        'refused',
        'truncated',
      ])
      expect(reports.reduce((sum, { crashes }) => sum + crashes, 0)).toBeGreaterThan(10)
    },
  )

  it('are told the same story by the same seed', async () => {
    expect(await simulateDelivery({ seed: 7 })).toEqual(await simulateDelivery({ seed: 7 }))
  })
})

/** What must not be missing; without it, the simulation has to turn red. */
describe('the simulation sees that', () => {
  const mutations: Readonly<Record<string, (storage: QueueStorage) => QueueStorage>> = {
    'nobody asks before sending again': (storage) => ({
      ...storage,
      async lease(request) {
        const lease = await storage.lease(request)
        if (!isLease(lease)) return lease
        return { ...lease, entries: lease.entries.map((entry) => ({ ...entry, state: 'waiting' as const })) }
      },
    }),
    'nothing is marked before it leaves': (storage) => ({ ...storage, mark: async () => undefined }),
    'nothing is held for what it refers to': (storage) => ({
      ...storage,
      append: (drafts) => storage.append(drafts.map(({ after: _after, ...draft }) => draft)),
    }),
  }

  it.each(Object.keys(mutations))('%s', { timeout: 60_000 }, async (name) => {
    for (let seed = 1; seed <= 200; seed++) {
      const [report] = await seeds(seed, 1, mutations[name])
      if (report?.ok === false) return
    }
    throw new Error('nothing was seen in 200 seeds')
  })
})
