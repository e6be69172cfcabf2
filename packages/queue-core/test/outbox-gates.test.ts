import { describe, expect, it } from 'vitest'
import { memoryStorage, type Outcome, type QueueStorage } from '@fhir-outbox/queue-core'
import { delivered, deliverAll, fakeTime, gateFails, quiet, refused, until, world } from './world.js'

const unauthorised = { code: 'ERR_LOGIN_REQUIRED', message: 'sign in' }

describe('openOutbox: gates', () => {
  it('a closed gate spends nobody, ages nobody, and is tried with one entry', async () => {
    const w = world({ answer: (entries) => gateFails(entries) })
    for (let count = 0; count < 20; count++) await w.add({ lane: `lane ${count}` })
    w.outbox.start()
    await w.time.advance(0)
    const before = w.calls.length
    // What was under way when the gate closed; never more than one delivery for each hand.
    expect(before).toBeLessThanOrEqual(4)
    await w.time.advance(10 * 60_000)
    const trials = w.calls.slice(before)
    expect(trials.length).toBeGreaterThan(1)
    expect(trials.every(({ sequences }) => sequences.length === 1)).toBe(true)
    for await (const entry of w.outbox.list()) {
      expect(entry).toMatchObject({ state: 'waiting', attempts: 0 })
      expect(entry.dueInMs).toBeUndefined()
    }
    expect(w.outbox.gates()).toMatchObject([{ gate: 'gate', state: 'closed', failure: refused }])
    expect(w.types().filter((type) => type === 'gate-closed').length).toBe(1)

    w.answer = deliverAll
    w.outbox.nudge()
    await until(async () => (await w.outbox.stats()).waiting === 0)
    expect(w.outbox.gates()).toEqual([{ gate: 'gate', state: 'open' }])
    expect(w.types().filter((type) => type === 'gate-opened').length).toBe(1)
    await w.outbox.close()
  })

  it('trials come more and more seldom, up to the cap', async () => {
    const w = world({
      random: 1,
      defaults: { gateBackoff: { baseMs: 1000, capMs: 20_000 } },
      answer: (entries) => gateFails(entries),
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(80_000)
    const gaps = w.calls.map(({ at }, index) => at - (w.calls[index - 1]?.at ?? at))
    expect(gaps).toEqual([0, 3000, 9000, 20_000, 20_000, 20_000])
    await w.outbox.close()
  })

  it.each([
    [0, 1000],
    [30_000, 30_000],
    [-5, 1000],
    [Number.NaN, 1000],
    [400 * 86_400_000, 86_400_000],
  ])('Retry-After of %d ms means a trial after %d ms', async (asked, expected) => {
    const w = world({ answer: (entries) => gateFails(entries, asked) })
    await w.add()
    w.outbox.start()
    await w.time.advance(0)
    expect(w.outbox.gates()).toMatchObject([{ state: 'closed', nextTrialInMs: expected }])
    await w.time.advance(expected - 1)
    expect(w.calls.length).toBe(1)
    await w.time.advance(1)
    expect(w.calls.length).toBe(2)
    await w.outbox.close()
  })

  it('a clock that jumps back does not make a gate wait longer than it should', async () => {
    let jump = 0
    const w = world({ answer: (entries) => gateFails(entries, 10_000) })
    const { now } = w.time
    w.time.now = () => now() - jump
    await w.add()
    await w.outbox.flush()
    jump = 86_400_000
    expect(w.outbox.gates()[0]?.nextTrialInMs).toBeLessThanOrEqual(10_000)
    await w.outbox.close()
  })

  it('says that a person is needed, and keeps trying slowly', async () => {
    const w = world({
      async *answer(entries) {
        yield entries.slice(0, 1).map(({ sequence }): Outcome => ({
          sequence,
          kind: 'not-sent',
          failure: unauthorised,
          closesGate: { failure: unauthorised, needsPerson: true },
        }))
      },
    })
    await w.add()
    const result = await w.outbox.flush()
    expect(result).toEqual({ delivered: 0, dead: 0, waiting: 1, blockedBy: unauthorised })
    expect(w.outbox.gates()).toEqual([
      { gate: 'gate', state: 'closed', failure: unauthorised, needsPerson: true, nextTrialInMs: 300_000 },
    ])
    await w.outbox.close()
  })

  it('a closed gate leaves other gates alone', async () => {
    const w = world({
      answer: (entries, context) =>
        context.gate === 'shut' ? gateFails(entries) : deliverAll(entries, context),
    })
    await w.add({ gate: 'shut', lane: 'a' })
    for (let count = 0; count < 3; count++) await w.add({ gate: 'open', lane: 'b' })
    expect(await w.outbox.flush()).toMatchObject({ delivered: 3, waiting: 1, blockedBy: refused })
    await w.outbox.close()
  })

  it('an entry that comes in while the gate is closed does not cause an attempt', async () => {
    const w = world({ answer: (entries) => gateFails(entries, 60_000) })
    await w.add()
    w.outbox.start()
    await w.time.advance(0)
    await w.add()
    await w.add({ lane: 'other' })
    await w.time.advance(59_000)
    expect(w.calls.length).toBe(1)
    await w.time.advance(1000)
    expect(w.calls.length).toBe(2)
    await w.outbox.close()
  })

  it('a gate whose trial finds nothing to try waits for the next entry', async () => {
    const w = world({ answer: (entries) => gateFails(entries) })
    const sequence = await w.add()
    await w.outbox.flush()
    await w.outbox.withdraw(sequence, { actor: 'a', reason: 'r' })
    w.outbox.start()
    await w.time.advance(60_000)
    expect(w.calls.length).toBe(1)
    expect(w.time.timers).toBe(0)
    w.answer = deliverAll
    const next = await w.add()
    expect(await w.outbox.settled(next)).toMatchObject({ state: 'delivered' })
    await w.outbox.close()
  })

  it('a trial that throws counts as failed', async () => {
    let broken = false
    const w = world({
      random: 1,
      answer(entries) {
        if (broken) throw new Error('broken')
        return gateFails(entries)
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(0)
    broken = true
    await w.time.advance(3000)
    expect(w.calls.length).toBe(2)
    expect(w.outbox.gates()).toMatchObject([{ state: 'closed', nextTrialInMs: 9000 }])
    expect(await w.outbox.read(1)).toMatchObject({ state: 'waiting', attempts: 0 })
    await w.outbox.close()
  })

  it('trials that tell nothing again and again do not keep a gate closed for ever', async () => {
    let away = true
    const w = world({
      random: 1,
      defaults: { unknownGiveUpMs: 3_600_000 },
      answer(entries, context) {
        if (entries.some(({ sequence }) => sequence === 2)) throw new TypeError('cannot pack the bundle')
        return away ? gateFails(entries) : deliverAll(entries, context)
      },
    })
    const first = await w.add()
    w.outbox.start()
    await w.time.advance(0)
    expect(w.outbox.gates()).toMatchObject([{ state: 'closed', failure: refused }])
    await w.add()
    await w.add()
    // Now only an entry is left to try that says nothing about the destination, whatever that is like.
    await w.outbox.withdraw(first, { actor: 'anna', reason: 'a mistake' })
    away = false
    await w.time.advance(4_000)
    expect(w.outbox.gates()).toMatchObject([{ state: 'closed', failure: refused }])
    await w.time.advance(2 * 3_600_000)
    expect(await w.outbox.stats()).toMatchObject({ waiting: 0, dead: 1, delivered: 1 })
    expect(await w.outbox.read(2)).toMatchObject({ deadReason: 'parked', attempts: 0 })
    await w.outbox.close()
  })

  it('a trial that succeeds opens its gate, whatever else the transport says', async () => {
    let away = true
    const w = world({
      async *answer(entries, context) {
        if (away) return yield* gateFails(entries)
        yield [delivered({ sequence: 99 })]
        yield* deliverAll(entries, context)
      },
    })
    await w.add()
    await w.outbox.flush()
    away = false
    await w.outbox.flush()
    expect(w.outbox.gates()).toEqual([{ gate: 'gate', state: 'open' }])
    expect(w.types()).toContain('transport-failed')
    await w.outbox.close()
  })

  it('a flush tries a closed gate and a delayed lane at once, but only once', async () => {
    const w = world({
      async *answer(entries, context) {
        if (context.gate === 'shut') return yield* gateFails(entries, 3_600_000)
        yield entries.slice(0, 1).map(({ sequence }): Outcome => ({
          sequence,
          kind: 'not-sent',
          failure: refused,
          delayMs: 3_600_000,
        }))
      },
    })
    await w.add({ gate: 'shut', lane: 'a' })
    await w.add({ gate: 'open', lane: 'b' })
    for (const round of [1, 2, 3]) {
      expect(await w.outbox.flush()).toMatchObject({ delivered: 0, waiting: 2 })
      expect(w.calls.length).toBe(2 * round)
    }
    await quiet()
    expect(w.time.timers).toBe(0)
    await w.outbox.close()
  })

  it('a reply that may have been applied keeps its entry unknown while the gate is closed', async () => {
    const w = world({
      async *answer(entries, context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        yield entries.map(({ sequence }): Outcome => ({
          sequence,
          kind: 'unknown',
          failure: refused,
          spent: true,
          closesGate: { failure: refused },
        }))
      },
    })
    await w.add()
    await w.outbox.flush()
    expect(await w.outbox.read(1)).toMatchObject({ state: 'unknown', attempts: 0 })
    w.answer = deliverAll
    expect(await w.outbox.flush()).toMatchObject({ delivered: 1 })
    expect(w.calls.map(({ kind }) => kind)).toEqual(['deliver', 'resolve'])
    await w.outbox.close()
  })

  it('a closed gate is tried again when its only entry comes back from a lease that was lost', async () => {
    const time = fakeTime()
    const below = memoryStorage({ now: time.now })
    let fail = false
    const storage: QueueStorage = {
      ...below,
      async settle(lease, settlements) {
        if (!fail) return await below.settle(lease, settlements)
        fail = false
        throw Object.assign(new Error('no space'), { code: 'ERR_STORAGE_FAILED' })
      },
    }
    let away = true
    const w = world({
      time,
      storage,
      answer: (entries, context, kind) =>
        away && kind === 'deliver' ? gateFails(entries) : deliverAll(entries, context),
    })
    await w.add()
    w.outbox.start()
    await time.advance(0)
    away = false
    fail = true
    // The trial is delivered, but that cannot be stored: the lease runs out, and nobody appends or settles.
    await time.advance(600_000)
    expect(await w.outbox.stats()).toMatchObject({ delivered: 1, waiting: 0 })
    expect(w.calls.map(({ kind }) => kind)).toEqual(['deliver', 'deliver', 'resolve'])
    await w.outbox.close()
  })
})
