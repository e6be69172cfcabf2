import {
  isLease,
  type EntryDraft,
  type Lease,
  type LeaseRequest,
  type QueueStorage,
} from '../storage-port.js'
import { encodeText } from '../internal/bytes.js'
import { equal, ok, present } from './assert.js'
import type { Bench, DefineTest, StorageContract } from './types.js'

export const ttl = 60_000

export function text(value: string): Uint8Array {
  return encodeText(value)
}

let drafts = 0

/** A draft with a key of its own. */
export function draft(overrides: Partial<EntryDraft> = {}): EntryDraft {
  drafts++
  return {
    lane: 'lane',
    key: `key-${drafts}`,
    gate: 'gate',
    header: text(`header-${drafts}`),
    payload: text(`payload-${drafts}`),
    ...overrides,
  }
}

/** Appends and returns the sequences. */
export async function add(storage: QueueStorage, ...all: Partial<EntryDraft>[]): Promise<number[]> {
  const appended = await storage.append(all.map((overrides) => draft(overrides)))
  equal(appended.length, all.length, 'one answer for each draft')
  return appended.map(({ sequence }) => sequence)
}

/** Appends one entry and returns its sequence. */
export async function addOne(storage: QueueStorage, overrides: Partial<EntryDraft> = {}): Promise<number> {
  return present((await add(storage, overrides))[0], 'the sequence')
}

export const plainRequest: LeaseRequest = { limit: 100, maxBytes: 2 ** 30, ttlMs: ttl, closedGates: [] }

export async function lease(storage: QueueStorage, request: Partial<LeaseRequest> = {}): Promise<Lease> {
  const answer = await storage.lease({ ...plainRequest, ...request })
  ok(isLease(answer), 'a lane should have been ready')
  ok(answer.entries.length > 0, 'a lease is never empty')
  return answer
}

/** Nothing must be ready; returns when something will be. */
export async function nothing(
  storage: QueueStorage,
  request: Partial<LeaseRequest> = {},
): Promise<number | undefined> {
  const answer = await storage.lease({ ...plainRequest, ...request })
  ok(!isLease(answer), 'no lane should have been ready')
  return answer.nextDueInMs
}

export function sequences(taken: Lease): number[] {
  return taken.entries.map(({ sequence }) => sequence)
}

export async function deliver(
  storage: QueueStorage,
  taken: Lease,
  only: readonly number[] = sequences(taken),
): Promise<void> {
  await storage.settle(
    taken,
    only.map((sequence) => ({ sequence, outcome: 'delivered', note: text(`receipt-${sequence}`) })),
  )
}

/** Leases the next run, checks what it is, and rejects it: dead letters for tests. */
export async function kill(storage: QueueStorage, expected: readonly number[]): Promise<void> {
  const taken = await lease(storage, { limit: expected.length })
  equal(sequences(taken), expected, 'the run to reject')
  await storage.settle(
    taken,
    expected.map((sequence) => ({ sequence, outcome: 'rejected', note: text('no') })),
  )
}

export async function stateOf(storage: QueueStorage, sequence: number): Promise<string> {
  return present(await storage.read(sequence), `entry ${sequence}`).state
}

/** Gives asynchronous notifications up to 200 turns of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !condition(); turn++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 1)
    })
  }
}

/** `accepted = waiting + delivered + dead + discarded + quarantined`, at every instant. */
export async function checkAudit(storage: QueueStorage): Promise<void> {
  const stats = await storage.stats()
  const sum = stats.waiting + stats.delivered + stats.dead + stats.discarded + stats.quarantined
  equal(stats.accepted, sum, 'the audit: accepted against the sum of the states')
  for (const part of [stats.leased, stats.unknown, stats.held]) {
    ok(part >= 0 && part <= stats.waiting, 'leased, unknown and held are parts of waiting')
  }
  ok(stats.lanes <= stats.waiting, 'no more lanes than waiting entries')
  ok((stats.waiting === 0) === (stats.lanes === 0), 'a waiting entry is in a lane')
}

/** The same storage, but the audit is checked around every call that changes something. */
function audited(storage: QueueStorage): QueueStorage {
  async function check<Result>(call: Promise<Result>): Promise<Result> {
    try {
      return await call
    } finally {
      // A closed storage has no stats; whatever the call said stands.
      const open = await storage.stats().then(
        () => true,
        () => false,
      )
      if (open) await checkAudit(storage)
    }
  }
  return {
    supports: storage.supports,
    append: (all) => check(storage.append(all)),
    lease: (request) => check(storage.lease(request)),
    mark: (taken, notes) => check(storage.mark(taken, notes)),
    renew: (taken, ms) => check(storage.renew(taken, ms)),
    settle: (taken, settlements) => check(storage.settle(taken, settlements)),
    decide: (sequence, decision) => check(storage.decide(sequence, decision)),
    read: (sequence) => storage.read(sequence),
    list: (query) => storage.list(query),
    notes: storage.notes,
    watch: (listener) => storage.watch(listener),
    ...(storage.hurry === undefined ? {} : { hurry: storage.hurry.bind(storage) }),
    ...(storage.wipe === undefined
      ? {}
      : { wipe: (keep) => check(storage.wipe?.(keep) ?? Promise.resolve()) }),
    stats: () => storage.stats(),
    sync: () => storage.sync(),
    close: () => storage.close(),
  }
}

/** Makes the function with which the topics register their tests. */
export function testsOf(contract: StorageContract): DefineTest {
  return (name, body) => {
    contract.runner.it(name, async () => {
      const behind = new Map<QueueStorage, QueueStorage>()
      const adopt = (storage: QueueStorage): QueueStorage => {
        const handle = audited(storage)
        behind.set(handle, storage)
        return handle
      }
      const created = await contract.create()
      const bench: Bench = {
        contract,
        storage: adopt(created),
        adopt,
        raw: (handle) => present(behind.get(handle), 'the storage behind the handle'),
        async elapse(ms) {
          await contract.elapse(ms)
        },
        async setBack(ms) {
          await contract.setBack?.(ms)
        },
      }
      try {
        await body(bench)
      } finally {
        for (const storage of behind.values()) await storage.close()
        await contract.destroy?.(created)
      }
    })
  }
}
