import { describe, expect, it } from 'vitest'
import { clientCredentials, type ClientCredentialsOptions } from '@fhir-outbox/smart-auth'
import { fakeFetch, thrown, token, type Sent } from './support/fake-fetch.js'

const url = 'https://fhir.example.test/r4/Observation'

async function sentWith(options: Partial<ClientCredentialsOptions>): Promise<Sent> {
  const server = fakeFetch(() => token('t'))
  const tokens = clientCredentials({
    tokenEndpoint: 'https://auth.example.test/token?tenant=7',
    clientId: 'my-client',
    clientSecret: 's+cret/ü=',
    fetch: server.fetch,
    ...options,
  })
  await tokens.getToken({ url })
  const [sent] = server.sent
  if (sent === undefined) throw new Error('nothing was sent')
  return sent
}

function basic(sent: Sent): string {
  const [scheme, value] = (sent.headers['authorization'] ?? '').split(' ')
  expect(scheme).toBe('Basic')
  return new TextDecoder().decode(Uint8Array.from(atob(value ?? ''), (char) => char.charCodeAt(0)))
}

describe('clientCredentials', () => {
  it('sends one form post, the endpoint kept as it is', async () => {
    const sent = await sentWith({ scope: 'system/Observation.c system/Patient.u' })
    expect(sent).toMatchObject({
      url: 'https://auth.example.test/token?tenant=7',
      method: 'POST',
      redirect: 'manual',
      credentials: 'omit',
      body: 'scope=system%2FObservation.c+system%2FPatient.u&grant_type=client_credentials',
    })
    expect(sent.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
    expect(sent.headers['accept']).toBe('application/json')
  })

  it('writes id and secret raw into Basic by default', async () => {
    expect(basic(await sentWith({}))).toBe('my-client:s+cret/ü=')
  })

  it('form-encodes them on request and in the c3-pro profile', async () => {
    const encoded = 'my-client:s%2Bcret%2F%C3%BC%3D'
    expect(basic(await sentWith({ basicEncoding: 'form' }))).toBe(encoded)
    expect(basic(await sentWith({ profile: 'c3-pro' }))).toBe(encoded)
    expect(basic(await sentWith({ profile: 'c3-pro', basicEncoding: 'raw' }))).toBe('my-client:s+cret/ü=')
  })

  it('matches the published C3-PRO example', async () => {
    const sent = await sentWith({ clientId: 'abc', clientSecret: 'def', profile: 'c3-pro' })
    expect(sent.headers['authorization']).toBe('Basic YWJjOmRlZg==')
  })

  it('puts them into the body on request, and nowhere else', async () => {
    const sent = await sentWith({ secretIn: 'body', audience: 'https://fhir.example.test/r4' })
    expect(Object.fromEntries(sent.form)).toEqual({
      grant_type: 'client_credentials',
      aud: 'https://fhir.example.test/r4',
      client_id: 'my-client',
      client_secret: 's+cret/ü=',
    })
    expect(sent.headers).not.toHaveProperty('authorization')
  })

  it.each([
    [{ clientId: '' }, 'ERR_INVALID_OPTIONS'],
    [{ clientSecret: '' }, 'ERR_INVALID_OPTIONS'],
    [{ clientId: 'a:b' }, 'ERR_INVALID_OPTIONS'],
    [{ tokenEndpoint: 'http://auth.example.test/token' }, 'ERR_INSECURE_URL'],
    [{ tokenEndpoint: 'https://u:marker@auth.example.test/token' }, 'ERR_INSECURE_URL'],
    [{ tokenEndpoint: 'token' }, 'ERR_INVALID_OPTIONS'],
    [{ resourceOrigins: ['http://fhir.example.test'] }, 'ERR_INSECURE_URL'],
  ])('refuses %j at once', (options, code) => {
    const base = { tokenEndpoint: 'https://a.example.test/t', clientId: 'c', clientSecret: 's' }
    const error = thrown(() => clientCredentials({ ...base, ...options }))
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('marker')
  })

  it('needs to know where to go', () => {
    expect(thrown(() => clientCredentials({ clientId: 'c', clientSecret: 's' })).code).toBe(
      'ERR_INVALID_OPTIONS',
    )
  })
})
