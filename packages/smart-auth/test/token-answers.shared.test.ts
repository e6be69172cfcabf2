import { describe, expect, it } from 'vitest'
import { clientCredentials, introspect, revoke } from '@fhir-outbox/smart-auth'
import { failure, fakeFetch, json, token } from './support/fake-fetch.js'

const url = 'https://fhir.example.test/r4/Observation'

function ask(answer: () => Response | Promise<Response>, profile: 'smart' | 'c3-pro' = 'smart') {
  const { fetch } = fakeFetch(answer)
  return clientCredentials({
    tokenEndpoint: 'https://auth.example.test/token',
    clientId: 'gateway',
    clientSecret: 'marker-secret',
    profile,
    fetch,
    now: () => Date.parse('2030-01-01T00:00:00Z'),
  }).getToken({ url })
}

const oauth = (error: string, status: number) => () => json({ error, error_description: 'because' }, status)

describe('an answer of the token endpoint', () => {
  it.each([
    ['invalid_client', oauth('invalid_client', 401)],
    ['unauthorized_client', oauth('unauthorized_client', 400)],
    ['invalid_scope', oauth('invalid_scope', 400)],
    ['invalid_request', oauth('invalid_request', 400)],
    ['unsupported_grant_type', oauth('unsupported_grant_type', 400)],
    ['invalid_client', oauth('invalid_client', 200)],
  ])('%s needs a person', async (oauthError, answer) => {
    const error = await failure(ask(answer))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', oauthError })
    expect(error.message).toContain(`${oauthError}: because`)
    expect(error.hint).not.toBe('')
  })

  it.each([
    ['Tue, 01 Jan 2030 00:10:00 GMT', '600 seconds behind'],
    ['Mon, 31 Dec 2029 23:50:00 GMT', '600 seconds ahead of'],
  ])('tells a refused client whose clock is off (%s)', async (date, said) => {
    const answer = (): Response => json({ error: 'invalid_client' }, 401, { date })
    const { hint } = await failure(ask(answer))
    expect(hint).toContain(`This machine's clock is ${said}`)
    const { hint: other } = await failure(ask(() => json({ error: 'invalid_scope' }, 400, { date })))
    expect(other).not.toContain('clock')
  })

  it('says nothing of a clock that is right, or that nobody knows', async () => {
    for (const date of ['Tue, 01 Jan 2030 00:01:00 GMT', 'soon']) {
      const { hint } = await failure(ask(() => json({ error: 'invalid_client' }, 401, { date })))
      expect(hint).not.toContain("This machine's clock")
    }
  })

  it('401 without a reason needs a person', async () => {
    const challenge = { 'www-authenticate': 'Basic realm="x"' }
    const error = await failure(ask(() => new Response('no', { status: 401, headers: challenge })))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', status: 401 })
  })

  it.each([
    ['500', () => json({}, 500)],
    ['502 in HTML', () => new Response('<h1>Bad gateway</h1>', { status: 502 })],
    ['503 with an OAuth error', oauth('invalid_client', 503)],
    ['429', () => json({}, 429)],
    ['408', () => json({}, 408)],
    ['temporarily_unavailable', oauth('temporarily_unavailable', 400)],
    ['slow_down', oauth('slow_down', 400)],
    ['400 without an OAuth error', () => new Response('outage', { status: 400 })],
    ['403 of a firewall', () => new Response('<html>', { status: 403 })],
    ['404', () => new Response('', { status: 404 })],
    ['a redirect', () => new Response(null, { status: 307, headers: { location: 'https://evil.test/' } })],
    ['a captive portal', () => new Response('<html>Log in</html>', { status: 200 })],
    ['204', () => new Response(null, { status: 204 })],
    ['a list', () => json([])],
    ['no access_token', () => json({ token_type: 'Bearer' })],
    ['an empty access_token', () => token('')],
    ['an access_token that is no text', () => json({ access_token: 7, token_type: 'Bearer' })],
    ['an access_token with a line break', () => token('a\r\nX-Evil: 1')],
    ['an answer without end', () => token('t', { pad: 'x'.repeat(300_000) })],
    ['deep nesting', () => new Response('['.repeat(200_000))],
    ['no network', () => Promise.reject(new TypeError('fetch failed'))],
  ])('%s means "try later"', async (_name, answer) => {
    expect(await failure(ask(answer))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE' })
  })

  it.each([
    ['120', 120_000],
    ['0', 0],
    ['Tue, 01 Jan 2030 00:00:30 GMT', 30_000],
    ['Mon, 31 Dec 2029 23:00:00 GMT', 0],
    ['soon', undefined],
  ])('Retry-After %s', async (value, expected) => {
    const error = await failure(ask(() => json({}, 503, { 'retry-after': value })))
    expect(error.retryAfterMs).toBe(expected)
  })

  it('measures a Retry-After date against the clock of the server', async () => {
    const headers = { date: 'Tue, 01 Jan 2019 00:00:00 GMT', 'retry-after': 'Tue, 01 Jan 2019 00:01:00 GMT' }
    const error = await failure(ask(() => json({}, 429, headers)))
    expect(error.retryAfterMs).toBe(60_000)
  })

  it.each([201, 202])('status %i with a token is taken in the c3-pro profile only', async (status) => {
    const answer = (): Response => json({ access_token: 't', token_type: 'bearer' }, status)
    await expect(ask(answer, 'c3-pro')).resolves.toMatchObject({ value: 't' })
    expect(await failure(ask(answer))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', status })
  })

  it.each([1800, '1800', ' 1800 '])('expires_in %j is understood', async (expires_in) => {
    const got = await ask(() => json({ access_token: 't', expires_in }, 202), 'c3-pro')
    expect(got.expiresAt).toBe(Date.parse('2030-01-01T00:30:00Z'))
  })

  it.each(['Bearer', 'bearer', 'BEARER'])('token_type %s is taken', async (type) => {
    await expect(ask(() => token('t', { token_type: type }))).resolves.toMatchObject({ type: 'Bearer' })
  })

  it.each(['DPoP', 'mac', '', 7])('token_type %j is refused in both profiles', async (type) => {
    for (const profile of ['smart', 'c3-pro'] as const) {
      const error = await failure(ask(() => token('t', { token_type: type }), profile))
      expect(error.code).toBe('ERR_LOGIN_REQUIRED')
    }
  })

  it('a missing token_type is tolerated in the c3-pro profile only', async () => {
    const answer = (): Response => json({ access_token: 't', expires_in: '1800' }, 202)
    await expect(ask(answer, 'c3-pro')).resolves.toMatchObject({ value: 't' })
    const usual = (): Response => json({ access_token: 't', expires_in: 1800 })
    expect(await failure(ask(usual))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
  })

  it('ignores members that mean nothing here or have a wrong type', async () => {
    const odd = {
      id_token: 'not.a.jwt',
      refresh_token: 7,
      scope: null,
      patient: 12,
      ['__proto__']: { value: 'x' },
    }
    const got = await ask(() => token('t', odd))
    expect(Object.keys(got).sort()).toEqual(['expiresAt', 'type', 'value'])
  })

  it('cleans the text of the server', async () => {
    const description = `bad\r\n\u202e<b>client</b> ${'long '.repeat(500)}`
    const error = await failure(
      ask(() => json({ error: 'invalid_client', error_description: description }, 401)),
    )
    expect(error.message.length).toBeLessThan(400)
    expect(error.message).not.toMatch(/[\r\n<>\u202e]/)
    expect(error.message).toContain('invalid_client: bad b client /b long')
  })
})

describe('a refusal by another endpoint', () => {
  const at = 'https://auth.example.test'
  it.each([
    ['revocation', 400, { error: 'unsupported_token_type' }, 'ERR_LOGIN_REQUIRED'],
    ['revocation', 404, {}, 'ERR_AUTH_UNREACHABLE'],
    ['introspection', 401, { error: 'invalid_client' }, 'ERR_LOGIN_REQUIRED'],
    ['introspection', 503, {}, 'ERR_AUTH_UNREACHABLE'],
  ])('names the %s endpoint (%i)', async (kind, status, body, code) => {
    const { fetch } = fakeFetch(() => json(body, status))
    const asked =
      kind === 'revocation'
        ? revoke('marker-token', { revocationEndpoint: `${at}/r`, clientId: 'c', fetch })
        : introspect('marker-token', { introspectionEndpoint: `${at}/i`, clientId: 'c', fetch })
    const error = await failure(asked)
    expect(error).toMatchObject({ code, status })
    expect(error.message).toContain(`refused the ${kind} request with ${status}`)
    expect(`${error.message} ${error.hint}`).not.toContain('token endpoint')
    if (code === 'ERR_AUTH_UNREACHABLE') expect(error.hint).toContain(`the ${kind} endpoint`)
  })

  it.each([
    ['text', new Response('ok')],
    ['a list', json([])],
    ['an endless answer', json({ active: true, pad: 'x'.repeat(300_000) })],
  ])('%s does not say whether a token is active', async (_name, answer) => {
    const { fetch } = fakeFetch(() => answer)
    const asked = introspect('marker-token', { introspectionEndpoint: `${at}/i`, clientId: 'c', fetch })
    expect(await failure(asked)).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', status: 200 })
  })
})
