import { isLease, type QueueStorage } from '../storage-port.js'
import { equal, ok, rejects } from './assert.js'
import { add, addOne, deliver, draft, lease, nothing, sequences, text, ttl, until } from './bench.js'
import { workTogether } from './together.js'
import type { Bench, DefineTest } from './types.js'

export function manyTests(test: DefineTest): void {
  const other = async (bench: Bench, who: 'appenders' | 'drainers'): Promise<QueueStorage | undefined> => {
    if (bench.storage.supports[who] === 'one') return undefined
    const { second } = bench.contract
    ok(second !== undefined, `${who} are many: the hook \`second\` is needed`)
    return bench.adopt(await second(bench.raw(bench.storage)))
  }

  test('two handles append at the same time', async (bench) => {
    const second = await other(bench, 'appenders')
    if (second === undefined) return
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? bench.storage : second).append([draft()])),
    )
    const all = answers.flat().map(({ sequence }) => sequence)
    equal(new Set(all).size, 40, 'different sequences')
    equal((await bench.storage.stats()).accepted, 40, 'accepted')
    equal((await second.list({ limit: 100 })).length, 40, 'seen by the other')
    const same = await Promise.all(
      [bench.storage, second].map((storage) => storage.append([draft({ key: 'same', once: true })])),
    )
    equal(new Set(same.flat().map(({ sequence }) => sequence)).size, 1, 'once holds across handles')
  })

  test('what one handle has done the other sees, and is told', async (bench) => {
    const second = await other(bench, 'appenders')
    if (second === undefined) return
    const { storage } = bench
    let calls = 0
    const stop = second.watch(() => calls++)
    const told = async <Result>(what: string, call: () => Promise<Result>): Promise<Result> => {
      const before = calls
      const answer = await call()
      await until(() => calls > before)
      ok(calls > before, `the other handle is told of ${what}`)
      return answer
    }
    const [first = 0, withdrawn = 0] = await told('append', () => add(storage, { lane: 'a' }, { lane: 'b' }))
    const taken = await lease(storage)
    equal((await second.stats()).leased, 1, 'leased')
    await rejects(second.decide(first, { kind: 'withdraw', note: text('n') }), 'ERR_WRONG_STATE', 'withdraw')
    const rejected = { sequence: first, outcome: 'rejected', note: text('no') } as const
    await told('settle', () => storage.settle(taken, [rejected]))
    equal((await second.read(first))?.state, 'dead', 'settled')
    await told('decide', () => storage.decide(first, { kind: 'redrive', note: text('n') }))
    equal((await second.read(first))?.state, 'waiting', 'decided')
    stop()
    await second.decide(withdrawn, { kind: 'withdraw', note: text('n') })
    equal((await storage.read(withdrawn))?.state, 'discarded', 'decided by the other')
    const version = await second.notes.put('n', text('theirs'), 0)
    equal((await storage.notes.get('n')) ?? {}, { bytes: text('theirs'), version }, 'note')
    await rejects(storage.notes.put('n', text('ours'), 0), 'ERR_NOTE_CONFLICT', 'a note of the other')
    equal(sequences(await lease(storage)), [first], 'redriven')
  })

  test('two handles never share a lane, and fence each other', async (bench) => {
    const second = await other(bench, 'drainers')
    if (second === undefined) return
    const [first, behind] = await add(bench.storage, {}, {})
    ok(first !== undefined && behind !== undefined, 'sequences')
    const taken = await lease(bench.storage, { limit: 1 })
    await nothing(second)
    await bench.storage.mark(taken, [{ sequence: first, group: 'g' }])
    await bench.elapse(ttl + 1)
    const stolen = await lease(second)
    equal([sequences(stolen), stolen.entries[0]?.state], [[first], 'unknown'], 'taken over')
    await rejects(deliver(bench.storage, taken), 'ERR_LEASE_LOST', 'the late answer')
    await deliver(second, stolen)
    equal(sequences(await lease(bench.storage)), [behind], 'the lane goes on')
    await nothing(second)
  })

  test('a handle that closes gives up its leases at once', async (bench) => {
    const second = await other(bench, 'drainers')
    if (second === undefined) return
    const [marked, unmarked] = await add(bench.storage, { lane: 'a' }, { lane: 'b' })
    ok(marked !== undefined && unmarked !== undefined, 'sequences')
    await bench.storage.mark(await lease(bench.storage), [{ sequence: marked, group: 'g' }])
    equal(sequences(await lease(bench.storage)), [unmarked], 'the other lane')
    const own = await addOne(second, { lane: 'c' })
    equal(sequences(await lease(second)), [own], 'a lease of the other handle')
    await bench.storage.close()
    const runs = [await lease(second), await lease(second)]
    equal(
      runs.map(({ entries }) => entries.map(({ sequence, state }) => [sequence, state])),
      [[[marked, 'unknown']], [[unmarked, 'waiting']]],
      'runs',
    )
    await nothing(second)
    equal((await second.stats()).leased, 3, 'the lease of the other handle stands')
  })

  test('a handle that may not lease says so, and is told when it may', async (bench) => {
    if (bench.storage.supports.drainers === 'many') return
    const second = await other(bench, 'appenders')
    if (second === undefined) return
    const sequence = await addOne(second)
    // Whoever is asked first drains, or whoever was opened first: both are this one.
    const taken = await lease(bench.storage)
    const request = { limit: 10, maxBytes: 1e6, ttlMs: ttl, closedGates: [] }
    const refused = await second.lease(request)
    ok(!isLease(refused) && refused.elsewhere === true, 'the answer says `elsewhere`')
    await bench.storage.mark(taken, [{ sequence, group: 'g' }])
    let tell = (): void => undefined
    const unwatch = second.watch(() => tell())
    let told = new Promise<void>((resolve) => (tell = resolve))
    await bench.storage.close()
    let answer = await second.lease(request)
    while (!isLease(answer)) {
      await told
      told = new Promise<void>((resolve) => (tell = resolve))
      answer = await second.lease(request)
    }
    unwatch()
    equal(
      answer.entries.map((entry) => [entry.sequence, entry.state]),
      [[sequence, 'unknown']],
      'taken over',
    )
    await deliver(second, answer)
  })

  test('handles append and drain side by side, and no order breaks', async (bench) => {
    const second =
      bench.storage.supports.appenders === 'one' ? bench.storage : await other(bench, 'appenders')
    const workers = [bench.storage, second ?? bench.storage]
    for (const seed of [1, 2]) {
      const seen = await workTogether(workers, { seed, appends: 20, lanes: 5 })
      equal(seen.violations, [], 'violations')
      for (const [lane, all] of seen.appended) {
        equal(
          seen.delivered.get(lane),
          all.toSorted((a, b) => a - b),
          `${lane}, in order and once`,
        )
      }
    }
    const { waiting, leased, dead, bytes, lanes } = await bench.storage.stats()
    equal([waiting, leased, dead, bytes, lanes], [0, 0, 0, 0, 0], 'nothing is left')
  })

  test('one handle may close while the other goes on', async (bench) => {
    const second = await other(bench, 'drainers')
    if (second === undefined) return
    const sequence = await addOne(bench.storage)
    await bench.storage.close()
    equal(sequences(await lease(second)), [sequence], 'lease')
  })
}
