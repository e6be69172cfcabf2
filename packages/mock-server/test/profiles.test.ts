import { describe, expect, it } from 'vitest'
import type { FhirProfileChoice } from '../src/index.js'
import { json, type Json } from './rig.js'
import { ids, links, tableRig, type TableRig } from './table-rig.js'

const uuid = (digit: string) => `${digit.repeat(8)}-1111-4111-8111-111111111111`
const of = (fhir: FhirProfileChoice): TableRig => tableRig({ profiles: { fhir } })
const basic = (value: string, more: object = {}) => ({
  resourceType: 'Basic',
  identifier: [{ value }],
  ...more,
})
const post = (url: string, resource: object, request: object = {}) => ({
  resource,
  request: { method: 'POST', url, ...request },
})
const bundle = (type: string, entry: readonly object[]) => ({ resourceType: 'Bundle', type, entry })
const statuses = (answer: Json): string[] =>
  (answer['entry'] as unknown as readonly { response: { status: string } }[]).map(
    ({ response }) => response.status,
  )

describe('the profile medplum', () => {
  const open = () => of('medplum')

  it('tells no version in Location, and opaque ones in ETags', async () => {
    const { write, get } = open()
    const created = await write('POST', '/fhir/Basic', basic('k'))
    const { id } = (await json(created)) as unknown as { id: string }
    expect(created.headers.get('location')).toBe(`https://x.example/fhir/Basic/${id}`)
    expect(created.headers.get('etag')).toMatch(/^W\/"[0-9a-f-]{36}"$/)
    const same = await write('PUT', `/fhir/Basic/${id}`, { ...basic('k'), id })
    expect([same.status, same.headers.get('etag')]).toEqual([200, created.headers.get('etag')])
    expect(await get(`/fhir/Basic/${id}/_history`)).toMatchObject({ total: 1 })
  })

  it('gives a hit of a conditional create no Location, and misreads a leading question mark', async () => {
    const { write } = open()
    const create = (condition: string) =>
      write('POST', '/fhir/Basic', basic('k'), { 'if-none-exist': condition })
    expect((await create('identifier=k')).status).toBe(201)
    await write('POST', '/fhir/Basic', basic('other'))
    const hit = await create('identifier=k')
    expect([hit.status, hit.headers.get('location')]).toEqual([200, null])
    expect((await create('?identifier=k')).status).toBe(412)
  })

  it('knows PUT for what it knows, and ids that are UUIDs', async () => {
    const { write, send } = open()
    expect((await write('PUT', `/fhir/Basic/${uuid('a')}`, { ...basic('k'), id: uuid('a') })).status).toBe(
      404,
    )
    expect((await write('PUT', '/fhir/Basic/short', { ...basic('k'), id: 'short' })).status).toBe(400)
    const { id } = (await json(write('POST', '/fhir/Basic', basic('k')))) as unknown as { id: string }
    for (const _ of [1, 2]) {
      const gone = await send(`/fhir/Basic/${id}`, { method: 'DELETE' })
      expect([gone.status, (await json(gone))['resourceType']]).toEqual([200, 'OperationOutcome'])
    }
    expect((await send(`/fhir/Basic/${id}`)).status).toBe(410)
    expect((await write('PUT', `/fhir/Basic/${id}`, { ...basic('k'), id })).status).toBe(201)
  })

  it('runs a transaction as a batch, and an atomic one with eight conditions at most', async () => {
    const { write, mock } = open()
    const bad = post('Patient', { resourceType: 'Patient', name: [] })
    const answer = await write('POST', '/fhir', bundle('transaction', [post('Basic', basic('k')), bad]))
    expect([answer.status, statuses(await json(answer))]).toEqual([200, ['201', '400']])
    expect(mock.state.resources('Basic')).toHaveLength(1)

    const atomic = of({ like: 'medplum', transactions: 'atomic' })
    const conditional = Array.from({ length: 9 }, (_, n) =>
      post('Basic', basic(`k${n}`), { ifNoneExist: `identifier=k${n}` }),
    )
    const many = await atomic.write('POST', '/fhir', bundle('transaction', conditional))
    expect([many.status, (await json(many))['issue']?.[0]?.['details']?.['text']]).toEqual([
      400,
      'Transaction requires strict isolation but has too many entries',
    ])
    const few = await json(atomic.write('POST', '/fhir', bundle('transaction', conditional.slice(0, 8))))
    expect(few['entry']?.[0]?.['response']).toEqual({
      status: '201',
      location: expect.stringMatching(/^Basic\/[0-9a-f-]{36}$/) as string,
      outcome: expect.objectContaining({ resourceType: 'OperationOutcome' }) as object,
    })
  })

  it('rewrites links even so, and stores those that lead nowhere', async () => {
    const { write, mock } = open()
    const urn = `urn:uuid:${uuid('b')}`
    await write(
      'POST',
      '/fhir',
      bundle('transaction', [
        post('Flag', {
          resourceType: 'Flag',
          subject: { reference: urn },
          author: { reference: `urn:uuid:${uuid('c')}` },
        }),
        { ...post('Patient', { resourceType: 'Patient' }), fullUrl: urn },
      ]),
    )
    const [patient] = mock.state.resources('Patient')
    expect(mock.state.resources('Flag')).toMatchObject([
      { subject: { reference: `Patient/${patient?.id}` }, author: { reference: `urn:uuid:${uuid('c')}` } },
    ])
  })

  it('says 400 to all kinds of trouble, in details.text', async () => {
    const { write, send } = open()
    const long = await write('POST', '/fhir/Basic', basic('x'.repeat(1024 * 1024)))
    expect([long.status, (await json(long))['issue']?.[0]?.['details']?.['text']]).toEqual([
      400,
      'File too large',
    ])
    const text = await send('/fhir/Basic', {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'x',
    })
    expect(text.status).toBe(400)
    expect((await send('/fhir/Basic?nonsense=1')).status).toBe(400)
    expect((await send('/fhir/Basic?_offset=10001')).status).toBe(400)
    const closed = tableRig({ open: false, profiles: { fhir: 'medplum' } })
    const refused = await closed.send('/fhir/Basic')
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, null])
  })

  it('pages by cursor when sorted by the time of the last change, which sees what is changed meanwhile', async () => {
    const { mock, get, send, write } = open()
    const id = (n: number): string => `00000000-0000-4000-8000-0000000000${String(n).padStart(2, '0')}`
    mock.state.load(Array.from({ length: 45 }, (_, n) => basic(`k${n}`, { id: id(n) })))
    const first = await get('/fhir/Basic?_sort=_lastUpdated')
    expect(ids(first)).toHaveLength(20)
    expect(Object.keys(links(first))).toEqual(['self', 'first', 'next'])
    expect(links(first)['next']).toMatch(/[?&]_cursor=/)
    expect(links(first)['next']).not.toContain('_offset')
    // An offset would leave out what moves up when this one moves to the end.
    await write('PUT', `/fhir/Basic/${id(3)}`, basic('changed', { id: id(3) }))
    const seen = [...ids(first)]
    for (let next = links(first)['next']; next !== undefined;) {
      const page = await get(next)
      seen.push(...ids(page))
      next = links(page)['next']
    }
    expect(seen).toHaveLength(46)
    expect(new Set(seen).size).toBe(45)
    expect(seen.at(-1)).toBe(id(3))
    expect((await send('/fhir/Basic?_sort=_lastUpdated&_cursor=nonsense')).status).toBe(400)
  })

  it('pages by offset, and finds nothing under a _count that is no number', async () => {
    const { mock, get } = open()
    mock.state.load(Array.from({ length: 45 }, (_, n) => basic(`k${n}`, { id: `b${n}` })))
    const first = await get('/fhir/Basic')
    expect([ids(first).length, first['total'], Object.keys(links(first))]).toEqual([
      20,
      undefined,
      ['self', 'first', 'next'],
    ])
    const second = await get(links(first)['next'] ?? '')
    const third = await get(links(second)['next'] ?? '')
    expect([ids(second)[0], ids(third).length, links(third)['next']]).toEqual(['b20', 5, undefined])
    expect((await get('/fhir/Basic?_total=accurate'))['total']).toBe(45)
    const broken = await get('/fhir/Basic?_count=abc')
    expect([broken['entry'], links(broken)['self']]).toEqual([
      undefined,
      expect.stringContaining('_count=NaN'),
    ])
  })
})

describe('the profile careless', () => {
  const open = () => of('careless')

  it('looks at no condition and validates nothing', async () => {
    const { write, send, mock } = open()
    const condition = { 'if-none-exist': 'identifier=k' }
    for (const _ of [1, 2])
      expect(
        (await write('POST', '/fhir/Patient', { resourceType: 'Patient', odd: [] }, condition)).status,
      ).toBe(201)
    expect(mock.state.resources('Patient')).toHaveLength(2)
    const [{ id } = { id: '' }] = mock.state.resources('Patient')
    const stale = await write(
      'PUT',
      `/fhir/Patient/${id}`,
      { resourceType: 'Patient', id: 'else' },
      { 'if-match': 'W/"7"' },
    )
    expect([stale.status, stale.headers.get('etag'), stale.headers.get('location')]).toEqual([
      200,
      null,
      null,
    ])
    const made = await write(
      'PUT',
      `/fhir/Patient/${uuid('d')}`,
      { resourceType: 'Patient' },
      { 'if-none-match': '*' },
    )
    expect([made.status, made.headers.get('location')]).toEqual([201, `/Patient/${uuid('d')}`])
    expect((await json(made))['meta']).not.toHaveProperty('versionId')
    expect((await send(`/fhir/Patient/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await send(`/fhir/Patient/${id}`)).status).toBe(404)
  })

  it('answers mistakes with 500, and decorates errors', async () => {
    const { write, send } = open()
    const text = await write('PUT', '/fhir/Patient/short', { resourceType: 'Patient', id: 'short' })
    expect(text.status).toBe(500)
    expect([text.headers.get('etag'), text.headers.get('location')]).toEqual(['W/""', '/Patient/undefined'])
    const broken = await send('/fhir/Patient', {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: '{',
    })
    expect(broken.status).toBe(500)
  })

  it('finds late, without links, and everything where it does not understand', async () => {
    const { write, get, advance } = open()
    await write('POST', '/fhir/Basic', basic('k'))
    expect(await get('/fhir/Basic?identifier=k')).toMatchObject({ total: 0 })
    advance(2000)
    const found = await get('/fhir/Basic?identifier:odd=zz&_sort=name'.replace(':odd', 'x'))
    expect([found['total'], found['link']]).toEqual([1, undefined])
  })

  it('runs a transaction as a batch', async () => {
    const { write, mock } = open()
    const dangling = post('Flag', { resourceType: 'Flag', subject: { reference: 'Patient?identifier=none' } })
    const missing = { request: { method: 'GET', url: 'Basic/none' } }
    const answer = await json(write('POST', '/fhir', bundle('transaction', [dangling, missing])))
    expect(statuses(answer)).toEqual(['201', '404'])
    expect(mock.state.resources('Flag')).toMatchObject([
      { subject: { reference: 'Patient?identifier=none' } },
    ])
    const none = of({ like: 'careless', transactions: 'not-supported' })
    expect((await none.write('POST', '/fhir', bundle('transaction', [dangling]))).status).toBe(405)
  })
})

describe('an injected validator', () => {
  it('is asked for every resource, and refuses with 422', async () => {
    const rig = tableRig({
      validate: ({ resourceType }) =>
        resourceType === 'Flag'
          ? [{ code: 'invariant', diagnostics: 'No flags today.', expression: 'Flag' }]
          : [],
    })
    const flag = { resourceType: 'Flag' }
    const refused = await rig.write('POST', '/fhir/Flag', flag)
    expect([refused.status, (await json(refused))['issue']]).toEqual([
      422,
      [{ severity: 'error', code: 'invariant', diagnostics: 'No flags today.', expression: ['Flag'] }],
    ])
    const whole = await rig.write(
      'POST',
      '/fhir',
      bundle('transaction', [post('Basic', basic('k')), post('Flag', flag)]),
    )
    expect(whole.status).toBe(422)
    expect(rig.mock.state.resources()).toEqual([])
  })
})

describe('bundles that the profile medplum runs later', () => {
  const open = () => tableRig({ profiles: { fhir: 'medplum' }, asyncSeconds: 5 })
  const prefer = { prefer: 'respond-async' }
  const two = bundle('batch', [
    post('Basic', basic('a')),
    post('Patient', { resourceType: 'Patient', birthDate: 'nonsense' }),
  ])

  it('answers with a job of its own type, and the result lies one hop further', async () => {
    const { write, send, get, advance, mock } = open()
    const accepted = await write('POST', '/fhir', two, prefer)
    const url = accepted.headers.get('content-location') ?? ''
    expect([accepted.status, accepted.headers.get('retry-after')]).toEqual([202, null])
    expect(url).toMatch(/^https:\/\/x\.example\/fhir\/job\/[0-9a-f-]{36}\/status$/)
    expect(await json(accepted)).toMatchObject({
      resourceType: 'OperationOutcome',
      id: 'accepted',
      issue: [{ severity: 'information', diagnostics: url }],
    })
    const early = await send(url)
    expect([early.status, early.headers.get('x-progress')]).toEqual([202, null])
    expect(await json(early)).toMatchObject({ resourceType: 'AsyncJob', status: 'accepted' })
    advance(5_000)
    const done = await send(url)
    expect(done.status).toBe(200)
    const job = (await json(done)) as unknown as {
      status: string
      output: { parameter: [{ name: string; valueReference: { reference: string } }] }
    }
    expect([job.status, job.output.parameter[0].name]).toEqual(['completed', 'results'])
    const result = await get(`/fhir/${job.output.parameter[0].valueReference.reference}`)
    expect([result['type'], statuses(result)]).toEqual(['batch-response', ['201', '400']])
    expect(mock.state.resources().map(({ resourceType }) => resourceType)).toEqual(['Basic'])
    expect((await send('/fhir/job/none/status')).status).toBe(404)
    expect((await send(url, { method: 'DELETE' })).status).toBe(202)
  })

  it('goes on with a cancelled one, and says so by 202 until it has ended', async () => {
    const { write, send, advance, mock } = open()
    const accepted = await write('POST', '/fhir', two, prefer)
    const url = accepted.headers.get('content-location') ?? ''
    expect((await send(url, { method: 'DELETE' })).status).toBe(202)
    const cancelled = await send(url)
    expect([cancelled.status, (await json(cancelled))['status']]).toEqual([202, 'cancelled'])
    advance(5_000)
    const ended = await send(url)
    expect([ended.status, (await json(ended))['status']]).toEqual([200, 'completed'])
    expect(mock.state.resources('Basic')).toHaveLength(1)
  })

  it('runs them at once unless nothing else is preferred, and never an atomic transaction later', async () => {
    const { write } = open()
    const both = await write('POST', '/fhir', two, { prefer: 'respond-async, return=minimal' })
    expect(both.status).toBe(200)
    const atomic = tableRig({ profiles: { fhir: { like: 'medplum', transactions: 'atomic' } } })
    const refused = await atomic.write('POST', '/fhir', { ...two, type: 'transaction' }, prefer)
    expect(refused.status).toBe(400)
    expect(atomic.mock.state.commits).toEqual([])
  })

  it('takes larger ones than it runs at once', async () => {
    const { write } = open()
    const large = bundle('batch', [post('Basic', basic('x'.repeat(1024 * 1024)))])
    expect((await write('POST', '/fhir', large)).status).toBe(400)
    expect((await write('POST', '/fhir', large, prefer)).status).toBe(202)
  })

  it('are kept by export and restore', async () => {
    const { write, mock } = open()
    const accepted = await write('POST', '/fhir', two, prefer)
    expect(accepted.status).toBe(202)
    const url = accepted.headers.get('content-location') ?? ''
    const other = tableRig({ profiles: { fhir: 'medplum' }, asyncSeconds: 5 })
    other.mock.state.restore(mock.state.export())
    other.advance(5_000)
    expect((await other.send(url)).status).toBe(200)
  })
})
