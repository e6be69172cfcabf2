import { describe, expect, it } from 'vitest'
import { discover } from '@fhir-outbox/smart-auth'
import { failure, fakeFetch, json } from './support/fake-fetch.js'

const base = 'https://fhir.example.test/tenant/r4'

function smart(members: Record<string, unknown>) {
  return fakeFetch(({ url }) => (url.endsWith('/smart-configuration') ? json(members) : json({}, 404)))
}

function oauthUris(uris: Record<string, string>): unknown {
  const extension = Object.entries(uris).map(([url, valueUri]) => ({ url, valueUri }))
  const url = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris'
  const security = { extension: [{ url, extension }] }
  return { resourceType: 'CapabilityStatement', rest: [{ mode: 'server' }, { mode: 'server', security }] }
}

describe('discover', () => {
  it('reads the SMART configuration appended to the base URL', async () => {
    const server = smart({
      issuer: 'https://auth.example.test',
      token_endpoint: 'https://auth.example.test/token?tenant=7',
      registration_endpoint: 'https://auth.example.test/register',
      capabilities: ['client-confidential-asymmetric', 7],
      token_endpoint_auth_signing_alg_values_supported: ['ES384'],
      extra: { kept: true },
    })
    const found = await discover(`${base}/`, { fetch: server.fetch })
    expect(server.sent.map(({ url }) => url)).toEqual([`${base}/.well-known/smart-configuration`])
    expect(found).toEqual({
      source: 'smart-configuration',
      fhirBaseUrl: base,
      issuer: 'https://auth.example.test',
      tokenEndpoint: 'https://auth.example.test/token?tenant=7',
      registrationEndpoint: 'https://auth.example.test/register',
      capabilities: ['client-confidential-asymmetric'],
      tokenEndpointAuthSigningAlgValuesSupported: ['ES384'],
      raw: expect.objectContaining({ extra: { kept: true } }),
    })
    expect(server.sent[0]).toMatchObject({ method: 'GET', redirect: 'manual', credentials: 'omit', body: '' })
  })

  it('resolves relative endpoints against the base URL', async () => {
    const server = smart({ token_endpoint: 'auth/token', authorization_endpoint: '/authorize' })
    const found = await discover(base, { fetch: server.fetch })
    expect(found.tokenEndpoint).toBe(`${base}/auth/token`)
    expect(found.authorizationEndpoint).toBe('https://fhir.example.test/authorize')
  })

  it.each([
    ['a missing document', () => json({}, 404)],
    ['HTML', () => new Response('<html></html>')],
    ['a configuration without token endpoint', () => json({ capabilities: [] })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.test/' } })],
    ['a server error', () => json({}, 500)],
    ['an endless document', () => json({ token_endpoint: 'https://a.test/t', pad: 'x'.repeat(300_000) })],
  ])('falls back to the capability statement after %s', async (_name, first) => {
    const server = fakeFetch(({ url }) =>
      url.endsWith('/metadata')
        ? json(oauthUris({ token: 'https://auth.example.test/token', manage: 'https://auth.example.test/m' }))
        : first(),
    )
    const found = await discover(base, { fetch: server.fetch })
    expect(server.sent.map(({ url }) => url)).toEqual([
      `${base}/.well-known/smart-configuration`,
      `${base}/metadata`,
    ])
    expect(found).toMatchObject({
      source: 'capability-statement',
      tokenEndpoint: 'https://auth.example.test/token',
      managementEndpoint: 'https://auth.example.test/m',
      raw: {},
    })
  })

  it('fails when both documents answer without a token endpoint', async () => {
    const server = fakeFetch(() => json({}, 404))
    const error = await failure(discover(base, { fetch: server.fetch }))
    expect(error).toMatchObject({ code: 'ERR_DISCOVERY_FAILED' })
  })

  it.each([429, 503])('says "try later" with the wait the server asks for (%i)', async (status) => {
    const server = fakeFetch(() => json({}, status, { 'retry-after': '7' }))
    const error = await failure(discover(base, { fetch: server.fetch }))
    expect(error).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', status, retryAfterMs: 7000 })
  })

  it('says "try later" when there is no network', async () => {
    const server = fakeFetch(() => Promise.reject(new TypeError('fetch failed')))
    const error = await failure(discover(base, { fetch: server.fetch }))
    expect(error.code).toBe('ERR_AUTH_UNREACHABLE')
  })

  it('gives up on a server that never answers', async () => {
    const server = fakeFetch(() => new Promise<Response>(() => undefined))
    const error = await failure(discover(base, { fetch: server.fetch, timeoutMs: 5 }))
    expect(error.code).toBe('ERR_AUTH_UNREACHABLE')
    expect(server.sent[0]?.signal.aborted).toBe(true)
  })

  it('aborts', async () => {
    const server = fakeFetch(() => new Promise<Response>(() => undefined))
    const controller = new AbortController()
    const waiting = discover(base, { fetch: server.fetch, signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.sent).toHaveLength(1)
  })

  it.each([
    'http://auth.example.test/token',
    'https://user:marker@auth.example.test/token',
    'https://auth.example.test/token#part',
    'http://127.0.0.1/token',
    'ftp://auth.example.test/token',
    'javascript:alert(1)',
  ])('refuses the endpoint %s', async (endpoint) => {
    const server = smart({ token_endpoint: endpoint })
    const error = await failure(discover(base, { fetch: server.fetch }))
    expect(error.code).toBe('ERR_INSECURE_URL')
    expect(error.message).not.toContain('marker')
  })

  it('refuses an insecure endpoint even where the token endpoint is secure', async () => {
    const server = smart({
      token_endpoint: 'https://auth.example.test/token',
      registration_endpoint: 'http://auth.example.test/register',
    })
    const error = await failure(discover(base, { fetch: server.fetch }))
    expect(error.code).toBe('ERR_INSECURE_URL')
  })

  it.each([
    ['http://fhir.example.test/r4', 'ERR_INSECURE_URL'],
    ['https://u:p@fhir.example.test/r4', 'ERR_INSECURE_URL'],
    ['https://fhir.example.test/r4#x', 'ERR_INSECURE_URL'],
    ['http://127.0.0.1.example.test/r4', 'ERR_INSECURE_URL'],
    ['https://fhir.example.test/r4?tenant=1', 'ERR_INVALID_OPTIONS'],
    ['/r4', 'ERR_INVALID_OPTIONS'],
  ])('refuses the base URL %s before any request', async (url, code) => {
    const server = smart({ token_endpoint: 'https://auth.example.test/token' })
    expect(await failure(discover(url, { fetch: server.fetch }))).toMatchObject({ code })
    expect(server.sent).toEqual([])
  })

  it.each(['http://localhost:8080/fhir', 'http://127.0.0.1:8080/fhir', 'http://[::1]/fhir'])(
    'allows plain http on loopback: %s',
    async (url) => {
      const server = smart({ token_endpoint: '/token' })
      const found = await discover(url, { fetch: server.fetch })
      expect(found.tokenEndpoint).toBe(new URL('/token', url).href)
    },
  )
})
