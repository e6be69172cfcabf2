import 'fake-indexeddb/auto'
import { deleteDB, openDB } from 'idb'
import { afterEach, expect, it, vi } from 'vitest'
import { openIdbStorage, type IdbStorage } from '../src/index.js'
import { processLocks } from './support/process-locks.js'
import { bytes, draft, leaseFrom } from './support/tools.js'

const name = 'depth'
const locks = processLocks()

afterEach(async () => {
  vi.restoreAllMocks()
  await deleteDB(name)
})

/** Counts what is asked of the database, and how much it answers. */
function countRequests(): { readonly requests: number; readonly rows: number } {
  const seen = { requests: 0, rows: 0 }
  for (const source of [IDBObjectStore.prototype, IDBIndex.prototype]) {
    for (const method of ['get', 'getAll', 'getAllKeys', 'getKey', 'openKeyCursor', 'count'] as const) {
      const original = source[method] as (...call: unknown[]) => IDBRequest<unknown>
      vi.spyOn(source, method).mockImplementation(function counted(this: unknown, ...call: unknown[]) {
        const request = original.apply(this, call)
        seen.requests++
        request.addEventListener('success', () => {
          seen.rows += Array.isArray(request.result) ? request.result.length : 1
        })
        return request as never
      })
    }
  }
  return seen
}

it('stats, lease, mark, settle and append cost the same however much is waiting', async () => {
  const storage = await openIdbStorage({ name, locks, persist: false, limits: { bytes: 2 ** 31 } })
  const watcher = await openIdbStorage({ name, locks, persist: false })
  const costs: { readonly requests: number; readonly rows: number }[] = []
  let waiting = 0
  // The first time, records of what is touched come into being; from then on nothing may change but the depth.
  for (const depth of [100, 100, 100_100]) {
    const step = Math.min(1000, depth)
    for (; waiting < depth; waiting += step) {
      const drafts = Array.from({ length: step }, (_, at) => ({ ...draft, key: `${waiting + at}` }))
      await storage.append(drafts)
      // The drainer keeps up: what was appended meanwhile is the one thing that it has to read.
      if (waiting === 0 || waiting + step === depth) {
        const lease = await leaseFrom(storage, { limit: 1, ttlMs: 1e6 })
        await storage.settle(
          lease,
          lease.entries.map(({ sequence }) => ({ sequence, outcome: 'waiting', delayMs: 0, spent: false })),
        )
      }
    }
    const seen = countRequests()
    const { waiting: counted } = await watcher.stats()
    expect(counted).toBe(depth)
    await storage.stats()
    const lease = await leaseFrom(storage, { limit: 50, ttlMs: 1e6 })
    await storage.mark(
      lease,
      lease.entries.map(({ sequence }) => ({ sequence, group: 'g' })),
    )
    await storage.settle(
      lease,
      lease.entries.map(({ sequence }) => ({
        sequence,
        outcome: 'waiting',
        delayMs: 0,
        spent: true,
        note: bytes,
      })),
    )
    await watcher.list({ limit: 10, after: depth - 10 })
    costs.push({ ...seen })
    vi.restoreAllMocks()
  }
  const [, few, many] = costs
  expect(many).toEqual(few)
  expect(few?.requests).toBeLessThan(25)
  await storage.close()
  await watcher.close()
  // Whoever takes over reads all of it, once.
  const next = await openIdbStorage({ name, locks, persist: false })
  expect(await next.stats()).toMatchObject({ waiting: 100_100, accepted: 100_100, lanes: 1 })
  expect((await leaseFrom(next, { limit: 1 })).entries[0]?.sequence).toBe(1)
  await next.close()
}, 60_000)

it('entries that came one by one are leased and settled together', async () => {
  const storage = await openIdbStorage({ name, locks, persist: false })
  for (let at = 1; at <= 60; at++) await storage.append([{ ...draft, key: `${at}` }])
  await storage.settle(await leaseFrom(storage, { limit: 1 }), [{ sequence: 1, outcome: 'delivered' }])
  const read = countRequests()
  const lease = await leaseFrom(storage)
  expect(lease.entries.map(({ key }) => key)).toEqual(Array.from({ length: 59 }, (_, at) => `${at + 2}`))
  const removed = vi.spyOn(IDBObjectStore.prototype, 'delete')
  await storage.settle(
    lease,
    lease.entries.map(({ sequence }) =>
      sequence === 30
        ? { sequence, outcome: 'waiting', delayMs: 0, spent: false }
        : { sequence, outcome: 'delivered', note: bytes },
    ),
  )
  expect(read.requests).toBeLessThan(10)
  const ranges = removed.mock.calls.map(([range]) => range).filter((range) => range instanceof IDBKeyRange)
  expect(ranges.map(({ lower, upper }) => [lower, upper])).toEqual([
    [2, 30],
    [31, 61],
  ])
  const [left] = (await leaseFrom(storage)).entries
  expect(left).toMatchObject({ sequence: 30, payload: bytes })
  await storage.close()
  const database = await openDB(name)
  expect(await database.getAllKeys('payloads')).toEqual([30])
  expect(await database.count('states')).toBe(60)
  database.close()
})

it('what has grown old while nobody was there is forgotten bit by bit', async () => {
  let clock = 1_000_000
  const open = (): Promise<IdbStorage> => openIdbStorage({ name, locks, persist: false, now: () => clock })
  const first = await open()
  for (let at = 1; at <= 400; at++) await first.append([{ ...draft, key: `${at}` }])
  const { entries, ...lease } = await leaseFrom(first, { limit: 400 })
  await first.settle(
    { entries, ...lease },
    entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes })),
  )
  await first.close()
  clock += 31 * 24 * 60 * 60 * 1000
  const storage = await open()
  await storage.append([{ ...draft, key: 'new' }])
  const seen = countRequests()
  let last = await leaseFrom(storage)
  expect(last.entries).toMatchObject([{ sequence: 401 }])
  expect(seen.requests).toBeLessThan(350)
  // The rest goes with what comes later.
  for (let turn = 0; turn < 10; turn++) {
    await storage.settle(last, [{ sequence: 401, outcome: 'waiting', delayMs: 0, spent: false }])
    last = await leaseFrom(storage)
  }
  vi.restoreAllMocks()
  expect((await storage.list({ limit: 500 })).map(({ sequence }) => sequence)).toEqual([401])
  await storage.close()
})
