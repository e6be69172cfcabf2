import { describe, expect, it } from 'vitest'
import type { QueueStorage, Settled } from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle, type MemoryData } from '../src/memory-storage.js'
import { fakeTime, quiet, until, world, type FakeTime, type World } from './world.js'

/** A store of which one handle at a time may lease, as with tabs of a browser: the next one when that closes. */
interface OneDrainer {
  readonly time: FakeTime
  open(): QueueStorage
}

function oneDrainer(): OneDrainer {
  const time = fakeTime()
  const data: MemoryData = memoryData({ now: time.now })
  const handles: QueueStorage[] = []
  return {
    time,
    open() {
      const below = memoryHandle(data, {
        durability: 'memory',
        appenders: 'many',
        drainers: 'one',
        evictable: true,
      })
      const handle: QueueStorage = {
        ...below,
        lease: async (request) => (handles[0] === handle ? await below.lease(request) : { elsewhere: true }),
        async close() {
          handles.splice(handles.indexOf(handle), 1)
          await below.close()
        },
      }
      handles.push(handle)
      return handle
    },
  }
}

function two(): { readonly first: World; readonly second: World } {
  const store = oneDrainer()
  return {
    first: world({ time: store.time, storage: store.open() }),
    second: world({ time: store.time, storage: store.open() }),
  }
}

describe('an outbox beside the one that delivers', () => {
  it('hears how its entries ended, although it was never started', async () => {
    const { first, second } = two()
    first.outbox.start()
    const sequence = await second.add()
    const settled = await second.outbox.settled(sequence)
    expect(settled).toMatchObject({ state: 'delivered', sequence, status: 201 })
    expect(second.calls).toEqual([])
    await first.outbox.close()
    await second.outbox.close()
  })

  it('watches the storage for as long as somebody waits, and no longer', async () => {
    const { first, second } = two()
    let watching = 0
    const { storage } = second
    const watched = world({
      time: second.time,
      storage: {
        ...storage,
        watch(listener) {
          watching++
          const stop = storage.watch(listener)
          return () => {
            watching--
            stop()
          }
        },
      },
    })
    const sequence = await watched.add()
    const giveUp = new AbortController()
    const [given, kept] = [
      watched.outbox.settled(sequence, { signal: giveUp.signal }),
      watched.outbox.settled(sequence),
    ]
    await quiet()
    expect(watching).toBe(1)
    giveUp.abort()
    await expect(given).rejects.toMatchObject({ name: 'AbortError' })
    expect(watching).toBe(1)
    await first.outbox.flush()
    await expect(kept).resolves.toMatchObject({ state: 'delivered' })
    expect(watching).toBe(0)
    await first.outbox.close()
    await watched.outbox.close()
  })

  it('reads an entry once at a time, however much happens meanwhile', async () => {
    const { first, second } = two()
    let reading = 0
    let reads = 0
    let most = 0
    const { storage } = second
    const watched = world({
      time: second.time,
      storage: {
        ...storage,
        async read(sequence) {
          reads++
          most = Math.max(most, ++reading)
          await quiet()
          reading--
          return await storage.read(sequence)
        },
      },
    })
    const sequence = await watched.add()
    const settled: Promise<Settled> = watched.outbox.settled(sequence)
    for (let turn = 0; turn < 50; turn++) await first.add({ lane: `other ${turn}` })
    await first.outbox.flush()
    await settled
    expect(most).toBe(1)
    expect(reads).toBeLessThan(30)
    await first.outbox.close()
    await watched.outbox.close()
  })

  it('says of a flush that another handle delivers', async () => {
    const { first, second } = two()
    await second.add()
    expect(await second.outbox.flush()).toEqual({ delivered: 0, dead: 0, waiting: 1, elsewhere: true })
    const result = await first.outbox.flush()
    expect(result).toEqual({ delivered: 1, dead: 0, waiting: 0 })
    await first.outbox.close()
    await second.outbox.close()
  })

  it('takes over, once started, when the other closes', async () => {
    const { first, second } = two()
    // oxlint-disable-next-line require-yield -- it never gets that far
    first.answer = async function* (entries, context) {
      await context.mark(entries.map(({ sequence }) => sequence))
      await new Promise(() => undefined)
    }
    first.outbox.start()
    second.outbox.start()
    const sequence = await first.add()
    await until(() => first.calls.length === 1)
    expect(second.calls).toEqual([])
    const closing = first.outbox.close()
    await first.time.advance(5000)
    await closing
    // What the first one had sent may have arrived: it is found out about, never simply sent again.
    await second.time.advance(5000)
    await until(() => second.calls.length === 1)
    expect(second.calls).toMatchObject([{ kind: 'resolve', sequences: [sequence] }])
    await until(async () => (await second.outbox.stats()).delivered === 1)
    await second.outbox.close()
    expect(second.time.timers).toBe(0)
  })

  it('ends waits when it is closed', async () => {
    const { first, second } = two()
    const sequence = await second.add()
    const settled = second.outbox.settled(sequence)
    await quiet()
    await second.outbox.close()
    await expect(settled).rejects.toMatchObject({ code: 'ERR_OUTBOX_STOPPED' })
    await first.outbox.close()
  })
})
