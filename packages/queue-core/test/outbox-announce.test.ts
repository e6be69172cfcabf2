import { describe, expect, it } from 'vitest'
import { memoryStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { afterDeathIn, delivered, deliverAll, fakeTime, refused, until, world } from './world.js'

/** A storage whose marks wait until somebody lets them through, in order. */
function slowMarks(storage: QueueStorage): {
  readonly storage: QueueStorage
  readonly waiting: (() => void)[]
} {
  const waiting: (() => void)[] = []
  return {
    waiting,
    storage: {
      ...storage,
      async mark(lease, notes) {
        await new Promise<void>((resolve) => waiting.push(resolve))
        await storage.mark(lease, notes)
      },
    },
  }
}

describe('openOutbox: marks that are announced', () => {
  it('are noted while another request is on its way, and leave in their turn', async () => {
    const w = world({
      async *answer(entries, context) {
        const [first, second] = entries.map(({ sequence }) => context.announce([sequence]))
        await first?.leave()
        expect(w.events.filter(({ type }) => type === 'sent')).toHaveLength(1)
        yield entries.slice(0, 1).map((entry) => delivered(entry))
        await second?.leave()
        yield entries.slice(1).map((entry) => delivered(entry))
      },
    })
    await w.add()
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    expect(w.events.filter(({ type }) => type === 'sent')).toMatchObject([
      { sequences: [1] },
      { sequences: [2] },
    ])
    await w.outbox.close()
  })

  it('that never leave let their entries come back untouched', async () => {
    let round = 0
    const w = world({
      async *answer(entries, context) {
        round++
        if (round > 1) return yield* deliverAll(entries, context)
        const [first, second] = entries.map(({ sequence }) => context.announce([sequence]))
        await first?.leave()
        expect(second).toBeDefined()
        yield [delivered({ sequence: 1 })]
      },
    })
    await w.add()
    await w.add()
    w.outbox.start()
    await w.outbox.settled(2)
    expect(w.calls.map(({ kind, sequences }) => [kind, sequences])).toEqual([
      ['deliver', [1, 2]],
      ['deliver', [2]],
    ])
    expect(w.events.some((event) => event.type === 'retried' && event.sequence === 2)).toBe(false)
    await w.outbox.close()
  })

  it('are waited for before their entry is settled: a late mark is no lost lease', async () => {
    const time = fakeTime()
    const slow = slowMarks(memoryStorage({ now: time.now }))
    let round = 0
    const w = world({
      time,
      storage: slow.storage,
      async *answer(entries, context) {
        round++
        if (round > 1) return yield* deliverAll(entries, context)
        context.announce([2])
        yield [delivered({ sequence: 1 }), { sequence: 2, kind: 'not-sent', failure: refused, delayMs: 0 }]
      },
    })
    await w.add()
    await w.add()
    w.outbox.start()
    await until(() => slow.waiting.length === 1)
    slow.waiting.shift()?.()
    await until(() => slow.waiting.length === 1)
    slow.waiting.shift()?.()
    expect(await w.outbox.settled(2)).toMatchObject({ state: 'delivered' })
    expect(w.calls.map(({ sequences }) => sequences)).toEqual([[1, 2], [2]])
    expect(w.types()).not.toContain('storage-failed')
    await w.outbox.close()
  })

  it('that cannot be noted keep the bytes at home', async () => {
    let sent = false
    let round = 0
    const w = world({
      async *answer(entries, context) {
        round++
        if (round > 1) return yield* deliverAll(entries, context)
        const announcement = context.announce([1], 'x'.repeat(2000))
        await announcement.leave()
        sent = true
      },
    })
    await w.add()
    w.outbox.start()
    await until(() => w.types().includes('transport-failed'))
    expect(sent).toBe(false)
    expect((await w.outbox.read(1))?.state).toBe('waiting')
    await w.outbox.close()
  })

  it('are unknown after a crash, whether they had left or not', async () => {
    const second = await afterDeathIn(async function* (_entries, context) {
      await context.mark([1])
      context.announce([2])
      yield [delivered({ sequence: 1 })]
      await new Promise(() => undefined)
    })
    expect(await second.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    expect(second.calls.map(({ kind, sequences }) => [kind, sequences])).toEqual([
      ['resolve', [2]],
      ['deliver', [3]],
    ])
  })
})
