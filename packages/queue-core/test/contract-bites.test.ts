import { describe, expect, it, vi } from 'vitest'
import { memoryStorage, type Lease, type QueueStorage, type StorageSupport } from '@fhir-outbox/queue-core'
import { runStorageContract, type StorageContract } from '@fhir-outbox/queue-core/storage-contract'

/** Runs the contract, or a part of it, with a runner of its own; returns the titles of the failing tests. */
async function failures(
  contract: Omit<StorageContract, 'runner' | 'name'>,
  wanted: (title: string) => boolean = () => true,
): Promise<string[]> {
  const tests: [string, () => Promise<void>][] = []
  runStorageContract({
    ...contract,
    name: 'under test',
    runner: {
      describe: (_name, body) => body(),
      it: (name, body) => tests.push([name, body]),
    },
  })
  const failed: string[] = []
  for (const [name, body] of tests.filter(([title]) => wanted(title))) {
    await body().catch(() => failed.push(name))
  }
  return failed
}

let clock = 1_000_000_000
const elapse = (ms: number): void => {
  clock += ms
}
const memory = (): QueueStorage => memoryStorage({ now: () => clock })

function mutant(
  change: (storage: QueueStorage) => Partial<QueueStorage>,
  wanted: (title: string) => boolean,
): Promise<string[]> {
  const create = async (): Promise<QueueStorage> => {
    const storage = memory()
    return { ...storage, ...change(storage) }
  }
  return failures({ create, elapse }, wanted)
}

describe('runStorageContract', () => {
  it('passes the memory storage', async () => {
    expect(await failures({ create: async () => memory(), elapse })).toEqual([])
  })

  const mutants: readonly [string, (storage: QueueStorage) => Partial<QueueStorage>, string][] = [
    [
      'stores half of a refused append',
      (storage) => ({
        async append(drafts) {
          const all = []
          for (const draft of drafts) all.push(...(await storage.append([draft])))
          return all
        },
      }),
      'stores all drafts or none',
    ],
    [
      'reads the caller’s buffers late',
      (storage) => ({
        async append(drafts) {
          await Promise.resolve()
          return await storage.append(drafts)
        },
      }),
      'has copied the bytes as soon as append was called',
    ],
    [
      'forgets marks',
      () => ({ mark: async () => undefined }),
      'of an expired lease, marked entries are unknown and the others waiting',
    ],
    [
      'has no fence',
      (storage) => ({
        settle: (lease: Lease, all) => storage.settle(lease, all).catch(() => undefined),
      }),
      'an expired lease is fenced out and changes nothing',
    ],
    ['does not renew', () => ({ renew: async () => undefined }), 'renew makes a lease last from now'],
    [
      'ignores closed gates',
      (storage) => ({ lease: (request) => storage.lease({ ...request, closedGates: [] }) }),
      'entries of closed gates are not leased',
    ],
    [
      'ignores after',
      (storage) => ({
        append: (drafts) => storage.append(drafts.map(({ after: _after, ...rest }) => rest)),
      }),
      'an entry waits for what it is after, in another lane too',
    ],
    [
      'ignores once',
      (storage) => ({
        append: (drafts) => storage.append(drafts.map(({ once: _once, ...rest }) => rest)),
      }),
      'once: many at the same time make one entry',
    ],
    [
      'counts what it did not accept',
      (storage) => ({
        async stats() {
          const stats = await storage.stats()
          return { ...stats, accepted: stats.accepted + 1 }
        },
      }),
      'gives sequences that strictly increase, in the order of the drafts',
    ],
    [
      'lists the same page twice',
      (storage) => ({ list: ({ after: _after, ...query }) => storage.list(query) }),
      'list filters by state and lane, in order of sequence',
    ],
    [
      'overwrites notes',
      (storage) => ({
        notes: {
          get: storage.notes.get,
          async put(name, bytes) {
            return await storage.notes.put(name, bytes, (await storage.notes.get(name))?.version ?? 0)
          },
        },
      }),
      'notes have versions and refuse a wrong one',
    ],
    [
      'answers after close',
      (storage) => ({ stats: () => storage.stats().catch(() => memory().stats()) }),
      'after close everything is refused, and a second close is harmless',
    ],
  ]
  it.each(mutants)('finds a storage that %s', async (_what, change, title) => {
    expect(await mutant(change, (one) => one === title)).toEqual([title])
  })

  it('fails for every hook that is missing for something claimed', async () => {
    const claim = (supports: Partial<StorageSupport>): Promise<string[]> =>
      mutant(
        (storage) => ({ supports: { ...storage.supports, ...supports } }),
        (title) => /crash|reopened|handle/.test(title),
      )
    const processOnly = await claim({ durability: 'process-crash' })
    expect(processOnly).toContain('reopened, everything is as it was')
    expect(processOnly).toContain('process crash: what append accepted is there')
    expect(processOnly.some((title) => title.startsWith('power crash'))).toBe(false)
    expect(await claim({ durability: 'power-loss' })).toContain('power crash: what append accepted is there')
    expect(await claim({ appenders: 'many' })).toEqual([
      'two handles append at the same time',
      'a handle that may not lease says so, and is told when it may',
      'handles append and drain side by side, and no order breaks',
    ])
    expect(await claim({ drainers: 'many' })).toContain(
      'two handles never share a lane, and fence each other',
    )
  })

  it('names the crash levels that were not enacted, and refuses to name those that nobody claims', async () => {
    const crash = (title: string): boolean => title.includes('crash')
    const create = async (): Promise<QueueStorage> => {
      const storage = memory()
      return { ...storage, supports: { ...storage.supports, durability: 'power-loss' } }
    }
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    const failed = await failures({ create, elapse, unproven: ['power'] }, crash)
    expect(failed.filter((title) => title.startsWith('power'))).toEqual([])
    expect(failed).toContain('process crash: what append accepted is there')
    expect(warn.mock.calls).toEqual([['under test: power-loss is claimed, but no power crash was enacted']])
    warn.mockRestore()
    const unclaimed = await failures({ create: async () => memory(), elapse, unproven: ['power'] }, crash)
    expect(unclaimed).toEqual(['power crash: not enacted by this run'])
  })

  it('removes what each test has made, also when it failed', async () => {
    const made: QueueStorage[] = []
    const removed: QueueStorage[] = []
    const create = async (): Promise<QueueStorage> => {
      const storage = { ...memory(), mark: async () => undefined }
      made.push(storage)
      return storage
    }
    const destroy = (storage: QueueStorage): void => {
      removed.push(storage)
    }
    const failed = await failures({ create, elapse, destroy }, (title) => /mark|lease/.test(title))
    expect(failed.length).toBeGreaterThan(0)
    expect(removed.length).toBeGreaterThan(failed.length)
    expect(removed).toEqual(made)
  })

  it('finds delays that grow when the clock is set back', async () => {
    // A store that goes by whatever the machine says: memory itself steadies its clock.
    const create = async (): Promise<QueueStorage> => {
      const storage = memory()
      let behind = 0
      let last = clock
      return {
        ...storage,
        async lease(request) {
          if (clock < last) behind = Math.max(behind, last - clock)
          last = Math.max(last, clock)
          if (clock < last) return { nextDueInMs: behind }
          return await storage.lease(request)
        },
      }
    }
    const setBack = (ms: number): void => elapse(-ms)
    const title = 'a delay lasts as long as it was to last when the clock is set back'
    expect(await failures({ create, elapse, setBack }, (one) => one === title)).toEqual([title])
    expect(await failures({ create: async () => memory(), elapse, setBack }, (one) => one === title)).toEqual(
      [],
    )
  })
})
