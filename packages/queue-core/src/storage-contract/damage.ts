import { isLease, type QueueStorage } from '../storage-port.js'
import { equal, ok, present } from './assert.js'
import { add, addOne, deliver, nothing, plainRequest } from './bench.js'
import type { Bench, DefineTest } from './types.js'

interface Drained {
  readonly delivered: readonly number[]
  readonly setAside: readonly number[]
}

/** Delivers until nothing is ready. */
async function drain(storage: QueueStorage): Promise<Drained> {
  const delivered: number[] = []
  const setAside: number[] = []
  for (;;) {
    const answer = await storage.lease(plainRequest)
    setAside.push(...(answer.setAside ?? []))
    if (!isLease(answer)) return { delivered, setAside }
    ok(answer.entries.length > 0, 'a lease is never empty')
    await deliver(storage, answer)
    delivered.push(...answer.entries.map(({ sequence }) => sequence))
  }
}

/** Only for adapters that give the hook `damage`. */
export function damageTests(test: DefineTest): void {
  async function damage({ contract, raw, storage }: Bench, sequence: number): Promise<void> {
    await contract.damage?.(raw(storage), sequence)
  }

  test('an entry that cannot be read back is told, and its lane goes on', async (bench) => {
    const { storage, contract } = bench
    if (contract.damage === undefined) return
    const [first, bad, last] = await add(storage, {}, {}, {})
    ok(bad !== undefined, 'sequence')
    const dependant = await addOne(storage, { lane: 'b', after: [bad] })
    await damage(bench, bad)
    equal(await drain(storage), { delivered: [first, last], setAside: [bad] }, 'what was given')
    const { state } = present(await storage.read(bad), 'the damaged entry')
    ok(state === 'quarantined' || state === 'dead', `quarantined or parked, got ${state}`)
    const { waiting, held, delivered, dead, quarantined } = await storage.stats()
    equal([waiting, held, delivered, dead + quarantined], [1, 1, 2, 1], 'stats')
    equal(present(await storage.read(dependant), 'entry').heldBy, bad, 'heldBy')
    equal((await storage.list({ limit: 10 })).length, 4, 'it is still listed')
  })

  test('a lane of nothing but damage does not stand in the way', async (bench) => {
    const { storage, contract } = bench
    if (contract.damage === undefined) return
    const bad = await add(storage, {}, {})
    const good = await addOne(storage, { lane: 'b' })
    for (const sequence of bad) await damage(bench, sequence)
    const { delivered, setAside } = await drain(storage)
    equal(delivered, [good], 'delivered')
    equal(
      setAside.toSorted((a, b) => a - b),
      bad,
      'set aside, once each',
    )
    equal(await nothing(storage), undefined, 'nothing is ready, now or later')
    const next = await addOne(storage)
    equal((await drain(storage)).delivered, [next], 'the lane works')
  })
}
