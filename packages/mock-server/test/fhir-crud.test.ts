import { describe, expect, it } from 'vitest'
import { json, modes, openRig, startTime } from './rig.js'

const patient = { resourceType: 'Patient', active: true, multipleBirthInteger: 2 }

describe.each(modes)('single interactions over %s', (mode) => {
  const open = () => openRig(mode, { open: true })

  it('creates, reads and reads versions', async () => {
    const { root, send, write, mock } = await open()
    const created = await write('POST', '/fhir/Patient', {
      ...patient,
      id: 'chosen',
      meta: { versionId: '9' },
    })
    expect(created.status).toBe(201)
    expect(created.headers.get('etag')).toBe('W/"1"')
    expect(created.headers.get('last-modified')).toBe(new Date(startTime).toUTCString())
    const body = await json(created)
    expect(body['id']).not.toBe('chosen')
    expect(created.headers.get('location')).toBe(`${root}/fhir/Patient/${body['id']}/_history/1`)
    expect(body).toMatchObject({
      ...patient,
      meta: { versionId: '1', lastUpdated: new Date(startTime).toISOString() },
    })

    const read = await send(`/fhir/Patient/${body['id']}`)
    expect(read.status).toBe(200)
    expect(read.headers.get('content-type')).toBe('application/fhir+json;charset=utf-8')
    expect(await json(read)).toEqual(body)
    expect((await write('PUT', `/fhir/Patient/${body['id']}`, { ...patient, id: body['id'] })).status).toBe(
      200,
    )
    expect(await json(send(`/fhir/Patient/${body['id']}/_history/1`))).toEqual(body)
    expect(await json(send(`/fhir/Patient/${body['id']}/_history/2`))).toMatchObject({
      meta: { versionId: '2' },
    })
    expect((await send(`/fhir/Patient/${body['id']}/_history/3`)).status).toBe(404)
    expect(mock.state.commits.map(({ n, method, version }) => [n, method, version])).toEqual([
      [1, 'POST', 1],
      [2, 'PUT', 2],
    ])
  })

  it('creates by update, updates, and refuses wrong ids', async () => {
    const { write, send } = await open()
    const made = await write('PUT', '/fhir/Patient/p-1', { ...patient, id: 'p-1' })
    expect([made.status, made.headers.get('etag')]).toEqual([201, 'W/"1"'])
    expect((await write('PUT', '/fhir/Patient/p-1', { ...patient, id: 'p-1' })).headers.get('etag')).toBe(
      'W/"2"',
    )
    const other = await write('PUT', '/fhir/Patient/p-1', { ...patient, id: 'p-2' })
    expect(other.status).toBe(400)
    expect(await json(other)).toMatchObject({ issue: [{ code: 'invariant', expression: ['Patient.id'] }] })
    const none = await write('PUT', '/fhir/Patient/p-1', patient)
    expect(none.status).toBe(400)
    expect(await json(none)).toMatchObject({ issue: [{ code: 'required', expression: ['Patient.id'] }] })
    expect((await write('PUT', '/fhir/Patient/p_1', { ...patient, id: 'p-1' })).status).toBe(400)
    expect((await send('/fhir/Patient/p-1/_history/3')).status).toBe(404)
  })

  it('deletes idempotently: 204, then 410, and 404 for what never was', async () => {
    const { write, send, mock } = await open()
    await write('PUT', '/fhir/Patient/p', { ...patient, id: 'p' })
    const gone = await send('/fhir/Patient/p', { method: 'DELETE' })
    expect([gone.status, gone.headers.get('etag')]).toEqual([204, 'W/"2"'])
    expect((await send('/fhir/Patient/p', { method: 'DELETE' })).status).toBe(204)
    const read = await send('/fhir/Patient/p')
    expect([read.status, read.headers.get('etag')]).toEqual([410, 'W/"2"'])
    expect(await json(read)).toMatchObject({ issue: [{ code: 'deleted' }] })
    expect((await send('/fhir/Patient/q')).status).toBe(404)
    expect((await send('/fhir/Patient/q', { method: 'DELETE' })).status).toBe(204)
    expect(mock.state.commits).toHaveLength(2)
    expect(mock.state.get('Patient', 'p')).toBeUndefined()
    const history = await json(send('/fhir/Patient/p/_history'))
    expect(history).toMatchObject({
      type: 'history',
      total: 2,
      entry: [{ request: { method: 'DELETE' } }, { request: { method: 'PUT' }, response: { status: '201' } }],
    })
    expect((await write('PUT', '/fhir/Patient/p', { ...patient, id: 'p' })).status).toBe(201)
  })

  it('honours If-Match and If-None-Match', async () => {
    const { write, send } = await open()
    const put = (headers: Record<string, string>) =>
      write('PUT', '/fhir/Patient/p', { ...patient, id: 'p' }, headers).then((response) => response.status)
    expect(await put({ 'if-match': 'W/"1"' })).toBe(412)
    expect(await put({ 'if-none-match': '*' })).toBe(201)
    expect(await put({ 'if-none-match': '*' })).toBe(412)
    expect(await put({ 'if-match': 'W/"7", W/"1"' })).toBe(200)
    expect(await put({ 'if-match': 'W/"1"' })).toBe(412)
    expect(await put({ 'if-match': '"2"' })).toBe(412)
    const remove = await send('/fhir/Patient/p', { method: 'DELETE', headers: { 'if-match': 'W/"1"' } })
    expect(remove.status).toBe(412)
    expect(
      (await send('/fhir/Patient/p', { method: 'DELETE', headers: { 'if-match': 'W/"2"' } })).status,
    ).toBe(204)
    expect(await put({ 'if-none-match': '*' })).toBe(201)
  })

  it('creates conditionally: 201, 200, 412', async () => {
    const { write, mock } = await open()
    const identifier = [{ system: 'urn:oid:1.2', value: 'a,b|c d' }]
    const condition = { 'if-none-exist': String.raw`identifier=urn%3Aoid%3A1.2|a%5C,b\|c%20d` }
    const first = await write('POST', '/fhir/Patient', { ...patient, identifier }, condition)
    expect(first.status).toBe(201)
    const second = await write('POST', '/fhir/Patient', { ...patient, identifier }, condition)
    expect(second.status).toBe(200)
    expect((await json(second))['id']).toBe((await json(first))['id'])
    expect(mock.state.commits).toHaveLength(1)
    await write('POST', '/fhir/Patient', { ...patient, identifier })
    const many = await write('POST', '/fhir/Patient', { ...patient, identifier }, condition)
    expect(many.status).toBe(412)
    expect(await json(many)).toMatchObject({ issue: [{ code: 'multiple-matches' }] })
  })

  it('matches conditions by tag, for types without identifier', async () => {
    const { write } = await open()
    const tag = [{ system: 'urn:ietf:rfc:3986', code: 'urn:uuid:6f5b4a3c-1111-4222-8333-444455556666' }]
    const basic = { resourceType: 'Basic', meta: { tag }, code: { text: 'x' } }
    const condition = { 'if-none-exist': `_tag=urn:ietf:rfc:3986|${tag[0]?.code}` }
    expect((await write('POST', '/fhir/Basic', basic, condition)).status).toBe(201)
    expect((await write('POST', '/fhir/Basic', basic, condition)).status).toBe(200)
  })

  it.each([
    ['?identifier=a', 'a question mark before the condition'],
    ['Patient?identifier=a', 'a type before the condition'],
    ['nothing=a', 'a parameter nobody knows'],
    ['identifier=', 'no value'],
    ['&', 'nothing'],
    ['identifier=a|b|c', 'an unescaped bar'],
    ['identifier:exact=a', 'an unsupported modifier'],
  ])('refuses the condition %s (%s)', async (condition) => {
    const { write, mock } = await open()
    expect((await write('POST', '/fhir/Patient', patient, { 'if-none-exist': condition })).status).toBe(400)
    expect(mock.state.resources()).toEqual([])
  })

  it('answers as Prefer asks', async () => {
    const { write, send } = await open()
    const minimal = await write('POST', '/fhir/Patient', patient, { prefer: 'return=minimal' })
    expect([minimal.status, await minimal.text()]).toEqual([201, ''])
    expect(minimal.headers.get('location')).toContain('/_history/1')
    const outcome = await write('POST', '/fhir/Patient', patient, {
      prefer: 'respond-async, return=OperationOutcome',
    })
    expect(await json(outcome)).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'information' }],
    })
    const full = await write('POST', '/fhir/Patient', patient, { prefer: 'return=representation' })
    expect(await json(full)).toMatchObject({ resourceType: 'Patient' })
    const headers = { prefer: 'return=OperationOutcome' }
    expect((await send('/fhir/Patient/x', { method: 'DELETE', headers })).status).toBe(200)
  })

  it.each<[string, number, string, string | undefined]>([
    ['{"resourceType":"Patient"', 400, 'structure', undefined],
    ['[]', 400, 'structure', undefined],
    ['{"resourceType":7}', 400, 'structure', 'Resource'],
    ['{"resourceType":"Observation"}', 400, 'invariant', 'Observation'],
    ['{"resourceType":"Patient","id":"a b"}', 400, 'value', 'Patient.id'],
    ['{"resourceType":"Patient","meta":[]}', 400, 'structure', 'Patient.meta'],
    ['{"resourceType":"Patient","name":[]}', 400, 'structure', 'Patient.name'],
    ['{"resourceType":"Patient","name":[{"family":""}]}', 400, 'structure', 'Patient.name[0].family'],
    ['{"resourceType":"Patient","active":null}', 400, 'structure', 'Patient.active'],
    ['{"resourceType":"Patient","name":[[]]}', 400, 'structure', 'Patient.name[0]'],
  ])('refuses the body %s', async (body, status, code, expression) => {
    const { send, mock } = await open()
    const headers = { 'content-type': 'application/fhir+json; charset=utf-8' }
    const response = await send('/fhir/Patient', { method: 'POST', headers, body })
    expect(response.status).toBe(status)
    const [issue] = (await json(response))['issue'] as unknown as readonly {
      code: string
      expression?: string[]
    }[]
    expect(issue?.code).toBe(code)
    expect(issue?.expression?.[0]).toBe(expression)
    expect(mock.state.resources()).toEqual([])
  })

  it('knows media types and methods', async () => {
    const { send, write, root } = await open()
    const text = await send('/fhir/Patient', {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: '{}',
    })
    expect(text.status).toBe(415)
    expect(
      (await write('POST', '/fhir/Patient', patient, { 'content-type': 'application/json' })).status,
    ).toBe(201)
    const xml = { headers: { accept: 'application/fhir+xml' } }
    expect((await send('/fhir/Patient', xml)).status).toBe(406)
    expect((await send('/fhir/Patient?_format=json', xml)).status).toBe(200)
    expect((await send('/fhir/Patient?_format=application/fhir+json')).status).toBe(200)
    const patch = await write('PATCH', '/fhir/Patient/p', patient)
    expect([patch.status, patch.headers.get('accept-patch')]).toEqual([415, 'application/json-patch+json'])
    const post = await write('POST', '/fhir/Patient/p', patient)
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT, PATCH, DELETE'])
    expect((await write('PUT', '/fhir/Patient', patient)).status).toBe(405)
    expect((await send('/fhir', { method: 'DELETE' })).status).toBe(405)
    expect((await send('/fhir/lower')).status).toBe(404)
    expect((await send('/fhir/Patient/p/what')).status).toBe(404)
    expect((await send('/fhir/Patient/p/$what')).status).toBe(404)
    const head = await fetch(`${root}/fhir/metadata`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  it('refuses bodies over the limit', async () => {
    const { write, mock } = await openRig(mode, { open: true, limits: { bodyBytes: 100 } })
    expect((await write('POST', '/fhir/Patient', patient)).status).toBe(201)
    const large = { ...patient, language: 'x'.repeat(500_000) }
    expect((await write('POST', '/fhir/Patient', large)).status).toBe(413)
    expect(mock.state.commits).toHaveLength(1)
  })
})
