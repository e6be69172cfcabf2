import { describe, expect, it } from 'vitest'
import type { C3ProProfileChoice } from '../src/index.js'
import { json } from './json.js'
import { tableRig } from './table-rig.js'

const key = 'urn:uuid:6f5b4a3c-1111-4222-8333-444455556666'
const response = {
  resourceType: 'QuestionnaireResponse',
  status: 'completed',
  identifier: { system: 'urn:ietf:rfc:3986', value: key },
}

/** A registered device with its token. */
async function begin(c3pro: C3ProProfileChoice) {
  const rig = tableRig({ profiles: { c3pro } })
  rig.mock.state.addAntispam('a')
  rig.mock.state.addReceipt('cg==')
  const register = (receipt: string): Promise<Response> =>
    rig.send('/c3pro/register', {
      method: 'POST',
      headers: { antispam: 'a' },
      body: JSON.stringify({ 'receipt-data': receipt }),
    })
  const text = await (await register('cg==')).text()
  const client = JSON.parse(text.replace(',}', '}')) as { client_id: string; client_secret: string }
  const pair = `${client.client_id}:${encodeURIComponent(client.client_secret)}`
  const answer = await json(
    rig.send('/c3pro/oauth?grant_type=client_credentials', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(pair)}` },
    }),
  )
  const authorization = `Bearer ${String(answer['access_token'])}`
  const call = (method: string, path: string, body?: unknown): Promise<Response> =>
    rig.send(`/c3pro/${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  return { rig, text, register, call }
}

describe('the C3-PRO receiver', () => {
  it('is correct by default', async () => {
    const { rig, text, register, call } = await begin('correct')
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect((await register('NO-APP-RECEIPT')).status).toBe(401)
    const refused = await call('POST', 'encfhir', { key_id: 'x' })
    expect([refused.status, (await json(refused))['error']]).toEqual([400, 'invalid_request'])
    expect((await call('POST', 'fhir/QuestionnaireResponse', '{')).status).toBe(400)
    for (const _ of [1, 2])
      expect((await call('POST', 'fhir/QuestionnaireResponse', response)).status).toBe(201)
    expect(rig.mock.state.resources('QuestionnaireResponse')).toHaveLength(1)
  })

  it('has the habits of 2016 when asked to', async () => {
    const { rig, text, register, call } = await begin('2016')
    expect(text.endsWith(',}')).toBe(true)
    expect((await register('NO-APP-RECEIPT')).status).toBe(201)
    expect((await register('else')).status).toBe(401)
    const refused = await call('POST', 'encfhir', { key_id: 'x' })
    const told = await refused.text()
    expect([refused.status, told.startsWith("{'error':'")]).toEqual([200, true])
    const wrong = await call('POST', 'fhir/QuestionnaireResponse', '{')
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, null])
    for (const _ of [1, 2]) await call('POST', 'fhir/QuestionnaireResponse', response)
    expect(rig.mock.state.resources('QuestionnaireResponse')).toHaveLength(2)
    const part = { protected: 'e30', encrypted_key: 'AAAA', iv: 'AAAA', ciphertext: 'AAAA', tag: 'AAAA' }
    const jwe = await call('POST', 'encfhir', part)
    expect([jwe.status, (await jwe.text()).startsWith("{'error':'")]).toEqual([200, true])
    expect(rig.mock.state.c3pro.received).toEqual([])
    expect((await call('GET', 'jwks')).status).toBe(404)
  })

  it('takes single habits', async () => {
    const { text, register } = await begin({ like: '2016', trailingComma: false })
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect((await register('NO-APP-RECEIPT')).status).toBe(201)
  })

  it('takes only the suites that it knows', async () => {
    const { rig, call } = await begin({ suites: ['jwe'] })
    const envelope = { key_id: rig.mock.state.c3pro.keyId, symmetric_key: '', message: '', version: '4.0.1' }
    expect((await call('POST', 'encfhir', envelope)).status).toBe(400)
    expect((await call('GET', 'jwks')).status).toBe(200)
    expect(rig.mock.state.c3pro.received).toEqual([])
  })

  it('takes the plain resources that the original took, and no others', async () => {
    const { rig, call } = await begin('correct')
    rig.mock.state.load([{ resourceType: 'Questionnaire', id: 'q' }])
    expect((await json(call('GET', 'fhir/Questionnaire/q')))['id']).toBe('q')
    expect((await call('GET', 'fhir/Questionnaire/none')).status).toBe(404)
    expect((await call('PUT', 'fhir/Patient/p', { resourceType: 'Patient', id: 'p' })).status).toBe(200)
    expect((await call('PUT', 'fhir/Patient/p', { resourceType: 'Patient', id: 'q' })).status).toBe(400)
    expect(rig.mock.state.get('Patient', 'p')).toBeDefined()
    expect((await call('POST', 'fhir/Patient', { resourceType: 'Patient' })).status).toBe(404)
    expect((await call('GET', 'fhir/Patient/p')).status).toBe(404)
    expect((await rig.send('/c3pro/fhir/Questionnaire/q')).status).toBe(401)
    expect((await call('PUT', 'encfhir', {})).status).toBe(405)
  })
})
