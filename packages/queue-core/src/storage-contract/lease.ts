import { isLease } from '../storage-port.js'
import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, draft, lease, nothing, sequences, stateOf, text, ttl } from './bench.js'
import type { DefineTest } from './types.js'

export function leaseTests(test: DefineTest): void {
  test('an empty storage has nothing ready, now or later', async ({ storage }) => {
    equal(await nothing(storage), undefined, 'nextDueInMs')
  })

  test('a lease says what its entries are', async ({ storage, elapse }) => {
    const sequence = await addOne(storage, { lane: 'l', gate: 'g', key: 'k' })
    await elapse(5000)
    const taken = await lease(storage)
    equal([taken.lane, taken.gate], ['l', 'g'], 'lane and gate')
    equal(taken.lastReceiptHash, undefined, 'no receipt yet')
    const entry = present(taken.entries[0], 'entry')
    equal([entry.sequence, entry.key, entry.state, entry.attempts], [sequence, 'k', 'waiting', 0], 'entry')
    ok(entry.ageMs >= 5000 && entry.ageMs < 5000 + ttl, 'age')
    equal([entry.mark, entry.note, entry.troubledForMs], [undefined, undefined, undefined], 'no history')
    equal(present(await storage.read(sequence), 'entry').leased, true, 'leased')
    equal((await storage.stats()).leased, 1, 'stats.leased')
  })

  test('a leased lane is not leased again, other lanes are', async ({ storage }) => {
    const [first, other, behind] = await add(storage, {}, { lane: 'other' }, {})
    equal(sequences(await lease(storage, { limit: 1 })), [first], 'the first lane')
    equal(sequences(await lease(storage)), [other], 'the other lane')
    const dueIn = present(await nothing(storage), 'nextDueInMs')
    ok(dueIn > 0 && dueIn <= ttl, 'when the leases may expire')
    equal(await stateOf(storage, present(behind, 'sequence')), 'waiting', 'the one behind')
  })

  test('leases taken at the same time never share a lane', async ({ storage }) => {
    await add(storage, {}, {}, { lane: 'b' }, { lane: 'c' })
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        storage.lease({ limit: 1, maxBytes: 1e6, ttlMs: ttl, closedGates: [] }),
      ),
    )
    const leases = answers.filter(isLease)
    equal(leases.map((taken) => taken.lane).sort(), ['b', 'c', 'lane'], 'lanes')
    equal(new Set(leases.map(({ id }) => id)).size, 3, 'different ids')
  })

  test('a run ends at the limit of entries', async ({ storage }) => {
    const all = await add(storage, {}, {}, {}, {}, {})
    const taken = await lease(storage, { limit: 2 })
    equal(sequences(taken), all.slice(0, 2), 'the run')
    await deliver(storage, taken)
    equal(sequences(await lease(storage, { limit: 3 })), all.slice(2), 'the next run')
  })

  test('a run ends at the limit of bytes, but has its first entry', async ({ storage }) => {
    const payload = new Uint8Array(100)
    const all = await add(storage, { payload }, { payload }, { payload }, { payload })
    const exact = await lease(storage, { maxBytes: 200 })
    equal(sequences(exact), all.slice(0, 2), 'exactly the limit')
    await deliver(storage, exact)
    const tiny = await lease(storage, { maxBytes: 1 })
    equal(sequences(tiny), [all[2]], 'larger than the limit')
    await deliver(storage, tiny)
    equal(sequences(await lease(storage, { maxBytes: 199 })), [all[3]], 'the rest')
  })

  test('of lanes to be sent one by one, a waiting head comes alone, unknown ones come together', async ({
    storage,
    elapse,
  }) => {
    const all = await add(storage, { lane: 'a' }, { lane: 'a' }, { lane: 'a' }, { lane: 'b' }, { lane: 'b' })
    const oneByOne = ['a', 'never seen']
    const alone = await lease(storage, { oneByOne })
    equal(sequences(alone), all.slice(0, 1), 'alone')
    equal(sequences(await lease(storage, { oneByOne })), all.slice(3), 'another lane')
    await deliver(storage, alone)
    const [, second = 0, third = 0] = all
    await storage.mark(await lease(storage), [
      { sequence: second, group: 'g' },
      { sequence: third, group: 'g' },
    ])
    await elapse(ttl + 1)
    await lease(storage, { oneByOne })
    equal(sequences(await lease(storage, { oneByOne })), all.slice(1, 3), 'one request')
  })

  test('when every lane is to be sent one by one, unknown ones come together all the same', async ({
    storage,
    elapse,
  }) => {
    const all = await add(storage, { lane: 'a' }, { lane: 'a' }, { lane: 'b' }, { lane: 'b' })
    const oneByOne = 'all'
    const [first = 0, second = 0] = all
    await storage.mark(await lease(storage), [
      { sequence: first, group: 'g' },
      { sequence: second, group: 'g' },
    ])
    equal(sequences(await lease(storage, { oneByOne })), all.slice(2, 3), 'alone')
    await elapse(ttl + 1)
    equal(sequences(await lease(storage, { oneByOne })), [first, second], 'one request')
  })

  test('the least recently leased lane goes first', async ({ storage }) => {
    const lanes = ['a', 'b', 'c']
    await add(storage, ...lanes.flatMap((lane) => [{ lane }, { lane }, { lane }]))
    const order: string[] = []
    for (let turn = 0; turn < 9; turn++) {
      const taken = await lease(storage, { limit: 1 })
      order.push(taken.lane)
      await deliver(storage, taken)
    }
    equal(order.join(''), 'abcabcabc', 'turns')
  })

  test('entries of closed gates are not leased', async ({ storage }) => {
    const [shut, open] = await add(storage, { gate: 'shut', lane: 'a' }, { gate: 'open', lane: 'b' })
    const taken = await lease(storage, { closedGates: ['shut', 'never seen'] })
    equal(sequences(taken), [open], 'the open gate')
    await deliver(storage, taken)
    await nothing(storage, { closedGates: ['shut'] })
    equal((await storage.stats()).waiting, 1, 'it still waits')
    equal(sequences(await lease(storage)), [shut], 'open again')
  })

  test('a closed gate at the head holds its lane', async ({ storage }) => {
    await add(storage, { gate: 'shut' }, { gate: 'open' })
    await nothing(storage, { closedGates: ['shut'] })
  })

  test('onlyGate leases nothing else', async ({ storage }) => {
    const [, wanted] = await add(
      storage,
      { gate: 'a', lane: 'a' },
      { gate: 'b', lane: 'b' },
      { gate: 'b', lane: 'b' },
    )
    const taken = await lease(storage, { onlyGate: 'b', limit: 1 })
    equal(sequences(taken), [wanted], 'the trial')
    await nothing(storage, { onlyGate: 'b' })
    await nothing(storage, { onlyGate: 'never seen' })
  })

  test('says when the first of several lanes may be ready', async ({ storage, elapse }) => {
    const delays = [5000, 1000, 3000]
    const all = await add(
      storage,
      ...delays.map((_, lane) => ({ lane: `lane ${lane}`, gate: `gate ${lane}` })),
    )
    for (const [at, delayMs] of delays.entries()) {
      const sequence = present(all[at], 'sequence')
      await storage.settle(await lease(storage), [{ sequence, outcome: 'waiting', delayMs, spent: false }])
    }
    await add(storage, { lane: 'leased', gate: 'leased' })
    await lease(storage, { ttlMs: 2000 })
    const dueIn = async (closedGates: readonly string[]): Promise<number> =>
      present(await nothing(storage, { closedGates }), 'nextDueInMs')
    ok((await dueIn([])) <= 1000, 'the shortest delay')
    const lease_ = await dueIn(['gate 1'])
    ok(lease_ > 1000 && lease_ <= 2000, 'the lease')
    const third = await dueIn(['gate 1', 'leased'])
    ok(third > 2000 && third <= 3000, 'the next delay')
    await elapse(1001)
    equal(sequences(await lease(storage)), all.slice(1, 2), 'the first')
  })

  test('says nothing about time where time alone makes nothing ready', async ({ storage, elapse }) => {
    const first = await addOne(storage, { gate: 'shut' })
    await add(storage, { lane: 'held', after: [first] })
    const closedGates = ['shut']
    equal(await nothing(storage, { closedGates }), undefined, 'a closed gate')
    const again = { sequence: first, outcome: 'waiting', delayMs: 1000, spent: false } as const
    await storage.settle(await lease(storage), [again])
    equal(await nothing(storage, { closedGates }), undefined, 'a delay behind a closed gate')
    await elapse(1001)
    equal(await nothing(storage, { closedGates }), undefined, 'a delay that is over')
  })

  test('a run ends where the gate changes', async ({ storage }) => {
    const all = await add(storage, { gate: 'a' }, { gate: 'a' }, { gate: 'b' }, { gate: 'a' })
    for (const run of [all.slice(0, 2), all.slice(2, 3), all.slice(3)]) {
      const taken = await lease(storage)
      equal(sequences(taken), run, 'run')
      await deliver(storage, taken)
    }
  })

  test('an expired lease is fenced out and changes nothing', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    const old = await lease(storage)
    await elapse(ttl - 1)
    await nothing(storage)
    await elapse(2)
    const current = await lease(storage)
    equal(sequences(current), [sequence], 'the entry comes back')
    ok(current.id !== old.id, 'a new id')
    const calls = {
      mark: () => storage.mark(old, [{ sequence, group: 'late' }]),
      renew: () => storage.renew(old, ttl),
      settle: () => storage.settle(old, [{ sequence, outcome: 'delivered', note: text('late') }]),
    }
    for (const [what, call] of Object.entries(calls)) await rejects(call(), 'ERR_LEASE_LOST', what)
    equal(await stateOf(storage, sequence), 'waiting', 'unchanged')
    await deliver(storage, current)
    equal(present(await storage.read(sequence), 'entry').note, text(`receipt-${sequence}`), 'receipt')
  })

  test('an expired lease is lost even when nobody took the lane', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    const old = await lease(storage)
    await elapse(ttl + 1)
    await rejects(deliver(storage, old), 'ERR_LEASE_LOST', 'settle')
    equal((await storage.stats()).leased, 0, 'nothing is leased')
    equal(await stateOf(storage, sequence), 'waiting', 'state')
  })

  test('renew makes a lease last from now', async ({ storage, elapse }) => {
    await addOne(storage)
    const taken = await lease(storage)
    for (let round = 0; round < 3; round++) {
      await elapse(ttl - 1)
      await storage.renew(taken, ttl)
    }
    await elapse(ttl - 1)
    await nothing(storage)
    await deliver(storage, taken)
    await rejects(storage.renew(taken, ttl), 'ERR_LEASE_LOST', 'renewing a lease that ended')
  })

  test('renew can shorten a lease', async ({ storage, elapse }) => {
    await addOne(storage)
    const taken = await lease(storage)
    await storage.renew(taken, 10)
    await elapse(11)
    await lease(storage)
  })

  test('appending to a leased lane does not touch the lease', async ({ storage }) => {
    const first = await addOne(storage)
    const taken = await lease(storage)
    const second = await storage.append([draft()])
    await nothing(storage)
    await deliver(storage, taken, [first])
    equal(sequences(await lease(storage)), [second[0]?.sequence], 'the next run')
  })
}
