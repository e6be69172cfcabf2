import { equal, ok, present } from './assert.js'
import { add, addOne, deliver, kill, lease, nothing, sequences, text } from './bench.js'
import type { DefineTest } from './types.js'

const note = text('decided')

export function holdTests(test: DefineTest): void {
  test('an entry waits for what it is after, in another lane too', async ({ storage }) => {
    const first = await addOne(storage, { lane: 'a' })
    const [dependant, behind] = await add(storage, { lane: 'b', after: [first] }, { lane: 'b' })
    const taken = await lease(storage)
    equal(sequences(taken), [first], 'the first')
    await nothing(storage)
    const entry = present(await storage.read(dependant ?? 0), 'entry')
    equal([entry.after, entry.heldBy], [[first], undefined], 'it waits, but is not held')
    await deliver(storage, taken)
    equal(sequences(await lease(storage)), [dependant, behind], 'free')
  })

  test('an entry after several waits for the last of them', async ({ storage }) => {
    const [a, b] = await add(storage, { lane: 'a' }, { lane: 'b' })
    ok(a !== undefined && b !== undefined, 'sequences')
    const dependant = await addOne(storage, { lane: 'c', after: [a, b, a] })
    const first = await lease(storage)
    const second = await lease(storage)
    await deliver(storage, first)
    await nothing(storage)
    await deliver(storage, second)
    equal(sequences(await lease(storage)), [dependant], 'free')
  })

  test('an entry is not in the run of what it is after', async ({ storage }) => {
    const [first, second] = await add(storage, {}, {})
    ok(first !== undefined && second !== undefined, 'sequences')
    const dependant = await addOne(storage, { after: [second] })
    const taken = await lease(storage)
    equal(sequences(taken), [first, second], 'the run')
    await deliver(storage, taken)
    equal(sequences(await lease(storage)), [dependant], 'the next run')
  })

  test('after a delivered entry is free at once', async ({ storage }) => {
    const first = await addOne(storage)
    await deliver(storage, await lease(storage))
    const dependant = await addOne(storage, { lane: 'b', after: [first] })
    equal(sequences(await lease(storage)), [dependant], 'free')
  })

  test('after a dead entry is held, holds its lane, and goes when that was redriven and delivered', async ({
    storage,
  }) => {
    const first = await addOne(storage, { lane: 'a' })
    const [dependant, behind] = await add(storage, { lane: 'b', after: [first] }, { lane: 'b' })
    await kill(storage, [first])
    await nothing(storage)
    equal((await storage.stats()).held, 1, 'stats.held')
    equal(present(await storage.read(dependant ?? 0), 'entry').heldBy, first, 'heldBy')
    equal(
      present(await storage.read(behind ?? 0), 'entry').heldBy,
      undefined,
      'the one behind is not held itself',
    )
    await storage.decide(first, { kind: 'redrive', note })
    equal((await storage.stats()).held, 0, 'not held any more')
    const taken = await lease(storage)
    equal(sequences(taken), [first], 'redriven')
    await nothing(storage)
    await deliver(storage, taken)
    equal(sequences(await lease(storage)), [dependant, behind], 'free')
  })

  test('an append after an entry that is dead already is held from the start', async ({ storage }) => {
    const first = await addOne(storage)
    await kill(storage, [first])
    const dependant = await addOne(storage, { after: [first] })
    equal(present(await storage.read(dependant), 'entry').heldBy, first, 'heldBy')
    equal((await storage.stats()).held, 1, 'stats.held')
    await nothing(storage)
  })

  test('after a discarded entry stays held until it is withdrawn itself', async ({ storage }) => {
    const first = await addOne(storage, { lane: 'a' })
    const [dependant, behind] = await add(storage, { lane: 'b', after: [first] }, { lane: 'b' })
    await kill(storage, [first])
    await storage.decide(first, { kind: 'discard', note })
    equal(present(await storage.read(dependant ?? 0), 'entry').heldBy, first, 'heldBy')
    await nothing(storage)
    await storage.decide(dependant ?? 0, { kind: 'withdraw', note })
    equal((await storage.stats()).held, 0, 'stats.held')
    equal(sequences(await lease(storage)), [behind], 'its lane goes on')
  })

  test('withdrawing an entry holds what is after it', async ({ storage }) => {
    const first = await addOne(storage, { lane: 'a' })
    const dependant = await addOne(storage, { lane: 'b', after: [first] })
    await storage.decide(first, { kind: 'withdraw', note })
    equal(present(await storage.read(dependant), 'entry').heldBy, first, 'heldBy')
    await nothing(storage)
  })

  test('assuming a dead entry delivered frees what is after it', async ({ storage }) => {
    const first = await addOne(storage, { lane: 'a' })
    const dependant = await addOne(storage, { lane: 'b', after: [first] })
    await kill(storage, [first])
    await storage.decide(first, { kind: 'assume-delivered', note })
    equal((await storage.stats()).held, 0, 'stats.held')
    equal(sequences(await lease(storage)), [dependant], 'free')
  })

  test('a held head leaves other lanes alone', async ({ storage }) => {
    const first = await addOne(storage, { lane: 'a' })
    await add(storage, { lane: 'b', after: [first] })
    await kill(storage, [first])
    const other = await addOne(storage, { lane: 'c' })
    equal(sequences(await lease(storage)), [other], 'another lane')
  })
}
