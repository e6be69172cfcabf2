import { describe, expect, it } from 'vitest'
import type { MockServerOptions } from '../src/index.js'
import { json, type Json } from './rig.js'
import { links, tableRig, type TableRig } from './table-rig.js'

const blaze = (options: MockServerOptions = {}): TableRig =>
  tableRig({ profiles: { fhir: 'blaze' }, ...options })
const patient = (id: string, more: object = {}) => ({ resourceType: 'Patient', id, ...more })
const outcome = (answer: Json) => [answer['issue']?.[0]?.['code'], answer['issue']?.[0]?.['diagnostics']]

/** One exchange: what is sent, and what the answer must be. */
interface Line {
  readonly send: string
  readonly headers?: Record<string, string>
  readonly body?: object
  readonly status: number
  readonly answer?: object | ''
  readonly etag?: string
  /** All members of the answer. */
  readonly members?: readonly string[]
}

/** Exchanges in their order, all with one server. Version ids are transaction numbers of the whole store. */
const transcripts: Readonly<Record<string, readonly Line[]>> = {
  'reads and versions': [
    { send: 'PUT /Patient/a', body: patient('a'), status: 201, etag: 'W/"1"' },
    { send: 'PUT /Patient/b', body: patient('b'), status: 201, etag: 'W/"2"' },
    { send: 'PUT /Patient/a', body: patient('a', { active: true }), status: 200, etag: 'W/"3"' },
    {
      send: 'GET /Patient/a',
      status: 200,
      etag: 'W/"3"',
      answer: { active: true, meta: { versionId: '3' } },
    },
    { send: 'GET /Patient/a/_history/1', status: 200, etag: 'W/"1"' },
    { send: 'GET /Patient/a/_history/2', status: 404 },
    { send: 'GET /Patient/a/_history/x', status: 404 },
    { send: 'GET /Patient/none', status: 404, answer: { issue: [{ code: 'not-found' }] } },
    { send: 'PUT /Patient/a', body: patient('a', { active: true }), status: 200, etag: 'W/"3"' },
    { send: 'GET /Patient/a/_history', status: 200, answer: { total: 2 } },
  ],
  conditions: [
    { send: 'PUT /Patient/a', body: patient('a'), headers: { 'if-none-match': '*' }, status: 201 },
    { send: 'PUT /Patient/a', body: patient('a'), headers: { 'if-none-match': '*' }, status: 412 },
    {
      send: 'PUT /Patient/a',
      body: patient('a', { active: true }),
      headers: { 'if-match': '"1"' },
      status: 412,
    },
    {
      send: 'PUT /Patient/a',
      body: patient('a', { active: true }),
      headers: { 'if-match': 'W/"9",W/"1"' },
      status: 200,
      etag: 'W/"2"',
    },
    { send: 'PUT /Patient/a', body: patient('a'), headers: { 'if-match': 'W/"1"' }, status: 412 },
  ],
  'bodies that are refused': [
    {
      send: 'PUT /Patient/a',
      body: { resourceType: 'Patient' },
      status: 400,
      answer: { issue: [{ code: 'required' }] },
    },
    { send: 'PUT /Patient/a', body: patient('b'), status: 400, answer: { issue: [{ code: 'invariant' }] } },
    { send: 'PUT /Patient/a', body: patient('a', { meta: { tag: [{ code: 'SUBSETTED' }] } }), status: 400 },
    { send: 'PUT /Patient/a', body: patient('a'), headers: { 'content-type': 'text/plain' }, status: 415 },
    { send: 'GET /Patient', headers: { accept: 'application/fhir+xml' }, status: 406, answer: '' },
    { send: 'GET /Patient?_format=json', headers: { accept: 'application/fhir+xml' }, status: 200 },
  ],
  'conditional create and delete': [
    {
      send: 'POST /Patient',
      body: { ...patient('x'), identifier: [{ value: 'k' }] },
      headers: { 'if-none-exist': 'identifier=k' },
      status: 201,
      etag: 'W/"1"',
    },
    {
      send: 'POST /Patient',
      body: { ...patient('x') },
      headers: { 'if-none-exist': 'identifier=k' },
      status: 200,
      etag: 'W/"1"',
    },
    { send: 'PUT /Patient/b', body: patient('b', { identifier: [{ value: 'k' }] }), status: 201 },
    { send: 'POST /Patient', body: patient('x'), headers: { 'if-none-exist': 'identifier=k' }, status: 412 },
    { send: 'DELETE /Patient?identifier=k', status: 412 },
    { send: 'DELETE /Patient/b', status: 204, etag: 'W/"3"' },
    { send: 'DELETE /Patient/b', status: 204, etag: 'W/"3"' },
    { send: 'GET /Patient/b', status: 410, etag: 'W/"3"', answer: { issue: [{ code: 'deleted' }] } },
    {
      send: 'DELETE /Patient?identifier=k',
      headers: { prefer: 'return=OperationOutcome' },
      status: 200,
      answer: { issue: [{ code: 'success' }] },
    },
    { send: 'DELETE /Patient?identifier=k', status: 204, answer: '' },
  ],
  'what Prefer brings': [
    { send: 'POST /Patient', body: patient('x'), status: 201, answer: { resourceType: 'Patient' } },
    {
      send: 'POST /Patient',
      body: patient('x'),
      headers: { prefer: 'return=minimal' },
      status: 201,
      answer: '',
    },
    {
      send: 'POST /Patient',
      body: patient('x'),
      headers: { prefer: 'return=OperationOutcome' },
      status: 201,
      answer: { resourceType: 'OperationOutcome' },
      members: ['resourceType'],
    },
    {
      send: 'POST /Patient',
      body: patient('x'),
      headers: { prefer: 'return=nonsense' },
      status: 201,
      answer: { resourceType: 'Patient' },
    },
    { send: 'GET /Patient?nonsense=1', status: 200 },
    { send: 'GET /Patient?nonsense=1', headers: { prefer: 'handling=strict' }, status: 400 },
  ],
  integrity: [
    {
      send: 'POST /Flag',
      body: { resourceType: 'Flag', subject: { reference: 'Patient/a' } },
      status: 409,
      answer: { issue: [{ code: 'conflict' }] },
    },
    { send: 'PUT /Patient/a', body: patient('a'), status: 201 },
    { send: 'POST /Flag', body: { resourceType: 'Flag', subject: { reference: 'Patient/a' } }, status: 201 },
    { send: 'DELETE /Patient/a', status: 409 },
    {
      send: 'POST /',
      body: {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          {
            resource: { resourceType: 'Flag', subject: { reference: 'Patient?_id=a' } },
            request: { method: 'POST', url: 'Flag' },
          },
        ],
      },
      status: 409,
    },
  ],
  'what is not there': [
    {
      send: 'PATCH /Patient/a',
      body: [],
      headers: { 'content-type': 'application/json-patch+json' },
      status: 405,
    },
    { send: 'PUT /Patient?identifier=k', body: patient('a'), status: 405 },
    { send: 'GET /nothing', status: 404, answer: { issue: [{ code: 'not-found' }] } },
    { send: 'GET /Patient?_sort=name', status: 400 },
    { send: 'GET /Patient?_include=*', status: 400 },
    { send: 'POST /', body: { resourceType: 'Bundle', type: 'collection' }, status: 400 },
  ],
}

describe('what Blaze answers', () => {
  it.each(Object.entries(transcripts))('%s', async (_name, lines) => {
    const rig = blaze()
    for (const { send, headers, body, status, answer, etag, members } of lines) {
      const [method = '', path = ''] = send.split(' ')
      const target = `/fhir${path === '/' ? '' : path}`
      const response =
        body === undefined
          ? await rig.send(target, { method, headers: headers ?? {} })
          : await rig.write(method, target, body, headers)
      expect([send, headers, response.status]).toEqual([send, headers, status])
      if (etag !== undefined) expect([send, response.headers.get('etag')]).toEqual([send, etag])
      expect(response.headers.has('preference-applied')).toBe(false)
      if (answer === '') expect(await response.text()).toBe('')
      else if (answer !== undefined) {
        const told = await json(response)
        expect(told).toMatchObject(answer)
        if (members !== undefined) expect(Object.keys(told)).toEqual(members)
      }
    }
  })

  it('answers a batch with bare statuses and the place of each problem', async () => {
    const entry = [
      { resource: { resourceType: 'Basic' }, request: { method: 'POST', url: 'Basic' } },
      { request: { method: 'GET', url: 'Basic/none' } },
    ]
    const batch = await json(blaze().write('POST', '/fhir', { resourceType: 'Bundle', type: 'batch', entry }))
    expect(batch).toMatchObject({
      entry: [
        { response: { status: '201', etag: 'W/"1"' } },
        { response: { status: '404', outcome: { issue: [{ expression: ['Bundle.entry[1]'] }] } } },
      ],
    })
    expect(batch['entry']?.[0]).not.toHaveProperty('resource')
  })
})

describe('asynchronous requests as in the transcript', () => {
  const query = '/fhir/Observation?code=http://loinc.org|8310-5&_summary=count'
  const begin = async (options: MockServerOptions = {}) => {
    const rig = blaze(options)
    rig.mock.state.load([
      {
        resourceType: 'Observation',
        id: 'o',
        code: { coding: [{ system: 'http://loinc.org', code: '8310-5' }] },
      },
    ])
    const kickOff = await rig.send(query, { headers: { prefer: 'respond-async, return=representation' } })
    return { rig, kickOff, url: kickOff.headers.get('content-location') ?? '' }
  }

  it('is accepted, in progress, done, and stays readable', async () => {
    const { rig, kickOff, url } = await begin()
    expect([kickOff.status, await kickOff.text(), kickOff.headers.get('retry-after')]).toEqual([
      202,
      '',
      null,
    ])
    expect(url).toMatch(/^https:\/\/x\.example\/fhir\/__async-status\/[0-9A-Z]{16}$/)
    // The answer is about the store as it was at the start.
    await rig.write('PUT', '/fhir/Observation/late', {
      resourceType: 'Observation',
      id: 'late',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '8310-5' }] },
    })
    for (const [after, progress] of [
      [0, 'ready'],
      [500, 'in-progress'],
    ] as const) {
      rig.advance(after)
      const poll = await rig.send(url)
      expect([poll.status, poll.headers.get('x-progress'), await poll.text()]).toEqual([202, progress, ''])
    }
    rig.advance(500)
    for (const _ of [1, 2]) {
      expect(await rig.get(url)).toMatchObject({
        type: 'batch-response',
        entry: [
          {
            response: { status: '200' },
            resource: { type: 'searchset', total: 1, link: [{ relation: 'self' }] },
          },
        ],
      })
    }
    const late = await rig.send(url, { method: 'DELETE' })
    expect([late.status, ...outcome(await json(late))]).toEqual([
      409,
      'conflict',
      expect.stringContaining('already completed'),
    ])
  })

  it('can be cancelled once', async () => {
    const { rig, url } = await begin()
    const id = url.split('/').at(-1)
    const cancel = await rig.send(url, { method: 'DELETE' })
    expect([cancel.status, await cancel.text()]).toEqual([202, ''])
    expect(outcome(await rig.get(url))).toEqual([
      'not-found',
      `The asynchronous request with id \`${id}\` is cancelled.`,
    ])
    const again = await rig.send(url, { method: 'DELETE' })
    expect([again.status, ...outcome(await json(again))]).toEqual([
      409,
      'conflict',
      expect.stringContaining('already cancelled'),
    ])
    const unknown = await rig.send('/fhir/__async-status/NONE')
    expect([unknown.status, ...outcome(await json(unknown))]).toEqual([
      404,
      'not-found',
      'Resource `Task/NONE` was not found.',
    ])
  })

  it('is answered at once where that is not supported, or ready in time', async () => {
    const prefer = { prefer: 'respond-async' }
    const { rig, kickOff } = await begin({ asyncSeconds: 0 })
    expect([kickOff.status, (await json(kickOff))['total']]).toEqual([200, 1])
    for (const path of [
      '/fhir/Observation',
      '/fhir/Observation?_summary=count',
      '/fhir/Observation?code=x',
    ]) {
      expect((await rig.send(path, { headers: prefer })).status).toBe(200)
    }
  })

  it('tells a failure inside a 200', async () => {
    const { rig } = await begin({ profiles: { fhir: { like: 'blaze', async: 'searches' } } })
    // What can only be found out while it runs: here the parameters vanish with a restart.
    const accepted = await rig.send('/fhir/Observation?_include=Observation:patient', {
      headers: { prefer: 'respond-async' },
    })
    rig.mock.state.restore(rig.mock.state.export().replaceAll('Observation:patient', 'Observation:nonsense'))
    rig.advance(1000)
    expect(await rig.get(accepted.headers.get('content-location') ?? '')).toMatchObject({
      type: 'batch-response',
      entry: [{ response: { status: '400', outcome: { issue: [{ code: 'not-supported' }] } } }],
    })
  })
})

describe('the base URL', () => {
  it.each<[Record<string, string>, string]>([
    [{}, 'https://base.example'],
    [
      { 'x-forwarded-host': 'outer.example:8443', 'x-forwarded-proto': 'https' },
      'https://outer.example:8443',
    ],
    [{ 'x-forwarded-host': 'outer.example' }, 'http://outer.example'],
    [{ forwarded: 'host=first.example;proto=https, host=second.example' }, 'https://first.example'],
    [{ forwarded: 'for=1.2.3.4;host="quoted.example:81"' }, 'http://quoted.example:81'],
    [
      { 'x-forwarded-host': 'outer.example', forwarded: 'host=inner.example;proto=https' },
      'http://outer.example',
    ],
    [
      { 'x-forwarded-proto': 'https', 'x-forwarded-port': '1', 'x-forwarded-prefix': '/deep' },
      'https://base.example',
    ],
    [{ 'x-forwarded-host': 'bad host/..' }, 'https://base.example'],
  ])('follows %j', async (headers, root) => {
    const rig = blaze({ baseUrl: 'https://base.example' })
    const created = await rig.write('POST', '/fhir/Basic', { resourceType: 'Basic' }, headers)
    expect(created.headers.get('location')).toMatch(new RegExp(`^${root}/fhir/Basic/`))
    const found = await rig.get('/fhir/Basic', headers)
    expect(links(found)['self']).toBe(`${root}/fhir/Basic`)
    expect(found['entry']?.[0]?.['fullUrl']).toMatch(new RegExp(`^${root}/fhir/Basic/`))
  })
})
