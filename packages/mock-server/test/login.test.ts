import * as oauth from 'oauth4webapi'
import { describe, expect, it } from 'vitest'
import type { MockServerOptions } from '../src/index.js'
import {
  ask,
  bearer,
  follow,
  locationOf,
  openLogins as open,
  paramsOf,
  post,
  redirectUri,
  scope,
} from './login-rig.js'
import { modes, type Rig } from './rig.js'

const insecure = { [oauth.allowInsecureRequests]: true }
const hidden = (html: string): string => /name="login" value="([^"]+)"/.exec(html)?.[1] ?? ''

async function metadata(rig: Rig): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(`${rig.root}/auth`)
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
}

/** Approves without pages and exchanges the code, everything checked by the certified library. */
async function logIn(rig: Rig, changes: Record<string, string | undefined> = {}) {
  const server = await metadata(rig)
  const client: oauth.Client = { client_id: 'app' }
  const { url, verifier, nonce } = await ask(rig, changes)
  const answer = await follow(url)
  expect(answer.status).toBe(302)
  const callback = oauth.validateAuthResponse(server, client, new URL(locationOf(answer)), 'state-1')
  const redeem = () =>
    oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      callback,
      redirectUri,
      verifier,
      insecure,
    )
  const wantsId = (changes['scope'] ?? scope).includes('openid')
  const response = await redeem()
  const checked = await oauth.processAuthorizationCodeResponse(
    server,
    client,
    response,
    wantsId ? { expectedNonce: nonce, requireIdToken: true } : {},
  )
  if (wantsId) await oauth.validateApplicationLevelSignature(server, response, insecure)
  return { server, client, tokens: checked as oauth.TokenEndpointResponse & Record<string, unknown>, redeem }
}

const realTime = (): MockServerOptions => ({ clock: () => Date.now() })

describe.each(modes)('login over %s', (mode) => {
  it('satisfies a certified client library, from discovery to refresh', async () => {
    const rig = await open(mode, realTime())
    rig.mock.state.approveLogins({ username: 'ada' })
    const { server, client, tokens } = await logIn(rig)
    expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 300, scope, patient: 'p1' })
    const claims = oauth.getValidatedIdTokenClaims(tokens)
    expect(claims).toMatchObject({
      iss: `${rig.root}/auth`,
      aud: 'app',
      sub: 'ada',
      fhirUser: `${rig.root}/fhir/Patient/p1`,
    })

    const again = await oauth.refreshTokenGrantRequest(
      server,
      client,
      oauth.None(),
      tokens.refresh_token ?? '',
      insecure,
    )
    const refreshed = await oauth.processRefreshTokenResponse(server, client, again)
    expect(refreshed.refresh_token).not.toBe(tokens.refresh_token)
    const told = await oauth.introspectionRequest(
      server,
      client,
      (_server, _client, _body, headers) => headers.set('authorization', `Bearer ${refreshed.access_token}`),
      refreshed.access_token,
      insecure,
    )
    expect(await oauth.processIntrospectionResponse(server, client, told)).toMatchObject({
      active: true,
      scope,
      client_id: 'app',
      patient: 'p1',
      sub: 'ada',
      iss: `${rig.root}/auth`,
      fhirUser: `${rig.root}/fhir/Patient/p1`,
    })
    const gone = await oauth.revocationRequest(
      server,
      client,
      oauth.None(),
      refreshed.refresh_token ?? '',
      insecure,
    )
    await oauth.processRevocationResponse(gone)
    expect((await rig.send('/fhir/Patient/p1', bearer(refreshed.access_token))).status).toBe(401)
  })

  it('shows pages that a browser can use, without any script', async () => {
    const rig = await open(mode)
    const begun = await follow((await ask(rig)).url)
    expect([begun.status, locationOf(begun)]).toEqual([
      302,
      expect.stringContaining(`${rig.root}/patient-login?login=`),
    ])
    const page = await follow(locationOf(begun))
    const html = await page.text()
    expect(page.headers.get('content-type')).toBe('text/html;charset=utf-8')
    expect(html).toContain('<html lang="en">')
    expect(html).not.toContain('<script')
    const url = `${rig.root}/patient-login`
    const login = hidden(html)
    const wrong = await post(url, [
      ['login', login],
      ['username', 'doctor'],
      ['password', 'x'],
    ])
    expect([wrong.status, await wrong.text()]).toEqual([401, expect.stringContaining('role="alert"')])
    const right = await post(url, [
      ['login', login],
      ['username', 'doctor'],
      ['password', 'who'],
    ])
    expect(right.status).toBe(303)
    expect((await follow(`${url}?login=${login}`)).status).toBe(400)

    const approval = await (await follow(locationOf(right))).text()
    expect(approval).toContain('&lt;Lovelace&gt;')
    expect(approval).toContain('value="p2" required')
    const decide = `${rig.root}/authorize-app`
    const id = hidden(approval)
    const scopes = scope.split(' ').map((one): [string, string] => ['scope', one])
    expect((await post(decide, [['login', id], ['decision', 'approve'], ...scopes])).status).toBe(400)
    expect(
      (await post(decide, [['login', id], ['decision', 'approve'], ['patient', 'p9'], ...scopes])).status,
    ).toBe(400)
    const done = await post(decide, [
      ['login', id],
      ['decision', 'approve'],
      ['patient', 'p2'],
      ...scopes.slice(0, 2),
    ])
    expect(done.status).toBe(302)
    expect(paramsOf(done)).toMatchObject({
      code: expect.any(String) as string,
      state: 'state-1',
      iss: `${rig.root}/auth`,
    })
    expect((await follow(`${decide}?login=${id}`)).status).toBe(400)
  })

  it('asks for no patient where one is visible, and can be denied', async () => {
    const rig = await open(mode)
    const begun = await follow((await ask(rig)).url)
    const login = new URL(locationOf(begun)).searchParams.get('login') ?? ''
    const right = await post(`${rig.root}/patient-login`, [
      ['login', login],
      ['username', 'ada'],
      ['password', 'engine'],
    ])
    const approval = await (await follow(locationOf(right))).text()
    expect(approval).not.toContain('type="radio"')
    const denied = await post(`${rig.root}/authorize-app`, [
      ['login', hidden(approval)],
      ['decision', 'deny'],
    ])
    expect(paramsOf(denied)).toMatchObject({ error: 'access_denied', state: 'state-1' })
  })

  it('ends a login after ten minutes', async () => {
    const rig = await open(mode)
    const begun = locationOf(await follow((await ask(rig)).url))
    rig.advance(10 * 60 * 1000)
    expect((await follow(begun)).status).toBe(400)
  })

  it.each<[string, Record<string, string | undefined>, string]>([
    ['another response type', { response_type: 'token' }, 'unsupported_response_type'],
    ['no challenge', { code_challenge: undefined }, 'invalid_request'],
    ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['another audience', { aud: 'https://else.example/fhir' }, 'invalid_request'],
    ['no audience', { aud: undefined }, 'invalid_request'],
    ['no state', { state: undefined }, 'invalid_request'],
    ['an unknown scope', { scope: 'oidc' }, 'invalid_scope'],
    ['no scope', { scope: '' }, 'invalid_scope'],
    ['a scope of services', { scope: 'system/*.rs' }, 'invalid_scope'],
    ['a launch nobody knows', { launch: 'x', scope: 'launch' }, 'invalid_request'],
    ['the scope launch alone', { scope: 'launch' }, 'invalid_request'],
    ['no login allowed', { prompt: 'none' }, 'login_required'],
  ])('tells the app about %s', async (_name, changes, error) => {
    const rig = await open(mode)
    const answer = await follow((await ask(rig, changes)).url)
    expect(answer.status).toBe(302)
    expect(locationOf(answer).startsWith(redirectUri)).toBe(true)
    const told = paramsOf(answer)
    expect([told['error'], told['iss'], told['code']]).toEqual([error, `${rig.root}/auth`, undefined])
    expect(told['state']).toBe('state' in changes ? undefined : 'state-1')
  })

  it.each<[string, Record<string, string>]>([
    ['an unknown client', { client_id: 'nobody' }],
    ['another address', { redirect_uri: 'https://evil.example/callback' }],
    ['a longer address', { redirect_uri: `${redirectUri}/more` }],
  ])('redirects nowhere for %s', async (_name, changes) => {
    const rig = await open(mode)
    const answer = await follow((await ask(rig, changes)).url)
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  })

  it('takes a request by POST, and any port of a loopback address', async () => {
    const rig = await open(mode)
    rig.mock.state.approveLogins({ username: 'ada' })
    rig.mock.state.addClient({ clientId: 'desktop', redirectUris: ['http://127.0.0.1/cb'] })
    const { url } = await ask(rig, { client_id: 'desktop', redirect_uri: 'http://127.0.0.1:5123/cb' })
    const answer = await post(`${rig.root}/auth/authorize`, [...url.searchParams])
    expect(locationOf(answer).startsWith('http://127.0.0.1:5123/cb?code=')).toBe(true)
    url.searchParams.append('scope', 'openid')
    expect(paramsOf(await follow(url))['error']).toBe('invalid_request')
  })

  it('knows what the launch of an EHR says', async () => {
    const rig = await open(mode, realTime())
    rig.mock.state.approveLogins({ username: 'doctor' })
    const launch = rig.mock.state.createLaunch({ patient: 'p2', encounter: 'e1' })
    const { tokens } = await logIn(rig, { scope: 'launch patient/*.rs', launch })
    expect(tokens).toMatchObject({ patient: 'p2', encounter: 'e1' })
    expect(tokens).not.toHaveProperty('refresh_token')
    expect(tokens).not.toHaveProperty('id_token')
  })

  it('wants a choice where the headless approval sees several patients', async () => {
    const rig = await open(mode)
    rig.mock.state.approveLogins({ username: 'doctor' })
    expect(paramsOf(await follow((await ask(rig)).url))['error']).toBe('access_denied')
    rig.mock.state.approveLogins({ username: 'doctor', patient: 'p2', scope: 'patient/*.rs' })
    expect(paramsOf(await follow((await ask(rig)).url))).toHaveProperty('code')
    rig.mock.state.approveLogins({ username: 'doctor', patient: 'p2', deny: true })
    expect(paramsOf(await follow((await ask(rig)).url))['error']).toBe('access_denied')
  })
})
