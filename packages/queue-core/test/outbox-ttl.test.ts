import { describe, expect, it } from 'vitest'
import { memoryStorage, parseNote } from '@fhir-outbox/queue-core'
import { delivered, deliverAll, fakeTime, gateFails, until, world, type World } from './world.js'

const minute = 60_000
const hour = 60 * minute
const hourly = { baseMs: hour, capMs: hour }

/** A world whose lane is stuck behind an entry that the server asks to send later. */
function stuck(options: Parameters<typeof world>[0] = {}): World {
  const w = world({
    async *answer(entries, context) {
      for (const entry of entries) {
        if (entry.key !== 'stubborn' || w.time.now() > 2 * hour) {
          await context.mark([entry.sequence])
          yield [delivered(entry)]
          continue
        }
        const failure = { code: 'ERR_BUSY', message: 'later' }
        yield [{ sequence: entry.sequence, kind: 'not-sent', failure, delayMs: hour, spent: true }]
        return
      }
    },
    ...options,
  })
  return w
}

describe('openOutbox: time to live', () => {
  it('an entry that was not delivered in time becomes a dead letter, is never sent, and its lane goes on', async () => {
    const w = stuck({ defaults: { ttlMs: 90 * minute } })
    await w.add({ key: 'stubborn' })
    w.outbox.start()
    await w.time.advance(40 * minute)
    const late = await w.add()
    const ended = w.outbox.settled(1)
    await w.time.advance(80 * minute)
    expect(await ended).toMatchObject({
      state: 'dead',
      reason: 'expired',
      failure: { code: 'ERR_EXPIRED' },
      history: [
        { what: 'waiting', code: 'ERR_BUSY' },
        { what: 'waiting', code: 'ERR_BUSY' },
      ],
    })
    expect(w.events).toContainEqual(expect.objectContaining({ type: 'expired', sequence: 1, lane: 'lane' }))
    // The one behind it has ten minutes left.
    await until(async () => (await w.outbox.read(late))?.state === 'delivered')
    expect(w.sent().filter((sequence) => sequence === 1).length).toBe(2)
    expect(await w.outbox.stats()).toMatchObject({ dead: 1, delivered: 1, waiting: 0 })
    await w.outbox.close()
  })

  it('without one nothing expires', async () => {
    const w = stuck()
    await w.add({ key: 'stubborn' })
    w.outbox.start()
    await w.time.advance(10 * hour)
    expect(await w.outbox.stats()).toMatchObject({ dead: 0, delivered: 1 })
    await w.outbox.close()
  })

  it('may be said for each entry, by its header', async () => {
    const time = fakeTime()
    const storage = memoryStorage({ now: time.now })
    const first = world({ time, storage })
    const header = (text: string): Uint8Array => new TextEncoder().encode(text)
    await first.add({ header: header('60000'), key: 'a' })
    await first.add({ header: header(''), key: 'b' })
    await time.advance(hour)
    const w = world({
      time,
      storage,
      defaults: { ttlCounts: 'always', ttlMs: 2 * hour },
      ttlMs(entry) {
        const text = new TextDecoder().decode(entry.header)
        expect(entry).toMatchObject({ lane: 'lane', gate: 'gate', ageMs: hour })
        return text === '' ? undefined : Number(text)
      },
    })
    expect(await w.outbox.flush()).toMatchObject({ delivered: 1, dead: 1, waiting: 0 })
    expect((await w.outbox.read(1))?.deadReason).toBe('expired')
    expect(w.sent()).toEqual([2])
    await w.outbox.close()
  })

  it('time in which the gate was closed does not count', async () => {
    let away = true
    const w = world({
      defaults: { ttlMs: hour, gateBackoff: hourly },
      answer: (entries, context) => (away ? gateFails(entries) : deliverAll(entries, context)),
    })
    await w.add()
    const behind = await w.add()
    w.outbox.start()
    await w.time.advance(5 * hour)
    away = false
    await w.time.advance(hour)
    expect(await w.outbox.stats()).toMatchObject({ dead: 0, delivered: 2 })
    expect((await w.outbox.settled(behind)).state).toBe('delivered')
    await w.outbox.close()
  })

  it('time in which no outbox was open does not count, unless all time is asked for', async () => {
    for (const [ttlCounts, expected] of [
      ['open', { delivered: 1, dead: 0 }],
      ['always', { delivered: 0, dead: 1 }],
    ] as const) {
      const time = fakeTime()
      const storage = memoryStorage({ now: time.now })
      await world({ time, storage }).add()
      await time.advance(2 * hour)
      const w = world({ time, storage, defaults: { ttlMs: hour, ttlCounts } })
      expect(await w.outbox.flush()).toMatchObject(expected)
      await w.outbox.close()
    }
  })

  it('counts the open time between closures', async () => {
    const failing = { on: true }
    const w = world({
      defaults: { ttlMs: 50 * minute, gateBackoff: { baseMs: 10 * minute, capMs: 10 * minute } },
      async *answer(entries, context) {
        if (failing.on) return yield* gateFails(entries)
        const [first] = entries
        if (first === undefined) return
        if (first.key !== 'slow') return yield* deliverAll(entries, context)
        const failure = { code: 'ERR_BUSY', message: 'later' }
        yield [{ sequence: first.sequence, kind: 'not-sent', failure, delayMs: 20 * minute }]
      },
    })
    await w.add({ key: 'slow' })
    w.outbox.start()
    // Closed for two hours, open for one: the entry lives through the first and dies in the second.
    await w.time.advance(2 * hour)
    expect(await w.outbox.stats()).toMatchObject({ dead: 0, waiting: 1 })
    failing.on = false
    await w.time.advance(30 * minute)
    expect(await w.outbox.stats()).toMatchObject({ dead: 0, waiting: 1 })
    await w.time.advance(40 * minute)
    expect((await w.outbox.read(1))?.deadReason).toBe('expired')
    await w.outbox.close()
  })

  it('unknown entries never expire', async () => {
    const w = world({
      defaults: { ttlMs: minute, laneBackoff: hourly },
      async *answer(entries, context, kind) {
        await context.mark(entries.map(({ sequence }) => sequence))
        if (kind === 'deliver' || w.time.now() < 2 * hour) {
          const failure = { code: 'ERR_CONNECTION_LOST', message: 'no answer' }
          yield entries.map(({ sequence }) => ({ sequence, kind: 'unknown', failure }) as const)
        } else yield entries.map((entry) => delivered(entry))
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(4 * hour)
    expect(await w.outbox.stats()).toMatchObject({ dead: 0, delivered: 1 })
    await w.outbox.close()
  })

  it('a redriven entry of which the time is over expires again, with its history', async () => {
    const time = fakeTime()
    const w = world({ time, defaults: { ttlMs: minute, ttlCounts: 'always' } })
    await w.add()
    await time.advance(hour)
    await w.outbox.flush()
    await w.outbox.redrive(1, { actor: 'anna', reason: 'try' })
    await w.outbox.flush()
    const note = parseNote((await w.outbox.read(1))?.note)
    expect(note?.kind === 'failure' && note.failure.history.map(({ what }) => what)).toEqual([
      'expired',
      'redrive',
    ])
    await w.outbox.close()
  })
})
