import { describe, expect, it } from 'vitest'
import { registerClient, type RegisterClientOptions } from '@fhir-outbox/smart-auth'
import { failure, fakeFetch, json, type FakeFetch } from './support/fake-fetch.js'

const registrationEndpoint = 'https://auth.example.test/register'

function register(server: FakeFetch, options: Partial<RegisterClientOptions> = {}) {
  return registerClient({
    registrationEndpoint,
    metadata: { client_name: 'G' },
    fetch: server.fetch,
    ...options,
  })
}

const text = (body: string, status: number) => (): Response => new Response(body, { status })

describe('registerClient', () => {
  it('posts the metadata and reads the answer', async () => {
    const answer = {
      client_id: 'c1',
      client_secret: 's1',
      client_secret_expires_at: 0,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials'],
      scope: 'system/*.c',
      registration_client_uri: `${registrationEndpoint}/c1`,
      registration_access_token: 'rat',
      software_id: 'kept',
    }
    const server = fakeFetch(() => json(answer, 201))
    const registered = await register(server, {
      initialAccessToken: 'iat',
      headers: { Antispam: 'app secret' },
    })
    expect(registered).toEqual({
      clientId: 'c1',
      clientSecret: 's1',
      clientSecretExpiresAt: 0,
      tokenEndpointAuthMethod: 'client_secret_basic',
      grantTypes: ['client_credentials'],
      scope: 'system/*.c',
      registrationClientUri: `${registrationEndpoint}/c1`,
      registrationAccessToken: 'rat',
      metadata: answer,
    })
    const [sent] = server.sent
    expect(sent).toMatchObject({ url: registrationEndpoint, method: 'POST', redirect: 'manual' })
    expect(JSON.parse(sent?.body ?? '')).toEqual({ client_name: 'G' })
    expect(sent?.headers).toMatchObject({
      authorization: 'Bearer iat',
      antispam: 'app secret',
      'content-type': 'application/json',
    })
  })

  it('does not keep a management address on another origin', async () => {
    const answer = {
      client_id: 'c1',
      registration_client_uri: 'https://evil.example.test/c1',
      registration_access_token: 'rat',
    }
    const registered = await register(fakeFetch(() => json(answer, 201)))
    expect(registered).toEqual({ clientId: 'c1', metadata: answer })
  })

  const comma = '{"client_id":"c1","client_secret":"a,}b","grant_types":["client_credentials"],\n}'

  it('tolerates a trailing comma in the c3-pro profile only', async () => {
    const server = fakeFetch(text(comma, 201))
    await expect(register(server, { profile: 'c3-pro' })).resolves.toMatchObject({
      clientId: 'c1',
      clientSecret: 'a,}b',
    })
    expect(await failure(register(server))).toMatchObject({ code: 'ERR_REGISTRATION_FAILED', status: 201 })
  })

  const credentials = '{"client_id":"c1","client_secret":"marker"}'
  it.each([
    [
      '400',
      json({ error: 'invalid_client_metadata', error_description: 'no' }, 400),
      'ERR_REGISTRATION_FAILED',
    ],
    ['401 with credentials', new Response(credentials, { status: 401 }), 'ERR_REGISTRATION_FAILED'],
    ['302', new Response(credentials, { status: 302 }), 'ERR_REGISTRATION_FAILED'],
    ['500 with credentials', new Response(credentials, { status: 500 }), 'ERR_AUTH_UNREACHABLE'],
    ['429', json({}, 429), 'ERR_AUTH_UNREACHABLE'],
    [
      '201 with an error',
      json({ error: 'invalid_request', client_id: 'c1' }, 201),
      'ERR_REGISTRATION_FAILED',
    ],
    ['201 without client_id', json({}, 201), 'ERR_REGISTRATION_FAILED'],
    ['201 with an empty client_id', json({ client_id: '' }, 201), 'ERR_REGISTRATION_FAILED'],
    ['201 with an empty secret', json({ client_id: 'c', client_secret: '' }, 201), 'ERR_REGISTRATION_FAILED'],
    ['201 in HTML', new Response('<html>', { status: 201 }), 'ERR_REGISTRATION_FAILED'],
    [
      'two objects in one body',
      new Response(`{"error":"x"}${credentials}`, { status: 201 }),
      'ERR_REGISTRATION_FAILED',
    ],
  ] as const)('takes nothing from %s', async (_name, answer, code) => {
    for (const profile of ['smart', 'c3-pro'] as const) {
      const error = await failure(
        register(
          fakeFetch(() => answer.clone()),
          { profile },
        ),
      )
      expect(error.code).toBe(code)
      expect(error.message).not.toContain('marker')
    }
  })

  it('shows what the server said', async () => {
    const said = { error: 'unauthorized_client', error_description: 'Apple receipt not valid' }
    const error = await failure(register(fakeFetch(() => json(said, 401))))
    expect(error).toMatchObject({ oauthError: 'unauthorized_client', status: 401 })
    expect(error.message).toContain('Apple receipt not valid')
  })

  it.each([
    [{ headers: { Antispam: 'marker\n' } }, 'ERR_INVALID_OPTIONS'],
    [{ initialAccessToken: 'marker\n' }, 'ERR_INVALID_OPTIONS'],
    [{ registrationEndpoint: 'http://auth.example.test/register' }, 'ERR_INSECURE_URL'],
  ])('refuses %j before any request', async (options, code) => {
    const server = fakeFetch(() => json({ client_id: 'c' }, 201))
    const error = await failure(register(server, options))
    expect(error.code).toBe(code)
    expect(error.message).not.toContain('marker')
    expect(server.sent).toHaveLength(0)
  })
})
