import { describe, expect, it } from 'vitest'
import { beginLaunch, memorySecretStore } from '@fhir-outbox/smart-auth'
import { failure, fakeFetch, json } from './support/fake-fetch.js'
import { base, issuer, peopleServer, redirectUri } from './support/people-server.js'

describe('beginLaunch', () => {
  it('asks for a code with PKCE, state and nonce, at the endpoint as it is', async () => {
    const people = await peopleServer()
    const url = await people.begin({ parameters: { resource: 'x', response_type: 'token', state: 'mine' } })
    expect(`${url.origin}${url.pathname}`).toBe(`${issuer}/authorize`)
    const fields = Object.fromEntries(url.searchParams)
    expect(fields).toMatchObject({
      tenant: '7',
      resource: 'x',
      response_type: 'code',
      client_id: 'app',
      redirect_uri: redirectUri,
      aud: base,
      scope: 'openid fhirUser offline_access patient/*.rs',
      code_challenge_method: 'S256',
    })
    expect(fields['code_challenge']).toMatch(/^[\w-]{43}$/)
    const states = new Set([fields['state']])
    for (let n = 0; n < 20; n += 1) states.add((await people.begin()).searchParams.get('state') ?? '')
    expect(states.size).toBe(21)
    // 122 bits and more: 43 characters of base64url are 256.
    for (const state of states) expect(state).toMatch(/^[\w-]{43}$/)
  })

  it.each([
    {},
    { code_challenge_methods_supported: undefined },
    { code_challenge_methods_supported: ['plain'] },
  ])('sends S256 whatever the server advertises: %j', async (configuration) => {
    const people = await peopleServer({ configuration })
    const url = await people.begin()
    expect(url.searchParams.get('code_challenge_method')).toBe('S256')
    await people.complete(people.answer(url))
    const verifier = people.sentTo('/token')[0]?.form.get('code_verifier') ?? ''
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
    const challenge = btoa(String.fromCharCode(...new Uint8Array(digest)))
    expect(url.searchParams.get('code_challenge')).toBe(
      challenge.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
    )
  })

  it('offers a form when the server takes one', async () => {
    const people = await peopleServer({ configuration: { capabilities: ['authorize-post'] } })
    const begun = await beginLaunch({ store: people.store, fhirBaseUrl: base, clientId: 'app', redirectUri, scope: 'openid', fetch: people.fetch }) // prettier-ignore
    expect(begun.form?.action).toBe(`${issuer}/authorize?tenant=7`)
    expect(begun.form?.fields).toMatchObject({ response_type: 'code', scope: 'openid' })
  })

  it('sends no request for endpoints that are given', async () => {
    const silent = fakeFetch(() => json({}, 500))
    const endpoints = { authorizationEndpoint: `${issuer}/a`, tokenEndpoint: `${issuer}/t` }
    const options = { store: memorySecretStore(), fhirBaseUrl: base, clientId: 'app', redirectUri, endpoints, fetch: silent.fetch } // prettier-ignore
    const { url } = await beginLaunch({ ...options, scope: 'patient/*.rs' })
    expect(url.startsWith(`${issuer}/a?`)).toBe(true)
    expect(silent.sent).toEqual([])
    expect((await failure(beginLaunch({ ...options, scope: 'openid' }))).code).toBe('ERR_INVALID_OPTIONS')
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    'takes no login that lasts %d ms',
    async (expiresInMs) => {
      const people = await peopleServer()
      expect((await failure(people.begin({ expiresInMs }))).code).toBe('ERR_INVALID_OPTIONS')
      expect(people.sent).toEqual([])
    },
  )

  it.each([
    'http://app.example.test/callback',
    'https://app.example.test/callback#here',
    'javascript:alert(1)',
    'app:/callback',
    'callback',
  ])('does not come back to %s', async (address) => {
    const people = await peopleServer()
    expect((await failure(people.begin({ redirectUri: address }))).code).toBe('ERR_INSECURE_URL')
    expect(people.sent).toEqual([])
  })

  it.each(['http://127.0.0.1:9/x', 'org.example.app:/callback'])('comes back to %s', async (address) => {
    const people = await peopleServer()
    const session = await people.logIn({ redirectUri: address })
    expect(session.clientId).toBe('app')
    expect(people.sentTo('/token')[0]?.form.get('redirect_uri')).toBe(address)
  })

  it.each([
    ['of plain http', { token_endpoint: 'http://auth.example.test/token' }, 'ERR_INSECURE_URL'],
    ['with a password', { authorization_endpoint: 'https://a:b@auth.example.test/' }, 'ERR_INSECURE_URL'],
    ['on loopback', { token_endpoint: 'http://127.0.0.1/token' }, 'ERR_INSECURE_URL'],
    ['that is no address', { authorization_endpoint: 'https://' }, 'ERR_DISCOVERY_FAILED'],
    ['that is missing', { authorization_endpoint: undefined }, 'ERR_DISCOVERY_FAILED'],
    ['keys over plain http', { jwks_uri: 'http://auth.example.test/jwks' }, 'ERR_INSECURE_URL'],
  ])('refuses an endpoint %s', async (_name, configuration, code) => {
    const people = await peopleServer({ configuration })
    expect((await failure(people.begin())).code).toBe(code)
  })

  it('keeps to the origins it is given for discovered endpoints', async () => {
    const people = await peopleServer()
    const error = await failure(people.begin({ endpointOrigins: ['https://other.example.test'] }))
    expect(error.code).toBe('ERR_WRONG_ORIGIN')
    await people.begin({ endpointOrigins: [issuer] })
  })

  it('keeps to them also for the keys that the issuer names, and for the issuer itself', async () => {
    const keys = { openid: { jwks_uri: 'https://keys.example.test/jwks' } }
    const elsewhere = await peopleServer({ ...keys, configuration: { jwks_uri: undefined } })
    const error = await failure(elsewhere.begin({ endpointOrigins: [issuer] }))
    expect(error.code).toBe('ERR_WRONG_ORIGIN')
    await elsewhere.begin({ endpointOrigins: [issuer, 'https://keys.example.test'] })
    const foreign = await peopleServer({ configuration: { issuer: 'https://who.example.test' } })
    expect((await failure(foreign.begin({ endpointOrigins: [issuer] }))).code).toBe('ERR_WRONG_ORIGIN')
    expect(foreign.sent.some(({ url }) => url.includes('who.example'))).toBe(false)
  })

  it.each(['', 'no address', 'https://user:pass@auth.example.test', 'http://auth.example.test'])(
    'says whose fault the issuer %j is',
    async (stated) => {
      const people = await peopleServer({ configuration: { issuer: stated } })
      expect((await failure(people.begin())).code).toMatch(/ERR_DISCOVERY_FAILED|ERR_INSECURE_URL/)
    },
  )

  it.each([
    ['of another issuer', { issuer: 'https://evil.example.test' }],
    ['with a slash more', { issuer: `${issuer}/` }],
    ['with keys over plain http', { jwks_uri: 'http://auth.example.test/jwks' }],
  ])('refuses OpenID metadata %s', async (_name, openid) => {
    const people = await peopleServer({ openid, configuration: { jwks_uri: undefined } })
    expect((await failure(people.begin())).code).toMatch(/ERR_DISCOVERY_FAILED|ERR_INSECURE_URL/)
  })

  it('waits with the OpenID metadata as long as the server asks', async () => {
    const openid = json({}, 503, { 'retry-after': '7' })
    const people = await peopleServer({ openid, configuration: { jwks_uri: undefined } })
    expect(await failure(people.begin())).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      status: 503,
      retryAfterMs: 7000,
    })
  })

  it('takes an issuer that the app writes as the server means it', async () => {
    const people = await peopleServer({ openid: { issuer: `${issuer}/` }, claims: { iss: `${issuer}/` } })
    const session = await people.logIn({ issuer: `${issuer}/` })
    expect(session.claims?.iss).toBe(`${issuer}/`)
  })
})

describe('an EHR launch', () => {
  const ehr = `https://app.example.test/launch?iss=${encodeURIComponent(base)}&launch=xyz123`

  it('asks for the launch that the EHR has opened', async () => {
    const people = await peopleServer({ token: () => ({ patient: 'p9', encounter: 'e1', intent: 'order', tenant: 't', __x: { y: 1 } }) }) // prettier-ignore
    const session = await people.logIn({ launchUrl: ehr, allowedServers: [`${base}/`] })
    expect(session).toMatchObject({ patient: 'p9', patientSource: 'server', encounter: 'e1', intent: 'order', tenant: 't' }) // prettier-ignore
    expect(session.context).toMatchObject({ __x: { y: 1 } })
    expect(await session.getToken({ url: base })).toMatchObject({ patient: 'p9' })
  })

  it('carries launch and aud, and nothing else of the address', async () => {
    const people = await peopleServer()
    const launchUrl = `${ehr}&clientId=evil&client_id=evil&fhirServiceUrl=https://evil.example.test&redirect_uri=https://evil.example.test&patientId=1`
    const url = await people.begin({ launchUrl, allowedServers: [base] })
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      launch: 'xyz123',
      aud: base,
      client_id: 'app',
      redirect_uri: redirectUri,
      scope: 'launch openid fhirUser offline_access patient/*.rs',
    })
  })

  it.each([
    ['another server', 'https://evil.example.test/r4'],
    ['a lookalike', 'https://fhir.example.test.evil.test/r4'],
    ['plain http', 'http://fhir.example.test/r4'],
    ['a user name', 'https://me@fhir.example.test/r4'],
    ['a fragment', 'https://fhir.example.test/r4#'],
    ['a query', 'https://fhir.example.test/r4?x'],
    ['another path', 'https://fhir.example.test/r4/../admin'],
    ['a path that goes out', 'https://fhir.example.test/r4/x/..%2f..%2f'],
    ['another port', 'https://fhir.example.test:8443/r4'],
    ['an address inside', 'https://169.254.169.254/latest'],
    ['no address', 'r4'],
  ])('from %s makes no request at all', async (_name, iss) => {
    const people = await peopleServer()
    const launchUrl = `https://app.example.test/launch?iss=${encodeURIComponent(iss)}&launch=x`
    const error = await failure(people.begin({ launchUrl, allowedServers: [base] }))
    expect(error.code).toBe('ERR_LAUNCH_REFUSED')
    expect(people.sent).toEqual([])
    expect(await people.store.ids()).toEqual([])
  })

  it.each([
    `${ehr}&iss=https://evil.example.test`,
    `${ehr}&launch=2`,
    'https://app.example.test/launch',
    'no',
  ])('is refused when it is ambiguous: %s', async (launchUrl) => {
    const people = await peopleServer()
    const error = await failure(people.begin({ launchUrl, allowedServers: [base] }))
    expect(error.code).toBe('ERR_LAUNCH_REFUSED')
  })

  it('is refused without a list of servers', async () => {
    const people = await peopleServer()
    expect((await failure(people.begin({ launchUrl: ehr }))).code).toBe('ERR_LAUNCH_REFUSED')
  })
})
