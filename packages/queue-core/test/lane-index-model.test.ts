import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { laneIndex, type Settlement } from '@fhir-outbox/queue-core'
import { naiveQueue, type NaiveLease } from './naive-queue.js'

const ttl = 100
const lanes = ['a', 'a', 'a', 'b', 'c']
const gates = ['g', 'h']
const outcomes = ['delivered', 'rejected', 'parked', 'expired', 'waiting', 'unknown'] as const

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('add' as const),
      lane: fc.constantFrom(...lanes),
      gate: fc.constantFrom('g', 'g', 'g', 'h'),
      after: fc.array(fc.nat(20), { maxLength: 1 }),
      bytes: fc.nat(9),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('lease' as const),
      limit: fc.integer({ min: 1, max: 4 }),
      maxBytes: fc.constantFrom(5, 20, 100),
      closed: fc.constantFrom([], [], [], ...gates.map((gate) => [gate])),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('mark' as const),
      lease: fc.nat(2),
      pick: fc.constantFrom(0, 0, 0, 1, 2, 3),
      group: fc.constantFrom('x', 'y'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('settle' as const),
      lease: fc.nat(2),
      pick: fc.constantFrom(0, 0, 0, 1, 2, 3),
      outcome: fc.constantFrom(...outcomes, 'waiting', 'unknown'),
      delayMs: fc.constantFrom(0, 30),
      spent: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('decide' as const),
      pick: fc.nat(1000),
      kind: fc.constantFrom('redrive', 'discard', 'assume-delivered', 'withdraw'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('elapse' as const), ms: fc.constantFrom(1, 30, ttl) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('hurry' as const) }) },
)

/** Whether the index took the call; anything but a refusal is a bug. */
function accepts(call: () => void): boolean {
  try {
    call()
    return true
  } catch (error) {
    expect(error).toMatchObject({ name: 'QueueError' })
    return false
  }
}

describe('laneIndex against the naive queue', () => {
  it('gives the same leases, states and stats, whatever happens', () => {
    const fired = new Map<string, number>()
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), (steps) => {
        const index = laneIndex({ owner: 'model' })
        const naive = naiveQueue()
        const leases: { id: string; naive: NaiveLease }[] = []
        for (const command of steps) {
          const { now } = naive
          fired.set(command.op, (fired.get(command.op) ?? 0) + 1)
          if (command.op === 'add') {
            const { lane, gate, bytes } = command
            const known = naive.items().length
            const after = [...new Set(command.after.filter((sequence) => sequence >= 1 && sequence <= known))]
            const sequence = naive.add(lane, gate, after, bytes)
            index.add({ sequence, lane, gate, after, payloadBytes: bytes, appendedAt: now }, now)
          } else if (command.op === 'lease') {
            const { limit, maxBytes, closed } = command
            const taken = index.lease({ limit, maxBytes, ttlMs: ttl, closedGates: closed }, now)
            const expected = naive.lease(limit, maxBytes, ttl, closed)
            expect('sequences' in taken ? taken.sequences : undefined).toEqual(expected?.sequences)
            if ('sequences' in taken && expected !== undefined) leases.push({ id: taken.id, naive: expected })
          } else if (command.op === 'mark' || command.op === 'settle') {
            const lease = leases[leases.length - 1 - command.lease] ?? leases.at(-1)
            if (lease === undefined) continue
            const picked = lease.naive.sequences.filter((_, at) => (command.pick >> at) % 2 === 0)
            if (picked.length === 0) continue
            if (command.op === 'mark') {
              // Two requests at once, now and then.
              const notes = picked.map((sequence) => ({
                sequence,
                group: sequence % 3 === 0 ? 'z' : command.group,
              }))
              expect(accepts(() => index.mark(lease.id, notes, now))).toBe(naive.mark(lease.naive, notes))
            } else {
              const { outcome, delayMs, spent } = command
              const settlements = picked.map((sequence): Settlement =>
                outcome === 'waiting' || outcome === 'unknown'
                  ? // Delays inside of a run, not only of whole runs.
                    { sequence, outcome, delayMs: sequence % 2 === 0 ? delayMs : 0, spent }
                  : { sequence, outcome, note: new Uint8Array(0) },
              )
              const ok = accepts(() => index.settle(lease.id, settlements, now))
              fired.set(`settle ${ok}`, (fired.get(`settle ${ok}`) ?? 0) + 1)
              expect(ok).toBe(naive.settle(lease.naive, settlements))
            }
          } else if (command.op === 'decide') {
            const { kind } = command
            // Mostly one for which the decision makes sense, sometimes any.
            const all = naive.items()
            const wanted = kind === 'withdraw' ? 'waiting' : 'dead'
            const fitting = all.filter(({ state }) => state === wanted)
            const from = command.pick % 4 === 0 || fitting.length === 0 ? all : fitting
            const sequence = from[(command.pick >> 2) % Math.max(1, from.length)]?.sequence ?? 1
            const ok = accepts(() => index.decide(sequence, kind, now))
            fired.set(`${kind} ${ok}`, (fired.get(`${kind} ${ok}`) ?? 0) + 1)
            expect(ok).toBe(naive.decide(sequence, kind))
          } else if (command.op === 'hurry') {
            index.hurry(now)
            naive.hurry()
          } else naive.now += command.ms

          expect(index.stats(naive.now)).toEqual(naive.stats())
          for (const item of naive.items()) {
            const entry = index.entry(item.sequence, naive.now)
            expect([
              entry?.state,
              entry?.deadReason,
              entry?.leased,
              entry?.heldBy,
              entry?.attempts,
              entry?.mark?.group,
            ]).toEqual([
              item.state,
              item.deadReason,
              item.lease !== undefined,
              naive.heldBy(item),
              item.attempts,
              item.group,
            ])
          }
        }
      }),
      { numRuns: 300 },
    )
    // The run is worth something only if everything really happened.
    for (const name of [
      'lease',
      'mark',
      'settle true',
      'settle false',
      'redrive true',
      'discard true',
      'assume-delivered true',
      'withdraw true',
      'hurry',
    ]) {
      expect(fired.get(name) ?? 0, name).toBeGreaterThan(3)
    }
  })
})
