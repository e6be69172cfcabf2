import { describe, expect, it } from 'vitest'
import {
  isLease,
  type AttemptNote,
  type Lease,
  type QueueStorage,
  type StorageSupport,
} from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle, type MemoryData } from '../src/memory-storage.js'
import { storageClosed } from '../src/refusals.js'
import { changeLease, failures, turn } from './contract-failures.js'

let clock = 1_000_000_000
const supports = {
  durability: 'process-crash',
  appenders: 'many',
  drainers: 'one',
  evictable: false,
} as const satisfies StorageSupport

/** What is wrong with a handle. `life` counts the times that the store was opened before. */
type Fault = (handle: QueueStorage, life: number, data: MemoryData) => Partial<QueueStorage>

const damaged = new WeakMap<MemoryData, Set<number>>()

function damagedIn(data: MemoryData): Set<number> {
  const known = damaged.get(data) ?? new Set()
  damaged.set(data, known)
  return known
}

/** Quarantines what is damaged, as an adapter should that reads its records back. */
const quarantining: Fault = (handle, _life, data) => ({
  async lease(request) {
    const setAside: number[] = []
    for (;;) {
      const answer = await handle.lease(request)
      if (!isLease(answer)) return { ...answer, setAside }
      const bad = answer.entries.filter(({ sequence }) => damagedIn(data).has(sequence))
      for (const { sequence } of bad) data.index.quarantine(sequence, clock)
      setAside.push(...bad.map(({ sequence }) => sequence))
      const entries = answer.entries.filter((entry) => !bad.includes(entry))
      if (entries.length > 0) return { ...answer, entries, setAside }
    }
  },
})

/** Runs one test of the contract over memory that outlives its handles, with a fault in them. */
async function failing(title: string, fault: Fault, other: Fault = fault): Promise<string[]> {
  const homes = new Map<QueueStorage, { readonly data: MemoryData; readonly life: number }>()

  function open(data: MemoryData, life: number, wrong: Fault): QueueStorage {
    const handle = memoryHandle(data, supports)
    const storage = { ...handle, ...wrong(handle, life, data) }
    homes.set(storage, { data, life })
    return storage
  }

  function homeOf(storage: QueueStorage): { readonly data: MemoryData; readonly life: number } {
    const home = homes.get(storage)
    if (home === undefined) throw new Error('unknown storage')
    return home
  }

  async function again(storage: QueueStorage): Promise<QueueStorage> {
    const { data, life } = homeOf(storage)
    data.index.abandonLeases(clock)
    return open(data, life + 1, fault)
  }

  return await failures(
    {
      create: async () => open(memoryData({ now: () => clock }), 0, fault),
      elapse(ms) {
        clock += ms
      },
      reopen: again,
      crash: again,
      second: async (storage) => open(homeOf(storage).data, homeOf(storage).life, other),
      damage(storage, sequence) {
        damagedIn(homeOf(storage).data).add(sequence)
      },
    },
    (one) => one === title,
  )
}

const reopened = 'reopened, delays, ages and time of trouble go on, and corrections count'
const mutants: readonly [string, Fault, string][] = [
  [
    'forgets delays',
    (_handle, life, data) => {
      if (life > 0) data.index.hurry(clock)
      return {}
    },
    reopened,
  ],
  [
    'forgets ages',
    (handle, life) => ({
      lease: (request) =>
        changeLease(handle.lease(request), (entry) => (life === 0 ? entry : { ...entry, ageMs: 0 })),
    }),
    reopened,
  ],
  [
    'forgets how long there has been trouble',
    (handle, life) => ({
      lease: (request) =>
        changeLease(handle.lease(request), ({ troubledForMs, ...entry }) =>
          life === 0 && troubledForMs !== undefined ? { ...entry, troubledForMs } : entry,
        ),
    }),
    reopened,
  ],
  [
    'forgets what a mark says',
    (handle, life) => ({
      lease: (request) =>
        changeLease(handle.lease(request), (entry) => {
          if (life === 0 || entry.mark === undefined) return entry
          const { sequence, group } = entry.mark
          return { ...entry, mark: { sequence, group } }
        }),
    }),
    reopened,
  ],
  [
    'forgets whom an entry waits for',
    (handle, life) => (life === 0 ? {} : forgetsBlockers(handle)),
    reopened,
  ],
  [
    'forgets corrections',
    (handle, life) => ({
      lease: (request) =>
        changeLease(handle.lease(request), (entry) =>
          life === 0 ? entry : { ...entry, payload: new TextEncoder().encode('as it was') },
        ),
    }),
    reopened,
  ],
  [
    'uses lease ids again',
    withCountedLeases,
    'reopened, a lease of a former life is never taken for a new one',
  ],
  [
    'drops what is under way when it closes',
    (handle) => {
      let closed = false
      return {
        async settle(lease, settlements) {
          await turn()
          if (closed) throw storageClosed()
          await handle.settle(lease, settlements)
        },
        async close() {
          closed = true
          await turn()
          await handle.close()
        },
      }
    },
    'close waits for whatever else was called before it',
  ],
  [
    'keeps the first mark only',
    (handle) => {
      const marks = new Map<number, AttemptNote>()
      return {
        async mark(lease, notes) {
          await handle.mark(
            lease,
            notes.map((note) => marks.get(note.sequence) ?? note),
          )
          for (const note of notes) if (!marks.has(note.sequence)) marks.set(note.sequence, note)
        },
      }
    },
    'process crash: the last mark and a correction are there',
  ],
  [
    'forgets keys',
    (handle, life) => ({
      append: (drafts) =>
        handle.append(life === 0 ? drafts : drafts.map(({ once: _once, ...draft }) => draft)),
    }),
    'process crash: keys, delays, and who waits for whom are there',
  ],
  [
    'forgets whom an entry waits for when it crashes',
    (handle, life) => (life === 0 ? {} : forgetsBlockers(handle)),
    'process crash: keys, delays, and who waits for whom are there',
  ],
  [
    'wipes when it is closed',
    () => ({ wipe: async () => undefined }),
    'process crash: what was wiped stays wiped',
  ],
]

/** Ids from 1 on, in every life. */
function withCountedLeases(handle: QueueStorage): Partial<QueueStorage> {
  const leases = new Map<string, Lease>()
  const real = (lease: Lease): Lease => leases.get(lease.id) ?? lease
  return {
    async lease(request) {
      const answer = await handle.lease(request)
      if (!isLease(answer)) return answer
      const id = String(leases.size + 1)
      leases.set(id, answer)
      return { ...answer, id }
    },
    settle: (lease, settlements) => handle.settle(real(lease), settlements),
  }
}

/** With nothing ready, it gives what waits for another entry. */
function forgetsBlockers(handle: QueueStorage): Partial<QueueStorage> {
  return {
    async lease(request) {
      const answer = await handle.lease(request)
      if (isLease(answer)) return answer
      const waiting = await handle.list({ state: 'waiting', limit: 100 })
      const { onlyGate } = request
      const patient = waiting.find(
        ({ after, gate }) => after.length > 0 && (onlyGate === undefined || gate === onlyGate),
      )
      if (patient === undefined) return answer
      const { sequence, key, lane, gate, header, attempts, ageMs } = patient
      const entry = { sequence, key, header, payload: header, state: 'waiting', attempts, ageMs } as const
      return { id: 'invented', lane, gate, entries: [entry] }
    },
  }
}

describe('runStorageContract: what must outlive a handle', () => {
  it.each(mutants)('finds a storage that %s', async (_what, fault, title) => {
    expect(await failing(title, fault)).toEqual([title])
    expect(await failing(title, () => ({}))).toEqual([])
  })

  const together = 'what one handle has done the other sees, and is told'
  const others: readonly [string, Fault][] = [
    ['hears nothing of others', () => ({ watch: () => () => undefined })],
    ['has notes of its own', () => ({ notes: memoryHandle(memoryData(), supports).notes })],
    ['reads what it has read before', (handle) => ({ read: remembering(handle.read) })],
  ]
  it.each(others)('finds a second handle that %s', async (_what, fault) => {
    expect(await failing(together, () => ({}), fault)).toEqual([together])
    expect(await failing(together, () => ({}))).toEqual([])
  })
})

describe('runStorageContract: damage', () => {
  const told = 'an entry that cannot be read back is told, and its lane goes on'
  const alone = 'a lane of nothing but damage does not stand in the way'
  const faults: readonly [string, string, Fault][] = [
    [
      'does not tell what it has set aside',
      told,
      (handle, life, data) => {
        const { lease = handle.lease } = quarantining(handle, life, data)
        return {
          async lease(request) {
            const { setAside: _setAside, ...answer } = await lease(request)
            return answer
          },
        }
      },
    ],
    [
      'takes damage for done',
      told,
      (handle, _life, data) => ({
        async lease(request) {
          const answer = await handle.lease(request)
          if (!isLease(answer)) return answer
          const setAside = answer.entries
            .map(({ sequence }) => sequence)
            .filter((sequence) => damagedIn(data).has(sequence))
          await handle.settle(
            answer,
            setAside.map((sequence) => ({ sequence, outcome: 'delivered' })),
          )
          const entries = answer.entries.filter(({ sequence }) => !setAside.includes(sequence))
          return { ...answer, entries, setAside }
        },
      }),
    ],
    [
      'fails for as long as something is damaged',
      alone,
      (handle, _life, data) => ({
        async lease(request) {
          const answer = await handle.lease(request)
          if (!isLease(answer) || !answer.entries.some(({ sequence }) => damagedIn(data).has(sequence)))
            return answer
          throw Object.assign(new Error('unreadable'), { code: 'ERR_STORAGE_FAILED' })
        },
      }),
    ],
    [
      'gives empty leases',
      alone,
      (handle, _life, data) => ({
        async lease(request) {
          const answer = await handle.lease(request)
          if (!isLease(answer)) return answer
          const bad = answer.entries.filter(({ sequence }) => damagedIn(data).has(sequence))
          for (const { sequence } of bad) data.index.quarantine(sequence, clock)
          const entries = answer.entries.filter((entry) => !bad.includes(entry))
          return { ...answer, entries, setAside: bad.map(({ sequence }) => sequence) }
        },
      }),
    ],
  ]
  it.each(faults)('finds a storage that %s', async (_what, title, fault) => {
    expect(await failing(title, fault)).toEqual([title])
  })

  it('passes one that quarantines', async () => {
    expect(await failing(told, quarantining)).toEqual([])
    expect(await failing(alone, quarantining)).toEqual([])
  })
})

function remembering(read: QueueStorage['read']): QueueStorage['read'] {
  const answers = new Map<number, ReturnType<QueueStorage['read']>>()
  return (sequence) => {
    const answer = answers.get(sequence) ?? read(sequence)
    answers.set(sequence, answer)
    return answer
  }
}
