import { request } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { faultKinds, type FaultKind } from '../src/server/faults.js'
import type { Fault } from '../src/index.js'
import { json, startTime } from './rig.js'
import { holds, ids, tableRig, type TableRig } from './table-rig.js'

const basic = { resourceType: 'Basic', identifier: [{ value: 'k' }] }
const create = ({ write }: TableRig, headers: Record<string, string> = {}) =>
  write('POST', '/fhir/Basic', basic, headers)
const stored = ({ mock }: TableRig): number => mock.state.resources('Basic').length
const waits: number[] = []

/** Strikes the next exchange. */
function strike(rig: TableRig, fault: Fault): void {
  rig.mock.faults.add({ fault })
}

/** The raw answer over a socket: what really came, and how it ended. */
function raw(
  url: string,
): Promise<{ readonly ended: 'end' | 'cut'; readonly body: string; readonly length: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent: false }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (part: string) => (body += part))
      const done = (ended: 'end' | 'cut') => () =>
        resolve({ ended, body, length: incoming.headers['content-length'] ?? '' })
      incoming.on('end', done('end'))
      incoming.on('error', done('cut'))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

async function listen(rig: TableRig): Promise<string> {
  const listening = await rig.mock.listen()
  onTestFinished(() => listening.close())
  return listening.url
}

/** What each kind does. Every case fails when its kind does nothing. */
const cases: Readonly<Record<FaultKind, (rig: TableRig) => Promise<void>>> = {
  'cut-before': async (rig) => {
    strike(rig, { kind: 'cut-before' })
    await expect(create(rig)).rejects.toThrow(TypeError)
    expect(stored(rig)).toBe(0)
  },
  'cut-after': async (rig) => {
    strike(rig, { kind: 'cut-after' })
    await expect(create(rig)).rejects.toThrow(TypeError)
    expect(stored(rig)).toBe(1)
  },
  duplicate: async (rig) => {
    strike(rig, { kind: 'duplicate' })
    expect((await create(rig)).status).toBe(201)
    expect(stored(rig)).toBe(2)
    expect(new Set(rig.mock.state.commits.map(({ requestId }) => requestId))).toEqual(new Set([1]))
  },
  status: async (rig) => {
    strike(rig, { kind: 'status', status: 503, headers: { 'retry-after': '7' }, body: 'later' })
    const response = await create(rig)
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
      503,
      '7',
      'later',
    ])
    expect(stored(rig)).toBe(0)
  },
  redirect: async (rig) => {
    strike(rig, { kind: 'redirect', location: 'https://elsewhere.example/fhir/Basic' })
    const response = await create(rig)
    expect([response.status, response.headers.get('location')]).toEqual([
      307,
      'https://elsewhere.example/fhir/Basic',
    ])
    expect(stored(rig)).toBe(0)
  },
  'captive-portal': async (rig) => {
    strike(rig, { kind: 'captive-portal' })
    const response = await create(rig)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html;charset=utf-8'])
    expect(await response.text()).toContain('<h1>Welcome</h1>')
    expect(stored(rig)).toBe(0)
  },
  outage: async (rig) => {
    strike(rig, { kind: 'outage' })
    const response = await create(rig)
    expect(response.status).toBe(400)
    expect(await json(response)).toMatchObject({
      issue: [{ code: 'invalid', details: { text: expect.stringContaining('ECONNREFUSED') as string } }],
    })
    expect(stored(rig)).toBe(0)
  },
  truncate: async (rig) => {
    strike(rig, { kind: 'truncate', bytes: 5 })
    const response = await create(rig)
    expect(response.status).toBe(201)
    await expect(response.text()).rejects.toThrow('cut')
    expect(stored(rig)).toBe(1)

    const url = await listen(rig)
    rig.mock.faults.add({ fault: { kind: 'truncate', bytes: 5 } })
    const cut = await raw(`${url}/fhir/Basic`)
    expect([cut.ended, cut.body]).toEqual(['cut', '{"res'])
    expect(Number(cut.length)).toBeGreaterThan(100)
  },
  'wrong-length': async (rig) => {
    const url = await listen(rig)
    rig.mock.state.load([{ ...basic, id: 'b' }])
    const whole = await raw(`${url}/fhir/Basic/b`)
    strike(rig, { kind: 'wrong-length', by: 10 })
    const long = await raw(`${url}/fhir/Basic/b`)
    expect([long.ended, long.body, Number(long.length)]).toEqual(['cut', whole.body, whole.body.length + 10])
    strike(rig, { kind: 'wrong-length', by: -10 })
    await expect(raw(`${url}/fhir/Basic/b`)).rejects.toThrow('Parse Error')
  },
  'fail-entries': async (rig) => {
    const entry = [1, 2, 3].map(() => ({ resource: basic, request: { method: 'POST', url: 'Basic' } }))
    strike(rig, { kind: 'fail-entries', entries: [1], status: 429 })
    const batch = await json(rig.write('POST', '/fhir', { resourceType: 'Bundle', type: 'batch', entry }))
    expect(batch).toMatchObject({
      entry: [
        { response: { status: '201 Created' } },
        { response: { status: '429', outcome: { issue: [{ code: 'throttled' }] } } },
        { response: { status: '201 Created' } },
      ],
    })
    expect(stored(rig)).toBe(2)
    strike(rig, { kind: 'fail-entries', entries: [1], status: 422 })
    const whole = await rig.write('POST', '/fhir', { resourceType: 'Bundle', type: 'transaction', entry })
    expect(whole.status).toBe(422)
    expect(await json(whole)).toMatchObject({ issue: [{ expression: ['Bundle.entry[1]'] }] })
    expect(stored(rig)).toBe(2)
  },
  hang: async (rig) => {
    const handle = rig.mock.faults.add({ fault: { kind: 'hang' } })
    const hanging = create(rig)
    setTimeout(() => handle.remove(), 0)
    await expect(hanging).rejects.toThrow(TypeError)
    expect(stored(rig)).toBe(0)
  },
  refuse: async (rig) => {
    const url = await listen(rig)
    strike(rig, { kind: 'refuse' })
    await expect(raw(`${url}/fhir/Basic`)).rejects.toMatchObject({ code: 'ECONNRESET' })
    await expect(raw(`${url}/fhir/Basic`)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  },
  delay: async (rig) => {
    waits.length = 0
    strike(rig, { kind: 'delay', ms: 250 })
    expect((await create(rig)).status).toBe(201)
    expect(waits).toEqual([250])
  },
  drip: async (rig) => {
    waits.length = 0
    strike(rig, { kind: 'drip', everyMs: 40, bytes: 50 })
    const body = await (await create(rig)).text()
    expect(JSON.parse(body)).toMatchObject(basic)
    expect(waits).toEqual(Array.from({ length: Math.ceil(body.length / 50) }, () => 40))
    expect(waits.length).toBeGreaterThan(1)
  },
  'search-lag': async (rig) => {
    await create(rig)
    rig.advance(1000)
    await create(rig)
    strike(rig, { kind: 'search-lag', ms: 500 })
    expect(ids(await rig.get('/fhir/Basic'))).toHaveLength(1)
    expect(ids(await rig.get('/fhir/Basic'))).toHaveLength(2)
    const condition = { 'if-none-exist': 'identifier=k' }
    strike(rig, { kind: 'search-lag', ms: 5000 })
    expect((await create(rig, condition)).status).toBe(201)
  },
  'ignore-conditions': async (rig) => {
    const condition = { 'if-none-exist': 'identifier=k' }
    await create(rig)
    strike(rig, { kind: 'ignore-conditions' })
    expect((await create(rig, condition)).status).toBe(201)
    const [one] = rig.mock.state.resources('Basic')
    strike(rig, { kind: 'ignore-conditions' })
    const stale = { 'if-match': 'W/"99"' }
    expect((await rig.write('PUT', `/fhir/Basic/${one?.id}`, one, stale)).status).toBe(200)
    strike(rig, { kind: 'ignore-conditions' })
    const tag = { headers: { 'if-none-match': 'W/"2"' } }
    expect((await rig.send(`/fhir/Basic/${one?.id}`, tag)).status).toBe(200)
    expect((await rig.send(`/fhir/Basic/${one?.id}`, tag)).status).toBe(304)
  },
  'clock-skew': async (rig) => {
    strike(rig, { kind: 'clock-skew', ms: 3_600_000 })
    const response = await create(rig)
    expect(response.headers.get('date')).toBe(new Date(startTime + 3_600_000).toUTCString())
    expect((await json(response))['meta']?.['lastUpdated']).toBe(
      new Date(startTime + 3_600_000).toISOString(),
    )
  },
}

const begin = (fault?: FaultKind): TableRig =>
  tableRig({ sleep: async (ms) => void waits.push(ms) }, { fault })

describe('the table of faults', () => {
  it('has a case for every row', () => {
    expect(Object.keys(cases).toSorted()).toEqual(Object.keys(faultKinds).toSorted())
  })

  it.each(Object.keys(cases) as FaultKind[])('needs its row %s', async (kind) => {
    await cases[kind](begin())
    expect(await holds(() => cases[kind](begin(kind)))).toBe(false)
  })

  it('adds modifiers up, also with one other fault', async () => {
    const rig = begin()
    waits.length = 0
    for (const ms of [1, 2]) rig.mock.faults.add({ fault: { kind: 'delay', ms } })
    for (const ms of [1000, -4000]) rig.mock.faults.add({ fault: { kind: 'clock-skew', ms } })
    strike(rig, { kind: 'status', status: 500 })
    strike(rig, { kind: 'cut-before' })
    const response = await create(rig)
    expect([response.status, response.headers.get('date')]).toEqual([
      500,
      new Date(startTime - 3000).toUTCString(),
    ])
    expect(waits).toEqual([3])
    expect(rig.mock.log[0]?.faults).toEqual(['delay', 'delay', 'clock-skew', 'clock-skew', 'status'])
    await expect(create(rig)).rejects.toThrow(TypeError)
  })

  it.each<Fault>([{ kind: 'refuse' }, { kind: 'wrong-length', by: 1 }])(
    'says that $kind needs a socket',
    async (fault) => {
      const rig = begin()
      const code = { code: 'ERR_MOCK_FAULT_MODE' }
      expect(() => rig.mock.faults.add({ fault })).toThrow(expect.objectContaining(code))
      await listen(rig)
      rig.mock.faults.add({ fault })
      await expect(create(rig)).rejects.toMatchObject(code)
    },
  )

  it.each<Fault>([
    { kind: 'status', status: 99 },
    { kind: 'redirect', location: '' },
    { kind: 'captive-portal', status: 1 },
    { kind: 'truncate', bytes: -1 },
    { kind: 'wrong-length', by: 0 },
    { kind: 'fail-entries', entries: [], status: 400 },
    { kind: 'fail-entries', entries: [0], status: 200 },
    { kind: 'refuse', ms: -1 },
    { kind: 'delay', ms: Infinity },
    { kind: 'drip', everyMs: 1, bytes: 0 },
    { kind: 'search-lag', ms: -1 },
    { kind: 'clock-skew', ms: NaN },
    { kind: 'nonsense' } as unknown as Fault,
  ])('refuses the senseless %j', (fault) => {
    expect(() => begin().mock.faults.add({ fault })).toThrow(
      expect.objectContaining({ code: 'ERR_MOCK_FAULT' }),
    )
  })
})
