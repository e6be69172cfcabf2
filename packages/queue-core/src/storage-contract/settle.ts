import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, kill, lease, nothing, sequences, stateOf, text } from './bench.js'
import type { DefineTest } from './types.js'

export function settleTests(test: DefineTest): void {
  test('any subset may be settled; the lease ends with its last entry', async ({ storage }) => {
    const [a, b, c, behind] = await add(storage, {}, {}, {}, {})
    ok(a !== undefined && b !== undefined && c !== undefined, 'sequences')
    const taken = await lease(storage, { limit: 3 })
    await deliver(storage, taken, [b])
    equal([await stateOf(storage, a), await stateOf(storage, b)], ['waiting', 'delivered'], 'states')
    equal((await storage.stats()).leased, 2, 'still leased')
    await nothing(storage)
    await deliver(storage, taken, [c])
    await nothing(storage)
    await storage.settle(taken, [{ sequence: a, outcome: 'waiting', delayMs: 0, spent: false }])
    await rejects(deliver(storage, taken, [a]), 'ERR_LEASE_LOST', 'the lease has ended')
    equal(sequences(await lease(storage)), [a, behind], 'the lane goes on')
  })

  test('every outcome leaves what it says', async ({ storage }) => {
    const lanes = ['delivered', 'rejected', 'parked', 'expired', 'waiting', 'unknown'] as const
    const all = await add(storage, ...lanes.map((lane) => ({ lane, payload: text(lane) })))
    for (const [at, outcome] of lanes.entries()) {
      const sequence = present(all[at], 'sequence')
      const note = text(`note ${outcome}`)
      const taken = await lease(storage)
      equal(taken.lane, outcome, 'lane')
      const settlement =
        outcome === 'waiting' || outcome === 'unknown'
          ? ({ sequence, outcome, delayMs: 1000, spent: true, note } as const)
          : { sequence, outcome, note }
      const settling = storage.settle(taken, [settlement])
      note.fill(0)
      await settling
      const entry = present(await storage.read(sequence), 'entry')
      const dead = outcome === 'rejected' || outcome === 'parked' || outcome === 'expired'
      equal(entry.state, dead ? 'dead' : outcome, 'state')
      equal(entry.deadReason, dead ? outcome : undefined, 'deadReason')
      equal(entry.note, text(`note ${outcome}`), 'note')
      equal(entry.payload, outcome === 'delivered' ? undefined : text(outcome), 'payload')
      equal(entry.leased, false, 'leased')
      equal(entry.attempts, outcome === 'waiting' || outcome === 'unknown' ? 1 : 0, 'attempts')
    }
    const stats = await storage.stats()
    equal(
      [stats.accepted, stats.delivered, stats.dead, stats.waiting, stats.unknown],
      [6, 1, 3, 2, 1],
      'stats',
    )
  })

  test('a settlement with one entry too many changes nothing', async ({ storage }) => {
    const [a, foreign] = await add(storage, {}, { lane: 'other' })
    ok(a !== undefined && foreign !== undefined, 'sequences')
    const taken = await lease(storage)
    await rejects(deliver(storage, taken, [a, foreign]), 'ERR_LEASE_LOST', 'a foreign entry')
    await rejects(deliver(storage, taken, [a, a]), 'ERR_LEASE_LOST', 'an entry twice')
    equal(await stateOf(storage, a), 'waiting', 'unchanged')
    equal(await stateOf(storage, foreign), 'waiting', 'unchanged')
    await deliver(storage, taken)
  })

  test('a delayed head is not leased before it is due, and neither is what is behind it', async ({
    storage,
    elapse,
  }) => {
    const [head, behind] = await add(storage, {}, {})
    ok(head !== undefined, 'sequence')
    const taken = await lease(storage, { limit: 1 })
    await storage.settle(taken, [{ sequence: head, outcome: 'waiting', delayMs: 5000, spent: true }])
    const dueIn = present(await nothing(storage), 'nextDueInMs')
    ok(dueIn > 0 && dueIn <= 5000, `due within the delay, got ${dueIn}`)
    const entry = present(await storage.read(head), 'entry')
    ok((entry.dueInMs ?? 0) > 0 && (entry.dueInMs ?? 0) <= 5000, 'dueInMs')
    await elapse(4900)
    await nothing(storage)
    await elapse(101)
    equal(sequences(await lease(storage)), [head, behind], 'due')
  })

  test('a delayed entry inside a run ends the run', async ({ storage }) => {
    const [a, b, c] = await add(storage, {}, {}, {})
    ok(a !== undefined && b !== undefined && c !== undefined, 'sequences')
    await storage.settle(await lease(storage), [
      { sequence: a, outcome: 'waiting', delayMs: 0, spent: false },
      { sequence: b, outcome: 'waiting', delayMs: 5000, spent: true },
      { sequence: c, outcome: 'waiting', delayMs: 0, spent: false },
    ])
    const taken = await lease(storage)
    equal(sequences(taken), [a], 'up to the delayed one')
    await deliver(storage, taken)
    await nothing(storage)
  })

  test('hurry makes delayed entries due, later delays count again', async ({ storage }) => {
    if (storage.hurry === undefined) return
    const sequence = await addOne(storage)
    const delayed = { sequence, outcome: 'waiting', delayMs: 5000, spent: false } as const
    await storage.settle(await lease(storage), [delayed])
    await nothing(storage)
    await storage.hurry()
    await storage.settle(await lease(storage), [delayed])
    await nothing(storage)
  })

  test('a settlement without a note keeps the previous one', async ({ storage }) => {
    const sequence = await addOne(storage)
    const again = { sequence, outcome: 'waiting', delayMs: 0, spent: true } as const
    await storage.settle(await lease(storage), [{ ...again, note: text('first') }])
    await storage.settle(await lease(storage), [again])
    const taken = await lease(storage)
    equal(taken.entries[0]?.note, text('first'), 'note in the lease')
    equal(taken.entries[0]?.attempts, 2, 'attempts')
  })

  test('delivered without a receipt, the previous note and the last hash of the lane stay', async ({
    storage,
  }) => {
    const hash = new Uint8Array(32).fill(7)
    const [first, second] = await add(storage, {}, {})
    ok(first !== undefined && second !== undefined, 'sequences')
    const taken = await lease(storage)
    await storage.settle(taken, [
      { sequence: first, outcome: 'delivered', note: text('receipt'), receiptHash: hash },
      { sequence: second, outcome: 'waiting', delayMs: 0, spent: true, note: text('503') },
    ])
    await storage.settle(await lease(storage), [{ sequence: second, outcome: 'delivered' }])
    const entry = present(await storage.read(second), 'entry')
    equal([entry.state, entry.note, entry.payload], ['delivered', text('503'), undefined], 'entry')
    await addOne(storage)
    equal((await lease(storage)).lastReceiptHash, hash, 'the hash')
  })

  test('a dead letter lets its lane pass', async ({ storage }) => {
    const [a, b] = await add(storage, {}, {})
    ok(a !== undefined, 'sequence')
    await kill(storage, [a])
    equal(sequences(await lease(storage)), [b], 'the next one')
    equal((await storage.stats()).held, 0, 'nobody is held')
  })

  test('the lease carries the hash of the last receipt of its lane', async ({ storage }) => {
    await add(storage, {}, {}, { lane: 'other' }, {})
    const hash = new Uint8Array(32).fill(7)
    const first = await lease(storage, { limit: 1 })
    const settling = storage.settle(first, [
      { sequence: sequences(first)[0] ?? 0, outcome: 'delivered', note: text('receipt'), receiptHash: hash },
    ])
    hash.fill(0)
    await settling
    const other = await lease(storage)
    equal([other.lane, other.lastReceiptHash], ['other', undefined], 'another lane')
    const second = await lease(storage, { limit: 1 })
    equal(second.lastReceiptHash, new Uint8Array(32).fill(7), 'the hash')
    await storage.settle(second, [
      { sequence: sequences(second)[0] ?? 0, outcome: 'rejected', note: text('no') },
    ])
    equal((await lease(storage)).lastReceiptHash, new Uint8Array(32).fill(7), 'a rejection leaves it')
  })
}
