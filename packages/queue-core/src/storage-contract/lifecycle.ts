import type { QueueStorage } from '../storage-port.js'
import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, draft, lease, nothing, sequences, stateOf, text } from './bench.js'
import type { DefineTest } from './types.js'

const note = text('decided')

export function lifecycleTests(test: DefineTest): void {
  test('says what it supports', async ({ storage }) => {
    const { durability, appenders, drainers, evictable } = storage.supports
    ok(['power-loss', 'process-crash', 'memory'].includes(durability), 'durability')
    ok(['one', 'many'].includes(appenders) && ['one', 'many'].includes(drainers), 'appenders and drainers')
    equal(typeof evictable, 'boolean', 'evictable')
  })

  test('after close everything is refused, and a second close is harmless', async ({ storage }) => {
    const sequence = await addOne(storage)
    const taken = await lease(storage)
    await storage.close()
    await storage.close()
    const request = { limit: 1, maxBytes: 1, ttlMs: 1, closedGates: [] }
    const calls: Record<string, () => Promise<unknown>> = {
      append: () => storage.append([draft()]),
      lease: () => storage.lease(request),
      mark: () => storage.mark(taken, [{ sequence, group: 'g' }]),
      renew: () => storage.renew(taken, 1),
      settle: () => deliver(storage, taken),
      read: () => storage.read(sequence),
      list: () => storage.list({ limit: 1 }),
      decide: () => storage.decide(sequence, { kind: 'withdraw', note }),
      'notes.get': () => storage.notes.get('n'),
      'notes.put': () => storage.notes.put('n', text('x'), 0),
      stats: () => storage.stats(),
      sync: () => storage.sync(),
      ...(storage.notes.names === undefined
        ? {}
        : { 'notes.names': () => storage.notes.names?.() ?? Promise.resolve() }),
      ...(storage.hurry === undefined ? {} : { hurry: () => storage.hurry?.() ?? Promise.resolve() }),
      ...(storage.wipe === undefined ? {} : { wipe: () => storage.wipe?.([]) ?? Promise.resolve() }),
    }
    for (const [what, call] of Object.entries(calls)) await rejects(call(), 'ERR_STORAGE_CLOSED', what)
  })

  test('close waits for appends that were called before it', async (bench) => {
    const { storage, contract } = bench
    if (contract.reopen === undefined) return
    const appending = storage.append([draft({ payload: text('last words') })])
    // Awaited below; until then a rejection must not count as unhandled.
    appending.catch(() => undefined)
    await storage.close()
    const { sequence } = present((await appending)[0], 'answer')
    const again = bench.adopt(await contract.reopen(bench.raw(storage)))
    equal(present(await again.read(sequence), 'entry').payload, text('last words'), 'payload')
  })

  test('close waits for whatever else was called before it', async (bench) => {
    const { storage, contract } = bench
    if (contract.reopen === undefined) return
    const [settled, withdrawn] = await add(storage, { lane: 'a' }, { lane: 'b' })
    ok(settled !== undefined && withdrawn !== undefined, 'sequences')
    const taken = await lease(storage)
    const calls = Promise.all([
      deliver(storage, taken),
      storage.decide(withdrawn, { kind: 'withdraw', note }),
      storage.notes.put('n', text('last words'), 0),
    ])
    calls.catch(() => undefined)
    await storage.close()
    await calls
    const again = bench.adopt(await contract.reopen(bench.raw(storage)))
    equal(
      [await stateOf(again, settled), await stateOf(again, withdrawn)],
      ['delivered', 'discarded'],
      'states',
    )
    equal((await again.notes.get('n'))?.bytes, text('last words'), 'note')
  })

  test('reopened, a lease of a former life is never taken for a new one', async (bench) => {
    const { storage, contract } = bench
    if (contract.reopen === undefined) return
    const sequence = await addOne(storage)
    const old = await lease(storage)
    await storage.close()
    const again = bench.adopt(await contract.reopen(bench.raw(storage)))
    const current = await lease(again)
    equal(sequences(current), [sequence], 'the entry comes back')
    ok(current.id !== old.id, 'lease ids are unique for ever')
    await rejects(deliver(again, old), 'ERR_LEASE_LOST', 'the late answer')
    await deliver(again, current)
  })

  test('reopened, delays, ages and time of trouble go on, and corrections count', async (bench) => {
    const { storage, contract, elapse } = bench
    if (contract.reopen === undefined) return
    const [delayed, unknown, corrected] = await add(
      storage,
      { lane: 'delayed', gate: 'a' },
      { lane: 'unknown', gate: 'b' },
      { lane: 'corrected', gate: 'c' },
    )
    ok(delayed !== undefined && unknown !== undefined && corrected !== undefined, 'sequences')
    const patient = await addOne(storage, { lane: 'patient', gate: 'c', after: [delayed] })
    await storage.settle(await lease(storage, { onlyGate: 'a' }), [
      { sequence: delayed, outcome: 'waiting', delayMs: 10_000, spent: true },
    ])
    const sent = await lease(storage, { onlyGate: 'b' })
    await storage.mark(sent, [{ sequence: unknown, group: 'g', info: text('info') }])
    await storage.settle(sent, [{ sequence: unknown, outcome: 'unknown', delayMs: 0, spent: false }])
    await storage.settle(await lease(storage, { onlyGate: 'c' }), [
      { sequence: corrected, outcome: 'rejected', note: text('no') },
    ])
    await storage.decide(corrected, { kind: 'redrive', note, payload: text('p2'), header: text('h2') })
    await elapse(4000)
    await storage.close()
    const again = bench.adopt(await contract.reopen(bench.raw(storage)))
    const wait = present(await nothing(again, { onlyGate: 'a' }), 'nextDueInMs')
    ok(wait > 0 && wait <= 6000, `the delay goes on, got ${wait}`)
    const probed = present((await lease(again, { onlyGate: 'b' })).entries[0], 'entry')
    equal(probed.mark, { sequence: unknown, group: 'g', info: text('info') }, 'mark')
    const fixed = await lease(again, { onlyGate: 'c' })
    const entry = present(fixed.entries[0], 'entry')
    equal([sequences(fixed), entry.payload, entry.header], [[corrected], text('p2'), text('h2')], 'corrected')
    await elapse(6001)
    const late = await lease(again, { onlyGate: 'a' })
    for (const [who, { ageMs, troubledForMs = 0 }] of Object.entries({
      probed,
      late: present(late.entries[0], 'entry'),
    })) {
      ok(ageMs >= 4000, `age of ${who}`)
      ok(troubledForMs >= 4000, `time of trouble of ${who}`)
    }
    await deliver(again, fixed)
    await nothing(again, { onlyGate: 'c' })
    await deliver(again, late)
    equal(sequences(await lease(again, { onlyGate: 'c' })), [patient], 'what waited for the delayed one')
  })

  test('reopened, everything is as it was', async (bench) => {
    const { storage, contract } = bench
    if (contract.reopen === undefined) {
      equal(storage.supports.durability, 'memory', 'a durable adapter must give the hook `reopen`')
      return
    }
    const history = await makeHistory(storage)
    await storage.close()
    const again = bench.adopt(await contract.reopen(bench.raw(storage)))
    await checkHistory(again, history)
  })
}

interface History {
  readonly before: Awaited<ReturnType<QueueStorage['list']>>
  readonly noteVersion: number
  readonly sequences: readonly number[]
}

/** One entry in each state, and everything else that must survive. */
async function makeHistory(storage: QueueStorage): Promise<History> {
  const hash = new Uint8Array(32).fill(3)
  const payload = text('content')
  const [delivered, next] = await add(storage, { lane: 'a', payload, key: 'once' }, { lane: 'a', payload })
  ok(delivered !== undefined && next !== undefined, 'sequences')
  await storage.settle(await lease(storage, { limit: 1 }), [
    { sequence: delivered, outcome: 'delivered', note: text('receipt'), receiptHash: hash },
  ])
  const [dead, discarded, assumed] = await add(storage, { lane: 'b' }, { lane: 'b' }, { lane: 'b' })
  const held = await addOne(storage, { lane: 'c', after: [dead ?? 0], payload })
  const parked = await lease(storage, { onlyGate: 'gate', limit: 100 })
  equal(parked.lane, 'b', 'the lane never leased goes first')
  await storage.settle(
    parked,
    sequences(parked).map((sequence) => ({ sequence, outcome: 'parked', note: text('gone') })),
  )
  await storage.decide(discarded ?? 0, { kind: 'discard', note })
  await storage.decide(assumed ?? 0, { kind: 'assume-delivered', note })
  const retried = await lease(storage)
  equal(sequences(retried), [next], 'the rest of lane a')
  await storage.settle(retried, [
    { sequence: next, outcome: 'waiting', delayMs: 0, spent: true, note: text('503') },
  ])
  const marked = await addOne(storage, { lane: 'd', gate: 'other', payload })
  const open = await lease(storage, { onlyGate: 'other' })
  await storage.mark(open, [{ sequence: marked, group: 'g', info: text('info') }])
  const noteVersion = await storage.notes.put('evidence', text('known'), 0)
  return {
    before: await storage.list({ limit: 100 }),
    noteVersion,
    sequences: [delivered, next, dead ?? 0, discarded ?? 0, assumed ?? 0, held, marked],
  }
}

async function checkHistory(storage: QueueStorage, history: History): Promise<void> {
  const [delivered = 0, next = 0, dead = 0, , , held = 0, marked = 0] = history.sequences
  const after = await storage.list({ limit: 100 })
  equal(after.length, history.before.length, 'entries')
  for (const [at, was] of history.before.entries()) {
    const { ageMs: _age, leased: _leased, dueInMs: _due, mark: _mark, ...rest } = present(after[at], 'entry')
    const { ageMs: _wasAge, leased: _wasLeased, dueInMs: _wasDue, ...expected } = was
    // The open mark is the one thing that must change: nobody knows what became of that request.
    equal(
      rest,
      was.sequence === marked ? { ...expected, state: 'unknown' } : expected,
      `entry ${was.sequence}`,
    )
  }
  const stats = await storage.stats()
  equal(
    [
      stats.accepted,
      stats.waiting,
      stats.unknown,
      stats.delivered,
      stats.dead,
      stats.discarded,
      stats.leased,
    ],
    [7, 3, 1, 2, 1, 1, 0],
    'stats',
  )
  equal(present(await storage.read(held), 'entry').heldBy, dead, 'heldBy')
  equal(
    (await storage.notes.get('evidence')) ?? {},
    { bytes: text('known'), version: history.noteVersion },
    'note',
  )
  equal(
    await storage.append([draft({ key: 'once', once: true })]),
    [{ sequence: delivered, duplicate: true }],
    'once',
  )
  const fresh = await addOne(storage, { lane: 'z' })
  ok(
    history.sequences.every((sequence) => sequence < fresh),
    'sequences go on',
  )
  const seen = new Map<number, { state: string; hash: Uint8Array | undefined; mark: string | undefined }>()
  for (let turn = 0; turn < 3; turn++) {
    const taken = await lease(storage)
    for (const entry of taken.entries) {
      const payload = entry.sequence === fresh ? entry.payload : text('content')
      equal(entry.payload, payload, 'payload')
      seen.set(entry.sequence, { state: entry.state, hash: taken.lastReceiptHash, mark: entry.mark?.group })
    }
  }
  await nothing(storage)
  equal(
    seen.get(next),
    { state: 'waiting', hash: new Uint8Array(32).fill(3), mark: undefined },
    'the retried one',
  )
  equal(seen.get(marked), { state: 'unknown', hash: undefined, mark: 'g' }, 'the marked one')
}
