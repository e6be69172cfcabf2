import { describe, expect, it } from 'vitest'
import { json, modes, openRig, type Json, type Rig } from './rig.js'

const urn = (digit: string) => `urn:uuid:${digit.repeat(8)}-1111-4111-8111-111111111111`

function entry(
  method: string,
  url: string,
  resource?: object,
  request: object = {},
  fullUrl?: string,
): object {
  return {
    ...(fullUrl === undefined ? {} : { fullUrl }),
    ...(resource === undefined ? {} : { resource }),
    request: { method, url, ...request },
  }
}

function post(rig: Rig, type: string, entries: readonly object[], headers: Record<string, string> = {}) {
  return rig.write('POST', '/fhir', { resourceType: 'Bundle', type, entry: entries }, headers)
}

const statuses = (bundle: Json): string[] =>
  (bundle['entry'] as unknown as readonly { response: { status: string } }[]).map(
    (item) => item.response.status,
  )
const locationId = (bundle: Json, index: number): string =>
  String(bundle['entry']?.[index]?.['response']?.['location']).split('/').at(-3) ?? ''

describe.each(modes)('bundles over %s', (mode) => {
  const open = () => openRig(mode, { open: true })

  it('runs a transaction in the order DELETE, POST, PUT, GET and answers in the order sent', async () => {
    const rig = await open()
    rig.mock.state.load([{ resourceType: 'Patient', id: 'old', identifier: [{ value: 'k' }] }])
    const response = await post(rig, 'transaction', [
      entry('GET', 'Patient/new'),
      entry('GET', 'Patient?identifier=k'),
      entry('PUT', 'Patient/new', { resourceType: 'Patient', id: 'new', active: true }),
      entry(
        'POST',
        'Patient',
        { resourceType: 'Patient', identifier: [{ value: 'k' }] },
        { ifNoneExist: 'identifier=k' },
      ),
      entry('DELETE', 'Patient/old'),
    ])
    expect(response.status).toBe(200)
    const bundle = await json(response)
    expect(bundle['type']).toBe('transaction-response')
    // The old carrier of the key is deleted first, so the condition finds nothing.
    expect(statuses(bundle)).toEqual(['200 OK', '200 OK', '201 Created', '201 Created', '204 No Content'])
    expect(bundle['entry']?.[0]?.['resource']).toMatchObject({ id: 'new', active: true })
    expect(bundle['entry']?.[1]?.['resource']).toMatchObject({ type: 'searchset', total: 1 })
    expect(bundle['entry']?.[2]?.['response']).toMatchObject({
      etag: 'W/"1"',
      location: `${rig.root}/fhir/Patient/new/_history/1`,
    })
    expect(rig.mock.state.commits.slice(1).map((commit) => commit.method)).toEqual(['DELETE', 'POST', 'PUT'])
    expect(new Set(rig.mock.state.commits.slice(1).map((commit) => commit.requestId)).size).toBe(1)
  })

  it('rewrites links wherever they stand, and nothing else', async () => {
    const rig = await open()
    rig.mock.state.load([{ resourceType: 'Device', id: 'dev', identifier: [{ system: 's', value: 'v' }] }])
    const observation = {
      resourceType: 'ServiceRequest',
      // The delivery key equals the fullUrl: a string, not a link.
      identifier: [{ system: 'urn:ietf:rfc:3986', value: urn('a') }],
      subject: { reference: urn('b') },
      device: { reference: 'Device?identifier=s|v' },
      derivedFrom: [{ reference: urn('d') }, { reference: urn('e') }],
      text: { status: 'generated', div: `<div><a href="${urn('b')}">x</a> ${urn('b')}</div>` },
      extension: [
        { url: 'http://x', valueUri: urn('b') },
        { url: 'http://y', valueString: urn('b') },
      ],
      note: [{ text: urn('b') }],
      contained: [{ resourceType: 'Group', member: [{ entity: { reference: urn('b') } }] }],
      instantiatesCanonical: urn('b'),
    }
    const bundle = await json(
      post(rig, 'transaction', [
        entry('POST', 'ServiceRequest', observation, {}, urn('a')),
        entry('POST', 'Patient', { resourceType: 'Patient' }, {}, urn('b')),
        entry('PUT', 'ServiceRequest/put', { resourceType: 'ServiceRequest', id: 'put' }, {}, urn('d')),
        entry(
          'POST',
          'ServiceRequest',
          { resourceType: 'ServiceRequest', focus: [{ reference: urn('a') }] },
          {},
          urn('e'),
        ),
      ]),
    )
    const [first, patient, , last] = [0, 1, 2, 3].map((index) => locationId(bundle, index))
    const to = `Patient/${patient}`
    expect(rig.mock.state.get('ServiceRequest', first ?? '')).toMatchObject({
      identifier: [{ value: urn('a') }],
      subject: { reference: to },
      device: { reference: 'Device/dev' },
      derivedFrom: [{ reference: 'ServiceRequest/put' }, { reference: `ServiceRequest/${last}` }],
      text: { div: `<div><a href="${to}">x</a> ${urn('b')}</div>` },
      extension: [{ valueUri: to }, { valueString: urn('b') }],
      note: [{ text: urn('b') }],
      contained: [{ member: [{ entity: { reference: to } }] }],
      instantiatesCanonical: urn('b'),
    })
    expect(rig.mock.state.get('ServiceRequest', last ?? '')).toMatchObject({
      focus: [{ reference: `ServiceRequest/${first}` }],
    })
  })

  it('points references at what a conditional create found', async () => {
    const rig = await open()
    rig.mock.state.load([{ resourceType: 'Patient', id: 'known', identifier: [{ system: 's', value: '1' }] }])
    const bundle = await json(
      post(rig, 'transaction', [
        entry('POST', 'ServiceRequest', { resourceType: 'ServiceRequest', subject: { reference: urn('b') } }),
        entry(
          'POST',
          'Patient',
          { resourceType: 'Patient', active: false, identifier: [{ system: 's', value: '1' }] },
          { ifNoneExist: 'identifier=s|1' },
          urn('b'),
        ),
      ]),
    )
    expect(statuses(bundle)).toEqual(['201 Created', '200 OK'])
    expect(rig.mock.state.resources('ServiceRequest')).toMatchObject([
      { subject: { reference: 'Patient/known' } },
    ])
    expect(rig.mock.state.get('Patient', 'known')).not.toHaveProperty('active')
  })

  it('creates once for one condition given twice', async () => {
    const rig = await open()
    const patient = { resourceType: 'Patient', identifier: [{ system: 's', value: '1' }] }
    const request = { ifNoneExist: 'identifier=s|1' }
    const bundle = await json(
      post(rig, 'transaction', [
        entry('POST', 'Patient', patient, request, urn('a')),
        entry('POST', 'Patient', patient, request, urn('b')),
        entry('POST', 'Basic', { resourceType: 'Basic', subject: { reference: urn('b') } }),
      ]),
    )
    expect(statuses(bundle)).toEqual(['201 Created', '200 OK', '201 Created'])
    expect(rig.mock.state.resources('Patient')).toHaveLength(1)
    const id = rig.mock.state.resources('Patient')[0]?.id
    expect(rig.mock.state.resources('Basic')).toMatchObject([{ subject: { reference: `Patient/${id}` } }])
  })

  it.each<[string, number, string, object]>([
    [
      'a stale ifMatch',
      412,
      'request.ifMatch',
      entry('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' }, { ifMatch: 'W/"9"' }),
    ],
    [
      'ifNoneMatch on what exists',
      412,
      'request.ifNoneMatch',
      entry('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' }, { ifNoneMatch: '*' }),
    ],
    [
      'an ambiguous condition',
      412,
      'request.ifNoneExist',
      entry('POST', 'Patient', { resourceType: 'Patient' }, { ifNoneExist: 'identifier=twice' }),
    ],
    [
      'a reference to nobody',
      400,
      '',
      entry('POST', 'Basic', { resourceType: 'Basic', subject: { reference: urn('f') } }),
    ],
    [
      'a conditional reference without match',
      412,
      '',
      entry('POST', 'Basic', { resourceType: 'Basic', subject: { reference: 'Patient?identifier=none' } }),
    ],
    [
      'an ambiguous conditional reference',
      412,
      '',
      entry('POST', 'Basic', { resourceType: 'Basic', subject: { reference: 'Patient?identifier=twice' } }),
    ],
    [
      'a malformed resource',
      400,
      'resource.name',
      entry('POST', 'Patient', { resourceType: 'Patient', name: [] }),
    ],
    ['another type than the URL', 400, 'resource', entry('POST', 'Patient', { resourceType: 'Basic' })],
    [
      'a body id that is not the URL',
      400,
      'resource.id',
      entry('PUT', 'Patient/x', { resourceType: 'Patient', id: 'y' }),
    ],
    ['a read of nothing', 404, '', entry('GET', 'Patient/nobody')],
    ['a PATCH without a patch', 400, 'resource', entry('PATCH', 'Patient/p', { resourceType: 'Patient' })],
    [
      'an ambiguous conditional update',
      412,
      'request.url',
      entry('PUT', 'Patient?identifier=twice', { resourceType: 'Patient' }),
    ],
    [
      'a foreign URL',
      400,
      'request.url',
      entry('POST', 'http://else.example/Patient', { resourceType: 'Patient' }),
    ],
    ['no request', 400, 'request', { resource: { resourceType: 'Patient' } }],
    ['no resource', 400, '', entry('POST', 'Patient')],
    ['an upper-case urn', 400, '', entry('POST', 'Patient', { resourceType: 'Patient' }, {}, urn('A'))],
    [
      'a versioned fullUrl',
      400,
      '',
      entry('POST', 'Patient', { resourceType: 'Patient' }, {}, 'http://x/Patient/1/_history/1'),
    ],
  ])('rolls everything back for %s', async (_name, status, where, bad) => {
    const rig = await open()
    rig.mock.state.load([
      { resourceType: 'Patient', id: 'p', identifier: [{ value: 'twice' }] },
      { resourceType: 'Patient', id: 'q', identifier: [{ value: 'twice' }] },
    ])
    const before = rig.mock.state.export()
    const good = [
      entry('POST', 'Basic', { resourceType: 'Basic' }),
      entry('PUT', 'Basic/new', { resourceType: 'Basic', id: 'new' }),
      entry('DELETE', 'Patient/q2'),
    ]
    const response = await post(rig, 'transaction', [...good, bad])
    expect(response.status).toBe(status)
    const outcome = await json(response)
    expect(outcome['resourceType']).toBe('OperationOutcome')
    expect(outcome['issue']?.[0]?.['expression']?.[0]).toBe(
      `Bundle.entry[3]${where === '' ? '' : `.${where}`}`,
    )
    const after = JSON.parse(rig.mock.state.export()) as Json
    expect(after['versions']).toEqual((JSON.parse(before) as Json)['versions'])
    expect(after['commits']).toHaveLength(2)
  })

  it('refuses one identity in two entries, and one fullUrl in two', async () => {
    const rig = await open()
    const put = entry('PUT', 'Basic/b', { resourceType: 'Basic', id: 'b' })
    for (const second of [put, entry('DELETE', 'Basic/b')]) {
      expect((await post(rig, 'transaction', [put, second])).status).toBe(400)
    }
    const same = entry('POST', 'Basic', { resourceType: 'Basic' }, {}, urn('a'))
    expect((await post(rig, 'transaction', [same, same])).status).toBe(400)
    expect(rig.mock.state.commits).toEqual([])
  })

  it('returns resources and outcomes in a transaction as Prefer asks', async () => {
    const rig = await open()
    const create = [entry('POST', 'Basic', { resourceType: 'Basic' })]
    const full = await json(post(rig, 'transaction', create, { prefer: 'return=representation' }))
    expect(full['entry']?.[0]?.['resource']).toMatchObject({
      resourceType: 'Basic',
      meta: { versionId: '1' },
    })
    const told = await json(post(rig, 'transaction', create, { prefer: 'return=OperationOutcome' }))
    expect(told['entry']?.[0]?.['response']?.['outcome']).toMatchObject({ resourceType: 'OperationOutcome' })
    const plain = await json(post(rig, 'transaction', create))
    expect(plain['entry']?.[0]).not.toHaveProperty('resource')
  })

  it('runs a batch entry by entry', async () => {
    const rig = await open()
    const basic = { resourceType: 'Basic' }
    const bundle = await json(
      post(rig, 'batch', [
        entry('POST', 'Basic', basic),
        entry('PUT', 'Basic/b', { ...basic, id: 'b' }, { ifMatch: 'W/"1"' }),
        entry('POST', 'Basic', { ...basic, code: { text: '' } }),
        entry('PUT', 'Basic/b', { ...basic, id: 'b' }),
        entry('PUT', 'Basic/b', { ...basic, id: 'b' }),
        entry('GET', 'Basic/b/_history/1'),
        entry('GET', 'Basic?_id=b'),
        entry('HEAD', 'Basic/b'),
        entry('DELETE', 'Basic/b'),
        entry('GET', 'Basic/b'),
      ]),
    )
    expect(bundle['type']).toBe('batch-response')
    expect(statuses(bundle).map((status) => Number(status.slice(0, 3)))).toEqual([
      201, 412, 400, 201, 200, 200, 200, 200, 204, 410,
    ])
    expect(bundle['entry']?.[2]?.['response']?.['outcome']?.['issue']?.[0]?.['expression']).toEqual([
      'Bundle.entry[2].resource.code.text',
    ])
    expect(rig.mock.state.commits.map((commit) => commit.method)).toEqual(['POST', 'PUT', 'PUT', 'DELETE'])
  })

  it('refuses other bundles, empty entry lists and too many entries', async () => {
    const rig = await openRig(mode, { open: true, limits: { entries: 2 } })
    const create = entry('POST', 'Basic', { resourceType: 'Basic' })
    expect((await post(rig, 'collection', [create])).status).toBe(400)
    expect((await post(rig, 'transaction', [])).status).toBe(400)
    expect((await rig.write('POST', '/fhir', { resourceType: 'Patient' })).status).toBe(400)
    expect(await json(rig.write('POST', '/fhir', { resourceType: 'Bundle', type: 'batch' }))).toEqual({
      resourceType: 'Bundle',
      type: 'batch-response',
    })
    const many = await post(rig, 'transaction', [create, create, create])
    expect(many.status).toBe(400)
    expect(await json(many)).toMatchObject({ issue: [{ code: 'too-costly', expression: ['Bundle.entry'] }] })
    expect((await post(rig, 'transaction', [create, create])).status).toBe(200)
  })
})
