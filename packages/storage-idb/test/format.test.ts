import 'fake-indexeddb/auto'
import { forceCloseDatabase } from 'fake-indexeddb'
import { deleteDB, openDB, wrap } from 'idb'
import { serialize } from 'node:v8'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { EntryDraft } from '@fhir-outbox/queue-core'
import { openDatabase, type Migration } from '../src/internal/database.js'
import type { Meta } from '../src/internal/schema.js'
import { openIdbStorage, type IdbStorage, type IdbStorageEvent } from '../src/index.js'
import { processLocks } from './support/process-locks.js'
import { bytes, draft, keyed, leaseFrom, sequencesOf } from './support/tools.js'

const name = 'format'
const locks = processLocks()
const handles: IdbStorage[] = []

async function open(
  options: { readonly onBlocked?: () => void; readonly signal?: AbortSignal } = {},
): Promise<IdbStorage> {
  const storage = await openIdbStorage({ name, locks, persist: false, ...options })
  handles.push(storage)
  return storage
}

afterEach(async () => {
  vi.unstubAllGlobals()
  for (const handle of handles.splice(0)) await handle.close()
  await deleteDB(name)
})

/** A database of format 1 as docs/formats/idb.md describes it, written without this package. */
async function writeByHand(): Promise<void> {
  const database = await openDB(name, 1, {
    upgrade(made) {
      const heads = made.createObjectStore('heads', { keyPath: 'first' })
      heads.createIndex('keys', 'keys', { multiEntry: true })
      heads.createIndex('after', 'after', { multiEntry: true })
      made
        .createObjectStore('states', { keyPath: 'first' })
        .createIndex('listed', 'listed', { multiEntry: true })
      made.createObjectStore('leases', { keyPath: 'id' })
      made.createObjectStore('payloads', { keyPath: 'first' })
      made.createObjectStore('lanes', { keyPath: 'name' })
      for (const store of ['news', 'notes', 'meta']) made.createObjectStore(store)
    },
  })
  const row = (key: string, lane = 'l'): object => ({
    lane,
    gate: 'g',
    key,
    header: bytes,
    payloadBytes: 3,
    appendedAt: 500,
  })
  await database.put('heads', {
    first: 1,
    rows: [row('a'), row('b'), null, row('d', 'm')],
    keys: ['a', 'b', 'd'],
    after: [],
  })
  await database.put('heads', { first: 5, rows: [{ ...row('e', 'n'), after: [2] }], keys: ['e'], after: [2] })
  await database.put('states', {
    first: 1,
    rows: [
      { state: 'delivered', attempts: 1, note: bytes, settledAt: 600 },
      { state: 'dead', deadReason: 'rejected', attempts: 2, note: bytes },
    ],
    listed: [['dead', 2]],
  })
  await database.put('payloads', { first: 1, rows: [null, bytes, null, bytes] })
  await database.put('payloads', { first: 5, rows: [bytes] })
  await database.put('leases', {
    id: 'idb1.1',
    lane: 'm',
    unknown: false,
    sequences: [4],
    expiresAt: 9e15,
    marks: [{ at: 700, notes: [{ sequence: 4, group: 'request' }] }],
  })
  await database.put('lanes', { name: 'l', pending: 0, receiptHash: new Uint8Array(32).fill(7) })
  const meta: Meta = {
    version: 9,
    lastSequence: 5,
    generation: 1,
    epoch: 0,
    news: 0,
    clock: 1000,
    lanes: [
      { name: 'm', pending: 1 },
      { name: 'n', pending: 1 },
    ],
    spilled: true,
    counts: {
      accepted: 5,
      waiting: 2,
      unknown: 0,
      held: 1,
      delivered: 2,
      dead: 1,
      discarded: 0,
      quarantined: 0,
      bytes: 9,
      lanes: 2,
    },
  }
  await database.put('meta', meta, 1)
  database.close()
}

describe('the format', () => {
  it('is what its description says', async () => {
    await writeByHand()
    const storage = await open()
    // Nobody drains, so what was marked is told of at once.
    expect((await storage.list({ limit: 9 })).map(({ sequence, state }) => [sequence, state])).toEqual([
      [1, 'delivered'],
      [2, 'dead'],
      [4, 'unknown'],
      [5, 'waiting'],
    ])
    expect(await storage.stats()).toMatchObject({ accepted: 5, waiting: 2, unknown: 1, held: 1, leased: 0 })
    expect(await storage.read(5)).toMatchObject({ heldBy: 2, key: 'e', payload: bytes })
    const lease = await leaseFrom(storage)
    expect(lease).toMatchObject({
      lane: 'm',
      entries: [{ sequence: 4, state: 'unknown', mark: { group: 'request' } }],
    })
    expect(await storage.append([{ ...draft, key: 'b', once: true }, ...keyed('f')])).toEqual([
      { sequence: 2, duplicate: true },
      { sequence: 6, duplicate: false },
    ])
    const next = await leaseFrom(storage)
    expect([sequencesOf(next), next.lastReceiptHash]).toEqual([[6], new Uint8Array(32).fill(7)])
  })

  it('keeps every record below what Chromium would put into a file of its own', async () => {
    const storage = await open()
    const text = (length: number, at: number): string => `${at} `.padEnd(length, '.')
    const drafts = (header: number, payload: number, name: number): EntryDraft[] =>
      Array.from({ length: 120 }, (_, at) => ({
        lane: text(name, 0),
        gate: text(name, 1),
        key: text(Math.min(name, 500), at),
        header: new Uint8Array(header),
        payload: new Uint8Array(payload),
      }))
    for (const [header, payload, name] of [
      [40, 1200, 36],
      [4000, 100, 36],
      [0, 0, 1000],
      [0, 30_000, 36],
    ] as const) {
      await Promise.all(drafts(header, payload, name).map((one) => storage.append([one])))
    }
    const database = await openDB(name)
    const stores: unknown[][] = [await database.getAll('heads'), await database.getAll('payloads')]
    database.close()
    for (const records of stores) {
      expect(Math.max(...records.map((record) => serialize(record).length))).toBeLessThan(64 * 1024)
      expect(records.length).toBeGreaterThan(3 + 120 / 2)
      expect(records.length).toBeLessThan(100)
    }
  })

  it('an upgrade loses nothing, and one that fails changes nothing', async () => {
    await writeByHand()
    const first: Migration = () => undefined
    const options = {
      name,
      onBlocked: undefined,
      signal: undefined,
      onWanted: () => undefined,
      onGone: () => undefined,
    }
    const broken: Migration = async (_database, transaction) => {
      transaction.objectStore('heads').clear()
      await Promise.resolve()
      throw new Error('half way')
    }
    await expect(openDatabase({ ...options, steps: [first, broken] })).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
      cause: { message: 'half way' },
    })
    const old = await open()
    expect(await old.list({ limit: 9 })).toHaveLength(4)
    await old.close()
    const addStore: Migration = (database) => void database.createObjectStore('more')
    const upgraded = wrap(await openDatabase({ ...options, steps: [first, addStore] }))
    expect([await upgraded.count('heads'), await upgraded.count('payloads'), upgraded.version]).toEqual([
      2, 2, 2,
    ])
    upgraded.close()
    // Newer than this version: refused untouched.
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STORAGE_FORMAT',
      cause: { name: 'VersionError' },
    })
    const looked = await openDB(name)
    expect([looked.version, await looked.count('heads')]).toEqual([2, 2])
    looked.close()
  })

  it('somebody else’s database is refused untouched', async () => {
    const foreign = await openDB(name, 1, { upgrade: (made) => void made.createObjectStore('theirs') })
    await foreign.put('theirs', 'x', 1)
    foreign.close()
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STORAGE_FORMAT' })
    const again = await openDB(name)
    expect(await again.get('theirs', 1)).toBe('x')
    again.close()
  })

  it('a database of an earlier layout with the same stores is refused untouched', async () => {
    const earlier = await openDB(name, 1, {
      upgrade(made) {
        for (const store of ['heads', 'states', 'payloads'])
          made.createObjectStore(store, { keyPath: 'first' })
        made.createObjectStore('leases', { keyPath: 'id' })
        made.createObjectStore('lanes', { keyPath: 'name' })
        made.createObjectStore('meta', { keyPath: 'version' })
        for (const store of ['news', 'notes']) made.createObjectStore(store)
      },
    })
    await earlier.put('meta', { version: 3 })
    earlier.close()
    await expect(open()).rejects.toMatchObject({ code: 'ERR_STORAGE_FORMAT' })
    const again = await openDB(name)
    expect([again.version, await again.get('meta', 3)]).toEqual([1, { version: 3 }])
    again.close()
  })
})

describe('opening and losing', () => {
  it('without IndexedDB says so', async () => {
    vi.stubGlobal('indexedDB', undefined)
    await expect(open()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' })
    vi.unstubAllGlobals()
    vi.stubGlobal('indexedDB', {
      open() {
        throw new DOMException('sandboxed', 'SecurityError')
      },
    })
    await expect(open()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', cause: { name: 'SecurityError' } })
  })

  it('serves a page without TLS, which has neither Web Locks nor random UUIDs', async () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) })
    const storage = await openIdbStorage({ name, locks: null, persist: false })
    handles.push(storage)
    await storage.append(keyed('a'))
    expect(sequencesOf(await leaseFrom(storage))).toEqual([1])
  })

  it('a private window that opens no database gets a typed error', async () => {
    const target = new EventTarget()
    const request: unknown = Object.create(IDBRequest.prototype, {
      addEventListener: { value: target.addEventListener.bind(target) },
      removeEventListener: { value: target.removeEventListener.bind(target) },
      error: { value: new DOMException('private', 'InvalidStateError') },
    })
    vi.stubGlobal('indexedDB', {
      open() {
        queueMicrotask(() => target.dispatchEvent(new Event('error')))
        return request
      },
    })
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
      cause: { name: 'InvalidStateError' },
    })
  })

  it('a handle makes way for an upgrade, and says why', async () => {
    const storage = await open()
    await storage.append(keyed('a'))
    const events: IdbStorageEvent[] = []
    storage.subscribe((event) => events.push(event))
    const appending = storage.append(keyed('b'))
    const newer = await openDB(name, 2, { upgrade: (made) => void made.createObjectStore('more') })
    await appending
    expect(await newer.count('heads')).toBe(2)
    newer.close()
    expect(events).toMatchObject([{ type: 'lost', reason: 'upgrade', error: { code: 'ERR_STORAGE_CLOSED' } }])
    await expect(storage.append(keyed('c'))).rejects.toBe(events[0]?.type === 'lost' ? events[0].error : '')
    await expect(storage.stats()).rejects.toMatchObject({ code: 'ERR_STORAGE_CLOSED' })
  })

  it('a handle makes way for whoever deletes the database, and does not say that anything is left', async () => {
    const storage = await open()
    await storage.append(keyed('a'))
    const events: IdbStorageEvent[] = []
    storage.subscribe((event) => events.push(event))
    await deleteDB(name)
    expect(events).toMatchObject([
      { type: 'lost', reason: 'closed-by-browser', error: { code: 'ERR_STORAGE_FAILED' } },
    ])
    await expect(storage.append(keyed('b'))).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
  })

  it('a blocked upgrade is told, waits for the old tab, and can be given up', async () => {
    const steps: Migration[] = [() => undefined, () => undefined]
    const base = { steps, onWanted: () => undefined, onGone: () => undefined }
    const cases: Record<string, (database: string, stubborn: { close(): void }) => Promise<void>> = {
      async refused(database) {
        const opening = openDatabase({ ...base, name: database, onBlocked: undefined, signal: undefined })
        await expect(opening).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
      },
      async 'given up'(database) {
        const { signal, abort } = { signal: new AbortController(), abort: vi.fn() }
        const onBlocked = (): void => {
          abort()
          signal.abort()
        }
        const opening = openDatabase({ ...base, name: database, onBlocked, signal: signal.signal })
        await expect(opening).rejects.toMatchObject({ name: 'AbortError' })
        expect(abort).toHaveBeenCalledTimes(1)
      },
      async patient(database, stubborn) {
        const onBlocked = (): void => stubborn.close()
        const opening = openDatabase({ ...base, name: database, onBlocked, signal: undefined })
        // It is no outbox, but it was opened: nobody stood in the way any more.
        await expect(opening).rejects.toMatchObject({ code: 'ERR_STORAGE_FORMAT' })
      },
    }
    for (const [title, run] of Object.entries(cases)) {
      const stubborn = await openDB(title, 1, { upgrade: (made) => void made.createObjectStore('x') })
      await run(title, stubborn)
      stubborn.close()
      // What was given up comes to nothing when it may go on at last.
      await deleteDB(title)
    }
  })

  it('a database that the browser closes leaves typed errors', async () => {
    const storage = await open()
    const events: IdbStorageEvent[] = []
    storage.subscribe((event) => events.push(event))
    await storage.append(keyed('a'))
    const used = vi.spyOn(IDBDatabase.prototype, 'transaction')
    await storage.stats()
    const database = used.mock.contexts[0]
    used.mockRestore()
    if (database === undefined) throw new Error('no database was used')
    // Its types name the class instead of an instance.
    forceCloseDatabase(database as never)
    await expect(storage.append(keyed('b'))).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    await expect(storage.list({ limit: 1 })).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    await vi.waitFor(() => expect(events).toMatchObject([{ type: 'lost', reason: 'closed-by-browser' }]))
    await expect(storage.stats()).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
      message: 'the database was taken away',
    })
    const again = await open()
    expect(await again.stats()).toMatchObject({ accepted: 1 })
  })
})
