import { describe, expect, it } from 'vitest'
import { conditionOf, stuckHead, type Circumstances } from '../src/model/condition.js'
import { demoPatient } from '../src/model/demo-people.js'
import { explain, historyOf } from '../src/model/explain.js'
import { kinds } from '../src/model/kinds.js'
import { factsOf } from '../src/model/plan-words.js'
import { pointsOfBundle } from '../src/model/points.js'
import { demoDevice } from '../src/model/demo-device.js'
import { typedBundle, type TypedReading } from '../src/model/reading.js'
import { signInProblem } from '../src/model/sign-in-problem.js'
import { decisionsFor } from '../src/model/states.js'
import { checkTyped } from '../src/model/typed.js'
import { parseRoute } from '../src/platform/route.js'
import { chooseServer } from '../src/platform/server.js'
import { closedGate } from '../src/queue/gate-news.js'
import { addressWith } from '../src/queue/keeping.js'
import { mergePoints } from '../src/queue/readings.js'
import { storeName, storeOf } from '../src/queue/store-name.js'
import { entry } from './entry.js'

function note(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: 1, at: '2026-01-01T10:00:00Z', history: [], ...value }))
}

describe('the bar', () => {
  const fine: Circumstances = {
    online: true,
    gate: { closed: false },
    headUnknown: false,
    open: 0,
    dead: 0,
    known: true,
  }
  it.each<[string, Partial<Circumstances>]>([
    ['All delivered', {}],
    ['Looking', { known: false }],
    ['Online', { open: 2 }],
    ['Offline', { online: false, gate: { closed: true, code: 'ERR_LOGIN_REQUIRED' } }],
    ['No answer', { open: 1, headUnknown: true }],
    ['Server unreachable', { gate: { closed: true, code: 'ERR_NETWORK' }, headUnknown: true }],
    ['Throttled', { gate: { closed: true, code: 'ERR_HTTP', status: 429 } }],
    ['Server busy', { gate: { closed: true, code: 'ERR_HTTP', status: 503 } }],
    // It does answer, and what it answers is no use: some do so while their database is away.
    ['Server out of order', { gate: { closed: true, code: 'ERR_HTTP', status: 400 } }],
    ['Server out of order', { gate: { closed: true, code: 'ERR_HTTP', status: 507 } }],
    ['Nothing waits', { dead: 1 }],
    ['Not taken', { open: 1, headStuck: 'put-off' }],
    ['Needs attention', { open: 1, headStuck: 'unsupported' }],
    ['Needs attention', { open: 1, headStuck: 'held' }],
    ['Waiting for sign-in', { gate: { closed: true, code: 'ERR_LOGIN_REQUIRED', needsPerson: true } }],
    ['Waiting for sign-in', { gate: { closed: true, code: 'ERR_UNAUTHORIZED', status: 401 } }],
    ['Needs attention', { gate: { closed: true, code: 'ERR_NOT_FHIR', needsPerson: true } }],
    ['Needs attention', { gate: { closed: true, code: 'ERR_UNKNOWN_KEY', status: 422 } }],
  ])('says “%s”', (title, changes) => {
    expect(conditionOf({ ...fine, ...changes }).title).toBe(title)
  })
})

it('what goes first can be stuck although its server answers', () => {
  const failed = (code: string): Uint8Array =>
    note({ outcome: 'waiting', failure: { code, message: 'Not now.' } })
  expect(stuckHead([entry({})])).toBeUndefined()
  expect(stuckHead([entry({ note: failed('ERR_HTTP') })])).toBe('put-off')
  expect(stuckHead([entry({ note: failed('ERR_UNSUPPORTED') })])).toBe('unsupported')
  expect(stuckHead([entry({ state: 'held', heldBy: 1 })])).toBe('held')
  // It is being tried, or it is asked about: that is said in other words.
  for (const state of ['sending', 'unknown'] as const)
    expect(stuckHead([entry({ state, note: failed('ERR_HTTP') })])).toBeUndefined()
})

it('a closed gate is news when it holds up what must go first', () => {
  const gates = [
    { gate: 'plain', state: 'open' },
    { gate: 'sealed', state: 'closed' },
  ] as const
  const [second, first] = [entry({ sequence: 2, gate: 'sealed' }), entry({ gate: 'plain' })]
  expect(closedGate(gates, [])).toBe(gates[1])
  expect(closedGate(gates, [second, first])).toBeUndefined()
  expect(closedGate(gates, [second])).toBe(gates[1])
})

describe('an explanation', () => {
  const alone = { before: undefined, gateClosed: false }

  it('says what to do about an envelope that nobody can open', () => {
    const closed = { before: undefined, gateClosed: true, gateCode: 'ERR_UNKNOWN_KEY' }
    expect(explain(entry({}), closed).person).toContain('withdraw')
    expect(decisionsFor('waiting')).toEqual(['withdraw'])
    for (const state of ['sending', 'unknown', 'delivered'] as const) expect(decisionsFor(state)).toEqual([])
  })

  it('quotes what the server said of a dead letter', () => {
    const failure = {
      code: 'ERR_HTTP',
      message: 'no',
      status: 422,
      issues: [{ code: 'x', text: 'Too high.' }],
    }
    const dead = entry({ state: 'dead', note: note({ outcome: 'rejected', failure }) })
    expect(explain(dead, alone).why).toContain('Status 422: “Too high.”')
    expect(historyOf(dead.note)).toMatchObject([{ what: 'rejected', code: 'ERR_HTTP', status: 422 }])
  })
  it('does not say of a parked one that it was refused, and lets a person say that it is there', () => {
    const parked = entry({ state: 'dead', deadReason: 'parked' })
    expect(explain(parked, alone).why).not.toContain('refused')
    expect(explain(parked, alone).person).toContain('at the server')
    expect(decisionsFor('dead', 'parked')).toEqual(['redrive', 'assumeDelivered', 'discard'])
    expect(decisionsFor('dead', 'rejected')).toEqual(['redrive', 'discard'])
  })
  it('does not say of a reading that the server has it when only a person said so', () => {
    const receipt = {
      sequence: 1,
      key: 'k',
      contentSha256: '',
      assumed: { actor: 'ada', reason: 'I saw it.' },
    }
    const assumed = entry({ state: 'delivered', note: note(receipt) })
    expect(explain(assumed, alone).why).toContain('ada')
    expect(explain(assumed, alone).why).not.toContain('The server has it')
  })
  it('names the entry that goes first, before a closed gate', () => {
    expect(explain(entry({ sequence: 5 }), { before: 3, gateClosed: true }).why).toContain('No. 3 goes first')
    expect(explain(entry({}), { before: undefined, gateClosed: true }).why).toContain('takes nothing')
    expect(explain(entry({}), alone).why).toContain('Nothing stands in its way')
    expect(explain(entry({ state: 'held', heldBy: 2 }), alone).person).toContain('No. 2'.toLowerCase())
  })
  it('keeps who decided and why', () => {
    const decided = note({ decision: 'discard', actor: 'a visitor', reason: 'Cuff was loose.' })
    expect(historyOf(decided)).toMatchObject([{ what: 'discard', reason: 'Cuff was loose.' }])
  })
})

describe('typed values', () => {
  it.each([
    [{ systolic: '', diastolic: '80', pulse: '' }, ['systolic']],
    [{ systolic: '1e2', diastolic: '80', pulse: '' }, ['systolic']],
    [{ systolic: '301', diastolic: '19', pulse: '251' }, ['systolic', 'diastolic', 'pulse']],
    [{ systolic: '80', diastolic: '80', pulse: '' }, ['diastolic']],
    [{ systolic: '120', diastolic: '-80', pulse: 'x' }, ['diastolic', 'pulse']],
  ])('%j: wrong are %j', (values, wrong) => {
    const { errors, reading } = checkTyped(values)
    expect(Object.keys(errors)).toEqual(wrong)
    expect(reading).toBeUndefined()
  })
  it('keep their spelling, without what JSON forbids', () => {
    expect(checkTyped({ systolic: ' 0120.50 ', diastolic: '80', pulse: '' }).reading).toEqual({
      systolic: '120.50',
      diastolic: '80',
    })
  })
})

const somebody = { identifier: demoPatient }

describe('a typed reading', () => {
  const values: TypedReading = { systolic: '120.50', diastolic: '80', pulse: '61' }
  it('keeps its digits in the Bundle and comes back as a point', () => {
    const json = typedBundle(values, somebody)
    expect(json).toContain('120.50')
    const [point] = pointsOfBundle(json)
    expect(point).toMatchObject({ values: [120.5, 80, 61] })
    expect(point?.ids).toHaveLength(1)
  })
  it('differs from one taken at the same moment', () => {
    const [a, b] = [1, 2].map(() => pointsOfBundle(typedBundle(values, somebody)))
    expect(a?.[0]?.ids).not.toEqual(b?.[0]?.ids)
  })
  it('is about the patient of the sign-in, whom nobody creates', () => {
    const json = typedBundle(values, { id: 'ada' })
    expect(json).toContain('"reference":"Patient/ada"')
    expect(json).not.toContain('"resourceType":"Patient"')
  })
  it('is shown once when both the server and the queue have it, with the queue’s state', () => {
    const points = pointsOfBundle(typedBundle(values, somebody))
    const stats = {} as never
    const view = { stats, entries: [entry({ sequence: 7, state: 'unknown' })] }
    const merged = mergePoints(points, view, new Map([[7, { points }]]))
    expect(merged).toMatchObject([{ state: 'unknown', sequence: 7 }])
    expect(mergePoints(points, undefined, new Map())).toMatchObject([{ state: 'delivered' }])
  })
  it('is nothing where there is no Bundle', () => {
    expect(pointsOfBundle('{')).toEqual([])
    expect(pointsOfBundle('{"entry":[{"resource":{"resourceType":"Observation"}}]}')).toEqual([])
  })
})

describe.each(kinds)('the simulated $id', ({ id, columns, plots }) => {
  it('goes on for days, measures now, and never the same twice', () => {
    const device = demoDevice(id, 7)
    const start = Date.now()
    const points = Array.from({ length: 70 }, () => pointsOfBundle(device.measure(somebody))).flat()
    expect(points).toHaveLength(70)
    expect(new Set(points.flatMap(({ ids }) => ids)).size).toBe(70)
    for (const { kind, time, values } of points) {
      expect(kind.id).toBe(id)
      expect(Math.abs(time - start)).toBeLessThan(60_000)
      expect(values).toHaveLength(columns.length)
      expect(values[0]).toBeGreaterThan(0)
    }
  })
  it('has every column in a plot', () => {
    expect(plots.flatMap((plot) => plot.columns).toSorted()).toEqual(columns.map((_, index) => index))
  })
})

describe('the address', () => {
  const at = (search: string) => chooseServer(new URL(`https://app.example/demo/${search}`))
  it('names the demo server, a server of one’s own, or none', () => {
    expect(at('')).toMatchObject({
      kind: 'demo',
      baseUrl: 'https://app.example/demo/mock/fhir',
      sealed: false,
    })
    expect(at('?server=https://fhir.example/r4/&sealed')).toMatchObject({
      kind: 'own',
      baseUrl: 'https://fhir.example/r4',
      name: 'fhir.example',
      sealed: true,
    })
    for (const search of ['?server=', '?server=ftp://x', '?server=javascript:1', '?server=https://x/?a=b']) {
      expect(at(search)).toBeUndefined()
    }
  })
  it('names where people sign in, and the app’s client id', () => {
    const server = at('?server=https://fhir.example/r4&auth=https://login.example&client=demo')
    expect(server).toMatchObject({
      origins: ['https://fhir.example', 'https://login.example'],
      clientId: 'demo',
    })
    expect(at('?server=https://fhir.example/r4')?.origins).toEqual(['https://fhir.example'])
    expect(at('?server=https://fhir.example/r4&auth=nonsense')).toBeUndefined()
  })
  it('names the receiver of envelopes, which is a part of the server', () => {
    expect(at('')?.receiver).toEqual({
      endpoint: 'https://app.example/demo/mock/c3pro/encfhir',
      keysUrl: 'https://app.example/demo/mock/c3pro/jwks',
    })
    expect(at('?server=https://fhir.example/r4')?.receiver).toBeUndefined()
    expect(at('?server=https://fhir.example/r4&receiver=https://fhir.example/sealed/')?.receiver).toEqual({
      endpoint: 'https://fhir.example/sealed',
      keysUrl: 'https://fhir.example/jwks',
    })
    for (const receiver of ['https://other.example/sealed', 'nonsense', ''])
      expect(at(`?server=https://fhir.example/r4&receiver=${receiver}`)).toBeUndefined()
  })
  it('changes between the outboxes and keeps the rest', () => {
    const page = new URL('https://app.example/?server=https://fhir.example/r4#/settings')
    const sealed = addressWith('sealed', page)
    expect(sealed).toMatch(/[?&]sealed#\/settings$/)
    expect(chooseServer(new URL(sealed))).toMatchObject({ sealed: true, baseUrl: 'https://fhir.example/r4' })
    expect(chooseServer(new URL(addressWith('plain', new URL(sealed))))).toMatchObject({ sealed: false })
  })
  it('has an outbox of its own, whose name tells which', () => {
    for (const search of [
      '',
      '?sealed',
      '?server=https://a.example/r4',
      '?server=https://a.example/r4&sealed',
    ]) {
      const server = at(search)
      if (server === undefined) throw new Error('no server')
      const { kind, sealed, baseUrl } = server
      expect(storeOf(storeName(server))).toEqual({ kind, sealed, ...(kind === 'own' ? { baseUrl } : {}) })
    }
    expect(storeOf('fhir-outbox-demo-logins')).toBeUndefined()
  })
  it('names a screen', () => {
    expect(parseRoute('#/outbox/12')).toEqual({ screen: 'entry', sequence: 12 })
    expect(parseRoute('#/outbox/x')).toEqual({ screen: 'outbox' })
    for (const screen of ['trends', 'server', 'settings'])
      expect(parseRoute(`#/${screen}`)).toEqual({ screen })
    expect(parseRoute('')).toEqual({ screen: 'measure' })
  })
})

describe('what is known of a server', () => {
  it('is said in words, also when little is known', () => {
    const learned = {}
    const little = factsOf({
      v: 1,
      at: '',
      statement: 'unreadable',
      statementFailure: { code: 'x', status: 401 },
      learned,
    })
    expect(little.map(({ said }) => said)).toEqual([
      'could not be read (status 401); less is known then',
      'does not say',
      'not offered',
      'no scopes are known',
    ])
    const much = factsOf({
      v: 1,
      at: '',
      statement: 'read',
      software: 'Blaze 1.8',
      fhirVersion: '4.0.1',
      transaction: true,
      smart: [],
      scopes: 'user/*.rs',
      learned,
    })
    expect(much.map(({ said }) => said)).toEqual(['Blaze 1.8, FHIR 4.0.1', 'yes', 'offered', 'user/*.rs'])
  })
})

it('a sign-in that did not work is explained, without what the server sent', () => {
  const failed = Object.assign(new Error('secret'), { code: 'ERR_AUTHORIZATION_REFUSED' })
  expect(signInProblem(failed)).toContain('said no')
  expect(signInProblem('secret')).not.toContain('secret')
})
