import { describe, expect, it } from 'vitest'
import { laneIndex, type LaneIndex } from '@fhir-outbox/queue-core'

const ttl = 100
const request = { limit: 10, maxBytes: 1000, ttlMs: ttl, closedGates: [] }

function filled(count: number, lane = 'l'): LaneIndex {
  const index = laneIndex({ owner: 'test' })
  for (let sequence = 1; sequence <= count; sequence++) {
    index.add({ sequence, lane, gate: 'g', payloadBytes: 1, appendedAt: 0 }, 0)
  }
  return index
}

function leased(index: LaneIndex, now = 0): { id: string; sequences: readonly number[] } {
  const taken = index.lease(request, now)
  if (!('sequences' in taken)) throw new Error('nothing ready')
  return taken
}

describe('laneIndex', () => {
  it('takes sequences in ascending order only', () => {
    const index = filled(3)
    const draft = { lane: 'l', gate: 'g', payloadBytes: 1, appendedAt: 0 }
    expect(() => index.add({ ...draft, sequence: 3 }, 0)).toThrow(RangeError)
    expect(index.lastSequence).toBe(3)
    expect(index.stats(0).accepted).toBe(3)
  })

  it('replays a log without leases, and ends with marks that have no settlement as unknown', () => {
    const index = filled(5)
    index.replayMark({ sequence: 1, group: 'g' }, 10)
    index.replaySettlement(
      { sequence: 1, outcome: 'delivered', note: new Uint8Array(0), receiptHash: new Uint8Array([1]) },
      20,
    )
    index.replayMark({ sequence: 2, group: 'g' }, 30)
    index.replaySettlement({ sequence: 3, outcome: 'rejected', note: new Uint8Array(0) }, 30)
    index.decide(3, 'redrive', 30)
    index.replaySettlement({ sequence: 4, outcome: 'waiting', delayMs: 50, spent: true }, 30)
    index.abandonLeases(40)
    expect([1, 2, 3, 4, 5].map((sequence) => index.entry(sequence, 40)?.state)).toEqual([
      'delivered',
      'unknown',
      'waiting',
      'waiting',
      'waiting',
    ])
    expect(index.entry(2, 40)).toMatchObject({ troubledForMs: 10, mark: { group: 'g' } })
    expect(index.entry(4, 40)).toMatchObject({ attempts: 1, dueInMs: 40 })
    expect(index.lease(request, 40)).toMatchObject({ sequences: [2], lastReceiptHash: new Uint8Array([1]) })
    expect(() => index.replayMark({ sequence: 1, group: 'g' }, 50)).toThrow(
      expect.objectContaining({ code: 'ERR_WRONG_STATE' }),
    )
  })

  it('restores entries in any state', () => {
    const index = laneIndex({ owner: 'test' })
    const draft = { lane: 'l', gate: 'g', payloadBytes: 5, appendedAt: 0 }
    index.restore({ ...draft, sequence: 3, state: 'dead', deadReason: 'parked', attempts: 2 }, 0)
    index.restore({ ...draft, sequence: 7, state: 'delivered', settledAt: 0 }, 0)
    index.restore({ ...draft, sequence: 8, state: 'waiting', after: [3, 7] }, 0)
    index.restore(
      {
        ...draft,
        sequence: 9,
        lane: 'm',
        state: 'waiting',
        mark: { sequence: 9, group: 'x' },
        markOpen: true,
      },
      0,
    )
    index.restore({ ...draft, sequence: 10, lane: 'n', state: 'quarantined' }, 0)
    index.restoreReceiptHash('m', new Uint8Array([7]))
    index.restoreForgotten({ delivered: 4, discarded: 1 })
    index.abandonLeases(0)
    expect(index.entry(3, 0)).toMatchObject({ deadReason: 'parked', attempts: 2 })
    expect(index.entry(8, 0)).toMatchObject({ heldBy: 3 })
    expect(index.lease(request, 0)).toMatchObject({ sequences: [9], lastReceiptHash: new Uint8Array([7]) })
    expect(index.stats(0)).toEqual({
      accepted: 10,
      waiting: 2,
      leased: 1,
      unknown: 1,
      held: 1,
      delivered: 5,
      dead: 1,
      discarded: 1,
      quarantined: 1,
      bytes: 15,
      lanes: 2,
    })
  })

  it('a quarantined entry leaves its lease and holds what is after it', () => {
    const index = filled(3)
    index.add({ sequence: 4, lane: 'm', gate: 'g', after: [1], payloadBytes: 1, appendedAt: 0 }, 0)
    const taken = leased(index)
    index.quarantine(1, 0)
    expect(index.entry(4, 0)?.heldBy).toBe(1)
    expect(() => index.checkLease(taken.id, [1], 0)).toThrow(
      expect.objectContaining({ code: 'ERR_LEASE_LOST' }),
    )
    index.settle(
      taken.id,
      [2, 3].map((sequence) => ({ sequence, outcome: 'delivered', note: new Uint8Array(0) })),
      0,
    )
    expect(index.stats(0)).toMatchObject({ quarantined: 1, delivered: 2, leased: 0, held: 1 })
  })

  it('forgets by age and by count, keeps what somebody is held by, and still counts it', () => {
    const index = filled(4)
    index.add({ sequence: 5, lane: 'm', gate: 'g', after: [1], payloadBytes: 1, appendedAt: 0 }, 0)
    for (const sequence of [1, 2, 3]) index.decide(sequence, 'withdraw', sequence)
    expect(index.retire({ maxAgeMs: 1000, maxCount: 2 }, 10)).toEqual([2])
    expect(index.entry(1, 10)).toMatchObject({ state: 'discarded' })
    expect(index.entry(2, 10)).toBeUndefined()
    expect(index.retire({ maxAgeMs: 5, maxCount: 100 }, 10)).toEqual([3])
    index.decide(5, 'withdraw', 10)
    expect(index.retire({ maxAgeMs: 5, maxCount: 100 }, 10)).toEqual([1])
    expect(index.stats(10)).toMatchObject({ accepted: 5, discarded: 4, waiting: 1 })
    index.decide(4, 'withdraw', 10)
    expect(index.hasLane('l')).toBe(true)
    index.retire({ maxAgeMs: 5, maxCount: 100 }, 100)
    expect([index.hasLane('l'), index.hasLane('never')]).toEqual([false, false])
  })

  it('an old entry that still holds somebody does not make forgetting dear', () => {
    const settled = 20_000
    const cost = (holds: boolean): number => {
      const index = filled(2)
      if (holds)
        index.add({ sequence: 3, lane: 'm', gate: 'g', after: [1], payloadBytes: 1, appendedAt: 0 }, 0)
      index.decide(1, 'withdraw', 0)
      const last = index.lastSequence + settled
      for (let sequence = index.lastSequence + 1; sequence <= last; sequence++) {
        index.add({ sequence, lane: 'n', gate: 'g', payloadBytes: 1, appendedAt: 0 }, 0)
        index.decide(sequence, 'withdraw', 10)
      }
      const before = process.cpuUsage()
      let forgotten = 0
      for (let round = 0; round < 300; round++) {
        forgotten += index.retire({ maxAgeMs: 15, maxCount: 1_000_000 }, 20).length
      }
      expect(forgotten).toBe(holds ? 0 : 1)
      return process.cpuUsage(before).user
    }
    // Both are a few milliseconds; copying everything that was settled each time takes a hundred times as long.
    expect(cost(true)).toBeLessThan(20 * cost(false) + 10_000)
  })

  it('survives compaction in the middle of everything', () => {
    const index = laneIndex({ owner: 'test' })
    const count = 6000
    for (let sequence = 1; sequence <= count; sequence++) {
      index.add({ sequence, lane: `l${sequence % 7}`, gate: 'g', payloadBytes: 1, appendedAt: 0 }, 0)
    }
    for (let sequence = 1; sequence <= count; sequence++) {
      if (sequence % 4 !== 0) index.decide(sequence, 'withdraw', 0)
    }
    expect(index.retire({ maxAgeMs: 0, maxCount: 0 }, 1).length).toBe(4500)
    const seen: number[] = []
    for (;;) {
      const taken = index.lease({ ...request, limit: 100 }, 1)
      if (!('sequences' in taken)) break
      expect(taken.sequences).toEqual(taken.sequences.toSorted((a, b) => a - b))
      expect(new Set(taken.sequences.map((sequence) => `l${sequence % 7}`))).toEqual(new Set([taken.lane]))
      seen.push(...taken.sequences)
      index.settle(
        taken.id,
        taken.sequences.map((sequence) => ({ sequence, outcome: 'delivered', note: new Uint8Array(0) })),
        1,
      )
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1500 }, (_, at) => (at + 1) * 4))
    expect(index.list({ limit: 3, after: 4 }, 1)).toEqual([8, 12, 16])
  })

  it('tells when something will be due, of the gates that were asked for only', () => {
    const index = laneIndex({ owner: 'test' })
    const entry = { payloadBytes: 1, appendedAt: 0 }
    index.add({ ...entry, sequence: 1, lane: 'a', gate: 'shut' }, 0)
    index.add({ ...entry, sequence: 2, lane: 'b', gate: 'open' }, 0)
    index.add({ ...entry, sequence: 3, lane: 'c', gate: 'shut' }, 0)
    for (const [sequence, delayMs] of [
      [1, 10],
      [2, 50],
    ] as const) {
      index.settle(leased(index).id, [{ sequence, outcome: 'waiting', delayMs, spent: false }], 0)
    }
    leased(index)
    expect(index.lease({ ...request, ttlMs: 20 }, 0)).toEqual({ nextDueInMs: 10 })
    expect(index.lease({ ...request, closedGates: ['shut'] }, 0)).toEqual({ nextDueInMs: 50 })
    expect(index.lease({ ...request, onlyGate: 'open' }, 0)).toEqual({ nextDueInMs: 50 })
    expect(index.lease({ ...request, closedGates: ['open'] }, 0)).toEqual({ nextDueInMs: 10 })
    expect(index.lease({ ...request, closedGates: ['open', 'shut'] }, 0)).toEqual({})
    // The lane of the closed gate that became due does not hide the one that waits.
    expect(index.lease({ ...request, closedGates: ['shut'] }, 30)).toEqual({ nextDueInMs: 20 })
    expect(index.lease(request, 30)).toMatchObject({ sequences: [1] })
  })

  it('entries settled behind a head that is stuck are forgotten, and the lane goes on in order', () => {
    const count = 9000
    const index = filled(count)
    leased(index)
    for (let sequence = 2; sequence < count; sequence++) {
      if (sequence % 1000 !== 0 && sequence > 10) index.decide(sequence, 'withdraw', 0)
    }
    index.retire({ maxAgeMs: 0, maxCount: 0 }, 1)
    expect(index.list({ limit: 20, after: 10 }, 1)).toEqual([
      1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000,
    ])
    const after = ttl + 1
    const seen: number[] = []
    for (;;) {
      const taken = index.lease({ ...request, limit: 3 }, after)
      if (!('sequences' in taken)) break
      seen.push(...taken.sequences)
      const note = new Uint8Array(0)
      index.settle(
        taken.id,
        taken.sequences.map((sequence) => ({ sequence, outcome: 'delivered', note })),
        after,
      )
    }
    expect(seen).toEqual([
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
      ...Array.from({ length: 9 }, (_, at) => (at + 1) * 1000),
    ])
  })

  it('goes on from a given sequence', () => {
    const index = laneIndex({ owner: 'test', lastSequence: 41 })
    const draft = { lane: 'l', gate: 'g', payloadBytes: 1, appendedAt: 0 }
    expect(() => index.add({ ...draft, sequence: 41 }, 0)).toThrow(RangeError)
    index.add({ ...draft, sequence: 42 }, 0)
    expect(index.lastSequence).toBe(42)
  })

  it('redriving thousands of dead letters, in any order, ends in order of sequence', () => {
    const index = filled(3000)
    const taken = index.lease({ ...request, limit: 3000, maxBytes: 1e9 }, 0)
    if (!('sequences' in taken)) throw new Error('nothing ready')
    index.settle(
      taken.id,
      taken.sequences.map((sequence) => ({ sequence, outcome: 'rejected', note: new Uint8Array(0) })),
      0,
    )
    const odd = taken.sequences.filter((sequence) => sequence % 2 === 1)
    const even = taken.sequences.filter((sequence) => sequence % 2 === 0)
    for (const sequence of [...odd, ...even.toReversed()]) index.decide(sequence, 'redrive', 0)
    const again = index.lease({ ...request, limit: 3000, maxBytes: 1e9 }, 0)
    expect('sequences' in again && again.sequences).toEqual(taken.sequences)
  })
})
