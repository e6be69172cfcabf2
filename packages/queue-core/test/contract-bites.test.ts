import { describe, expect, it, vi } from 'vitest'
import {
  isLease,
  memoryStorage,
  type AttemptNote,
  type KeptNote,
  type Lease,
  type QueueStorage,
  type StorageSupport,
} from '@fhir-outbox/queue-core'
import { changeLease, failures, turn } from './contract-failures.js'

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
    [
      'can be hurried after close',
      (storage) => ({ hurry: () => storage.hurry?.().catch(() => undefined) ?? Promise.resolve() }),
      'after close everything is refused, and a second close is harmless',
    ],
    [
      'numbers large appends late',
      (storage) => ({
        async append(drafts) {
          const copies = drafts.map((draft) => ({ ...draft, payload: draft.payload.slice() }))
          if (copies.some(({ payload }) => payload.length > 1000)) await turn()
          return await storage.append(copies)
        },
      }),
      'numbers appends in the order in which they were called',
    ],
    [
      'keeps the list that it was given as `after`',
      (storage) => {
        const lists = new Map<number, readonly number[]>()
        return {
          async append(drafts) {
            const all = drafts.map(({ after = [] }) => after)
            const appended = await storage.append(drafts)
            for (const [at, { sequence }] of appended.entries()) lists.set(sequence, all[at] ?? [])
            return appended
          },
          async read(sequence) {
            const entry = await storage.read(sequence)
            return entry && { ...entry, after: lists.get(sequence) ?? [] }
          },
        }
      },
      'has copied the bytes as soon as append was called',
    ],
    [
      'hands out the mark that it keeps',
      (storage) => {
        const marks = new Map<number, AttemptNote>()
        return {
          async mark(lease, notes) {
            for (const note of notes) marks.set(note.sequence, note)
            await storage.mark(lease, notes)
          },
          lease: (request) =>
            changeLease(storage.lease(request), (entry) => {
              const mark = marks.get(entry.sequence)
              return mark === undefined ? entry : { ...entry, mark }
            }),
        }
      },
      'hands out copies of notes and marks, too',
    ],
    [
      'leases whole runs, whatever is asked',
      (storage) => ({ lease: ({ oneByOne: _oneByOne, ...request }) => storage.lease(request) }),
      'of lanes to be sent one by one, a waiting head comes alone, unknown ones come together',
    ],
    [
      'tells when the last delay ends',
      (storage) => ({
        async lease(request) {
          const answer = await storage.lease(request)
          return isLease(answer) || answer.nextDueInMs === undefined ? answer : { nextDueInMs: 5000 }
        },
      }),
      'says when the first of several lanes may be ready',
    ],
    [
      'says "now" of what only an open gate can free',
      (storage) => ({
        async lease(request) {
          const answer = await storage.lease(request)
          if (isLease(answer) || answer.nextDueInMs !== undefined) return answer
          return (await storage.stats()).waiting > 0 ? { nextDueInMs: 0 } : answer
        },
      }),
      'says nothing about time where time alone makes nothing ready',
    ],
    [
      'settles all that comes back as the first of them',
      (storage) => ({
        settle: (lease, settlements) =>
          storage.settle(
            lease,
            settlements.map((one) => {
              const outcome = settlements[0]?.outcome
              const known = one.outcome === 'unknown' || one.outcome === 'waiting'
              return known && outcome === 'waiting' ? { ...one, outcome } : one
            }),
          ),
      }),
      'waiting entries do not travel with unknown ones behind them',
    ],
    [
      'takes marks of what is settled for nothing',
      (storage) => ({ mark: (lease, notes) => storage.mark(lease, notes).catch(() => undefined) }),
      'what the lease has settled already cannot be marked with it',
    ],
    [
      'wipes the note of what is delivered without one',
      (storage) => ({
        settle: (lease, all) =>
          storage.settle(
            lease,
            all.map((one) => ({ ...one, note: one.note ?? new Uint8Array(0) })),
          ),
      }),
      'delivered without a receipt, the previous note and the last hash of the lane stay',
    ],
    [
      'breaks the chain with what is delivered without a receipt',
      (storage) => ({
        settle: (lease, all) =>
          storage.settle(
            lease,
            all.map((one) => {
              if (one.outcome !== 'delivered') return one
              return { ...one, receiptHash: one.receiptHash ?? new Uint8Array(32) }
            }),
          ),
      }),
      'delivered without a receipt, the previous note and the last hash of the lane stay',
    ],
    [
      'reads the header and the note of a decision late',
      (storage) => ({
        async decide(sequence, decision) {
          const payload = decision.kind === 'redrive' ? decision.payload?.slice() : undefined
          await turn()
          await storage.decide(sequence, {
            ...decision,
            ...(payload === undefined ? {} : { payload }),
          })
        },
      }),
      'a redrive may correct payload and header',
    ],
    [
      'counts trouble on after a redrive',
      (storage) => {
        const since = new Map<number, number>()
        return {
          async mark(lease, notes) {
            await storage.mark(lease, notes)
            for (const { sequence } of notes) since.set(sequence, clock)
          },
          lease: (request) =>
            changeLease(storage.lease(request), (entry) => {
              const at = since.get(entry.sequence)
              return at === undefined ? entry : { ...entry, troubledForMs: clock - at }
            }),
        }
      },
      'a redriven entry has no trouble behind it, whatever became of its last request',
    ],
    ...(['hurry', 'wipe'] as const).map(
      (method): [string, (storage: QueueStorage) => Partial<QueueStorage>, string] => [
        `says nothing when a ${method} has changed everything`,
        (storage) => {
          let quiet = false
          const silently = async (call: () => Promise<void> | undefined): Promise<void> => {
            quiet = true
            await call()
            quiet = false
          }
          return {
            watch: (listener) =>
              storage.watch(() => {
                if (!quiet) listener()
              }),
            [method]: (keep: readonly KeptNote[]) =>
              silently(() => (method === 'hurry' ? storage.hurry?.() : storage.wipe?.(keep))),
          }
        },
        'watch calls after append, settle, decide, hurry and wipe, until it is stopped',
      ],
    ),
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
      'what one handle has done the other sees, and is told',
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
