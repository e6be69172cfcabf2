import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, draft, kill, lease, nothing, sequences, text } from './bench.js'
import type { DefineTest } from './types.js'

/** Only for adapters that can be wiped. */
export function wipeTests(test: DefineTest): void {
  test('wipe erases entries, receipts and notes, keeps the audit, and sequences go on', async (bench) => {
    const { storage, contract } = bench
    if (storage.wipe === undefined) return
    const [delivered, dead] = await add(storage, { key: 'k' }, {}, { lane: 'b' }, { lane: 'c' })
    await deliver(storage, await lease(storage, { limit: 1 }))
    const second = await lease(storage)
    await kill(storage, [present(dead, 'sequence') + 2])
    await storage.notes.put('old', text('x'), 0)
    const record = text('who and why')
    const wiping = storage.wipe([{ name: 'kept', bytes: record }])
    record.fill(0)
    await wiping
    const empty = async (one: typeof storage): Promise<void> => {
      equal(await one.list({ limit: 10 }), [], 'list')
      equal(await one.read(delivered ?? 0), undefined, 'read')
      equal(await one.notes.get('old'), undefined, 'the old note')
      equal((await one.notes.get('kept')) ?? {}, { bytes: text('who and why'), version: 1 }, 'the kept note')
      const { accepted, delivered: counted, discarded, bytes, lanes } = await one.stats()
      equal([accepted, counted, discarded, bytes, lanes], [4, 1, 3, 0, 0], 'stats')
      equal(await nothing(one), undefined, 'nextDueInMs')
    }
    await empty(storage)
    await rejects(deliver(storage, second), 'ERR_LEASE_LOST', 'a lease from before')
    const again = contract.reopen === undefined ? storage : await reopened()
    await empty(again)
    const [fresh] = await again.append([draft({ key: 'k', once: true })])
    equal(fresh?.duplicate, false, 'the key is forgotten')
    ok((fresh?.sequence ?? 0) > 4, 'sequences go on')
    const taken = await lease(again)
    equal([sequences(taken), taken.lastReceiptHash], [[fresh?.sequence], undefined], 'it works as ever')
    ok(taken.id !== second.id, 'lease ids are unique for ever')

    async function reopened(): Promise<typeof storage> {
      await storage.close()
      return bench.adopt(await present(contract.reopen, 'reopen')(bench.raw(storage)))
    }
  })

  test('an empty storage can be wiped, again and again', async ({ storage }) => {
    if (storage.wipe === undefined) return
    await storage.wipe([])
    await storage.wipe([])
    equal((await storage.stats()).accepted, 0, 'accepted')
    await addOne(storage)
  })
}
