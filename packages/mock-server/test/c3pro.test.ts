import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { enter, formEncode, receipt, register, seal } from './c3pro-rig.js'
import { json, modes, openRig } from './rig.js'

const uuid = 'urn:uuid:6f5b4a3c-1111-4222-8333-444455556666'
const otherUuid = 'urn:uuid:7f5b4a3c-1111-4222-8333-444455556666'
const key = { system: 'urn:ietf:rfc:3986', value: uuid }

describe.each(modes)('C3-PRO over %s', (mode) => {
  it('registers devices with an accepted receipt and the antispam token only', async () => {
    const rig = await openRig(mode)
    rig.mock.state.addReceipt(receipt)
    rig.mock.state.addReceipt('NO-APP-RECEIPT')
    rig.mock.state.addAntispam('secret')
    const good = await register(rig, { 'receipt-data': receipt, sandbox: false }, 'secret')
    expect(good.status).toBe(201)
    const client = await json(good)
    expect(client).toMatchObject({
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    })
    expect(String(client['client_secret'])).toMatch(/^[A-Za-z0-9+/]{86}==$/)
    for (const [body, antispam, status, error] of [
      [{ 'receipt-data': receipt }, 'wrong', 401, 'unauthorized_client'],
      [{ 'receipt-data': receipt }, '', 401, 'unauthorized_client'],
      [{ 'receipt-data': 'b3RoZXI=' }, 'secret', 401, 'unauthorized_client'],
      [{ 'receipt-data': 'NO-APP-RECEIPT' }, 'secret', 401, 'unauthorized_client'],
      [{}, 'secret', 400, 'invalid_request'],
      [[], 'secret', 400, 'invalid_request'],
    ] as const) {
      const response = await register(rig, body, antispam)
      expect([response.status, (await json(response))['error']]).toEqual([status, error])
    }
    expect(rig.mock.state.clients).toHaveLength(1)
    expect((await rig.send('/c3pro/register')).status).toBe(405)
    expect((await rig.send('/c3pro/else', { method: 'POST' })).status).toBe(404)
  })

  it('issues tokens with 202 for a form-encoded secret, grant type in query or form', async () => {
    const rig = await openRig(mode)
    const headers = await enter(rig)
    expect(headers['authorization']).toMatch(/^bearer \S+$/)
    const [client] = rig.mock.state.clients
    const post = (pair: string, query = '', body?: URLSearchParams) =>
      rig.send(`/c3pro/oauth${query}`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(pair)}` },
        ...(body === undefined ? {} : { body }),
      })
    const encoded = `${client?.clientId}:${formEncode(client?.secret ?? '')}`
    const inForm = await post(encoded, '', new URLSearchParams({ grant_type: 'client_credentials' }))
    expect(inForm.status).toBe(202)
    expect(await json(inForm)).toMatchObject({ expires_in: 1800, token_type: 'bearer' })
    expect((await post(encoded)).status).toBe(400)
    expect((await post(encoded, '?grant_type=password')).status).toBe(400)
    // Raw, the `+` of the secret is read as a space.
    expect(client?.secret).toContain('+')
    expect(
      (await post(`${client?.clientId}:${client?.secret}`, '?grant_type=client_credentials')).status,
    ).toBe(401)
  })

  it('files what it can open, once per key', async () => {
    const rig = await openRig(mode)
    const headers = await enter(rig)
    const send = async (resource: unknown, more?: object, path = '') =>
      rig.write('POST', `/c3pro/encfhir${path}`, await seal(rig, resource, more), headers)
    const observation = { resourceType: 'Observation', identifier: [key], valueString: 'Grüße' }
    const answer = await send(observation, { extra: true, key_id: ` ${rig.mock.state.c3pro.keyId}\n` })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect((await send(observation, {}, '/Observation')).status).toBe(200)
    expect(rig.mock.state.resources('Observation')).toMatchObject([
      { valueString: 'Grüße', identifier: [key] },
    ])

    const tagged = {
      resourceType: 'QuestionnaireResponse',
      meta: { tag: [{ system: key.system, code: uuid }] },
      identifier: { system: 'other', value: 'taken' },
    }
    for (const resource of [tagged, tagged]) await send(resource)
    expect(rig.mock.state.resources('QuestionnaireResponse')).toHaveLength(1)

    for (const _ of [1, 2]) await send({ resourceType: 'Basic' })
    expect(rig.mock.state.resources('Basic')).toHaveLength(2)
    expect(rig.mock.state.c3pro.received.map((item) => item.outcome)).toEqual([
      'filed',
      'duplicate',
      'filed',
      'duplicate',
      'filed',
      'filed',
    ])
    const [first, second] = rig.mock.state.c3pro.received
    expect(second?.reference).toBe(first?.reference)
  })

  it('finds duplicates of what came in over FHIR, and of what was deleted since', async () => {
    const rig = await openRig(mode, { open: true })
    const headers = await enter(rig)
    const resource = { resourceType: 'Basic', identifier: [key] }
    await rig.write('POST', '/fhir/Basic', resource)
    await rig.write('POST', '/c3pro/encfhir', await seal(rig, resource), headers)
    const other = { resourceType: 'Basic', identifier: [{ ...key, value: otherUuid }] }
    await rig.write('POST', '/c3pro/encfhir', await seal(rig, other), headers)
    const filed = rig.mock.state.c3pro.received[1]?.reference ?? ''
    await rig.send(`/fhir/${filed}`, { method: 'DELETE' })
    await rig.write('POST', '/c3pro/encfhir', await seal(rig, other), headers)
    expect(rig.mock.state.c3pro.received.map((item) => item.outcome)).toEqual([
      'duplicate',
      'filed',
      'duplicate',
    ])
    expect(rig.mock.state.resources('Basic')).toHaveLength(1)
  })

  it('updates a resource with an id, once per key', async () => {
    const rig = await openRig(mode)
    const headers = await enter(rig)
    const send = async (resource: unknown) =>
      rig.write('POST', '/c3pro/encfhir', await seal(rig, resource), headers)
    const one = { resourceType: 'Patient', id: 'p', identifier: [key], active: true }
    const two = { ...one, identifier: [key, { ...key, value: otherUuid }], active: false }
    for (const resource of [one, one, two, two, one]) await send(resource)
    expect(rig.mock.state.commits.map((commit) => commit.method)).toEqual(['PUT', 'PUT'])
    expect(rig.mock.state.get('Patient', 'p')).toMatchObject({ active: false })
  })

  it('keeps what it cannot open, all failures alike, and tells the sender nothing', async () => {
    const rig = await openRig(mode)
    const headers = await enter(rig)
    const good = await seal(rig, { resourceType: 'Basic' })
    const broken = [
      { ...good, message: 'AAAA' },
      { ...good, symmetric_key: 'AAAA' },
      { ...good, message: '!' },
      { ...good, key_id: '../../etc' },
    ]
    for (const envelope of broken) {
      const response = await rig.write('POST', '/c3pro/encfhir', envelope, headers)
      expect([response.status, await response.text()]).toEqual([200, ''])
    }
    await rig.write('POST', '/c3pro/encfhir', await seal(rig, { resourceType: 'Basic', code: {} }), headers)
    const { received, undecryptable } = rig.mock.state.c3pro
    expect(received.map((item) => item.outcome)).toEqual([
      ...Array<string>(4).fill('undecryptable'),
      'refused',
    ])
    expect(undecryptable).toEqual(broken)
    expect(rig.mock.state.resources()).toEqual([])
  })

  it('opens envelopes of earlier keys after a rotation', async () => {
    const rig = await openRig(mode)
    const headers = await enter(rig)
    const old = await seal(rig, { resourceType: 'Basic' })
    const oldId = rig.mock.state.c3pro.keyId
    expect(rig.mock.state.c3pro.rotateKey()).not.toBe(oldId)
    const fresh = await seal(rig, { resourceType: 'Basic' })
    for (const envelope of [old, fresh]) await rig.write('POST', '/c3pro/encfhir', envelope, headers)
    expect(rig.mock.state.resources('Basic')).toHaveLength(2)
    await expect(rig.mock.state.c3pro.certificatePem('never')).rejects.toMatchObject({
      code: 'ERR_MOCK_OPTIONS',
    })
  })

  it('takes POST from C3-PRO clients, with four string members', async () => {
    const rig = await openRig(mode)
    const headers = await enter(rig)
    const envelope = await seal(rig, { resourceType: 'Basic' })
    expect((await rig.write('PUT', '/c3pro/encfhir/Patient/p', envelope, headers)).status).toBe(405)
    for (const body of [
      { ...envelope, version: 4 },
      { ...envelope, message: undefined },
      { ...envelope, key_id: ' ' },
      [],
    ]) {
      const response = await rig.write('POST', '/c3pro/encfhir', body, headers)
      expect(response.status).toBe(400)
      expect(await json(response)).toMatchObject({ error: 'invalid_request' })
    }
    rig.mock.state.addClient({ clientId: 'c', secret: 's' })
    const smart = await json(
      rig.send('/auth/token', {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('c:s')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }),
    )
    for (const authorization of ['', 'Bearer junk', `Bearer ${smart['access_token']}`]) {
      const response = await rig.write('POST', '/c3pro/encfhir', envelope, { authorization })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, null])
      expect(await json(response)).toMatchObject({ error: 'unauthorized_client' })
    }
    // A C3-PRO token carries no FHIR scope.
    expect((await rig.send('/fhir/Basic', { headers })).status).toBe(403)
    expect(rig.mock.state.c3pro.received).toEqual([])
  })

  it('shows a self-signed certificate that other tools accept', async () => {
    const rig = await openRig(mode)
    const certificate = new X509Certificate(await rig.mock.state.c3pro.certificatePem())
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.subject).toBe(`CN=${rig.mock.state.c3pro.keyId}`)
    expect(certificate.issuer).toBe(certificate.subject)
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048)
    expect([certificate.validFrom, certificate.validTo]).toEqual([
      'Jan  1 00:00:00 2020 GMT',
      'Dec 31 23:59:59 2049 GMT',
    ])
  })
})
