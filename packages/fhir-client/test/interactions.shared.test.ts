import { describe, expect, it } from 'vitest'
import { createFhirClient, type FhirClient } from '../src/index.js'
import { failureOf } from './support/failure.js'
import { fhir, outcome, scriptedSender, type ScriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'
const patient = { resourceType: 'Patient', id: 'p1' }
const tokens = { getToken: async () => ({ value: 'one', type: 'Bearer' as const }) }

function setUp(...replies: readonly Response[]): { client: FhirClient; sender: ScriptedSender } {
  const sender = scriptedSender(...replies)
  return { client: createFhirClient({ baseUrl, send: sender, tokens }), sender }
}

describe('interactions', () => {
  it.each([
    ['read', (c: FhirClient) => c.read('Patient', 'p1'), 'GET', '/Patient/p1', {}],
    ['read of an odd id', (c: FhirClient) => c.read('Patient', 'a/b?c'), 'GET', '/Patient/a%2Fb%3Fc', {}],
    ['vread', (c: FhirClient) => c.vread('Patient', 'p1', '4'), 'GET', '/Patient/p1/_history/4', {}],
    ['create', (c: FhirClient) => c.create(patient), 'POST', '/Patient', {}],
    [
      'conditional create',
      (c: FhirClient) => c.create(patient, { ifNoneExist: '?identifier=urn:x|k y€', prefer: 'minimal' }),
      'POST',
      '/Patient',
      { 'if-none-exist': 'identifier=urn:x|k%20y%E2%82%AC', prefer: 'return=minimal' },
    ],
    [
      'conditional create by parameters',
      (c: FhirClient) => c.create(patient, { ifNoneExist: { identifier: 'urn:x|k' } }),
      'POST',
      '/Patient',
      { 'if-none-exist': 'identifier=urn%3Ax%7Ck' },
    ],
    [
      'update',
      (c: FhirClient) => c.update(patient, { ifMatch: '3' }),
      'PUT',
      '/Patient/p1',
      { 'if-match': 'W/"3"' },
    ],
    [
      'create by update',
      (c: FhirClient) => c.update(patient, { ifNoneMatch: '*' }),
      'PUT',
      '/Patient/p1',
      { 'if-none-match': '*' },
    ],
    [
      'delete',
      (c: FhirClient) => c.delete('Patient', 'p1', { ifMatch: 'W/"3"' }),
      'DELETE',
      '/Patient/p1',
      { 'if-match': 'W/"3"' },
    ],
    [
      'conditional read by version',
      (c: FhirClient) => c.read('Patient', 'p1', { ifNoneMatch: '3' }),
      'GET',
      '/Patient/p1',
      { 'if-none-match': 'W/"3"' },
    ],
    [
      'conditional read by date',
      (c: FhirClient) => c.read('Patient', 'p1', { ifModifiedSince: '2026-01-02T03:04:05Z' }),
      'GET',
      '/Patient/p1',
      { 'if-modified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' },
    ],
    [
      'conditional update',
      (c: FhirClient) => c.updateWhere(patient, { identifier: 'urn:x|k' }, { ifMatch: '3' }),
      'PUT',
      '/Patient?identifier=urn%3Ax%7Ck',
      { 'if-match': 'W/"3"' },
    ],
    [
      'conditional delete',
      (c: FhirClient) => c.deleteWhere('Patient', '?identifier=urn:x|k', { prefer: 'OperationOutcome' }),
      'DELETE',
      '/Patient?identifier=urn:x|k',
      { prefer: 'return=OperationOutcome' },
    ],
    [
      'delete of a history',
      (c: FhirClient) => c.deleteHistory('Patient', 'p1'),
      'DELETE',
      '/Patient/p1/_history',
      {},
    ],
    [
      'operation on a resource',
      (c: FhirClient) => c.operation('everything', { type: 'Patient', id: 'p1', params: { start: '2026' } }),
      'GET',
      '/Patient/p1/$everything?start=2026',
      {},
    ],
    [
      'operation of the system that changes something',
      (c: FhirClient) => c.operation('$compact', { method: 'POST' }),
      'POST',
      '/$compact',
      {},
    ],
    [
      'a header of the caller beats an option',
      (c: FhirClient) =>
        c.create(patient, { prefer: 'minimal', headers: { Prefer: 'return=representation' } }),
      'POST',
      '/Patient',
      { prefer: 'return=representation' },
    ],
  ] as const)('%s', async (_name, act, method, path, headers) => {
    const { client, sender } = setUp(fhir(200, patient))
    await act(client)
    expect(sender.sent[0]).toMatchObject({ method, url: baseUrl + path, headers })
    if (method === 'PUT' || path === '/Patient') expect(sender.sent[0]?.body).toBe(JSON.stringify(patient))
  })

  it('a delete answered with nothing is done', async () => {
    const { client } = setUp(new Response(null, { status: 204, headers: { etag: 'W/"5"' } }))
    expect(await client.delete('Patient', 'p1')).toMatchObject({
      status: 204,
      version: '5',
      body: { kind: 'empty' },
    })
  })

  it.each(['transaction', 'batch'] as const)('%s', async (type) => {
    const answer = {
      resourceType: 'Bundle',
      type: `${type}-response`,
      entry: [{ response: { status: '201' } }],
    }
    const { client, sender } = setUp(fhir(200, answer))
    const bundle = { resourceType: 'Bundle', type, entry: [] }
    expect((await client[type](bundle)).resource).toEqual(answer)
    expect(sender.sent[0]).toMatchObject({ method: 'POST', url: baseUrl, timeoutMs: 60_000 })
    const other = { ...bundle, type: 'collection' }
    expect(await failureOf(client[type](other))).toMatchObject({ code: 'ERR_INVALID_REQUEST', sent: 'no' })
    expect(sender.sent).toHaveLength(1)
  })

  it('a bundle answered with anything but a Bundle is unknown', async () => {
    const bundle = { resourceType: 'Bundle', type: 'transaction' }
    for (const reply of [fhir(200), fhir(200, outcome('informational')), fhir(200, patient)]) {
      const { client } = setUp(reply)
      expect(await failureOf(client.transaction(bundle))).toMatchObject({
        code: 'ERR_NOT_FHIR',
        status: 200,
        sent: 'maybe',
      })
    }
  })

  it('a read answered with another type is no answer', async () => {
    for (const reply of [
      fhir(200),
      fhir(200, { resourceType: 'Group' }),
      fhir(200, outcome('informational')),
    ]) {
      const { client } = setUp(reply)
      expect(await failureOf(client.read('Patient', 'p1'))).toMatchObject({
        code: 'ERR_NOT_FHIR',
        path: '/r4/Patient/p1',
      })
    }
  })

  it.each([
    ['a type that is none', (c: FhirClient) => c.read('patient', 'p1')],
    ['a type that leads elsewhere', (c: FhirClient) => c.read('../Patient', 'p1')],
    ['an empty id', (c: FhirClient) => c.read('Patient', '')],
    ['an id that leads elsewhere', (c: FhirClient) => c.delete('Patient', '..')],
    ['an id that is no text', (c: FhirClient) => c.read('Patient', undefined as unknown as string)],
    ['an id that cannot be written into a URL', (c: FhirClient) => c.vread('Patient', 'p1', '\ud800')],
    ['an update without an id', (c: FhirClient) => c.update({ resourceType: 'Patient' })],
    ['an empty condition', (c: FhirClient) => c.create(patient, { ifNoneExist: '?' })],
    ['a patch that is none', (c: FhirClient) => c.patch('Patient', 'p1', patient)],
    ['a delete of everything', (c: FhirClient) => c.deleteWhere('Patient', {})],
    ['an update of anything', (c: FhirClient) => c.updateWhere(patient, '')],
    ['a delete of all with any value', (c: FhirClient) => c.deleteWhere('Patient', { identifier: '' })],
    [
      'a condition of which servers ignore a part',
      (c: FhirClient) => c.deleteWhere('Patient', 'active=true&_id='),
    ],
    ['a condition without a value', (c: FhirClient) => c.create(patient, { ifNoneExist: 'identifier' })],
    ['a condition of no date', (c: FhirClient) => c.read('Patient', 'p1', { ifModifiedSince: 'soon' })],
    ['an operation that is none', (c: FhirClient) => c.operation('../Patient')],
    ['an operation on an id without a type', (c: FhirClient) => c.operation('x', { id: 'p1' })],
    ['a history of an id without a type', (c: FhirClient) => c.history({ id: 'p1' })],
    ['a look into the past', (c: FhirClient) => c.pages('Patient', {}, { lookAhead: -1 }).next()],
  ])('refuses %s', async (_name, act) => {
    const { client, sender } = setUp(fhir(200, patient))
    expect(await failureOf(act(client))).toMatchObject({ code: 'ERR_INVALID_REQUEST', sent: 'no' })
    expect(sender.sent).toHaveLength(0)
  })
})

describe('raw bodies', () => {
  const parts = ['{"resourceType":"Bundle","type":"batch","entry":[', '{"v":37.00}', ']}'].map((text) =>
    new TextEncoder().encode(text),
  )
  const joined = '{"resourceType":"Bundle","type":"batch","entry":[{"v":37.00}]}'
  const bytesOf = (sender: ScriptedSender) => new TextDecoder().decode(sender.sent[0]?.body as Uint8Array)

  it('parts leave as one body, byte for byte', async () => {
    const { client, sender } = setUp(fhir(200, { resourceType: 'Bundle' }))
    await client.batch(parts)
    expect(bytesOf(sender)).toBe(joined)
    expect(sender.sent[0]).toMatchObject({ method: 'POST', url: baseUrl, timeoutMs: 60_000 })
  })

  it('bytes may have conditions', async () => {
    const { client, sender } = setUp(fhir(201))
    const body = new TextEncoder().encode('{"resourceType":"Observation","valueQuantity":{"value":37.00}}')
    await client.request({
      method: 'POST',
      path: 'Observation',
      body,
      ifNoneExist: 'identifier=urn:x|k',
      prefer: 'minimal',
    })
    expect(sender.sent[0]?.body).toBe(body)
    expect(sender.sent[0]?.headers).toMatchObject({
      'content-type': 'application/fhir+json',
      'if-none-exist': 'identifier=urn:x|k',
      prefer: 'return=minimal',
    })
  })

  it('an empty list is JSON, and so is a list of anything else', async () => {
    const { client, sender } = setUp(fhir(200), fhir(200))
    await client.request({ method: 'POST', path: 'x', body: [] })
    await client.request({ method: 'POST', path: 'x', body: [1] })
    expect(sender.sent.map((sent) => sent.body)).toEqual(['[]', '[1]'])
  })
})

describe('patch', () => {
  const change = [{ op: 'replace', path: '/active', value: false }] as const

  it('sends JSON Patch', async () => {
    const { client, sender } = setUp(fhir(200, patient), fhir(200, patient), fhir(200, patient))
    expect((await client.patch('Patient', 'p1', change, { ifMatch: '2' })).resource).toEqual(patient)
    await client.patchWhere('Patient', { identifier: 'urn:x|k' }, change)
    await client.patch('Patient', 'p1', [])
    expect(sender.sent[0]).toMatchObject({
      method: 'PATCH',
      url: `${baseUrl}/Patient/p1`,
      body: JSON.stringify(change),
      headers: { 'content-type': 'application/json-patch+json', 'if-match': 'W/"2"' },
    })
    expect(sender.sent[1]?.url).toBe(`${baseUrl}/Patient?identifier=urn%3Ax%7Ck`)
    expect(sender.sent[2]?.body).toBe('[]')
  })

  it('sends FHIRPath Patch', async () => {
    const { client, sender } = setUp(fhir(200, patient))
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'operation' }] } as const
    await client.patch('Patient', 'p1', parameters)
    expect(sender.sent[0]).toMatchObject({
      body: JSON.stringify(parameters),
      headers: { 'content-type': 'application/fhir+json' },
    })
  })
})

describe('answers', () => {
  it('304 to a conditional read is one', async () => {
    const unchanged = new Response(null, { status: 304, headers: { etag: 'W/"3"' } })
    const { client } = setUp(unchanged)
    const response = await client.read('Patient', 'p1', { ifNoneMatch: '3' })
    expect(response).toMatchObject({ status: 304, version: '3', body: { kind: 'empty' } })
    expect(response).not.toHaveProperty('resource')
  })

  it('304 to a write is none', async () => {
    const { client } = setUp(new Response(null, { status: 304 }))
    const error = await failureOf(client.update(patient, { ifNoneMatch: '*' }))
    expect(error).toMatchObject({ code: 'ERR_HTTP', status: 304, sent: 'yes' })
  })

  it('id and version come from the body when headers are stripped', async () => {
    const stored = { resourceType: 'Patient', id: 'p7', meta: { versionId: 'v2' } }
    const { client } = setUp(fhir(201, stored))
    expect(await client.create(patient)).toMatchObject({ id: 'p7', version: 'v2' })
    const odd = setUp(fhir(201, { resourceType: 'Patient', id: 7, meta: 'x' }))
    const response = await odd.client.create(patient)
    expect(response).not.toHaveProperty('id')
    expect(response).not.toHaveProperty('version')
  })

  it('of operations may be no FHIR where that is expected', async () => {
    const { client } = setUp(
      new Response('{"data":{"PatientList":[]}}'),
      new Response('{"msg":"no"}', { status: 400 }),
    )
    const query = { params: { query: '{PatientList{id}}' }, expect: 'any' } as const
    expect((await client.operation('graphql', query)).body).toEqual({
      kind: 'json',
      value: { data: { PatientList: [] } },
    })
    expect((await failureOf(client.operation('graphql', query))).issues).toEqual([
      { code: 'unknown', text: 'no' },
    ])
  })

  it('a manifest with a list of errors is no error', async () => {
    const manifest = { transactionTime: 'x', output: [], error: [] }
    const { client } = setUp(new Response(JSON.stringify(manifest)))
    const { body } = await client.request({ method: 'GET', path: 'status', expect: 'any' })
    expect(body).toEqual({ kind: 'json', value: manifest })
  })
})

describe('capabilities', () => {
  const statement = { resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' }

  it('are asked for without a token', async () => {
    const { client, sender } = setUp(fhir(200, statement))
    expect((await client.capabilities()).resource?.fhirVersion).toBe('4.0.1')
    expect(sender.sent[0]?.url).toBe(`${baseUrl}/metadata`)
    expect(sender.sent[0]?.headers).not.toHaveProperty('authorization')
  })

  it.each([401, 403])('are asked for with a token when the server says %i', async (status) => {
    const { client, sender } = setUp(fhir(status), fhir(200, statement))
    expect((await client.capabilities()).resource).toEqual(statement)
    expect(sender.sent.map((sent) => sent.headers['authorization'])).toEqual([undefined, 'Bearer one'])
  })

  it('may be missing', async () => {
    const { client, sender } = setUp(fhir(404))
    expect(await failureOf(client.capabilities())).toMatchObject({ code: 'ERR_HTTP', status: 404 })
    expect(sender.sent).toHaveLength(1)
  })

  it('may be the same as before', async () => {
    const { client, sender } = setUp(new Response(null, { status: 304 }))
    expect((await client.capabilities({ ifNoneMatch: 'W/"a"' })).status).toBe(304)
    expect(sender.sent[0]?.headers).toMatchObject({ 'if-none-match': 'W/"a"' })
  })
})
