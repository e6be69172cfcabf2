import 'fake-indexeddb/auto'
import { deleteDB, openDB } from 'idb'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isLease, type Lease, type Settlement } from '@fhir-outbox/queue-core'
import { openIdbStorage, type IdbStorage } from '../src/index.js'
import { processLocks } from './support/process-locks.js'
import { bytes, draft, keyed, leaseFrom, request, sequencesOf } from './support/tools.js'

const name = 'shared'
const withdraw = { kind: 'withdraw', note: bytes } as const
let clock = 1_000_000
let storage: IdbStorage | undefined

async function open(): Promise<IdbStorage> {
  storage = await openIdbStorage({ name, locks: processLocks(), persist: false, now: () => clock })
  return storage
}

afterEach(async () => {
  vi.restoreAllMocks()
  await storage?.close()
  storage = undefined
  await deleteDB(name)
})

async function recordsOf(...stores: readonly string[]): Promise<unknown[]> {
  const database = await openDB(name)
  const records = await Promise.all(stores.map((store) => database.getAll(store)))
  database.close()
  return records.flat()
}

function delivered({ entries }: Lease): Settlement[] {
  return entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes }))
}

/** Two entries, each in a lane of its own, of which the first is leased. */
async function openLeased(): Promise<{ opened: IdbStorage; first: Lease }> {
  const opened = await open()
  await opened.append([
    { ...draft, key: 'a', lane: 'A' },
    { ...draft, key: 'b', lane: 'B' },
  ])
  return { opened, first: await leaseFrom(opened) }
}

/** Calls back once, when a transaction next turns to a store. */
function whenUsing(store: string, call: () => void): void {
  const { objectStore } = IDBTransaction.prototype
  const spy = vi.spyOn(IDBTransaction.prototype, 'objectStore')
  spy.mockImplementation(function told(this: IDBTransaction, name) {
    if (name === store) {
      spy.mockRestore()
      call()
    }
    return objectStore.call(this, name)
  })
}

describe('calls that share a commit', () => {
  it('settlements of one page leave no payload', async () => {
    const { opened, first } = await openLeased()
    const second = await leaseFrom(opened)
    await Promise.all([opened.settle(first, delivered(first)), opened.settle(second, delivered(second))])
    expect(await opened.stats()).toMatchObject({ delivered: 2, waiting: 0, bytes: 0 })
    expect(await recordsOf('payloads')).toEqual([])
  })

  it('a decision before a wipe leaves nothing, and one after it finds nothing', async () => {
    const opened = await open()
    await opened.append(keyed('a', 'b'))
    const answers = await Promise.allSettled([
      opened.decide(1, withdraw),
      opened.wipe?.([]),
      opened.decide(2, withdraw),
    ])
    expect(answers).toMatchObject([
      { status: 'fulfilled' },
      { status: 'fulfilled' },
      { reason: { code: 'ERR_NO_SUCH_ENTRY' } },
    ])
    expect(await recordsOf('heads', 'states', 'payloads', 'lanes')).toEqual([])
    expect(await opened.append(keyed('c'))).toEqual([{ sequence: 3, duplicate: false }])
    expect(sequencesOf(await leaseFrom(opened))).toEqual([3])
  })
})

describe('a lease that the index gives before the database knows of it', () => {
  it('keeps its entry from being withdrawn', async () => {
    const { opened, first } = await openLeased()
    const [, lease, withdrawn] = await Promise.allSettled([
      opened.renew(first, 1000),
      leaseFrom(opened),
      opened.decide(2, withdraw),
    ])
    expect(withdrawn).toMatchObject({ reason: { code: 'ERR_WRONG_STATE' } })
    expect(lease).toMatchObject({ value: { entries: [{ sequence: 2, payload: bytes }] } })
    expect(await recordsOf('states')).toEqual([])
    expect(await opened.stats()).toMatchObject({
      waiting: 2,
      leased: 2,
      discarded: 0,
      quarantined: 0,
      bytes: 6,
    })
  })

  it('is not given for an entry that is being withdrawn', async () => {
    const { opened } = await openLeased()
    let leasing: ReturnType<IdbStorage['lease']> | undefined
    whenUsing('leases', () => {
      leasing = opened.lease(request)
    })
    await opened.decide(2, withdraw)
    const answer = await leasing
    expect(answer !== undefined && !isLease(answer) && answer.setAside === undefined).toBe(true)
    expect(await opened.read(2)).toMatchObject({ state: 'discarded' })
    expect(await opened.stats()).toMatchObject({ waiting: 1, discarded: 1, quarantined: 0, bytes: 3 })
  })

  it('is given again when it has run out before its commit', async () => {
    const { opened, first } = await openLeased()
    const settling = opened.settle(first, delivered(first))
    const leasing = leaseFrom(opened)
    await settling
    // It was given while the settlement was on its way, and its own commit has only begun.
    clock += 2000
    expect(sequencesOf(await leasing)).toEqual([2])
    expect(await opened.stats()).toMatchObject({ quarantined: 0, leased: 1 })
  })

  it('leaves it to a commit to count what has become unknown', async () => {
    const { opened, first } = await openLeased()
    await opened.mark(first, [{ sequence: 1, group: 'g' }])
    await opened.append(keyed('c'))
    let leasing: Promise<Lease> | undefined
    whenUsing('payloads', () => {
      clock += 2000
      leasing = leaseFrom(opened)
    })
    expect(sequencesOf(await leaseFrom(opened, { ttlMs: 10_000 }))).toEqual([2])
    expect((await leasing)?.entries).toMatchObject([{ sequence: 3 }])
    expect(await opened.read(1)).toMatchObject({ state: 'unknown', mark: { group: 'g' } })
    expect(await opened.stats()).toMatchObject({ unknown: 1, waiting: 3 })
  })
})
