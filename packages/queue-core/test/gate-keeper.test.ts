import { expect, it } from 'vitest'
import { outboxDefaults } from '../src/index.js'
import { gateKeeper } from '../src/outbox/gates.js'

it('tells of a trial that comes due between two looks at the clock', () => {
  let now = 0
  const gates = gateKeeper(outboxDefaults(), { now: () => now, random: () => 0.5 })
  const failure = { code: 'ERR_HTTP', message: 'throttled', status: 429 }
  gates.close('g', { failure, retryAfterMs: 5_000 }, false)
  now = 4_999.9
  expect(gates.dueTrial(new Set())).toBeUndefined()
  now = 5_000
  expect(gates.nextTrialInMs(new Set())).toBe(0)
  expect(gates.nextTrialInMs(new Set(['g']))).toBeUndefined()
})

it('tries again at once when somebody asked while a trial was running', () => {
  const gates = gateKeeper(outboxDefaults(), { now: () => 0, random: () => 0.5 })
  const failure = { code: 'ERR_CONNECT', message: 'away' }
  gates.close('g', { failure }, false)
  gates.beginTrial('g')
  gates.hurry()
  gates.close('g', { failure }, true)
  expect(gates.dueTrial(new Set())).toBe('g')
  gates.beginTrial('g')
  gates.close('g', { failure }, true)
  expect(gates.dueTrial(new Set())).toBeUndefined()
})
