import { adapterLimits } from '../validate.js'
import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, lease, nothing, sequences, stateOf, text, ttl } from './bench.js'
import type { DefineTest } from './types.js'

export function markTests(test: DefineTest): void {
  test('of an expired lease, marked entries are unknown and the others waiting', async ({
    storage,
    elapse,
  }) => {
    const [a, b, c] = await add(storage, {}, {}, {})
    ok(a !== undefined && b !== undefined && c !== undefined, 'sequences')
    const abandoned = await lease(storage)
    const info = text('what was sent')
    const marking = storage.mark(abandoned, [
      { sequence: a, group: 'request 1', info },
      { sequence: b, group: 'request 1' },
    ])
    info.fill(0)
    await marking
    equal(await stateOf(storage, a), 'waiting', 'while the lease lasts')
    await elapse(ttl + 1)
    equal(await stateOf(storage, a), 'unknown', 'marked')
    equal(await stateOf(storage, c), 'waiting', 'unmarked')
    equal((await storage.stats()).unknown, 2, 'stats.unknown')
    const shown = present(await storage.read(a), 'entry').mark
    ok(shown === undefined || shown.group === 'request 1', 'a mark is shown as it is, or not at all')
    const unknown = await lease(storage)
    equal(sequences(unknown), [a, b], 'unknown entries come alone')
    const first = present(unknown.entries[0], 'entry')
    equal(first.state, 'unknown', 'state')
    equal(first.mark, { sequence: a, group: 'request 1', info: text('what was sent') }, 'mark')
    equal(unknown.entries[1]?.mark, { sequence: b, group: 'request 1' }, 'mark without info')
    ok((first.troubledForMs ?? 0) >= ttl, 'troubled since the mark')
    await deliver(storage, unknown)
    const rest = await lease(storage)
    equal([sequences(rest), rest.entries[0]?.state], [[c], 'waiting'], 'then the waiting one')
  })

  test('a run of unknown entries has one group', async ({ storage, elapse }) => {
    const all = await add(storage, {}, {}, {})
    const abandoned = await lease(storage)
    await storage.mark(
      abandoned,
      all.map((sequence, at) => ({ sequence, group: at < 1 ? 'one' : 'two' })),
    )
    await elapse(ttl + 1)
    const one = await lease(storage)
    equal(sequences(one), all.slice(0, 1), 'group one')
    await deliver(storage, one)
    equal(sequences(await lease(storage)), all.slice(1), 'group two')
  })

  test('unknown entries that were never marked come one by one', async ({ storage }) => {
    const all = await add(storage, {}, {})
    const taken = await lease(storage)
    await storage.settle(
      taken,
      all.map((sequence) => ({ sequence, outcome: 'unknown', delayMs: 0, spent: false })),
    )
    const again = await lease(storage)
    equal([sequences(again), again.entries[0]?.state], [[all[0]], 'unknown'], 'the first alone')
  })

  test('a later mark replaces the earlier one', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    const abandoned = await lease(storage)
    await storage.mark(abandoned, [{ sequence, group: 'one' }])
    await storage.mark(abandoned, [{ sequence, group: 'two' }])
    await elapse(ttl + 1)
    equal((await lease(storage)).entries[0]?.mark?.group, 'two', 'group')
  })

  test('a mark ends with its settlement', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    const first = await lease(storage)
    await storage.mark(first, [{ sequence, group: 'one' }])
    await storage.settle(first, [{ sequence, outcome: 'waiting', delayMs: 0, spent: false }])
    equal(await stateOf(storage, sequence), 'waiting', 'certainly not applied')
    const second = await lease(storage)
    equal(second.entries[0]?.mark, undefined, 'no mark')
    await elapse(ttl + 1)
    equal(await stateOf(storage, sequence), 'waiting', 'the second lease marked nothing')
  })

  test('settled as unknown, an entry keeps its mark', async ({ storage }) => {
    const sequence = await addOne(storage)
    const first = await lease(storage)
    await storage.mark(first, [{ sequence, group: 'one' }])
    await storage.settle(first, [
      { sequence, outcome: 'unknown', delayMs: 0, spent: true, note: text('why') },
    ])
    const entry = present((await lease(storage)).entries[0], 'entry')
    equal([entry.state, entry.attempts, entry.mark?.group], ['unknown', 1, 'one'], 'entry')
    equal(entry.note, text('why'), 'note')
  })

  test('an unknown entry stays unknown when the next lease dies unmarked', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    await storage.mark(await lease(storage), [{ sequence, group: 'one' }])
    await elapse(ttl + 1)
    await lease(storage)
    await elapse(ttl + 1)
    const entry = present((await lease(storage)).entries[0], 'entry')
    equal([entry.state, entry.mark?.group], ['unknown', 'one'], 'entry')
  })

  test('an unknown entry that turns out never applied waits again', async ({ storage, elapse }) => {
    const [sequence, behind] = await add(storage, {}, {})
    ok(sequence !== undefined, 'sequence')
    await storage.mark(await lease(storage, { limit: 1 }), [{ sequence, group: 'one' }])
    await elapse(ttl + 1)
    await storage.settle(await lease(storage), [{ sequence, outcome: 'waiting', delayMs: 0, spent: false }])
    equal(sequences(await lease(storage)), [sequence, behind], 'one run of waiting entries')
  })

  test('marking what the lease does not hold is refused and marks nothing', async ({ storage, elapse }) => {
    const [held, foreign] = await add(storage, {}, { lane: 'other' })
    ok(held !== undefined && foreign !== undefined, 'sequences')
    const taken = await lease(storage)
    const notes = [
      { sequence: held, group: 'g' },
      { sequence: foreign, group: 'g' },
    ]
    await rejects(storage.mark(taken, notes), 'ERR_LEASE_LOST', 'mark')
    await elapse(ttl + 1)
    equal(await stateOf(storage, held), 'waiting', 'not marked')
  })

  test('waiting entries do not travel with unknown ones behind them', async ({ storage }) => {
    const [waiting, unknown] = await add(storage, {}, {})
    ok(waiting !== undefined && unknown !== undefined, 'sequences')
    const taken = await lease(storage)
    await storage.mark(taken, [{ sequence: unknown, group: 'g' }])
    await storage.settle(taken, [
      { sequence: waiting, outcome: 'waiting', delayMs: 0, spent: false },
      { sequence: unknown, outcome: 'unknown', delayMs: 0, spent: false },
    ])
    const first = await lease(storage)
    equal([sequences(first), first.entries[0]?.state], [[waiting], 'waiting'], 'the waiting one')
    await deliver(storage, first)
    const second = await lease(storage)
    equal([sequences(second), second.entries[0]?.state], [[unknown], 'unknown'], 'the unknown one')
  })

  test('what the lease has settled already cannot be marked with it', async ({ storage, elapse }) => {
    const [settled, held] = await add(storage, {}, {})
    ok(settled !== undefined && held !== undefined, 'sequences')
    const taken = await lease(storage)
    await storage.settle(taken, [{ sequence: settled, outcome: 'waiting', delayMs: 0, spent: false }])
    await rejects(storage.mark(taken, [{ sequence: settled, group: 'late' }]), 'ERR_LEASE_LOST', 'mark')
    await elapse(ttl + 1)
    equal(await stateOf(storage, settled), 'waiting', 'state')
  })

  test('marks beyond the limits are refused', async ({ storage }) => {
    const sequence = await addOne(storage)
    const taken = await lease(storage)
    await rejects(storage.mark(taken, [{ sequence, group: 'g'.repeat(65) }]), 'ERR_INVALID_ENTRY', 'group')
    await rejects(
      storage.mark(taken, [{ sequence, group: 'g', info: new Uint8Array(adapterLimits.markInfoBytes + 1) }]),
      'ERR_INVALID_ENTRY',
      'info',
    )
    await rejects(storage.mark(taken, [{ sequence, group: 'g\ud800' }]), 'ERR_INVALID_ENTRY', 'Unicode')
    await storage.mark(taken, [{ sequence, group: 'é'.repeat(64), info: new Uint8Array(1024) }])
    await deliver(storage, taken)
    await nothing(storage)
  })

  test('time of trouble runs from the first spent attempt', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    const settle = async (spent: boolean): Promise<void> => {
      const taken = await lease(storage)
      await storage.settle(taken, [{ sequence, outcome: 'waiting', delayMs: 0, spent }])
    }
    await settle(false)
    await elapse(1000)
    await settle(true)
    await elapse(1000)
    await settle(true)
    await elapse(1000)
    const entry = present((await lease(storage)).entries[0], 'entry')
    equal(entry.attempts, 2, 'attempts')
    const troubled = present(entry.troubledForMs, 'troubledForMs')
    ok(troubled >= 2000 && troubled < 3000, `troubled for about 2000 ms, got ${troubled}`)
  })
}
