import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  dumpLaneIndex,
  laneIndex,
  loadLaneIndex,
  type IndexedLease,
  type LaneIndex,
  type Settlement,
} from '@fhir-outbox/queue-core'

const ttl = 100

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('add' as const),
      lane: fc.constantFrom('a', 'b', 'ä/測', ''),
      gate: fc.constantFrom('g', 'h'),
      after: fc.array(fc.nat(20), { maxLength: 2 }),
      bytes: fc.constantFrom(1, 300, 70_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('lease' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('mark' as const), info: fc.boolean(), pick: fc.nat(5) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('settle' as const),
      outcome: fc.constantFrom('delivered', 'delivered', 'rejected', 'expired', 'waiting', 'unknown'),
      delayMs: fc.constantFrom(0, 30),
      hash: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('decide' as const),
      kind: fc.constantFrom('redrive', 'discard', 'assume-delivered', 'withdraw'),
      pick: fc.nat(30),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('elapse' as const), ms: fc.constantFrom(1, 30, ttl) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('hurry' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('quarantine' as const), pick: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('retire' as const), maxCount: fc.nat(5) }) },
)

type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never

/** Works on one index and says what it answered. */
function driver(index: LaneIndex): (command: Command, now: number) => unknown {
  const leases: IndexedLease[] = []

  function run(step: Command, now: number): unknown {
    if (step.op === 'add') {
      const { lane, gate, bytes } = step
      const sequence = index.lastSequence + 1
      const after = step.after.filter((one) => one >= 1 && one < sequence)
      const location = sequence * 1000
      index.add({ sequence, lane, gate, after, payloadBytes: bytes, appendedAt: now, location }, now)
    } else if (step.op === 'lease') {
      const taken = index.lease({ limit: step.limit, maxBytes: 1e6, ttlMs: ttl, closedGates: [] }, now)
      if (!('sequences' in taken)) return taken
      leases.push(taken)
      // Owners differ, so ids do.
      return { ...taken, id: '' }
    } else if (step.op === 'mark' || step.op === 'settle') {
      const lease = leases.at(-1)
      if (lease === undefined) return undefined
      if (step.op === 'mark') {
        const info = step.info ? { info: new Uint8Array([1, 2]) } : {}
        const some = lease.sequences.filter((_, at) => (step.pick >> at) % 2 === 0)
        return index.mark(
          lease.id,
          some.map((sequence) => ({ sequence, group: 'grüppe', ...info })),
          now,
        )
      }
      leases.pop()
      const { outcome, delayMs, hash } = step
      const settlements = lease.sequences.map((sequence): Settlement => {
        if (outcome === 'waiting' || outcome === 'unknown') return { sequence, outcome, delayMs, spent: true }
        if (outcome !== 'delivered') return { sequence, outcome, note: new Uint8Array(0) }
        return { sequence, outcome, ...(hash ? { receiptHash: new Uint8Array(32).fill(sequence) } : {}) }
      })
      index.settle(lease.id, settlements, now)
    } else if (step.op === 'decide') index.decide(step.pick, step.kind, now)
    else if (step.op === 'hurry') index.hurry(now)
    else if (step.op === 'quarantine') index.quarantine(step.pick, now)
    else if (step.op === 'retire') return index.retire({ maxAgeMs: 50, maxCount: step.maxCount }, now)
    return undefined
  }

  return (step, now) => {
    try {
      return run(step, now)
    } catch (error) {
      expect(error).toMatchObject({ name: 'QueueError' })
      return String(error)
    }
  }
}

function everything(index: LaneIndex, now: number): unknown {
  const sequences = index.list({ limit: 10_000 }, now)
  return {
    stats: index.stats(now),
    last: index.lastSequence,
    entries: sequences.map((sequence) => index.entry(sequence, now)),
    restorable: sequences.map((sequence) => index.toRestore(sequence, now)),
    lanes: ['a', 'b', 'ä/測', '', 'none'].map((lane) => index.list({ lane, limit: 1000 }, now)),
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const history = fc.array(command, { minLength: 10, maxLength: 80, size: 'max' })

/** Runs the steps and returns the time at the end. */
function live(steps: readonly Command[], from: number, run: (step: Command, now: number) => void): number {
  let now = from
  for (const step of steps) {
    run(step, now)
    if (step.op === 'elapse') now += step.ms
  }
  return now
}

describe('a dump of the index', () => {
  it('comes back as the same index, which goes on as the original would have', () => {
    fc.assert(
      fc.property(history, history, (before, after) => {
        const original = laneIndex({ owner: 'one' })
        const now = live(before, 1000, driver(original))
        const loaded = loadLaneIndex(joined(dumpLaneIndex(original, now)), { owner: 'two' }, now)
        if (loaded === undefined) throw new Error('it did not load')
        original.abandonLeases(now)
        loaded.abandonLeases(now)
        expect(everything(loaded, now)).toEqual(everything(original, now))
        const [first, second] = [driver(original), driver(loaded)]
        const end = live(after, now, (step, time) => expect(second(step, time)).toEqual(first(step, time)))
        expect(everything(loaded, end)).toEqual(everything(original, end))
      }),
      { numRuns: 300 },
    )
  })

  it('changes nothing: leases go on', () => {
    fc.assert(
      fc.property(history, history, (before, after) => {
        const [one, other] = [laneIndex({ owner: 'same' }), laneIndex({ owner: 'same' })]
        const [first, second] = [driver(one), driver(other)]
        const now = live(before, 1000, (step, time) => expect(first(step, time)).toEqual(second(step, time)))
        dumpLaneIndex(one, now)
        live(after, now, (step, time) => expect(first(step, time)).toEqual(second(step, time)))
      }),
      { numRuns: 50 },
    )
  })

  it('an index built anew from what `toRestore` says knows the same of every entry', () => {
    fc.assert(
      fc.property(history, (before) => {
        const original = laneIndex({ owner: 'one' })
        const now = live(before, 1000, driver(original))
        const restored = laneIndex({ owner: 'two' })
        for (const sequence of original.list({ limit: 10_000 }, now)) {
          const entry = original.toRestore(sequence, now)
          if (entry !== undefined) restored.restore(entry, now)
        }
        original.abandonLeases(now)
        restored.abandonLeases(now)
        const [mine, theirs] = [restored, original].map((index) =>
          original.list({ limit: 10_000 }, now).map((sequence) => index.toRestore(sequence, now)),
        )
        expect(mine).toEqual(theirs)
        const { accepted: _a, delivered: _d, discarded: _x, ...left } = original.stats(now)
        expect(restored.stats(now)).toMatchObject(left)
      }),
      { numRuns: 200 },
    )
  })

  it('holds many lanes, gaps, packed chunks and large numbers', () => {
    const original = laneIndex({ owner: 'one', lastSequence: 2 ** 40 })
    for (let n = 1; n <= 20_000; n++) {
      const sequence = 2 ** 40 + n * 3
      original.add(
        {
          sequence,
          lane: `Patient/${n % 3000}`,
          gate: 'g',
          payloadBytes: n,
          appendedAt: n,
          location: n * 2 ** 20,
        },
        n,
      )
    }
    for (let n = 1; n <= 20_000; n++) if (n % 50 !== 0) original.decide(2 ** 40 + n * 3, 'withdraw', 20_000)
    original.retire({ maxAgeMs: 0, maxCount: 10 }, 30_000)
    const loaded = loadLaneIndex(joined(dumpLaneIndex(original, 30_000)), { owner: 'two' }, 30_000)
    if (loaded === undefined) throw new Error('it did not load')
    expect(everything(loaded, 30_000)).toEqual(everything(original, 30_000))
    const request = { limit: 100, maxBytes: 1e9, ttlMs: 10, closedGates: [] }
    for (let turn = 0; turn < 100; turn++) {
      expect({ ...loaded.lease(request, 30_000), id: '' }).toEqual({
        ...original.lease(request, 30_000),
        id: '',
      })
    }
  })

  it('keeps waits as long as they were when the clock stands behind', () => {
    const index = laneIndex({ owner: 'one' })
    index.add({ sequence: 1, lane: 'l', gate: 'g', payloadBytes: 1, appendedAt: 9000 }, 9000)
    const run = driver(index)
    run({ op: 'lease', limit: 1 }, 9000)
    run({ op: 'settle', outcome: 'waiting', delayMs: 30, hash: false }, 9000)
    const loaded = loadLaneIndex(joined(dumpLaneIndex(index, 9010)), { owner: 'two' }, 1000)
    expect(loaded?.entry(1, 1000)).toMatchObject({ ageMs: 10, dueInMs: 20, troubledForMs: 10 })
    expect(loaded?.lease({ limit: 1, maxBytes: 1, ttlMs: 1, closedGates: [] }, 1020)).toMatchObject({
      sequences: [1],
    })
  })

  it('is refused when it is cut, longer, of another version, or nothing of the kind', () => {
    const index = laneIndex({ owner: 'one' })
    const run = driver(index)
    for (let n = 0; n < 30; n++) {
      run({ op: 'add', lane: n % 2 === 0 ? 'a' : 'b', gate: 'g', after: [1], bytes: 300 }, 0)
      if (n % 5 !== 0) continue
      run({ op: 'lease', limit: 2 }, 0)
      run({ op: 'settle', outcome: 'delivered', delayMs: 0, hash: true }, 0)
    }
    const whole = joined(dumpLaneIndex(index, 0))
    const load = (bytes: Uint8Array): LaneIndex | undefined => loadLaneIndex(bytes, { owner: 'two' }, 0)
    expect(load(whole)?.stats(0)).toEqual(index.stats(0))
    for (let length = 0; length < whole.length; length += length < 4096 ? 1 : 997) {
      expect(load(whole.subarray(0, length)), `cut at ${length}`).toBeUndefined()
    }
    expect(load(joined([whole, new Uint8Array(1)]))).toBeUndefined()
    const other = whole.slice()
    new DataView(other.buffer).setFloat64(0, 2)
    expect(load(other)).toBeUndefined()
    expect(load(new TextEncoder().encode('{"not":"a dump"}'.repeat(100)))).toBeUndefined()
    // Bits that have fallen over are for the checksum to find; they must not bring the reader down.
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const broken = whole.slice()
        broken[at] = (broken[at] ?? 0) ^ bits
        expect(() => load(broken)).not.toThrow()
      }),
      { numRuns: 500 },
    )
  })
})
