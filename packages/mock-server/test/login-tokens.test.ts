import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { ask, bearer, follow, openLogins as open, paramsOf, redirectUri, scope } from './login-rig.js'
import { form, json, modes, type Json, type Rig } from './rig.js'

describe.each(modes)('tokens of a login over %s', (mode) => {
  const redeem = (rig: Rig, values: Record<string, string>): Promise<Response> =>
    rig.send(
      '/auth/token',
      form({ grant_type: 'authorization_code', client_id: 'app', redirect_uri: redirectUri, ...values }),
    )
  const refresh = (rig: Rig, token: unknown, more: Record<string, string> = {}): Promise<Response> =>
    rig.send(
      '/auth/token',
      form({ grant_type: 'refresh_token', client_id: 'app', refresh_token: String(token), ...more }),
    )

  async function code(rig: Rig, changes: Record<string, string> = {}) {
    rig.mock.state.approveLogins({ username: 'ada' })
    const { url, verifier } = await ask(rig, {
      scope: 'launch/patient offline_access patient/*.rs',
      ...changes,
    })
    return { code: paramsOf(await follow(url))['code'] ?? '', code_verifier: verifier }
  }

  it.each<[string, Record<string, string>, number]>([
    ['another verifier', { code_verifier: 'x'.repeat(43) }, 0],
    ['no verifier', { code_verifier: '' }, 0],
    ['another address', { redirect_uri: 'https://app.example/other' }, 0],
    ['an unknown code', { code: 'x' }, 0],
    ['an old code', {}, 60_000],
  ])('are refused for %s', async (_name, values, wait) => {
    const rig = await open(mode)
    const got = await code(rig)
    rig.advance(wait)
    const response = await redeem(rig, { ...got, ...values })
    expect([response.status, (await json(response))['error']]).toEqual([400, 'invalid_grant'])
  })

  it('are all revoked when a code is used twice', async () => {
    const rig = await open(mode)
    const got = await code(rig)
    const tokens = await json(redeem(rig, got))
    expect((await rig.send('/fhir/Patient/p1', bearer(tokens['access_token']))).status).toBe(200)
    expect((await json(redeem(rig, got)))['error']).toBe('invalid_grant')
    expect((await rig.send('/fhir/Patient/p1', bearer(tokens['access_token']))).status).toBe(401)
    expect((await json(refresh(rig, tokens['refresh_token'])))['error']).toBe('invalid_grant')
  })

  it('rotate at a refresh; a token that comes back takes all of them along', async () => {
    const rig = await open(mode)
    const first = await json(redeem(rig, await code(rig)))
    const second = await json(refresh(rig, first['refresh_token']))
    expect((await rig.send('/fhir/Patient/p1', bearer(second['access_token']))).status).toBe(200)
    expect((await json(refresh(rig, first['refresh_token'])))['error']).toBe('invalid_grant')
    expect((await json(refresh(rig, second['refresh_token'])))['error']).toBe('invalid_grant')
    expect((await rig.send('/fhir/Patient/p1', bearer(second['access_token']))).status).toBe(401)
  })

  it('get narrower at a refresh, never wider, and belong to one client', async () => {
    const rig = await open(mode)
    const tokens = await json(
      redeem(rig, await code(rig, { scope: 'launch/patient offline_access patient/*.rs' })),
    )
    expect((await json(refresh(rig, tokens['refresh_token'], { scope: 'patient/*.cruds' })))['error']).toBe(
      'invalid_scope',
    )
    rig.mock.state.addClient({ clientId: 'other', redirectUris: [redirectUri] })
    expect((await json(refresh(rig, tokens['refresh_token'], { client_id: 'other' })))['error']).toBe(
      'invalid_grant',
    )
    const narrow = await json(refresh(rig, tokens['refresh_token'], { scope: 'patient/Observation.rs' }))
    expect(narrow['scope']).toBe('patient/Observation.rs')
    expect((await rig.send('/fhir/Patient/p1', bearer(narrow['access_token']))).status).toBe(403)
    expect((await rig.send('/fhir/Observation/o1', bearer(narrow['access_token']))).status).toBe(200)
  })

  it('come to a confidential client only when it authenticates', async () => {
    const rig = await open(mode)
    rig.mock.state.addClient({ clientId: 'app', secret: 'hush', redirectUris: [redirectUri] })
    const got = await code(rig)
    const without = await redeem(rig, got)
    expect([without.status, (await json(without))['error']]).toEqual([401, 'invalid_client'])
    expect((await redeem(rig, { ...got, client_secret: 'hush' })).status).toBe(200)
  })

  it('see the patient of the launch and nobody else', async () => {
    const rig = await open(mode)
    const tokens = await json(redeem(rig, await code(rig, { scope: 'launch/patient patient/*.cruds' })))
    const auth = bearer(tokens['access_token'])
    const status = async (path: string, init: RequestInit = auth) => (await rig.send(path, init)).status
    expect([await status('/fhir/Observation/o1'), await status('/fhir/Observation/o2')]).toEqual([200, 403])
    expect([await status('/fhir/Patient/p1'), await status('/fhir/Patient/p2')]).toEqual([200, 403])
    const found = await json(rig.send('/fhir/Observation', auth))
    expect([found['total'], found['entry']?.[0]?.['resource']?.['id']]).toEqual([1, 'o1'])
    expect((await json(rig.send('/fhir/Patient?_count=2', auth)))['total']).toBe(1)
    const observe = (patient: string) =>
      rig.write(
        'POST',
        '/fhir/Observation',
        {
          resourceType: 'Observation',
          status: 'final',
          code: { text: 'x' },
          subject: { reference: `Patient/${patient}` },
        },
        auth.headers,
      )
    expect([(await observe('p1')).status, (await observe('p2')).status]).toEqual([201, 403])
    expect(await status('/fhir/Observation/o2', { method: 'DELETE', ...auth })).toBe(403)
    const entry = ['o1', 'o2'].map((id) => ({ request: { method: 'GET', url: `Observation/${id}` } }))
    const batch = await json(
      rig.write('POST', '/fhir', { resourceType: 'Bundle', type: 'batch', entry }, auth.headers),
    )
    expect((batch['entry'] as unknown as Json[]).map((one) => one['response']?.['status'])).toEqual([
      '200 OK',
      '403',
    ])
  })

  it('of a device that registered itself need no person any more', async () => {
    const rig = await open(mode)
    const register = 'system/DynamicClient.register'
    const launched = await json(
      redeem(rig, await code(rig, { scope: `launch/patient patient/*.rs ${register}` })),
    )
    const { privateKey, publicKey } = await generateKeyPair('ES384')
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] }
    const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    const send = (body: object, token?: unknown): Promise<Response> =>
      rig.send('/auth/register', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : bearer(token).headers),
        },
        body: JSON.stringify({ token_endpoint_auth_method: 'none', grant_types: [grant], jwks, ...body }),
      })
    expect((await send({ software_id: 'app' })).status).toBe(401)
    expect((await send({ software_id: 'else' }, launched['access_token'])).status).toBe(400)
    const device = await json(send({ software_id: 'app' }, launched['access_token']))
    expect(device).toMatchObject({
      grant_types: [grant],
      scope: 'patient/*.rs',
      token_endpoint_auth_method: 'none',
    })
    const id = String(device['client_id'])

    const assertion = (jti: string): Promise<string> => {
      const seconds = Math.floor(rig.mock.clock() / 1000)
      return new SignJWT({ jti })
        .setProtectedHeader({ alg: 'ES384', kid: 'k', typ: 'JWT' })
        .setIssuer(id)
        .setSubject(id)
        .setAudience(`${rig.root}/auth/token`)
        .setExpirationTime(seconds + 300)
        .sign(privateKey)
    }
    const ask = async (jti: string, more: Record<string, string> = {}): Promise<Response> =>
      rig.send(
        '/auth/token',
        form({ grant_type: grant, assertion: await assertion(jti), client_id: id, ...more }),
      )
    const tokens = await json(ask('1'))
    expect(tokens).toMatchObject({ scope: 'patient/*.rs', patient: 'p1' })
    expect(tokens).not.toHaveProperty('refresh_token')
    expect((await rig.send('/fhir/Observation/o1', bearer(tokens['access_token']))).status).toBe(200)
    expect((await json(ask('1')))['error']).toBe('invalid_grant')
    expect((await json(ask('2', { client_id: 'app' })))['error']).toBe('invalid_grant')
    expect((await json(ask('3', { scope: 'system/*.*' })))['error']).toBe('invalid_scope')
  })

  it('are signed by keys that change', async () => {
    const rig = await open(mode)
    const published = async (): Promise<number> =>
      ((await json(rig.send('/auth/jwks')))['keys'] as unknown as Json[]).length
    await redeem(rig, await code(rig, { scope }))
    expect(await published()).toBe(1)
    rig.mock.state.rotateSigningKey()
    await redeem(rig, await code(rig, { scope }))
    expect(await published()).toBe(2)
    rig.mock.state.rotateSigningKey(true)
    expect(await published()).toBe(1)
    const [key] = (await json(rig.send('/auth/jwks')))['keys'] as unknown as Json[]
    expect(Object.keys(key ?? {}).toSorted()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
  })
})

describe('what a user may see', () => {
  it('holds in searches, also in those answered later', async () => {
    const rig = await open('msw')
    rig.mock.state.approveLogins({ username: 'ada' })
    const { url, verifier } = await ask(rig, { scope: 'user/*.rs' })
    const code = paramsOf(await follow(url))['code'] ?? ''
    const values = { grant_type: 'authorization_code', client_id: 'app', redirect_uri: redirectUri }
    const tokens = await json(rig.send('/auth/token', form({ ...values, code, code_verifier: verifier })))
    const { headers } = bearer(tokens['access_token'])
    expect((await json(rig.send('/fhir/Patient', { headers })))['total']).toBe(1)
    const later = { headers: { ...headers, prefer: 'respond-async' } }
    const accepted = await rig.send('/fhir/Observation', later)
    rig.advance(1000)
    const done = await json(fetch(accepted.headers.get('content-location') ?? '', { headers }))
    expect(done['entry']?.[0]?.['resource']).toMatchObject({ total: 1, entry: [{ resource: { id: 'o1' } }] })
  })

  it('is narrowed by the query of a scope', async () => {
    const rig = await open('msw')
    rig.mock.state.addClient({ clientId: 'lab', secret: 's', scope: 'system/Observation.rs?status=final' })
    rig.mock.state.load([
      { resourceType: 'Observation', id: 'o3', status: 'preliminary', code: { text: 'x' } },
    ])
    const values = { grant_type: 'client_credentials', client_id: 'lab', client_secret: 's' }
    const tokens = await json(rig.send('/auth/token', form(values)))
    const init = bearer(tokens['access_token'])
    expect((await json(rig.send('/fhir/Observation', init)))['total']).toBe(2)
    expect((await rig.send('/fhir/Observation/o3', init)).status).toBe(403)
    expect((await rig.send('/fhir/Observation/o1', init)).status).toBe(200)
  })
})
