import { describe, expect, it } from 'vitest'
import {
  memoryStorage,
  openOutbox,
  QueueError,
  type Outcome,
  type QueueStorage,
} from '@fhir-outbox/queue-core'
import { delivered, deliverAll, fakeTime, gateFails, quiet, until, world } from './world.js'

/** A delivery that marks and then hangs until it is aborted. */
async function* hangs(
  entries: readonly { sequence: number }[],
  context: { mark(all: number[]): Promise<void>; signal: AbortSignal },
): AsyncGenerator<readonly Outcome[]> {
  await context.mark(entries.slice(0, 1).map(({ sequence }) => sequence))
  yield []
  await new Promise((_, reject) => {
    context.signal.addEventListener('abort', () => reject(new Error('aborted')))
  })
}

describe('openOutbox: waits, stop and close', () => {
  it('enqueues one or many, and tells', async () => {
    const w = world()
    const draft = { lane: 'l', gate: 'g', header: new Uint8Array(0), payload: new Uint8Array(0) }
    expect(await w.outbox.enqueue({ ...draft, key: 'a' })).toEqual({ sequence: 1, duplicate: false })
    expect(
      await w.outbox.enqueue([
        { ...draft, key: 'b' },
        { ...draft, key: 'a', once: true },
      ]),
    ).toEqual([
      { sequence: 2, duplicate: false },
      { sequence: 1, duplicate: true },
    ])
    expect(w.events.at(-1)).toEqual({ type: 'enqueued', sequence: 1, lane: 'l', duplicate: true })
    await expect(
      w.outbox.enqueue({ ...draft, key: 'c' }, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ name: 'AbortError' })
    expect((await w.outbox.stats()).accepted).toBe(2)
    await w.outbox.close()
  })

  it('aborting a wait never withdraws the entry', async () => {
    const w = world()
    const sequence = await w.add()
    const controller = new AbortController()
    const waiting = w.outbox.settled(sequence, { signal: controller.signal })
    const flushing = w.outbox.flush({ signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    await expect(flushing).rejects.toMatchObject({ name: 'AbortError' })
    await quiet()
    expect(await w.outbox.flush()).toMatchObject({ waiting: 0 })
    expect((await w.outbox.read(sequence))?.state).toBe('delivered')
    await w.outbox.close()
  })

  it('settled answers at once for what is settled, and refuses what never was', async () => {
    const w = world()
    const [first, second] = [await w.add(), await w.add()]
    await w.outbox.withdraw(first, { actor: 'anna', reason: 'a mistake' })
    await w.outbox.flush()
    expect(await w.outbox.settled(first)).toMatchObject({
      state: 'discarded',
      actor: 'anna',
      reason: 'a mistake',
    })
    expect(await w.outbox.settled(second)).toMatchObject({ state: 'delivered', id: 'X/2', status: 201 })
    await expect(w.outbox.settled(99)).rejects.toMatchObject({ code: 'ERR_NO_SUCH_ENTRY' })
    await expect(w.outbox.discard(second, { actor: 'a', reason: 'r' })).rejects.toMatchObject({
      code: 'ERR_WRONG_STATE',
    })
    await w.outbox.close()
  })

  it('a flush joins the one that runs, reports progress and syncs before it resolves', async () => {
    const time = fakeTime()
    const memory = memoryStorage({ now: time.now })
    let syncs = 0
    const storage: QueueStorage = { ...memory, sync: async () => void syncs++ }
    const w = world({ time, storage, defaults: { runEntries: 1 } })
    await w.add()
    await w.add()
    const seen: number[] = []
    const both = [
      w.outbox.flush({ onProgress: ({ delivered: count }) => seen.push(count) }),
      w.outbox.flush(),
    ]
    const results = await Promise.all(both)
    expect(results[0]).toEqual({ delivered: 2, dead: 0, waiting: 0 })
    expect(results[1]).toEqual(results[0])
    expect(syncs).toBe(1)
    expect(seen).toEqual([1, 2])
    expect(time.timers).toBe(0)
    await w.outbox.close()
  })

  it('what is enqueued while a flush runs is delivered by it', async () => {
    const w = world({
      async *answer(entries, context) {
        if (w.calls.length === 1) await w.add({ lane: 'late' })
        yield* deliverAll(entries, context)
      },
    })
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    await w.outbox.close()
  })

  it('start delivers what comes in, and says when it is through', async () => {
    const w = world()
    w.outbox.start()
    const sequence = await w.add()
    expect(await w.outbox.settled(sequence)).toMatchObject({ state: 'delivered' })
    await until(() => w.types().includes('drained'))
    expect(w.types()).toEqual(['enqueued', 'leased', 'sent', 'delivered', 'drained'])
    await w.outbox.close()
  })

  it('stop aborts what is under way: marked is unknown, the rest waits, unspent', async () => {
    const w = world({ answer: hangs })
    await w.add()
    await w.add()
    w.outbox.start()
    await until(() => w.types().includes('sent'))
    await w.outbox.stop()
    expect(await w.outbox.read(1)).toMatchObject({ state: 'unknown', attempts: 0, leased: false })
    expect(await w.outbox.read(2)).toMatchObject({ state: 'waiting', attempts: 0, leased: false })
    expect(w.time.timers).toBe(0)
    await w.add()
    await quiet()
    expect(w.calls.length).toBe(1)
    w.answer = deliverAll
    w.outbox.start()
    expect(await w.outbox.settled(3)).toMatchObject({ state: 'delivered' })
    await w.outbox.close()
  })

  it('stop does not wait for ever for a transport that ignores its signal', async () => {
    const w = world({
      async *answer(entries, context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        await new Promise(() => undefined)
        yield []
      },
    })
    await w.add()
    w.outbox.start()
    await until(() => w.types().includes('sent'))
    let isStopped = false
    const stopping = w.outbox.stop().then(() => {
      isStopped = true
    })
    await w.time.advance(4999)
    expect(isStopped).toBe(false)
    await w.time.advance(1)
    await stopping
    expect((await w.outbox.read(1))?.state).toBe('unknown')
    expect(w.time.timers).toBe(0)
    await w.outbox.close()
  })

  it('a delivery may say its outcome while the outbox stops', async () => {
    const w = world({
      async *answer(entries, context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        await new Promise((resolve) => {
          context.signal.addEventListener('abort', resolve)
        })
        yield entries.map((entry) => delivered(entry))
      },
    })
    await w.add()
    w.outbox.start()
    await until(() => w.types().includes('sent'))
    await w.outbox.stop()
    expect((await w.outbox.read(1))?.state).toBe('delivered')
    await w.outbox.close()
  })

  it('stop({ drain }) delivers first', async () => {
    const w = world({ defaults: { runEntries: 1 } })
    for (let count = 0; count < 3; count++) await w.add()
    w.outbox.start()
    await w.outbox.stop({ drain: true })
    expect(await w.outbox.stats()).toMatchObject({ waiting: 0, delivered: 3 })
    await w.outbox.close()
  })

  it('after close everything is refused, waits end, and no timer is left', async () => {
    const w = world({ answer: (entries) => gateFails(entries) })
    const sequence = await w.add()
    w.outbox.start()
    await w.time.advance(0)
    const waiting = w.outbox.settled(sequence)
    const ended = expect(waiting).rejects.toMatchObject({ code: 'ERR_OUTBOX_STOPPED' })
    await w.outbox.close()
    await w.outbox.close()
    await w.outbox.stop()
    await ended
    expect(w.time.timers).toBe(0)
    const { outbox } = w
    const by = { actor: 'a', reason: 'r' }
    const calls = [
      () => w.add(),
      () => outbox.flush(),
      () => outbox.settled(1),
      () => outbox.stats(),
      () => outbox.read(1),
      () => outbox.redrive(1, by),
      () => outbox.withdraw(1, by),
      async () => outbox.start(),
      async () => {
        for await (const _ of outbox.list()) break
      },
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'ERR_OUTBOX_STOPPED' })
    await expect(w.storage.stats()).rejects.toMatchObject({ code: 'ERR_STORAGE_CLOSED' })
  })

  it('a storage that gives no leases is told, tried again, and fails a flush', async () => {
    const time = fakeTime()
    const memory = memoryStorage({ now: time.now })
    let broken = true
    const storage: QueueStorage = {
      ...memory,
      async lease(request) {
        if (broken) throw new QueueError('ERR_STORAGE_FAILED', 'disk', { hint: 'h' })
        return await memory.lease(request)
      },
    }
    const w = world({ time, storage })
    const sequence = await w.add()
    await expect(w.outbox.flush()).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    w.outbox.start()
    await time.advance(0)
    expect(w.types().filter((type) => type === 'storage-failed').length).toBe(2)
    broken = false
    await time.advance(1000)
    expect(await w.outbox.settled(sequence)).toMatchObject({ state: 'delivered' })
    await w.outbox.close()
  })

  it('a storage that cannot settle loses nothing: the entry is unknown once its lease is over', async () => {
    const time = fakeTime()
    const memory = memoryStorage({ now: time.now })
    let broken = true
    const storage: QueueStorage = {
      ...memory,
      async settle(lease, settlements) {
        if (broken) throw new QueueError('ERR_STORAGE_FAILED', 'disk', { hint: 'h' })
        await memory.settle(lease, settlements)
      },
    }
    const w = world({ time, storage })
    const sequence = await w.add()
    w.outbox.start()
    await time.advance(0)
    broken = false
    expect(w.types()).toContain('storage-failed')
    await time.advance(60_000)
    expect(await w.outbox.settled(sequence)).toMatchObject({ state: 'delivered' })
    expect(w.calls.map(({ kind }) => kind)).toEqual(['deliver', 'resolve'])
    await w.outbox.close()
  })

  it('list reads all pages and filters', async () => {
    const w = world()
    for (let count = 0; count < 7; count++) await w.add({ lane: count % 2 === 0 ? 'even' : 'odd' })
    const seen: number[] = []
    for await (const { sequence } of w.outbox.list({ lane: 'even', pageSize: 2 })) seen.push(sequence)
    expect(seen).toEqual([1, 3, 5, 7])
    await w.outbox.close()
  })

  it('works on the real clock and leaves the process free to end', async () => {
    const outbox = openOutbox({
      storage: memoryStorage(),
      transport: { deliver: deliverAll, resolve: deliverAll },
    })
    outbox.start()
    const { sequence } = await outbox.enqueue({
      lane: 'l',
      gate: 'g',
      key: 'k',
      header: new Uint8Array(0),
      payload: new Uint8Array(1),
    })
    expect(await outbox.settled(sequence)).toMatchObject({ state: 'delivered', sequence, key: 'k' })
    await outbox.close()
  })
})
