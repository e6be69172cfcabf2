import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, draft, kill, lease, nothing, sequences, stateOf, text, ttl } from './bench.js'
import type { DefineTest } from './types.js'

const note = text('decided')

export function decisionTests(test: DefineTest): void {
  test('a redriven entry keeps sequence, key and content and goes first', async ({ storage }) => {
    const [first, second] = await add(storage, { key: 'k', payload: text('p') }, {})
    ok(first !== undefined, 'sequence')
    const taken = await lease(storage, { limit: 1 })
    await storage.settle(taken, [{ sequence: first, outcome: 'waiting', delayMs: 0, spent: true }])
    await kill(storage, [first])
    await storage.decide(first, { kind: 'redrive', note })
    const again = await lease(storage)
    equal(sequences(again), [first, second], 'order')
    const entry = present(again.entries[0], 'entry')
    equal([entry.key, entry.state, entry.attempts], ['k', 'waiting', 0], 'as new')
    equal([entry.payload, entry.note], [text('p'), note], 'content and note')
  })

  test('a redrive may correct payload and header', async ({ storage }) => {
    const sequence = await addOne(storage, { key: 'k', payload: text('wrong') })
    await kill(storage, [sequence])
    const before = (await storage.stats()).bytes
    const [payload, header, why] = [text('corrected'), text('h2'), text('why')]
    const deciding = storage.decide(sequence, { kind: 'redrive', note: why, payload, header })
    for (const bytes of [payload, header, why]) bytes.fill(0)
    await deciding
    equal((await storage.stats()).bytes, before - 5 + 9, 'bytes')
    const entry = present((await lease(storage)).entries[0], 'entry')
    equal([entry.key, entry.payload, entry.header], ['k', text('corrected'), text('h2')], 'entry')
    equal(entry.note, text('why'), 'note')
  })

  test('a redriven entry has no trouble behind it, whatever became of its last request', async ({
    storage,
    elapse,
  }) => {
    const sequence = await addOne(storage)
    await storage.mark(await lease(storage), [{ sequence, group: 'g' }])
    await elapse(ttl + 1)
    await storage.settle(await lease(storage), [{ sequence, outcome: 'parked', note: text('nobody knows') }])
    await storage.decide(sequence, { kind: 'redrive', note })
    const shown = present(await storage.read(sequence), 'entry')
    equal([shown.state, shown.deadReason, shown.mark], ['waiting', undefined, undefined], 'read')
    const entry = present((await lease(storage)).entries[0], 'entry')
    equal([entry.state, entry.mark, entry.troubledForMs], ['waiting', undefined, undefined], 'leased')
  })

  test('a redrive that is too large changes nothing', async ({ storage }) => {
    const sequence = await addOne(storage)
    await kill(storage, [sequence])
    const payload = new Uint8Array(16 * 1024 * 1024 + 1)
    await rejects(
      storage.decide(sequence, { kind: 'redrive', note, payload }),
      'ERR_INVALID_ENTRY',
      'redrive',
    )
    equal(await stateOf(storage, sequence), 'dead', 'state')
  })

  test('redriven entries go in order of sequence, before what waits', async ({ storage }) => {
    const all = await add(storage, {}, {}, {}, {}, {})
    const [a, b, c, d, e] = all
    ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined, 'sequences')
    await kill(storage, [a, b, c, d])
    for (const sequence of [c, a, d, b]) await storage.decide(sequence, { kind: 'redrive', note })
    equal(sequences(await lease(storage)), [a, b, c, d, e], 'order')
  })

  test('redriving into a leased lane waits for the lease', async ({ storage }) => {
    const [a, b, c] = await add(storage, {}, {}, {})
    ok(a !== undefined, 'sequence')
    await kill(storage, [a])
    const taken = await lease(storage, { limit: 1 })
    equal(sequences(taken), [b], 'leased')
    await storage.decide(a, { kind: 'redrive', note })
    await nothing(storage)
    await deliver(storage, taken)
    equal(sequences(await lease(storage)), [a, c], 'then it goes first')
  })

  test('a discarded entry keeps header and note, not its payload', async ({ storage }) => {
    const sequence = await addOne(storage, { header: text('h') })
    await kill(storage, [sequence])
    await storage.decide(sequence, { kind: 'discard', note })
    const entry = present(await storage.read(sequence), 'entry')
    equal([entry.state, entry.header, entry.note], ['discarded', text('h'), note], 'entry')
    equal(entry.payload, undefined, 'payload')
    const stats = await storage.stats()
    equal([stats.dead, stats.discarded, stats.bytes], [0, 1, 0], 'stats')
  })

  test('an entry assumed delivered is delivered', async ({ storage }) => {
    const sequence = await addOne(storage)
    await kill(storage, [sequence])
    await storage.decide(sequence, { kind: 'assume-delivered', note })
    const entry = present(await storage.read(sequence), 'entry')
    equal([entry.state, entry.note, entry.payload], ['delivered', note, undefined], 'entry')
    equal((await storage.stats()).delivered, 1, 'stats')
  })

  test('a waiting entry can be withdrawn, from the middle of its lane too', async ({ storage }) => {
    const [a, b, c] = await add(storage, {}, {}, {})
    ok(b !== undefined, 'sequence')
    await storage.decide(b, { kind: 'withdraw', note })
    equal(await stateOf(storage, b), 'discarded', 'state')
    equal(sequences(await lease(storage)), [a, c], 'the rest')
  })

  test('withdrawing the last entry empties the lane', async ({ storage }) => {
    const sequence = await addOne(storage)
    await storage.decide(sequence, { kind: 'withdraw', note })
    await nothing(storage)
    const next = await addOne(storage)
    equal(sequences(await lease(storage)), [next], 'the lane works')
  })

  test('a leased or unknown entry cannot be withdrawn', async ({ storage, elapse }) => {
    const sequence = await addOne(storage)
    const taken = await lease(storage)
    const withdraw = (): Promise<void> => storage.decide(sequence, { kind: 'withdraw', note })
    await rejects(withdraw(), 'ERR_WRONG_STATE', 'leased')
    await storage.mark(taken, [{ sequence, group: 'g' }])
    await elapse(ttl + 1)
    await rejects(withdraw(), 'ERR_WRONG_STATE', 'unknown')
    equal(await stateOf(storage, sequence), 'unknown', 'state')
  })

  test('decisions in the wrong state are refused and change nothing', async ({ storage }) => {
    const [delivered, waiting, dead] = await add(storage, { lane: 'a' }, { lane: 'b' }, { lane: 'c' })
    ok(delivered !== undefined && waiting !== undefined && dead !== undefined, 'sequences')
    await deliver(storage, await lease(storage))
    const kept = await lease(storage)
    await kill(storage, [dead])
    await storage.settle(kept, [{ sequence: waiting, outcome: 'waiting', delayMs: 0, spent: false }])
    for (const kind of ['redrive', 'discard', 'assume-delivered'] as const) {
      await rejects(
        storage.decide(delivered, { kind, note }),
        'ERR_WRONG_STATE',
        `${kind} of a delivered one`,
      )
      await rejects(storage.decide(waiting, { kind, note }), 'ERR_WRONG_STATE', `${kind} of a waiting one`)
    }
    for (const sequence of [delivered, dead]) {
      await rejects(storage.decide(sequence, { kind: 'withdraw', note }), 'ERR_WRONG_STATE', 'withdraw')
    }
    await rejects(storage.decide(999_999, { kind: 'discard', note }), 'ERR_NO_SUCH_ENTRY', 'never seen')
    equal(present(await storage.read(delivered), 'entry').note, text(`receipt-${delivered}`), 'note')
    equal(await stateOf(storage, dead), 'dead', 'dead')
  })

  test('two decisions at the same time: one wins', async ({ storage }) => {
    const sequence = await addOne(storage)
    await kill(storage, [sequence])
    const answers = await Promise.allSettled([
      storage.decide(sequence, { kind: 'discard', note }),
      storage.decide(sequence, { kind: 'redrive', note }),
      storage.decide(sequence, { kind: 'assume-delivered', note }),
    ])
    equal(answers.filter(({ status }) => status === 'fulfilled').length, 1, 'winners')
    equal((await storage.append([draft()])).length, 1, 'the storage goes on')
  })
}
