import { adapterLimits } from '../validate.js'
import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, kill, lease, stateOf, text, until } from './bench.js'
import type { DefineTest } from './types.js'

export function queryTests(test: DefineTest): void {
  test('read answers undefined for what never was', async ({ storage }) => {
    equal(await storage.read(1), undefined, 'read')
    equal(await storage.read(0), undefined, 'read')
  })

  test('a summary is complete', async ({ storage, elapse }) => {
    const first = await addOne(storage, { lane: 'a' })
    const header = text('h')
    const sequence = await addOne(storage, {
      lane: 'l',
      gate: 'g',
      key: 'k',
      header,
      payload: text('12345'),
      after: [first],
    })
    await elapse(1000)
    const page = await storage.list({ lane: 'l', limit: 10 })
    const { ageMs, ...rest } = present(page[0], 'summary')
    ok(ageMs >= 1000, 'ageMs')
    equal(
      rest,
      {
        sequence,
        lane: 'l',
        gate: 'g',
        key: 'k',
        header,
        after: [first],
        payloadBytes: 5,
        state: 'waiting',
        leased: false,
        attempts: 0,
      },
      'summary',
    )
  })

  test('list filters by state and lane, in order of sequence', async ({ storage }) => {
    const all = await add(storage, { lane: 'a' }, { lane: 'b' }, { lane: 'a' }, { lane: 'b' })
    const [first, second] = all
    ok(first !== undefined && second !== undefined, 'sequences')
    await deliver(storage, await lease(storage, { limit: 1 }))
    await kill(storage, [second])
    const ids = async (query: Parameters<typeof storage.list>[0]): Promise<number[]> =>
      (await storage.list(query)).map(({ sequence }) => sequence)
    equal(await ids({ limit: 10 }), all, 'everything')
    equal(await ids({ limit: 10, state: 'waiting' }), all.slice(2), 'waiting')
    equal(await ids({ limit: 10, state: 'dead' }), [second], 'dead')
    equal(await ids({ limit: 10, state: 'delivered', lane: 'a' }), [first], 'delivered in a')
    equal(await ids({ limit: 10, state: 'delivered', lane: 'b' }), [], 'delivered in b')
    equal(await ids({ limit: 10, lane: 'never seen' }), [], 'an unknown lane')
    equal(await ids({ limit: 2 }), all.slice(0, 2), 'limit')
    equal(await ids({ limit: 2, after: second }), all.slice(2), 'after')
    equal(await ids({ limit: 2, after: 1e9 }), [], 'past the end')
  })

  test('paging while writing shows every entry that was there throughout exactly once', async ({
    storage,
  }) => {
    const all = await add(storage, ...Array.from({ length: 25 }, (_, at) => ({ lane: `l${at % 3}` })))
    const seen: number[] = []
    let after = 0
    // Bounded, so that a storage that never ends its pages fails instead of hanging the suite.
    for (let pages = 0; pages < 30; pages++) {
      const page = await storage.list({ after, limit: 4 })
      if (page.length === 0) break
      seen.push(...page.map(({ sequence }) => sequence))
      after = seen.at(-1) ?? 0
      if (seen.length < 20) {
        await deliver(storage, await lease(storage, { limit: 1 }))
        await addOne(storage)
      }
    }
    equal(
      seen,
      seen.toSorted((a, b) => a - b),
      'order',
    )
    equal(new Set(seen).size, seen.length, 'no entry twice')
    const missing = all.filter((sequence) => !seen.includes(sequence))
    equal(missing, [], 'missing')
  })

  test('stats count entries, bytes and lanes', async ({ storage }) => {
    const payload = new Uint8Array(10)
    const all = await add(storage, { payload }, { payload }, { payload, lane: 'b' }, { payload, lane: 'c' })
    const expected = {
      accepted: 4,
      waiting: 4,
      leased: 0,
      unknown: 0,
      held: 0,
      delivered: 0,
      dead: 0,
      discarded: 0,
      quarantined: 0,
      bytes: 40,
      lanes: 3,
    }
    equal(await storage.stats(), expected, 'appended')
    const taken = await lease(storage)
    equal(await storage.stats(), { ...expected, leased: 2 }, 'leased')
    await deliver(storage, taken, [all[0] ?? 0])
    const one = { ...expected, waiting: 3, leased: 1, delivered: 1, bytes: 30 }
    equal(await storage.stats(), one, 'one delivered')
    await deliver(storage, taken, [all[1] ?? 0])
    const both = { ...one, waiting: 2, leased: 0, delivered: 2, bytes: 20, lanes: 2 }
    equal(await storage.stats(), both, 'lane empty')
    await kill(storage, [all[2] ?? 0])
    equal(await storage.stats(), { ...both, waiting: 1, dead: 1, lanes: 1 }, 'one dead: its bytes stay')
  })

  test('watch calls after append, settle, decide, hurry and wipe, until it is stopped', async ({
    storage,
  }) => {
    let calls = 0
    let others = 0
    const stop = storage.watch(() => calls++)
    const stopOther = storage.watch(() => others++)
    const called = async (what: string, action: () => Promise<unknown>): Promise<void> => {
      const before = calls
      await action()
      // Adapters may tell a moment later, but must not need another call for it.
      await until(() => calls > before)
      ok(calls > before, `watch after ${what}`)
    }
    let sequence = 0
    await called('append', async () => {
      sequence = await addOne(storage)
    })
    await called('settle', () => kill(storage, [sequence]))
    await called('decide', () => storage.decide(sequence, { kind: 'redrive', note: text('n') }))
    if (storage.hurry !== undefined) await called('hurry', () => storage.hurry?.() ?? Promise.resolve())
    if (storage.wipe !== undefined) await called('wipe', () => storage.wipe?.([]) ?? Promise.resolve())
    stop()
    const before = calls
    const othersBefore = others
    await addOne(storage)
    await until(() => others > othersBefore)
    equal(calls, before, 'calls after the stop')
    ok(others > othersBefore, 'the other listener is still called')
    stopOther()
  })
}

export function noteTests(test: DefineTest): void {
  test('a note that was never put is undefined', async ({ storage }) => {
    equal(await storage.notes.get('none'), undefined, 'get')
  })

  test('notes have versions and refuse a wrong one', async ({ storage }) => {
    const { notes } = storage
    const first = await notes.put('n', text('one'), 0)
    equal(await notes.get('n'), { bytes: text('one'), version: first }, 'first')
    await rejects(notes.put('n', text('two'), 0), 'ERR_NOTE_CONFLICT', 'put again')
    const second = await notes.put('n', text('two'), first)
    ok(second !== first && second !== 0, 'a new version')
    await rejects(notes.put('n', text('three'), first), 'ERR_NOTE_CONFLICT', 'the old version')
    await rejects(notes.put('other', text('x'), 7), 'ERR_NOTE_CONFLICT', 'a version that never was')
    equal(await notes.get('n'), { bytes: text('two'), version: second }, 'second')
    equal(await notes.get('other'), undefined, 'nothing was put')
  })

  test('notes keep any bytes up to 256 KiB under any name', async ({ storage }) => {
    const { notes } = storage
    for (const [name, size] of [
      ['', 0],
      ['../é \u0000', 1],
      ['__proto__', 256 * 1024],
    ] as const) {
      const bytes = new Uint8Array(size).fill(0xa5)
      const version = await notes.put(name, bytes, 0)
      bytes.fill(0)
      const note = present(await notes.get(name), 'note')
      equal(note, { bytes: new Uint8Array(size).fill(0xa5), version }, 'note')
      note.bytes.fill(1)
      equal(present(await notes.get(name), 'note').bytes, new Uint8Array(size).fill(0xa5), 'a copy')
    }
    await rejects(
      notes.put('big', new Uint8Array(adapterLimits.noteBytes + 1), 0),
      'ERR_INVALID_ENTRY',
      'too large',
    )
  })

  test('note names that are too long or not well-formed are refused', async ({ storage }) => {
    const { notes } = storage
    for (const name of ['é'.repeat(257), 'a\ud800', '\udc00']) {
      await rejects(notes.put(name, text('x'), 0), 'ERR_INVALID_ENTRY', 'put')
      await rejects(notes.get(name), 'ERR_INVALID_ENTRY', 'get')
    }
    const longest = 'é'.repeat(256)
    const version = await notes.put(longest, text('x'), 0)
    equal((await notes.get(longest)) ?? {}, { bytes: text('x'), version }, 'the longest name')
  })

  test('of notes put at the same time with one version, one wins', async ({ storage }) => {
    const puts = await Promise.allSettled(
      Array.from({ length: 10 }, (_, at) => storage.notes.put('n', text(String(at)), 0)),
    )
    const won = puts.flatMap((put, at) => (put.status === 'fulfilled' ? [at] : []))
    equal(won.length, 1, 'winners')
    equal(present(await storage.notes.get('n'), 'note').bytes, text(String(won[0])), 'its bytes')
  })

  test('notes tell their names, if the adapter can', async ({ storage }) => {
    const { notes } = storage
    if (notes.names === undefined) return
    equal(await notes.names(), [], 'none yet')
    for (const name of ['', 'a', '__proto__', 'é']) await notes.put(name, text('x'), 0)
    equal((await notes.names()).toSorted(), ['', '__proto__', 'a', 'é'], 'names')
  })

  test('notes are no entries', async ({ storage }) => {
    await storage.notes.put('n', text('x'), 0)
    const sequence = await addOne(storage)
    equal((await storage.stats()).accepted, 1, 'accepted')
    equal(await stateOf(storage, sequence), 'waiting', 'state')
  })
}
