import { describe, expect, it } from 'vitest'
import { memoryStorage, type Outcome } from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle } from '../src/memory-storage.js'
import { afterDeathIn, delivered, deliverAll, fakeTime, until, world, type Answer } from './world.js'

const lostReply = { code: 'ERR_CONNECTION_LOST', message: 'no answer' }

/** One outbox after the other over the same data; nobody ever hears what became of a request. */
function lives(): { readonly time: ReturnType<typeof fakeTime>; live(): ReturnType<typeof world> } {
  const time = fakeTime()
  const data = memoryData({ now: time.now })
  const { supports } = memoryStorage()
  const answer: Answer = async function* (entries, context) {
    await context.mark(entries.map(({ sequence }) => sequence))
    yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'unknown', failure: lostReply }))
  }
  return { time, live: () => world({ time, storage: memoryHandle(data, supports), answer, random: 1 }) }
}

describe('openOutbox: unknown outcomes', () => {
  it('marked entries without an outcome become unknown and are resolved, group by group', async () => {
    const w = world({
      async *answer(entries, context, kind) {
        if (kind === 'resolve') {
          yield entries.map((entry) => delivered(entry))
          return
        }
        await context.mark([1, 2], { url: 'Observation' })
        yield []
        throw new Error('reset')
      },
    })
    for (let count = 0; count < 4; count++) await w.add()
    w.outbox.start()
    await w.time.advance(0)
    const states: string[] = []
    for await (const { state, attempts } of w.outbox.list()) states.push(`${state} ${attempts}`)
    expect(states).toEqual(['unknown 0', 'unknown 0', 'waiting 0', 'waiting 0'])
    await w.time.advance(1999)
    expect(w.calls.length).toBe(1)
    await w.time.advance(1)
    expect(w.calls[1]).toMatchObject({ kind: 'resolve', sequences: [1, 2] })
    // The rest of the lane is sent only now, after the unknown ones are settled.
    await until(() => w.calls.length === 3)
    expect(w.calls[2]).toMatchObject({ kind: 'deliver', sequences: [3, 4] })
    await w.outbox.close()
  })

  it('resolve sees the mark with its info', async () => {
    const marks: unknown[] = []
    const w = world({
      async *answer(entries, context, kind) {
        if (kind === 'deliver') {
          await context.mark(
            entries.map(({ sequence }) => sequence),
            { attempt: 1 },
          )
          yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'unknown', failure: lostReply }))
          return
        }
        for (const { mark } of entries) marks.push(JSON.parse(new TextDecoder().decode(mark?.info)))
        yield entries.map((entry) => delivered(entry))
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(2000)
    expect(marks).toEqual([{ attempt: 1 }])
    await w.outbox.close()
  })

  it('an entry that stays unknown for too long is parked, and its lane goes on', async () => {
    const w = world({
      random: 1,
      defaults: { unknownGiveUpMs: 3_600_000 },
      async *answer(entries, context) {
        const stuck = entries.find(({ sequence }) => sequence === 1)
        if (stuck === undefined) return yield* deliverAll(entries, context)
        await context.mark([1])
        yield [{ sequence: 1, kind: 'unknown', failure: lostReply, spent: true }]
      },
    })
    await w.add()
    const behind = await w.add()
    w.outbox.start()
    await w.time.advance(3_600_000 - 1)
    expect((await w.outbox.read(1))?.state).toBe('unknown')
    expect((await w.outbox.read(behind))?.state).toBe('waiting')
    await w.time.advance(300_000)
    expect(await w.outbox.settled(1)).toMatchObject({ state: 'dead', reason: 'parked', failure: lostReply })
    expect(await w.outbox.settled(behind)).toMatchObject({ state: 'delivered' })

    await w.outbox.assumeDelivered(1, { actor: 'anna', reason: 'seen in the record' })
    expect(await w.outbox.settled(1)).toMatchObject({
      state: 'delivered',
      assumed: { actor: 'anna', reason: 'seen in the record' },
    })
    await w.outbox.close()
  })

  it('a closed gate ages nobody: what could not be found out meanwhile is not given up for it', async () => {
    let lost = false
    const w = world({
      random: 1,
      defaults: { unknownGiveUpMs: 3_600_000 },
      async *answer(_entries, context) {
        if (!lost) {
          lost = true
          await context.mark([1])
          yield [{ sequence: 1, kind: 'unknown', failure: lostReply }]
        } else if (w.time.now() < 10_000_000) {
          const failure = { code: 'ERR_CONNECT', message: 'offline' }
          yield [{ sequence: 1, kind: 'unknown', failure, closesGate: { failure } }]
        } else yield [{ sequence: 1, kind: 'unknown', failure: lostReply, spent: true }]
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(10_000_000 + 900_000)
    expect((await w.outbox.read(1))?.state).toBe('unknown')
    await w.time.advance(3_600_000)
    expect(await w.outbox.settled(1)).toMatchObject({ state: 'dead', reason: 'parked' })
    await w.outbox.close()
  })

  it('a device that was off for days tries for a while before it gives up', async () => {
    const { time, live } = lives()
    const before = live()
    await before.add()
    await before.outbox.flush()
    await before.outbox.close()
    await time.advance(3 * 24 * 3_600_000)
    const after = live()
    after.outbox.start()
    await time.advance(9 * 60_000)
    expect(after.calls.length).toBeGreaterThan(3)
    expect((await after.outbox.read(1))?.state).toBe('unknown')
    await time.advance(10 * 60_000)
    expect(await after.outbox.settled(1)).toMatchObject({ state: 'dead', reason: 'parked' })
    await after.outbox.close()
  })

  it('a process that never lives for long gives up in the end, and never on the first try', async () => {
    const { time, live } = lives()
    const states: unknown[] = []
    async function liveFor(ms: number, add = false): Promise<void> {
      const one = live()
      if (add) await one.add()
      one.outbox.start()
      await time.advance(ms)
      states.push((await one.outbox.read(1))?.state)
      await one.outbox.close()
    }
    await liveFor(1, true)
    await time.advance(20 * 24 * 3_600_000)
    for (let run = 0; run < 10; run++) {
      await liveFor(1)
      await time.advance(3_600_000)
    }
    expect(states).toEqual([...Array(5).fill('unknown'), ...Array(6).fill('dead')])
  })

  it('an entry proven not applied is sent again', async () => {
    let round = 0
    const w = world({
      async *answer(entries, context, kind) {
        round++
        if (round === 1) {
          await context.mark([1])
          yield [{ sequence: 1, kind: 'unknown', failure: lostReply, delayMs: 0 }]
        } else if (kind === 'resolve') {
          yield [{ sequence: 1, kind: 'not-sent', failure: lostReply, delayMs: 0 }]
        } else yield entries.map((entry) => delivered(entry))
      },
    })
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 1 })
    expect(w.calls.map(({ kind }) => kind)).toEqual(['deliver', 'resolve', 'deliver'])
    await w.outbox.close()
  })

  it('after a crash in the middle, what was marked is resolved, and nothing is sent blindly', async () => {
    const second = await afterDeathIn(async function* (_entries, context) {
      await context.mark([1, 2])
      yield [delivered({ sequence: 1 })]
      await new Promise(() => undefined)
    })
    expect(await second.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    expect(second.calls.map(({ kind, sequences }) => [kind, sequences])).toEqual([
      ['resolve', [2]],
      ['deliver', [3]],
    ])
  })

  it('a mark that fails keeps the bytes at home and the entry waiting', async () => {
    let sent = false
    const w = world({
      async *answer(entries, context) {
        await context.mark([1], 'x'.repeat(2000))
        sent = true
        yield entries.map((entry) => delivered(entry))
      },
    })
    await w.add()
    await w.outbox.flush()
    expect(sent).toBe(false)
    expect(await w.outbox.read(1)).toMatchObject({ state: 'waiting', attempts: 0 })
    expect(w.events).toContainEqual(
      expect.objectContaining({
        type: 'transport-failed',
        failure: expect.objectContaining({ code: 'ERR_INVALID_ENTRY' }),
      }),
    )
    await w.outbox.close()
  })
})
