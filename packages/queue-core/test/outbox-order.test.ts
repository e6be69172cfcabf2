import { describe, expect, it } from 'vitest'
import type { LeasedEntry, Outcome } from '@fhir-outbox/queue-core'
import { delivered, deliverAll, fakeTime, quiet, refused, until, world } from './world.js'

describe('openOutbox: order and retries', () => {
  it('does nothing until it is asked', async () => {
    const { add, calls, time, outbox } = world()
    await add()
    await quiet()
    expect(calls).toEqual([])
    expect(time.timers).toBe(0)
    await outbox.close()
  })

  it('flushes a lane in order of sequence, in runs within the limits', async () => {
    const { add, outbox, calls } = world({ defaults: { runEntries: 3 } })
    for (let count = 0; count < 7; count++) await add()
    expect(await outbox.flush()).toEqual({ delivered: 7, dead: 0, waiting: 0 })
    expect(calls.map(({ sequences }) => sequences)).toEqual([[1, 2, 3], [4, 5, 6], [7]])
    await outbox.close()
  })

  it('delivers lanes side by side, up to the limit, with one delivery per lane', async () => {
    let running = 0
    let most = 0
    const lanes = new Set<string>()
    const { add, outbox } = world({
      defaults: { lanes: 2, runEntries: 1 },
      async *answer(entries, context) {
        expect(lanes.has(context.lane)).toBe(false)
        lanes.add(context.lane)
        most = Math.max(most, ++running)
        await quiet()
        running--
        lanes.delete(context.lane)
        yield entries.map((entry) => delivered(entry))
      },
    })
    for (const lane of ['a', 'b', 'c', 'a', 'b', 'c']) await add({ lane })
    expect(await outbox.flush()).toMatchObject({ delivered: 6, waiting: 0 })
    expect(most).toBe(2)
    await outbox.close()
  })

  it('a head that comes back holds its lane until it is due; other lanes flow', async () => {
    let fail = true
    const w = world({
      async *answer(entries, context) {
        const [first] = entries
        if (fail && context.lane === 'bad' && first !== undefined) {
          yield [{ sequence: first.sequence, kind: 'not-sent', failure: refused, spent: true, delayMs: 5000 }]
        } else yield* deliverAll(entries, context)
      },
    })
    const first = await w.add({ lane: 'bad' })
    const behind = await w.add({ lane: 'bad' })
    const other = await w.add({ lane: 'good' })
    w.outbox.start()
    expect(await w.outbox.settled(other)).toMatchObject({ state: 'delivered' })
    await w.time.advance(4000)
    fail = false
    expect((await w.outbox.read(behind))?.state).toBe('waiting')
    expect(await w.outbox.read(first)).toMatchObject({ state: 'waiting', attempts: 1 })
    await w.time.advance(1000)
    expect(await w.outbox.settled(behind)).toMatchObject({ state: 'delivered' })
    const lane = w.calls.filter((call) => call.lane === 'bad').flatMap(({ sequences }) => sequences)
    expect(lane).toEqual([first, behind, first, behind])
    await w.outbox.close()
  })

  it('waits longer after each failure of a lane, up to the cap, and starts anew after a success', async () => {
    const w = world({
      random: 1,
      defaults: { laneBackoff: { baseMs: 1000, capMs: 10_000 } },
      async *answer(entries) {
        yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'not-sent', failure: refused }))
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(35_000)
    const gaps = w.calls.map(({ at }, index) => at - (w.calls[index - 1]?.at ?? at))
    expect(gaps.slice(0, 5)).toEqual([0, 3000, 9000, 10_000, 10_000])
    expect((await w.outbox.read(1))?.attempts).toBe(0)
    await w.outbox.close()
  })

  it('a rejected entry becomes a dead letter and lets its lane pass; what is after it is held', async () => {
    const w = world({
      async *answer(entries, context) {
        const bad = entries.find(({ sequence }) => sequence === 1)
        if (bad === undefined) return yield* deliverAll(entries, context)
        const failure = { code: 'ERR_REJECTED', message: 'invalid', status: 422, issues: [{ code: 'value' }] }
        yield [{ sequence: 1, kind: 'rejected', failure }]
      },
    })
    await w.add()
    await w.add()
    const held = await w.add({ lane: 'other', after: [1] })
    expect(await w.outbox.flush()).toEqual({ delivered: 1, dead: 1, waiting: 1 })
    expect(await w.outbox.settled(1)).toMatchObject({
      state: 'dead',
      reason: 'rejected',
      failure: { code: 'ERR_REJECTED', status: 422, issues: [{ code: 'value' }] },
    })
    expect((await w.outbox.read(held))?.heldBy).toBe(1)

    w.answer = deliverAll
    const payload = new TextEncoder().encode('corrected')
    await w.outbox.redrive(1, { actor: 'anna', reason: 'unit was missing', payload })
    const redriven = await w.outbox.read(1)
    expect(JSON.parse(new TextDecoder().decode(redriven?.note))).toMatchObject({
      decision: 'redrive',
      actor: 'anna',
      corrected: true,
      history: [{ what: 'rejected', code: 'ERR_REJECTED', status: 422 }],
    })
    expect(await w.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    await w.outbox.close()
  })

  it('a transport that throws spends nothing, waits, and does not stop the others', async () => {
    let fail = true
    const w = world({
      answer(entries, context) {
        if (fail && context.lane === 'bad') throw new Error('secret patient name')
        return deliverAll(entries, context)
      },
    })
    const bad = await w.add({ lane: 'bad' })
    const good = await w.add({ lane: 'good' })
    w.outbox.start()
    await w.outbox.settled(good)
    await quiet()
    const entry = await w.outbox.read(bad)
    expect(entry).toMatchObject({ state: 'waiting', attempts: 0, dueInMs: 1000 })
    expect(w.types()).toContain('transport-failed')
    expect(JSON.stringify(w.events) + new TextDecoder().decode(entry?.note)).not.toContain('secret')
    fail = false
    await w.time.advance(1000)
    expect(await w.outbox.settled(bad)).toMatchObject({ state: 'delivered' })
    await w.outbox.close()
  })

  it('a transport that says nothing is asked again later, not at once', async () => {
    const w = world({
      async *answer() {
        // nothing
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(999)
    expect(w.calls.length).toBe(1)
    await w.time.advance(1)
    expect(w.calls.length).toBe(2)
    await w.outbox.close()
  })

  it('a transport may take a run in portions without waiting in between', async () => {
    const w = world({
      async *answer(entries, context) {
        yield* deliverAll(entries.slice(0, 2), context)
      },
    })
    for (let count = 0; count < 5; count++) await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 5, waiting: 0 })
    expect(w.calls.map(({ sequences }) => sequences.length)).toEqual([5, 3, 1])
    await w.outbox.close()
  })

  it('settles each group before it asks for the next one', async () => {
    const w = world({
      async *answer(entries) {
        for (const entry of entries) {
          yield [delivered(entry)]
          expect((await w.storage.read(entry.sequence))?.state).toBe('delivered')
        }
      },
    })
    for (let count = 0; count < 3; count++) await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 3 })
    expect(w.types()).not.toContain('transport-failed')
    await w.outbox.close()
  })

  it('ignores outcomes for entries that it did not give, and says so', async () => {
    const w = world({
      async *answer(entries) {
        const [first] = entries
        if (first === undefined) return
        yield [delivered({ sequence: 99 }), delivered(first), delivered(first)]
      },
    })
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 1 })
    expect(w.types().filter((type) => type === 'transport-failed').length).toBe(2)
    await w.outbox.close()
  })

  it('writes receipts that name content and the previous receipt of the lane', async () => {
    const w = world({ defaults: { runEntries: 2 } })
    const hex = async (bytes: Uint8Array): Promise<string> =>
      Buffer.from(await crypto.subtle.digest('SHA-256', bytes.slice())).toString('hex')
    const payload = new TextEncoder().encode('content')
    for (let count = 0; count < 3; count++) await w.add({ payload, key: `k${count}` })
    await w.outbox.flush()
    let previous: string | undefined
    for (const sequence of [1, 2, 3]) {
      const note = (await w.outbox.read(sequence))?.note ?? new Uint8Array(0)
      const receipt: unknown = JSON.parse(new TextDecoder().decode(note))
      expect(receipt).toEqual({
        v: 1,
        sequence,
        key: `k${sequence - 1}`,
        at: '2023-11-14T22:13:21.000Z',
        contentSha256: await hex(payload),
        ...(previous === undefined ? {} : { previous }),
        status: 201,
        id: `X/${sequence}`,
      })
      previous = await hex(note)
    }
    await w.outbox.close()
  })

  it('a transport cannot rewrite what a receipt says of itself', async () => {
    const w = world({
      async *answer(entries) {
        yield entries.map(({ sequence }): Outcome => ({
          sequence,
          kind: 'delivered',
          receipt: { sequence: 77, v: 9, previous: 'x', key: 'forged', how: 'probe' },
        }))
      },
    })
    await w.add({ key: 'mine' })
    await w.outbox.flush()
    const settled = await w.outbox.settled(1)
    expect(settled).toMatchObject({ state: 'delivered', v: 1, sequence: 1, key: 'mine', how: 'probe' })
    expect(settled).not.toHaveProperty('previous')
    await w.outbox.close()
  })

  it('renews the lease while a delivery takes long', async () => {
    let finish = (): void => undefined
    const w = world({
      async *answer(entries: readonly LeasedEntry[], context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        yield entries.map((entry) => delivered(entry))
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(10 * 60_000)
    expect(w.calls.length).toBe(1)
    finish()
    await until(() => w.types().includes('delivered'))
    expect((await w.outbox.read(1))?.state).toBe('delivered')
    await w.outbox.close()
  })

  it('a lost lease aborts the delivery, and its late outcome changes nothing', async () => {
    const time = fakeTime()
    const w = world({
      time,
      defaults: { leaseMs: 1000, renewMs: 5000 },
      async *answer(entries, context, kind) {
        if (kind === 'resolve') return yield* deliverAll(entries, context)
        await context.mark(entries.map(({ sequence }) => sequence))
        await new Promise((resolve) => {
          context.signal.addEventListener('abort', resolve)
        })
        yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'rejected', failure: refused }))
      },
    })
    await w.add()
    w.outbox.start()
    await time.advance(5000)
    await until(() => w.calls.length === 2)
    expect(w.calls[1]?.kind).toBe('resolve')
    expect(await w.outbox.settled(1)).toMatchObject({ state: 'delivered' })
    expect(w.types()).not.toContain('rejected')
    await w.outbox.close()
  })
})
