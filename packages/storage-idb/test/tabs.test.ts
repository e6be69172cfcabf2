import 'fake-indexeddb/auto'
import { deleteDB } from 'idb'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openIdbStorage, type IdbStorage, type IdbStorageEvent, type Locks } from '../src/index.js'
import { processLocks } from './support/process-locks.js'
import { bytes, draft, keyed, leaseFrom, leaseSoon, request, sequencesOf, told } from './support/tools.js'

const locks = processLocks()
const name = 'tabs'
let clock = 1_000_000
const handles: IdbStorage[] = []

async function open(over: Locks | null = locks): Promise<IdbStorage> {
  const storage = await openIdbStorage({ name, locks: over, now: () => clock, persist: false })
  handles.push(storage)
  return storage
}
const die = (): void => locks.steal(`fhir-outbox ${name}`)

afterEach(async () => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  for (const handle of handles.splice(0)) await handle.close()
  await deleteDB(name)
})

describe('a tab beside the one that drains', () => {
  it('appends for it, is told by it, and sees what it leases', async () => {
    const [drainer, other] = [await open(), await open()]
    expect(await drainer.lease(request)).toEqual({})
    const news = told(drainer)
    await other.append(keyed('a'))
    await news
    expect(await other.lease(request)).toEqual({ elsewhere: true })
    const progress = told(other)
    const lease = await leaseFrom(drainer)
    await progress
    expect(await other.read(1)).toMatchObject({ leased: true, state: 'waiting' })
    expect(await other.stats()).toMatchObject({ waiting: 1, leased: 1 })
    await expect(other.decide(1, { kind: 'withdraw', note: bytes })).rejects.toMatchObject({
      code: 'ERR_WRONG_STATE',
    })
    await drainer.mark(lease, [{ sequence: 1, group: 'g' }])
    clock += 1001
    expect(await other.read(1)).toMatchObject({ leased: false, state: 'unknown', mark: { group: 'g' } })
    expect(await other.stats()).toMatchObject({ waiting: 1, leased: 0, unknown: 1 })
    expect((await other.list({ state: 'unknown', limit: 5 })).map(({ sequence }) => sequence)).toEqual([1])
    expect(await other.list({ state: 'waiting', limit: 5 })).toEqual([])
  })

  it('does not take the right by appending: who leases first drains', async () => {
    const [page, worker] = [await open(), await open()]
    await page.append(keyed('a'))
    expect(sequencesOf(await leaseFrom(worker))).toEqual([1])
    expect(await page.lease(request)).toEqual({ elsewhere: true })
  })

  it('decides for it and hurries it', async () => {
    const [drainer, other] = [await open(), await open()]
    await drainer.append(keyed('a', 'b', 'c'))
    await drainer.settle(await leaseFrom(drainer, { limit: 1 }), [
      { sequence: 1, outcome: 'rejected', note: bytes },
    ])
    await other.decide(1, { kind: 'redrive', note: bytes, payload: new Uint8Array(5) })
    await other.decide(2, { kind: 'withdraw', note: bytes })
    expect((await drainer.stats()).bytes).toBe(8)
    const lease = await leaseSoon(drainer)
    expect(lease.entries.map(({ sequence, payload }) => [sequence, payload.length])).toEqual([
      [1, 5],
      [3, 3],
    ])
    await drainer.settle(lease, [
      { sequence: 1, outcome: 'waiting', delayMs: 5000, spent: true },
      { sequence: 3, outcome: 'waiting', delayMs: 0, spent: false },
    ])
    expect(await drainer.lease(request)).toEqual({ nextDueInMs: 5000 })
    await other.hurry?.()
    expect(sequencesOf(await leaseSoon(drainer))).toEqual([1, 3])
  })

  it('may withdraw what the drainer is just about to lease, and wins or loses as a whole', async () => {
    const [drainer, other] = [await open(), await open()]
    await drainer.append(keyed('a', 'b'))
    // From here on the drainer leases without asking the database first.
    await drainer.settle(await leaseFrom(drainer, { limit: 1 }), [
      { sequence: 1, outcome: 'waiting', delayMs: 0, spent: false },
    ])
    const [decided, lease] = await Promise.all([
      other.decide(1, { kind: 'withdraw', note: bytes }).then(
        () => true,
        () => false,
      ),
      leaseFrom(drainer),
    ])
    expect(sequencesOf(lease)).toEqual(decided ? [2] : [1, 2])
    expect(await drainer.stats()).toMatchObject({ discarded: decided ? 1 : 0, leased: decided ? 1 : 2 })
    await drainer.mark(lease, [{ sequence: 2, group: 'g' }])
  })

  it('takes over at once when the drainer is gone, and the late answer is refused', async () => {
    const [drainer, other, third] = [await open(), await open(), await open()]
    const events: IdbStorageEvent[] = []
    other.subscribe((event) => events.push(event))
    await drainer.append(keyed('a', 'b'))
    const lease = await leaseFrom(drainer)
    await drainer.mark(lease, [{ sequence: 1, group: 'g' }])
    expect(await other.lease(request)).toEqual({ elsewhere: true })
    const mine = told(other)
    die()
    await mine
    expect(events).toEqual([{ type: 'draining' }])
    expect(await third.lease(request)).toEqual({ elsewhere: true })
    expect((await leaseFrom(other)).entries).toMatchObject([{ sequence: 1, state: 'unknown' }])
    for (const late of [drainer, other]) {
      await expect(
        late.settle(lease, [{ sequence: 1, outcome: 'delivered', note: bytes }]),
      ).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    }
    await expect(drainer.mark(lease, [{ sequence: 2, group: 'late' }])).rejects.toMatchObject({
      code: 'ERR_LEASE_LOST',
    })
    // The one that lost it stands in line like everybody else.
    expect(await drainer.lease(request)).toEqual({ elsewhere: true })
  })

  it('is told by whoever closes, and goes on with what that one held', async () => {
    const [drainer, other] = [await open(), await open()]
    await drainer.append(keyed('a', 'b'))
    await drainer.mark(await leaseFrom(drainer), [{ sequence: 1, group: 'g' }])
    expect(await other.lease(request)).toEqual({ elsewhere: true })
    const mine = told(other)
    await drainer.close()
    await mine
    expect((await leaseFrom(other)).entries).toMatchObject([{ sequence: 1, state: 'unknown' }])
    expect(await other.stats()).toMatchObject({ leased: 1, unknown: 1 })
  })

  it('wipes under the drainer, which goes on with what comes after', async () => {
    const [drainer, other] = [await open(), await open()]
    await drainer.append(keyed('a', 'b'))
    const lease = await leaseFrom(drainer)
    await other.wipe?.([])
    await expect(drainer.settle(lease, [{ sequence: 1, outcome: 'delivered' }])).rejects.toMatchObject({
      code: 'ERR_LEASE_LOST',
    })
    await other.append(keyed('c'))
    expect(sequencesOf(await leaseSoon(drainer))).toEqual([3])
    expect(await drainer.stats()).toMatchObject({ accepted: 3, discarded: 2, waiting: 1, lanes: 1 })
  })

  it('is fenced out by the database itself, also when the lock says that both may drain', async () => {
    // Like a tab that was frozen, lost its lock, and goes on before anybody has told it so.
    const everybody: Locks = { request: (_name, _options, hold) => hold({}) }
    const [frozen, other] = [await open(everybody), await open(everybody)]
    await frozen.append(keyed('a', 'b'))
    const lease = await leaseFrom(frozen)
    await frozen.mark(lease, [{ sequence: 1, group: 'g' }])
    const taken = await leaseFrom(other)
    expect(taken.entries).toMatchObject([{ sequence: 1, state: 'unknown' }])
    const before = await other.list({ limit: 5 })
    const lost = { code: 'ERR_LEASE_LOST' }
    await expect(frozen.mark(lease, [{ sequence: 2, group: 'late' }])).rejects.toMatchObject(lost)
    await expect(frozen.settle(lease, [{ sequence: 1, outcome: 'delivered' }])).rejects.toMatchObject(lost)
    await expect(frozen.renew(lease, 60_000)).rejects.toMatchObject(lost)
    expect(await other.list({ limit: 5 })).toEqual(before)
    await other.settle(taken, [{ sequence: 1, outcome: 'delivered' }])
    expect(await frozen.stats()).toMatchObject({ accepted: 2, delivered: 1, waiting: 1, unknown: 0 })
  })

  it('keeps its lock when a listener throws, and tells the others', async () => {
    const thrown: unknown[] = []
    const { queueMicrotask: platform } = globalThis
    vi.stubGlobal('queueMicrotask', (task: () => void) => {
      platform(() => {
        try {
          task()
        } catch (error) {
          thrown.push(error)
        }
      })
    })
    const [drainer, other] = [await open(), await open()]
    const faults = [new Error('on draining'), new Error('on news')]
    drainer.subscribe(() => {
      throw faults[0]
    })
    drainer.watch(() => {
      throw faults[1]
    })
    const news = told(drainer)
    expect(await drainer.lease(request)).toEqual({})
    expect(await other.lease(request)).toEqual({ elsewhere: true })
    await news
    expect(new Set(thrown)).toEqual(new Set(faults))
    await drainer.append(keyed('a'))
    expect(sequencesOf(await leaseFrom(drainer))).toEqual([1])
    expect(await other.lease(request)).toEqual({ elsewhere: true })
  })

  it('that lost the lock before it could take over leaves who has it alone', async () => {
    const [late, other] = [await open(), await open()]
    await late.append(keyed('a'))
    const stop = late.subscribe(() => {
      stop()
      die()
    })
    const asked = late.lease(request)
    const lease = await leaseFrom(other)
    expect(await asked).toEqual({ elsewhere: true })
    await other.settle(lease, [{ sequence: 1, outcome: 'delivered' }])
    expect(await other.stats()).toMatchObject({ delivered: 1 })
  })

  it('without Web Locks takes over when the time of the other is up, not before', async () => {
    const [drainer, other] = [await open(null), await open(null)]
    await drainer.append(keyed('a'))
    const lease = await leaseFrom(drainer, { ttlMs: 60_000 })
    await drainer.mark(lease, [{ sequence: 1, group: 'g' }])
    expect(await other.lease(request)).toEqual({ elsewhere: true, nextDueInMs: 60_000 })
    clock += 59_999
    expect(await other.lease(request)).toMatchObject({ elsewhere: true })
    clock += 1
    expect((await leaseFrom(other)).entries).toMatchObject([{ sequence: 1, state: 'unknown' }])
    await expect(drainer.renew(lease, 1000)).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    expect(await drainer.lease(request)).toMatchObject({ elsewhere: true })
  })

  it('without BroadcastChannel looks for news by itself, as long as somebody watches', async () => {
    vi.stubGlobal('BroadcastChannel', undefined)
    const [drainer, other] = [await open(), await open()]
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const news = told(drainer)
      let heard = false
      void news.then(() => {
        heard = true
      })
      await other.append(keyed('a'))
      for (let turn = 0; !heard && turn < 50; turn++) {
        await vi.advanceTimersByTimeAsync(2000)
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(heard).toBe(true)
      expect(sequencesOf(await leaseFrom(drainer))).toEqual([1])
    } finally {
      vi.useRealTimers()
    }
  })

  it('that the browser had put aside learns what it has missed when the person comes back', async () => {
    const page = new EventTarget()
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
    const [drainer, other] = [await open(), await open()]
    expect(await drainer.lease(request)).toEqual({})
    // Pages that are put aside get no messages, not even later.
    const unheard = vi.spyOn(BroadcastChannel.prototype, 'postMessage').mockReturnValue()
    await other.append(keyed('a'))
    await Promise.resolve()
    unheard.mockRestore()
    expect(await drainer.lease(request)).toEqual({})
    const news = told(drainer)
    const shown = (persisted: boolean): boolean =>
      page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted }))
    shown(false)
    expect(await drainer.lease(request)).toEqual({})
    shown(true)
    await news
    expect(sequencesOf(await leaseFrom(drainer))).toEqual([1])
  })

  it('appends without reading while it is alone, and again with what another tab has done', async () => {
    // Nobody hears of anybody: what a handle believes to know is out of date.
    vi.stubGlobal('BroadcastChannel', undefined)
    const [one, other] = [await open(), await open()]
    await one.append(keyed('a'))
    const read = vi.spyOn(IDBObjectStore.prototype, 'getAll')
    expect(await one.append(keyed('b', 'c'))).toMatchObject([{ sequence: 2 }, { sequence: 3 }])
    expect(read).not.toHaveBeenCalled()
    expect(await other.append(keyed('d'))).toMatchObject([{ sequence: 4 }])
    expect(await one.append(keyed('e', 'f'))).toMatchObject([{ sequence: 5 }, { sequence: 6 }])
    expect(await one.append([{ ...draft, key: 'd', once: true }])).toEqual([{ sequence: 4, duplicate: true }])
    read.mockRestore()
    // A refusal by counters that are out of date is none.
    const small = await openIdbStorage({ name, locks, persist: false, limits: { entries: 7 } })
    handles.push(small)
    await small.append(keyed('g'))
    await other.wipe?.([])
    expect(await small.append(keyed('h'))).toEqual([{ sequence: 8, duplicate: false }])
    expect(await one.stats()).toMatchObject({ accepted: 8, waiting: 1, discarded: 7, lanes: 1 })
    expect((await one.list({ limit: 9 })).map(({ sequence, key }) => [sequence, key])).toEqual([[8, 'h']])
  })

  it('keeps a lane in order however many tabs append to it', async () => {
    const all = await Promise.all([open(), open(), open()])
    const [drainer] = all
    const appended = await Promise.all(
      Array.from({ length: 120 }, (_, at) => all[at % 3]?.append([{ ...draft, key: `k${at}` }])),
    )
    const given = appended.flatMap((one) => one ?? []).map(({ sequence }) => sequence)
    expect(given.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 120 }, (_, at) => at + 1))
    const seen: number[] = []
    while (seen.length < 120) {
      const lease = await leaseFrom(drainer, { limit: 7 })
      seen.push(...sequencesOf(lease))
      await drainer.settle(
        lease,
        lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered' })),
      )
    }
    expect(seen).toEqual(given.toSorted((a, b) => a - b))
  })
})
