import { describe, expect, it } from 'vitest'
import { createSuspects } from '../src/outbox/suspects.js'

const giveUpMs = 100_000_000

function suspects(): ReturnType<typeof createSuspects> & { pass(ms: number): void } {
  let clock = 0
  const all = createSuspects({ now: () => clock, giveUpMs, openMs: (_gate, ms) => ms })
  return {
    ...all,
    pass(ms) {
      clock += ms
    },
  }
}

const silent = (...sequences: number[]): { sequence: number }[] => sequences.map((sequence) => ({ sequence }))

describe('createSuspects', () => {
  it('names a lane until as many have passed as were silent', () => {
    const all = suspects()
    all.failed('a', silent(1, 2, 3), false)
    all.failed('b', silent(4), true)
    expect(all.lanes()).toEqual(['a', 'b'])
    all.passed('a', 2)
    all.passed('b', 1)
    expect(all.lanes()).toEqual(['a'])
    all.passed('a', 1)
    expect(all.lanes()).toEqual([])
  })

  it('forgets a lane of which nobody has heard for a day, or for as long as it takes to give up an entry', () => {
    const hasty = createSuspects({ now: () => clock, giveUpMs: 0, openMs: () => 0 })
    let clock = 0
    hasty.failed('a', silent(1, 2), false)
    clock = 86_399_999
    expect(hasty.lanes()).toEqual(['a'])
    clock++
    expect(hasty.lanes()).toEqual([])
    const all = suspects()
    all.failed('gone', silent(1, 2), false)
    all.failed('tried', silent(3, 4), false)
    all.pass(giveUpMs - 1)
    all.failed('tried', silent(3), true)
    expect(all.lanes()).toEqual(['gone', 'tried'])
    all.pass(1)
    expect(all.lanes()).toEqual(['tried'])
  })

  it('time runs from the first failure of an entry by itself', () => {
    const all = suspects()
    all.failed('a', silent(1), true)
    all.pass(giveUpMs / 2)
    all.failed('a', silent(1), true)
    expect(all.isHopeless('a', 'gate', 1)).toBe(false)
    all.pass(giveUpMs / 2)
    expect(all.isHopeless('a', 'gate', 2)).toBe(false)
    expect(all.isHopeless('a', 'gate', 1)).toBe(true)
  })

  it('names all when so many lanes are silent that no entry can be to blame', () => {
    const all = suspects()
    for (let lane = 0; lane < 64; lane++) all.failed(`lane ${lane}`, silent(lane), true)
    expect(all.lanes()).toHaveLength(64)
    all.failed('one more', silent(64), true)
    expect(all.lanes()).toBe('all')
    all.clear('lane 7')
    expect(all.lanes()).toHaveLength(64)
  })
})
