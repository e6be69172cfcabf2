import 'fake-indexeddb/auto'
import { isLease, type Lease, type LeaseRequest, type QueueStorage } from '@fhir-outbox/queue-core'
import { deleteDB } from 'idb'
import { afterEach, describe, expect, it } from 'vitest'
import { runIndexedDbContract } from './idb-contract.js'
import { processLocks } from './indexed-db/locks.js'
import { openIndexedDbSpike, type IndexedDbSpike } from './indexed-db/storage.js'

const locks = processLocks()
runIndexedDbContract('in memory, in Node', locks)

describe('IndexedDB spike, a tab beside the one that drains', () => {
  const bytes = new Uint8Array([1, 2, 3])
  const draft = { lane: 'l', gate: 'g', header: bytes, payload: bytes }
  const request: LeaseRequest = { limit: 10, maxBytes: 100, ttlMs: 1000, closedGates: [] }
  const name = 'two-tabs'
  let clock = 0
  const open = (): Promise<IndexedDbSpike> => openIndexedDbSpike({ name, locks, now: () => clock })
  afterEach(() => deleteDB(name))

  async function leaseFrom(storage: QueueStorage, overrides: Partial<LeaseRequest> = {}): Promise<Lease> {
    const answer = await storage.lease({ ...request, ...overrides })
    if (!isLease(answer)) throw new Error('nothing was ready')
    return answer
  }

  it('appends for it, is told by it, and sees what it leases', async () => {
    const [drainer, other] = [await open(), await open()]
    const told = new Promise<void>((resolve) => {
      drainer.watch(resolve)
    })
    await other.append([{ ...draft, key: 'a' }])
    await told
    expect(await other.lease(request)).toEqual({})
    const lease = await leaseFrom(drainer)
    expect(await other.read(1)).toMatchObject({ leased: true, state: 'waiting' })
    expect(await other.stats()).toMatchObject({ waiting: 1, leased: 1 })
    await expect(other.decide(1, { kind: 'withdraw', note: bytes })).rejects.toMatchObject({
      code: 'ERR_WRONG_STATE',
    })
    await drainer.mark(lease, [{ sequence: 1, group: 'g' }])
    clock += 1001
    expect(await other.read(1)).toMatchObject({ leased: false, state: 'unknown' })
    await other.close()
    await drainer.close()
  })

  it('decides for it and hurries it', async () => {
    const [drainer, other] = [await open(), await open()]
    await drainer.append([
      { ...draft, key: 'a' },
      { ...draft, key: 'b' },
      { ...draft, key: 'c' },
    ])
    await drainer.settle(await leaseFrom(drainer, { limit: 1 }), [
      { sequence: 1, outcome: 'rejected', note: bytes },
    ])
    await other.decide(1, { kind: 'redrive', note: bytes, payload: new Uint8Array(5) })
    await other.decide(2, { kind: 'withdraw', note: bytes })
    expect((await drainer.stats()).bytes).toBe(8)
    const lease = await leaseFrom(drainer)
    expect(lease.entries.map(({ sequence, payload }) => [sequence, payload.length])).toEqual([
      [1, 5],
      [3, 3],
    ])
    await drainer.settle(lease, [
      { sequence: 1, outcome: 'waiting', delayMs: 5000, spent: true },
      { sequence: 3, outcome: 'waiting', delayMs: 0, spent: false },
    ])
    expect(await drainer.lease(request)).not.toHaveProperty('entries')
    await other.hurry?.()
    expect((await leaseFrom(drainer)).entries.map(({ sequence }) => sequence)).toEqual([1, 3])
    await other.close()
    await drainer.close()
  })

  it('takes over, once, and the late answer of the old one is refused', async () => {
    const [drainer, other, third] = [await open(), await open(), await open()]
    await drainer.append([{ ...draft, key: 'a' }])
    const lease = await leaseFrom(drainer)
    await drainer.mark(lease, [{ sequence: 1, group: 'g' }])
    const told = new Promise<void>((resolve) => {
      other.watch(resolve)
    })
    drainer.die()
    await told
    expect(await third.lease(request)).toEqual({})
    expect((await leaseFrom(other)).entries).toMatchObject([{ sequence: 1, state: 'unknown' }])
    const late = other.settle(lease, [{ sequence: 1, outcome: 'delivered', note: bytes }])
    await expect(late).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    await other.close()
    await third.close()
  })
})
