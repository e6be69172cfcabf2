import type { QueueStorage } from '../storage-port.js'
import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, draft, lease, nothing, sequences, stateOf, text, ttl } from './bench.js'
import type { Bench, DefineTest, StorageContract } from './types.js'

const note = text('decided')

/** Levels in `unproven` are only named. */
export function crashTests(test: DefineTest, unproven: StorageContract['unproven'] = []): void {
  for (const level of unproven) {
    test(`${level} crash: not enacted by this run`, async ({ storage, contract }) => {
      const { durability } = storage.supports
      const claimed = level === 'process' ? durability !== 'memory' : durability === 'power-loss'
      ok(claimed, `${level} is in \`unproven\`, but durability ${durability} does not claim it`)
      console.warn(`${contract.name}: ${durability} is claimed, but no ${level} crash was enacted`)
    })
  }
  for (const level of (['process', 'power'] as const).filter((one) => !unproven.includes(one))) {
    const crashed = async (
      bench: Bench,
    ): Promise<((storage: QueueStorage) => Promise<QueueStorage>) | undefined> => {
      const { durability } = bench.storage.supports
      if (durability === 'memory' || (level === 'power' && durability !== 'power-loss')) return undefined
      const { crash } = bench.contract
      ok(crash !== undefined, `durability ${durability} is claimed: the hook \`crash\` is needed`)
      return async (storage) => {
        const again = bench.adopt(await crash(bench.raw(storage), level))
        // Nobody tells the others that an owner is dead: its leases fall when they expire.
        if (again.supports.drainers === 'many') await bench.elapse(ttl + 1)
        return again
      }
    }

    test(`${level} crash: what append accepted is there`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const [first] = await add(bench.storage, { payload: text('one') }, { payload: text('two') })
      await Promise.all([addOne(bench.storage, { lane: 'b' }), addOne(bench.storage, { lane: 'c' })])
      const storage = await crash(bench.storage)
      equal((await storage.stats()).waiting, 4, 'waiting')
      const taken = await lease(storage)
      equal(sequences(taken)[0], first, 'order')
      equal(
        taken.entries.map(({ payload }) => payload),
        [text('one'), text('two')],
        'payloads',
      )
      ok((await addOne(storage)) > 4, 'sequences are not used again')
    })

    test(`${level} crash: what was marked is unknown, what was not is waiting`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const [marked, unmarked] = await add(bench.storage, {}, {})
      ok(marked !== undefined && unmarked !== undefined, 'sequences')
      const taken = await lease(bench.storage)
      await bench.storage.mark(taken, [{ sequence: marked, group: 'g' }])
      const storage = await crash(bench.storage)
      equal(
        [await stateOf(storage, marked), await stateOf(storage, unmarked)],
        ['unknown', 'waiting'],
        'states',
      )
      await rejects(deliver(storage, taken), 'ERR_LEASE_LOST', 'the old lease')
      const again = await lease(storage)
      equal([sequences(again), again.entries[0]?.mark?.group], [[marked], 'g'], 'at once leasable')
    })

    test(`${level} crash: a settlement lost with it leaves an unknown entry, never a lost one`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const sequence = await addOne(bench.storage)
      const taken = await lease(bench.storage)
      await bench.storage.mark(taken, [{ sequence, group: 'g' }])
      await deliver(bench.storage, taken)
      const storage = await crash(bench.storage)
      const state = await stateOf(storage, sequence)
      ok(state === 'delivered' || state === 'unknown', `delivered or unknown, got ${state}`)
    })

    test(`${level} crash: sync makes settlements durable`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const [a, b] = await add(bench.storage, {}, {})
      ok(a !== undefined && b !== undefined, 'sequences')
      const taken = await lease(bench.storage)
      await bench.storage.settle(taken, [
        { sequence: a, outcome: 'delivered', note: text('receipt'), receiptHash: new Uint8Array(32).fill(1) },
        { sequence: b, outcome: 'rejected', note: text('no') },
      ])
      await bench.storage.sync()
      const storage = await crash(bench.storage)
      equal([await stateOf(storage, a), await stateOf(storage, b)], ['delivered', 'dead'], 'states')
      equal(present(await storage.read(a), 'entry').note, text('receipt'), 'receipt')
      await addOne(storage)
      equal((await lease(storage)).lastReceiptHash, new Uint8Array(32).fill(1), 'receipt chain')
    })

    test(`${level} crash: the next mark of a lane makes its settlements durable`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const [a, b] = await add(bench.storage, {}, {})
      ok(a !== undefined && b !== undefined, 'sequences')
      await deliver(bench.storage, await lease(bench.storage, { limit: 1 }))
      await bench.storage.mark(await lease(bench.storage), [{ sequence: b, group: 'g' }])
      const storage = await crash(bench.storage)
      equal([await stateOf(storage, a), await stateOf(storage, b)], ['delivered', 'unknown'], 'states')
    })

    test(`${level} crash: decisions and notes are there`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const sequence = await addOne(bench.storage)
      await bench.storage.decide(sequence, { kind: 'withdraw', note })
      const version = await bench.storage.notes.put('n', text('x'), 0)
      const storage = await crash(bench.storage)
      equal(await stateOf(storage, sequence), 'discarded', 'state')
      equal((await storage.notes.get('n')) ?? {}, { bytes: text('x'), version }, 'note')
    })

    test(`${level} crash: the last mark and a correction are there`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const [marked, dead] = await add(bench.storage, { gate: 'a' }, { lane: 'b', gate: 'b' })
      ok(marked !== undefined && dead !== undefined, 'sequences')
      const old = await lease(bench.storage, { onlyGate: 'a' })
      await bench.storage.settle(await lease(bench.storage, { onlyGate: 'b' }), [
        { sequence: dead, outcome: 'rejected', note: text('no') },
      ])
      await bench.storage.mark(old, [{ sequence: marked, group: 'first', info: text('1') }])
      await bench.storage.mark(old, [{ sequence: marked, group: 'second', info: text('2') }])
      await bench.storage.decide(dead, { kind: 'redrive', note, payload: text('p2'), header: text('h2') })
      const storage = await crash(bench.storage)
      const current = await lease(storage, { onlyGate: 'a' })
      equal(current.entries[0]?.mark, { sequence: marked, group: 'second', info: text('2') }, 'the last mark')
      ok(current.id !== old.id, 'lease ids are unique for ever')
      await rejects(deliver(storage, old), 'ERR_LEASE_LOST', 'the late answer')
      const entry = present((await lease(storage, { onlyGate: 'b' })).entries[0], 'entry')
      equal([entry.payload, entry.header], [text('p2'), text('h2')], 'the correction')
    })

    test(`${level} crash: keys, delays, and who waits for whom are there`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      const delayed = await addOne(bench.storage, { key: 'once', gate: 'a' })
      await addOne(bench.storage, { lane: 'b', gate: 'b', after: [delayed] })
      await bench.storage.settle(await lease(bench.storage), [
        { sequence: delayed, outcome: 'waiting', delayMs: 10 * ttl, spent: true, note: text('503') },
      ])
      await bench.storage.sync()
      const storage = await crash(bench.storage)
      equal(
        await storage.append([draft({ key: 'once', once: true })]),
        [{ sequence: delayed, duplicate: true }],
        'once',
      )
      const entry = present(await storage.read(delayed), 'entry')
      equal([entry.attempts, entry.note], [1, text('503')], 'entry')
      await nothing(storage)
      await bench.elapse(10 * ttl)
      equal(sequences(await lease(storage)), [delayed], 'what was delayed')
      await nothing(storage)
    })

    test(`${level} crash: what was wiped stays wiped`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined || bench.storage.wipe === undefined) return
      const [delivered] = await add(bench.storage, {}, {})
      await deliver(bench.storage, await lease(bench.storage, { limit: 1 }))
      await bench.storage.notes.put('old', text('x'), 0)
      await bench.storage.wipe([{ name: 'kept', bytes: text('who and why') }])
      const storage = await crash(bench.storage)
      equal(await storage.list({ limit: 10 }), [], 'list')
      equal(await storage.notes.get('old'), undefined, 'the old note')
      equal(
        (await storage.notes.get('kept')) ?? {},
        { bytes: text('who and why'), version: 1 },
        'the kept note',
      )
      ok((await addOne(storage)) > (delivered ?? 0) + 1, 'sequences go on')
    })

    test(`${level} crash: again and again`, async (bench) => {
      const crash = await crashed(bench)
      if (crash === undefined) return
      let { storage } = bench
      const all: number[] = []
      for (let round = 0; round < 5; round++) {
        all.push(...(await add(storage, {}, {})))
        await deliver(storage, await lease(storage, { limit: 1 }))
        await storage.sync()
        storage = await crash(storage)
        const stats = await storage.stats()
        equal([stats.accepted, stats.delivered], [2 * (round + 1), round + 1], 'stats')
      }
      equal(sequences(await lease(storage)), all.slice(5), 'the rest, in order')
      await bench.elapse(ttl + 1)
    })
  }
}
