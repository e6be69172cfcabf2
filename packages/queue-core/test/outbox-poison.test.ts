import { describe, expect, it } from 'vitest'
import {
  isLease,
  memoryStorage,
  type DeliveryContext,
  type LeasedEntry,
  type Outcome,
  type QueueStorage,
} from '@fhir-outbox/queue-core'
import { delivered, fakeTime, gateFails, world, type Answer } from './world.js'

const failure = { code: 'ERR_REFUSED', message: 'the server does not like it' }
const hour = 3_600_000
/** So that a test need not live through a day. */
const defaults = { unknownGiveUpMs: hour }
const count = 5

type Poison = (entry: LeasedEntry, context: DeliveryContext) => AsyncIterable<readonly Outcome[]>

/** What one bad entry may do to whoever sends it, and how it ends. */
const poisons: Readonly<Record<string, { readonly act: Poison; readonly reason: string }>> = {
  'is rejected': {
    reason: 'rejected',
    async *act({ sequence }) {
      yield [{ sequence, kind: 'rejected', failure }]
    },
  },
  'is never heard of again, once sent': {
    reason: 'parked',
    async *act({ sequence }, context) {
      await context.mark([sequence])
      yield [{ sequence, kind: 'unknown', failure }]
    },
  },
  'makes the transport throw after it was sent': {
    reason: 'parked',
    // oxlint-disable-next-line require-yield -- it never gets that far
    async *act({ sequence }, context) {
      await context.mark([sequence])
      throw new Error('cannot read the answer')
    },
  },
  'makes the transport throw before anything leaves': {
    reason: 'parked',
    // oxlint-disable-next-line require-yield -- it never gets that far
    async *act() {
      throw new TypeError('cannot read properties of undefined')
    },
  },
  'is passed over without a word': {
    reason: 'parked',
    async *act() {
      yield []
    },
  },
}

/** Sends one request for each entry, in order, until one of them is the poison. */
function poisoned(act: Poison, bad: number): Answer {
  return async function* (entries, context) {
    for (const entry of entries) {
      if (entry.sequence === bad) {
        yield* act(entry, context)
        return
      }
      await context.mark([entry.sequence])
      yield [delivered(entry)]
    }
  }
}

/** Looks at the whole run before it sends any of it: then one bad entry spoils the run. */
function spoilt(bad: number): Answer {
  return async function* (entries, context) {
    if (entries.some(({ sequence }) => sequence === bad)) throw new TypeError('cannot pack the bundle')
    await context.mark(entries.map(({ sequence }) => sequence))
    yield entries.map((entry) => delivered(entry))
  }
}

describe.each(Object.entries(poisons))('one entry that %s', (_what, { act, reason }) => {
  it.each([1, 2, 3, 4, 5])('in position %i neither holds nor harms the others', async (bad) => {
    const w = world({ answer: poisoned(act, bad), defaults, random: 1 })
    w.outbox.start()
    for (let n = 0; n < count; n++) await w.add()
    await w.add({ lane: 'other' })
    await w.time.advance(2 * hour)
    const stats = await w.outbox.stats()
    expect(stats).toMatchObject({ waiting: 0, unknown: 0, leased: 0, delivered: count, dead: 1 })
    expect(stats.accepted).toBe(stats.delivered + stats.dead)
    expect(await w.outbox.read(bad)).toMatchObject({ state: 'dead', deadReason: reason })
    const order = w.events.flatMap((event) =>
      event.type === 'delivered' && event.lane === 'lane' ? [event.sequence] : [],
    )
    expect(order).toEqual([1, 2, 3, 4, 5].filter((sequence) => sequence !== bad))
    await w.outbox.close()
  })
})

describe('one entry that spoils every run it is in', () => {
  it.each([1, 2, 3, 4, 5])('in position %i is found by sending one by one', async (bad) => {
    const w = world({ answer: spoilt(bad), defaults, random: 1 })
    w.outbox.start()
    for (let n = 0; n < count; n++) await w.add()
    await w.time.advance(hour / 2)
    expect((await w.outbox.stats()).delivered).toBe(bad - 1)
    // What is before it goes at once, and it holds the rest of its lane no longer than an unknown one would.
    await w.time.advance(2 * hour)
    expect(await w.outbox.stats()).toMatchObject({ waiting: 0, delivered: count - 1, dead: 1 })
    expect(await w.outbox.read(bad)).toMatchObject({ deadReason: 'parked', attempts: 0 })
    expect(w.events.filter(({ type }) => type === 'parked')).toMatchObject([
      { sequence: bad, failure: { code: 'ERR_TRANSPORT_FAILED' } },
    ])
    await w.outbox.close()
  })

  it('once it is gone, runs are whole again', async () => {
    const w = world({ answer: spoilt(2), defaults, random: 1 })
    w.outbox.start()
    for (let n = 0; n < 3; n++) await w.add()
    await w.time.advance(2 * hour)
    w.calls.length = 0
    await w.outbox.stop()
    for (let n = 0; n < 4; n++) await w.add()
    await w.outbox.flush()
    expect(w.calls.map(({ sequences }) => sequences.length)).toEqual([4])
    await w.outbox.close()
  })

  it('a transport that fails with everything gives up nothing before its time, and all of it goes when it works again', async () => {
    const w = world({
      defaults,
      random: 1,
      // oxlint-disable-next-line require-yield -- it never gets that far
      async *answer() {
        throw new Error('out of order')
      },
    })
    w.outbox.start()
    for (let n = 0; n < 20; n++) await w.add({ lane: `lane ${n % 3}` })
    await w.time.advance(hour / 2)
    expect(await w.outbox.stats()).toMatchObject({ waiting: 20, dead: 0, leased: 0 })
    w.answer = async function* (entries) {
      yield entries.map((entry) => delivered(entry))
    }
    await w.time.advance(hour / 2)
    expect(await w.outbox.stats()).toMatchObject({ waiting: 0, delivered: 20 })
    await w.outbox.close()
  })

  it('nothing is leased that is not sent', async () => {
    const time = fakeTime()
    const below = memoryStorage({ now: time.now })
    const leased: number[][] = []
    const storage: QueueStorage = {
      ...below,
      async lease(request) {
        const answer = await below.lease(request)
        if (isLease(answer)) leased.push(answer.entries.map(({ sequence }) => sequence))
        return answer
      },
    }
    const w = world({ time, storage, answer: spoilt(30), defaults, random: 1 })
    w.outbox.start()
    await w.outbox.enqueue(
      Array.from({ length: 40 }, (_, n) => ({
        lane: 'lane',
        gate: 'gate',
        key: `k${n}`,
        header: new Uint8Array(0),
        payload: new Uint8Array(1),
      })),
    )
    await time.advance(2 * hour)
    expect(await w.outbox.stats()).toMatchObject({ waiting: 0, delivered: 39, dead: 1 })
    expect(leased.map(({ length }) => length).slice(0, 31)).toEqual([
      40,
      ...Array.from({ length: 30 }, () => 1),
    ])
    expect(leased).toEqual(w.calls.map(({ sequences }) => sequences))
    await w.outbox.close()
  })

  it('is not given up for the time in which its gate was closed', async () => {
    let away = false
    const w = world({
      defaults,
      random: 1,
      answer: (entries, context) =>
        away && entries.every(({ sequence }) => sequence !== 1)
          ? gateFails(entries)
          : spoilt(1)(entries, context, 'deliver'),
    })
    w.outbox.start()
    await w.add()
    await w.time.advance(0)
    away = true
    await w.add({ lane: 'other' })
    await w.time.advance(5 * hour)
    expect(w.outbox.gates()).toMatchObject([{ state: 'closed' }])
    away = false
    await w.time.advance(hour / 2)
    expect(w.outbox.gates()).toMatchObject([{ state: 'open' }])
    expect(await w.outbox.read(1)).toMatchObject({ state: 'waiting', attempts: 0 })
    await w.time.advance(hour)
    expect(await w.outbox.read(1)).toMatchObject({ state: 'dead', deadReason: 'parked' })
    await w.outbox.close()
  })
})
