import 'fake-indexeddb/auto'
import { deleteDB } from 'idb'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openIdbStorage, type IdbStorage, type Locks } from '../src/index.js'
import type { PayloadPage } from '../src/internal/schema.js'
import { processLocks } from './support/process-locks.js'
import { bytes, draft, keyed, leaseFrom, request, sequencesOf } from './support/tools.js'

const name = 'faults'
let storage: IdbStorage | undefined

async function open(): Promise<IdbStorage> {
  storage = await openIdbStorage({ name, locks: processLocks(), persist: false })
  return storage
}

afterEach(async () => {
  vi.restoreAllMocks()
  await storage?.close()
  storage = undefined
  await deleteDB(name)
})

/** Every transaction that writes, with what it asked for. */
function spyOnWriting(): IDBTransactionOptions[] {
  const seen: IDBTransactionOptions[] = []
  const { transaction } = IDBDatabase.prototype
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function spied(
    this: IDBDatabase,
    stores,
    mode,
    options,
  ) {
    if (mode === 'readwrite') seen.push(options ?? {})
    return transaction.call(this, stores, mode, options)
  })
  return seen
}

/** Writes to this store find no room, or are taken and then lost with their commit. */
function failWrites(
  store: string,
  reason: 'commit' | 'quota',
  when: (value: unknown) => boolean = () => true,
): void {
  const { put } = IDBObjectStore.prototype
  const { commit } = IDBTransaction.prototype
  const lost = new WeakSet<IDBTransaction>()
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function failing(
    this: IDBObjectStore,
    value,
    key,
  ) {
    if (this.name === store && when(value)) {
      if (reason === 'quota') throw new DOMException('no room', 'QuotaExceededError')
      lost.add(this.transaction)
    }
    return key === undefined ? put.call(this, value) : put.call(this, value, key)
  })
  vi.spyOn(IDBTransaction.prototype, 'commit').mockImplementation(function failing(this: IDBTransaction) {
    if (lost.has(this)) this.abort()
    else commit.call(this)
  })
}

/** As when the file behind the first page is gone: whatever would read it fails. */
function losePayloads(): void {
  const { get, getAll } = IDBObjectStore.prototype
  const failing = (): IDBRequest => {
    const request = new EventTarget()
    queueMicrotask(() => request.dispatchEvent(new Event('error', { cancelable: true })))
    return request as IDBRequest
  }
  vi.spyOn(IDBObjectStore.prototype, 'get').mockImplementation(function losing(this: IDBObjectStore, key) {
    return this.name === 'payloads' && key === 1 ? failing() : get.call(this, key)
  })
  vi.spyOn(IDBObjectStore.prototype, 'getAll').mockImplementation(function losing(
    this: IDBObjectStore,
    ...range
  ) {
    return this.name === 'payloads' ? failing() : getAll.apply(this, range)
  })
}

describe('commits', () => {
  it('are strict for appends, marks and settlements, and callers that wait share one', async () => {
    const opened = await open()
    const seen = spyOnWriting()
    await Promise.all(Array.from({ length: 64 }, (_, at) => opened.append(keyed(`k${at}`))))
    expect(seen).toEqual([{ durability: 'strict' }])
    // While one is under way, all who come wait for the next.
    seen.length = 0
    const first = opened.append(keyed('early'))
    await Promise.resolve()
    await Promise.resolve()
    const rest = Array.from({ length: 20 }, (_, at) => opened.append(keyed(`late${at}`)))
    await Promise.all([first, ...rest])
    expect(seen.length).toBeLessThanOrEqual(2)
    const lease = await leaseFrom(opened)
    seen.length = 0
    await opened.mark(lease, [{ sequence: 1, group: 'g' }])
    await opened.settle(lease, [{ sequence: 1, outcome: 'delivered', note: bytes }])
    await opened.decide(85, { kind: 'withdraw', note: bytes }).catch(() => undefined)
    await opened.notes.put('n', bytes, 0)
    expect(seen.every(({ durability }) => durability === 'strict')).toBe(true)
    expect(seen).toHaveLength(4)
  })

  it('copies what it is given, also of a Buffer, of which a slice is no copy', async () => {
    const opened = await open()
    const payload = Buffer.from('as it was')
    const appending = opened.append([{ ...draft, key: 'a', payload }])
    const putting = opened.notes.put('n', payload, 0)
    payload.fill(0)
    await Promise.all([appending, putting])
    const stored = [(await opened.read(1))?.payload, (await opened.notes.get('n'))?.bytes]
    for (const one of stored) {
      expect(new TextDecoder().decode(one)).toBe('as it was')
      // Nor of the memory around it.
      expect(one?.buffer.byteLength).toBe(9)
    }
  })

  it('an append resolves on the commit: requests that succeeded are not enough', async () => {
    const opened = await open()
    failWrites('payloads', 'commit')
    await expect(opened.append(keyed('a', 'b'))).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    vi.restoreAllMocks()
    expect(await opened.list({ limit: 10 })).toEqual([])
    expect(await opened.stats()).toMatchObject({ accepted: 0, bytes: 0, lanes: 0 })
    expect(await opened.append(keyed('a'))).toEqual([{ sequence: 1, duplicate: false }])
  })

  it('one that finds no room takes no neighbour with it', async () => {
    const opened = await open()
    const large = { ...draft, key: 'large', payload: new Uint8Array(1000) }
    failWrites('payloads', 'quota', (page) => (page as PayloadPage).rows.some((one) => one?.length === 1000))
    const answers = await Promise.allSettled([
      opened.append(keyed('a')),
      opened.append([...keyed('half'), large]),
      opened.append(keyed('b')),
    ])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(answers[1]).toMatchObject({
      reason: { code: 'ERR_QUEUE_FULL', cause: { name: 'QuotaExceededError' } },
    })
    expect((await opened.list({ limit: 10 })).map(({ key }) => key)).toEqual(['a', 'b'])
    expect(await opened.stats()).toMatchObject({ accepted: 2, waiting: 2, bytes: 6 })
  })

  it('a settlement that was not committed never happened: the index is built anew', async () => {
    const opened = await open()
    await opened.append(keyed('a', 'b', 'c'))
    const lease = await leaseFrom(opened)
    await opened.mark(lease, [{ sequence: 1, group: 'g' }])
    failWrites('states', 'commit')
    const settling = opened.settle(lease, [
      { sequence: 1, outcome: 'delivered', note: bytes },
      { sequence: 2, outcome: 'rejected', note: bytes },
    ])
    await expect(settling).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    vi.restoreAllMocks()
    // The leases went with the index; what was marked may have been sent.
    await expect(opened.renew(lease, 1000)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    const again = await leaseFrom(opened)
    expect(again.entries).toMatchObject([{ sequence: 1, state: 'unknown', mark: { group: 'g' } }])
    await opened.settle(again, [{ sequence: 1, outcome: 'delivered', note: bytes }])
    expect(sequencesOf(await leaseFrom(opened))).toEqual([2, 3])
    expect(await opened.stats()).toMatchObject({ accepted: 3, delivered: 1, waiting: 2, dead: 0, unknown: 0 })
  })

  it('a lease that was not committed is given again', async () => {
    const opened = await open()
    await opened.append(keyed('a'))
    failWrites('leases', 'commit')
    await expect(leaseFrom(opened)).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    vi.restoreAllMocks()
    expect(sequencesOf(await leaseFrom(opened))).toEqual([1])
  })

  it('an entry whose payload is gone is set aside, and its lane goes on', async () => {
    const opened = await open()
    await opened.append(keyed('a'))
    await opened.append(keyed('b'))
    losePayloads()
    const lease = await leaseFrom(opened)
    expect([sequencesOf(lease), lease.setAside]).toEqual([[2], [1]])
    expect(await opened.read(1)).toMatchObject({ state: 'quarantined', key: 'a' })
    expect(await opened.stats()).toMatchObject({
      accepted: 2,
      waiting: 1,
      quarantined: 1,
      bytes: 3,
      lanes: 1,
    })
    expect((await opened.list({ state: 'quarantined', limit: 5 })).map(({ sequence }) => sequence)).toEqual([
      1,
    ])
  })
})

describe('opening beside a drainer that is gone', () => {
  it('goes on when nothing can be written: reading needs no room', async () => {
    const locks = processLocks()
    const opening = { name, locks, persist: false }
    const gone = await openIdbStorage(opening)
    await gone.append(keyed('a', 'b'))
    await gone.mark(await leaseFrom(gone), [{ sequence: 1, group: 'g' }])
    locks.steal(`fhir-outbox ${name}`)
    failWrites('meta', 'quota')
    storage = await openIdbStorage(opening)
    expect(await storage.read(2)).toMatchObject({ state: 'waiting', payload: bytes })
    await expect(storage.append(keyed('c'))).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
    await expect(storage.lease(request)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
    vi.restoreAllMocks()
    expect((await leaseFrom(storage)).entries).toMatchObject([{ sequence: 1, state: 'unknown' }])
    await gone.close()
  })

  it('and locks that refuse are a refusal of the lease, in words of the storage', async () => {
    const locks: Locks = { request: () => Promise.reject(new DOMException('forbidden', 'SecurityError')) }
    storage = await openIdbStorage({ name, locks, persist: false })
    await storage.append(keyed('a'))
    await expect(storage.lease(request)).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
      cause: { name: 'SecurityError' },
    })
    expect(await storage.stats()).toMatchObject({ waiting: 1 })
  })
})

describe('a correction beside payloads that cannot be read', () => {
  it('is refused while they are needed, and made when they are not', async () => {
    const opened = await open()
    await opened.append(keyed('a', 'b'))
    const lease = await leaseFrom(opened)
    await opened.settle(lease, [{ sequence: 1, outcome: 'rejected', note: bytes }])
    const payload = new Uint8Array([9, 9])
    const correction = { kind: 'redrive', note: bytes, payload } as const
    losePayloads()
    await expect(opened.decide(1, correction)).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    vi.restoreAllMocks()
    expect(await opened.read(1)).toMatchObject({ state: 'dead', payload: bytes })
    expect(await opened.read(2)).toMatchObject({ state: 'waiting', payload: bytes })
    expect(await opened.stats()).toMatchObject({ dead: 1, waiting: 1, bytes: 6 })

    await opened.settle(lease, [{ sequence: 2, outcome: 'delivered', note: bytes }])
    losePayloads()
    await opened.decide(1, correction)
    vi.restoreAllMocks()
    expect((await leaseFrom(opened)).entries).toMatchObject([{ sequence: 1, payload }])
    expect(await opened.stats()).toMatchObject({ dead: 0, waiting: 1, bytes: 2 })
  })
})

describe('limits', () => {
  it('refuses beyond entries or bytes with the numbers, and takes more after a delivery', async () => {
    storage = await openIdbStorage({
      name,
      locks: processLocks(),
      persist: false,
      limits: { entries: 2, bytes: 100 },
    })
    await storage.append(keyed('a'))
    await expect(storage.append(keyed('b', 'c'))).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
      message: 'the queue would hold 3 of 2 entries and 9 of 100 bytes',
    })
    await expect(storage.append([{ ...draft, key: 'x', payload: new Uint8Array(98) }])).rejects.toMatchObject(
      { code: 'ERR_QUEUE_FULL' },
    )
    await storage.settle(await leaseFrom(storage), [{ sequence: 1, outcome: 'delivered' }])
    expect((await storage.append(keyed('b', 'c'))).map(({ sequence }) => sequence)).toEqual([2, 3])
  })

  it('grants half of the quota, and tells whether the browser may evict', async () => {
    const asked: string[] = []
    vi.stubGlobal('navigator', {
      storage: {
        estimate: async () => ({ quota: 20 }),
        persisted: async () => false,
        persist: async () => {
          asked.push('persist')
          return true
        },
      },
    })
    storage = await openIdbStorage({ name, locks: processLocks() })
    vi.unstubAllGlobals()
    expect([storage.supports.evictable, asked]).toEqual([false, ['persist']])
    await storage.append(keyed('a', 'b', 'c'))
    await expect(storage.append(keyed('d'))).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
  })

  it('forgets what was settled longest ago, and its key', async () => {
    storage = await openIdbStorage({
      name,
      locks: processLocks(),
      persist: false,
      receipts: { maxCount: 40 },
    })
    await storage.append(keyed(...Array.from({ length: 100 }, (_, at) => `k${at}`)))
    await storage.settle(
      await leaseFrom(storage),
      Array.from({ length: 100 }, (_, at) => ({ sequence: at + 1, outcome: 'delivered', note: bytes })),
    )
    const left = (await storage.list({ limit: 200 })).map(({ sequence }) => sequence)
    expect(left).toEqual(Array.from({ length: 40 }, (_, at) => at + 61))
    const again = await storage.append([
      { ...draft, key: 'k3', once: true },
      { ...draft, key: 'k99', once: true },
    ])
    expect(again).toEqual([
      { sequence: 101, duplicate: false },
      { sequence: 100, duplicate: true },
    ])
    expect(await storage.stats()).toMatchObject({ accepted: 101, delivered: 100, waiting: 1 })
  })
})
