import { describe, expect, it } from 'vitest'
import {
  memoryStorage,
  openOutbox,
  parseNote,
  type EntryDraft,
  type OutboxDefaults,
  type Outcome,
} from '@fhir-outbox/queue-core'
import { deliverAll, world } from './world.js'

const hour = 3_600_000

/** What JavaScript lets a caller do. */
function untyped<Type>(value: unknown): Type {
  return value as Type
}

describe('openOutbox: callers, rules and transports that do what they should not', () => {
  it('an outcome of a kind that does not exist is none, and the entry is not lost', async () => {
    const w = world({
      async *answer(entries, context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        yield entries.map(({ sequence }) =>
          untyped<Outcome>({ sequence, kind: 'done', failure: { code: 'ERR_NO', message: 'no' } }),
        )
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(100)
    expect(w.types()).toContain('transport-failed')
    expect(await w.outbox.stats()).toMatchObject({ accepted: 1, waiting: 1, unknown: 1 })
    w.answer = deliverAll
    await w.time.advance(10_000)
    expect(await w.outbox.stats()).toMatchObject({ accepted: 1, delivered: 1 })
    await w.outbox.close()
  })

  it('a receipt that no storage takes loses what the transport added, and the lane goes on', async () => {
    const w = world({
      async *answer(entries, context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        yield entries.map(({ sequence }): Outcome => ({
          sequence,
          kind: 'delivered',
          receipt: { status: 201, id: 'X/1', version: '7', answer: 'x'.repeat(300_000) },
        }))
      },
    })
    await w.add()
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    expect(w.calls.length).toBe(1)
    const first = await w.outbox.settled(1)
    expect(first).toMatchObject({ state: 'delivered', sequence: 1, status: 201, id: 'X/1', version: '7' })
    expect(first).toMatchObject({ shortened: true })
    expect(first).not.toHaveProperty('answer')
    await w.outbox.close()
  })

  it('a refusal that no storage takes is kept without its details', async () => {
    const text = '\u0001'.repeat(1000)
    const issues = Array.from({ length: 20 }, () => ({ code: text, text, path: text }))
    const w = world({
      async *answer(entries) {
        const failure = { code: 'ERR_REFUSED', message: 'binary rubbish', status: 422, issues }
        yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'rejected', failure }))
      },
    })
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ dead: 1, waiting: 0 })
    const settled = await w.outbox.settled(1)
    expect(settled).toMatchObject({ state: 'dead', failure: { code: 'ERR_REFUSED', status: 422 } })
    expect(JSON.stringify(settled)).not.toContain('issues')
    await w.outbox.close()
  })

  it('what people write does not grow with every decision until no storage takes it', async () => {
    const w = world({
      async *answer(entries) {
        const failure = { code: 'ERR_REFUSED', message: 'no' }
        yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'rejected', failure }))
      },
    })
    const sequence = await w.add()
    const reason = 'a long story. '.repeat(7000)
    for (let round = 0; round < 4; round++) {
      expect(await w.outbox.flush()).toMatchObject({ dead: 1 })
      await w.outbox.redrive(sequence, { actor: 'anna', reason })
      const note = parseNote((await w.outbox.read(sequence))?.note)
      expect(note).toMatchObject({ kind: 'decision', decision: { reason } })
    }
    expect(await w.outbox.flush()).toMatchObject({ dead: 1 })
    const note = parseNote((await w.outbox.read(sequence))?.note)
    expect(note?.kind === 'failure' ? note.failure.history.length : 0).toBe(8)
    await w.outbox.close()
  })

  it('a rule for the time to live that throws stops nobody', async () => {
    const w = world({
      defaults: { ttlMs: hour },
      ttlMs({ sequence }) {
        if (sequence === 1) throw new TypeError('header is not JSON')
        return undefined
      },
    })
    await w.add()
    await w.add()
    await w.add({ lane: 'other' })
    expect(await w.outbox.flush()).toMatchObject({ delivered: 3, waiting: 0 })
    expect(w.types()).not.toContain('storage-failed')
    const failure = { code: 'ERR_TTL_FAILED' }
    expect(w.events.filter(({ type }) => type === 'ttl-failed')).toMatchObject([{ sequence: 1, failure }])
    expect(JSON.stringify(w.events)).not.toContain('JSON')
    await w.outbox.close()
  })

  it('a draft without a header is refused with a code', async () => {
    const { outbox } = world()
    const draft = { lane: 'l', gate: 'g', key: 'k', payload: new Uint8Array(1) }
    await expect(outbox.enqueue(untyped<EntryDraft>(draft))).rejects.toMatchObject({
      code: 'ERR_INVALID_ENTRY',
    })
    expect((await outbox.stats()).accepted).toBe(0)
    await outbox.close()
  })

  it('a page of nothing is refused: it would look like an empty queue', async () => {
    const { outbox, add } = world()
    await add()
    for (const pageSize of [0, -1, 0.5, Number.NaN]) {
      const reading = outbox.list({ pageSize })[Symbol.asyncIterator]().next()
      await expect(reading).rejects.toMatchObject({ code: 'ERR_INVALID_ENTRY' })
    }
    await outbox.close()
  })

  it('options that are undefined are left at their defaults', async () => {
    const outbox = openOutbox({
      storage: memoryStorage(),
      transport: { deliver: deliverAll, resolve: deliverAll },
      defaults: untyped<Partial<OutboxDefaults>>({ lanes: undefined, runEntries: undefined }),
      environment: untyped({ now: undefined }),
    })
    const bytes = new Uint8Array(1)
    await outbox.enqueue({ lane: 'l', gate: 'g', key: 'k', header: bytes, payload: bytes })
    expect(await outbox.flush()).toMatchObject({ delivered: 1, waiting: 0 })
    await outbox.close()
  })

  it('started again before it has stopped, it goes on', async () => {
    let fail = true
    const w = world({
      async *answer(entries, context) {
        if (fail) throw new Error('not yet')
        yield* deliverAll(entries, context)
      },
    })
    await w.add()
    w.outbox.start()
    await w.time.advance(100)
    fail = false
    const stopping = w.outbox.stop()
    w.outbox.start()
    await stopping
    await w.time.advance(10_000)
    expect(await w.outbox.stats()).toMatchObject({ delivered: 1 })
    await w.outbox.close()
  })
})
