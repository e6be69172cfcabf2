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
  ] as const)('%s', async (_name, act, method, path, headers) => {
    const { client, sender } = setUp(fhir(200, patient))
    await act(client)
    expect(sender.sent[0]).toMatchObject({ method, url: baseUrl + path, headers })
    if (method === 'POST' || method === 'PUT') expect(sender.sent[0]?.body).toBe(JSON.stringify(patient))
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
    ['an update without an id', (c: FhirClient) => c.update({ resourceType: 'Patient' })],
    ['an empty condition', (c: FhirClient) => c.create(patient, { ifNoneExist: '?' })],
  ])('refuses %s', async (_name, act) => {
    const { client, sender } = setUp(fhir(200, patient))
    expect(await failureOf(act(client))).toMatchObject({ code: 'ERR_INVALID_REQUEST', sent: 'no' })
    expect(sender.sent).toHaveLength(0)
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
})
