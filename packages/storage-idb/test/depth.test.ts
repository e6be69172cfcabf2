import 'fake-indexeddb/auto'
import { deleteDB } from 'idb'
import { afterAll, afterEach, expect, it, vi } from 'vitest'
import { openIdbStorage } from '../src/index.js'
import { processLocks } from './support/process-locks.js'
import { bytes, draft, leaseFrom } from './support/tools.js'

const name = 'depth'
const locks = processLocks()

afterEach(() => vi.restoreAllMocks())
afterAll(() => deleteDB(name))

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
  for (const depth of [100, 100_000]) {
    for (; waiting < depth; waiting += 100) {
      const drafts = Array.from({ length: 100 }, (_, at) => ({ ...draft, key: `${waiting + at}` }))
      await storage.append(drafts)
      // The drainer keeps up: what was appended meanwhile is the one thing that it has to read.
      if (waiting === 0 || waiting + 100 === depth) {
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
  const [few, many] = costs
  expect(many).toEqual(few)
  expect(few?.requests).toBeLessThan(40)
  await storage.close()
  await watcher.close()
  // Whoever takes over reads all of it, once.
  const next = await openIdbStorage({ name, locks, persist: false })
  expect(await next.stats()).toMatchObject({ waiting: 100_000, accepted: 100_000, lanes: 1 })
  expect((await leaseFrom(next, { limit: 1 })).entries[0]?.sequence).toBe(1)
  await next.close()
}, 60_000)
