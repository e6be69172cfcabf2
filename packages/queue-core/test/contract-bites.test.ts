import { describe, expect, it } from 'vitest'
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

let clock = 0
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
    expect(await claim({ appenders: 'many' })).toEqual(['two handles append at the same time'])
    expect(await claim({ drainers: 'many' })).toContain(
      'two handles never share a lane, and fence each other',
    )
  })
})
