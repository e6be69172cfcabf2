import { equal, ok, present } from './assert.js'
import { addOne, lease, nothing, sequences, text, ttl } from './bench.js'
import type { Bench, DefineTest } from './types.js'

const hour = 3_600_000

/** Waits are waits, whatever somebody does to the clock of the machine. */
export function clockTests(test: DefineTest): void {
  async function delayed(bench: Bench): Promise<number> {
    const sequence = await addOne(bench.storage)
    await bench.storage.settle(await lease(bench.storage), [
      { sequence, outcome: 'waiting', delayMs: 1000, spent: true, note: text('503') },
    ])
    return sequence
  }

  test('a delay lasts as long as it was to last when the clock is set back', async (bench) => {
    const { storage } = bench
    const sequence = await delayed(bench)
    await bench.setBack(hour)
    const dueIn = present(await nothing(storage), 'nextDueInMs')
    ok(dueIn > 0 && dueIn <= 1000, 'nextDueInMs is not longer than the delay')
    ok(present(await storage.read(sequence), 'entry').ageMs >= 0, 'age')
    await bench.elapse(1001)
    equal(sequences(await lease(storage)), [sequence], 'due')
  })

  test('a lease ends in its time when the clock is set back', async (bench) => {
    const { storage } = bench
    const sequence = await addOne(storage)
    await lease(storage)
    await bench.setBack(hour)
    await nothing(storage)
    await bench.elapse(ttl + 1)
    equal(sequences(await lease(storage)), [sequence], 'it comes back')
  })

  test('a delay is over in its time when the clock was set back while the store was closed', async (bench) => {
    const { storage, contract } = bench
    if (contract.reopen === undefined) return
    const sequence = await delayed(bench)
    await storage.close()
    await bench.setBack(hour)
    const again = bench.adopt(await contract.reopen(bench.raw(storage)))
    await bench.elapse(1001)
    equal(sequences(await lease(again)), [sequence], 'due')
  })

  test('handles whose clocks were read at different times agree on what is due', async (bench) => {
    const { storage, contract } = bench
    if (storage.supports.appenders === 'one' || contract.second === undefined) return
    const sequence = await delayed(bench)
    await bench.setBack(hour)
    const second = bench.adopt(await contract.second(bench.raw(storage)))
    const late = await addOne(second, { lane: 'late' })
    for (const handle of [storage, second]) {
      const { dueInMs = 0 } = present(await handle.read(sequence), 'entry')
      ok(dueInMs > 0 && dueInMs <= 1000, 'dueInMs')
    }
    await bench.elapse(1001)
    const runs = [await lease(storage), await lease(storage)].map(sequences)
    equal(
      runs.flat().toSorted((a, b) => a - b),
      [sequence, late],
      'both are due',
    )
  })
}
