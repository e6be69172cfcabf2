import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose'
import * as oauth from 'oauth4webapi'
import { describe, expect, it } from 'vitest'
import { form, json, modes, openRig, startTime, type Rig } from './rig.js'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const now = Math.floor(startTime / 1000)

const basic = (id: string, secret: string) => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` })

function token(
  rig: Rig,
  values: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return rig.send('/auth/token', { ...form({ grant_type: 'client_credentials', ...values }), headers })
}

async function bearer(rig: Rig, scope: string): Promise<Record<string, string>> {
  rig.mock.state.addClient({ clientId: 'c', secret: 's' })
  const body = await json(token(rig, { scope }, basic('c', 's')))
  return { authorization: `Bearer ${body['access_token']}` }
}

async function keys(alg: string, kid: string): Promise<{ privateKey: CryptoKey; jwk: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair(alg)
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid } }
}

describe.each(modes)('authorization over %s', (mode) => {
  it('publishes SMART configuration, RFC 8414 metadata and nothing that needs a token', async () => {
    const rig = await openRig(mode)
    const smart = await json(rig.send('/fhir/.well-known/smart-configuration'))
    expect(smart).toMatchObject({
      token_endpoint: `${rig.root}/auth/token`,
      registration_endpoint: `${rig.root}/auth/register`,
      token_endpoint_auth_signing_alg_values_supported: ['ES384', 'RS384'],
    })
    expect(smart['issuer']).toBe(`${rig.root}/auth`)
    const metadata = await json(rig.send('/.well-known/oauth-authorization-server/auth'))
    expect(metadata['issuer']).toBe(`${rig.root}/auth`)
    expect((await rig.send('/.well-known/else')).status).toBe(404)
    expect((await rig.send('/auth/else')).status).toBe(404)
  })

  it('lets nobody in without a living token', async () => {
    const rig = await openRig(mode, { tokenSeconds: 60 })
    const without = await rig.send('/fhir/Patient')
    expect(without.status).toBe(401)
    expect(without.headers.get('www-authenticate')).toBe('Bearer realm="fhir"')
    expect(await json(without)).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ code: 'login' }],
    })
    const junk = await rig.send('/fhir/Patient', { headers: { authorization: 'Bearer junk' } })
    expect([junk.status, junk.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="fhir", error="invalid_token"',
    ])

    const headers = await bearer(rig, 'system/*.rs')
    expect((await rig.send('/fhir/Patient', { headers })).status).toBe(200)
    rig.advance(59_999)
    expect((await rig.send('/fhir/Patient', { headers })).status).toBe(200)
    rig.advance(1)
    expect((await rig.send('/fhir/Patient', { headers })).status).toBe(401)

    const again = await bearer(rig, 'system/*.rs')
    expect((await rig.send('/fhir/Patient', { headers: again })).status).toBe(200)
    rig.mock.state.expireTokens()
    expect((await rig.send('/fhir/Patient', { headers: again })).status).toBe(401)
    expect((await rig.send('/fhir/metadata')).status).toBe(200)
  })

  it.each([
    ['system/Observation.c', 'c'],
    ['system/Observation.cruds', 'crusd'],
    ['system/Observation.rs', 'rs'],
    ['system/Observation.read', 'rs'],
    ['system/Observation.write', 'cud'],
    ['system/*.*', 'crusd'],
    ['system/Patient.cruds', ''],
  ])('enforces %s', async (scope, allowed) => {
    const rig = await openRig(mode)
    rig.mock.state.load([{ resourceType: 'Observation', id: 'o' }])
    const headers = await bearer(rig, scope)
    const observation = { resourceType: 'Observation' }
    const tries: Record<string, () => Promise<Response>> = {
      c: () => rig.write('POST', '/fhir/Observation', observation, headers),
      r: () => rig.send('/fhir/Observation/o', { headers }),
      u: () => rig.write('PUT', '/fhir/Observation/o', { ...observation, id: 'o' }, headers),
      s: () => rig.send('/fhir/Observation', { headers }),
      d: () => rig.send('/fhir/Observation/o', { method: 'DELETE', headers }),
    }
    for (const [letter, attempt] of Object.entries(tries)) {
      const response = await attempt()
      expect([letter, response.status === 403]).toEqual([letter, !allowed.includes(letter)])
      if (response.status === 403)
        expect(await json(response)).toMatchObject({ issue: [{ code: 'forbidden' }] })
    }
  })

  it('checks every entry: a transaction fails as a whole, a batch entry by entry', async () => {
    const rig = await openRig(mode)
    const headers = await bearer(rig, 'system/Basic.c')
    const entry = ['Basic', 'Patient'].map((type) => ({
      resource: { resourceType: type },
      request: { method: 'POST', url: type },
    }))
    const send = (type: string) =>
      rig.write('POST', '/fhir', { resourceType: 'Bundle', type, entry }, headers)
    const transaction = await send('transaction')
    expect(transaction.status).toBe(403)
    expect(await json(transaction)).toMatchObject({ issue: [{ expression: ['Bundle.entry[1]'] }] })
    expect(rig.mock.state.commits).toEqual([])
    const batch = await json(send('batch'))
    expect(batch['entry']).toMatchObject([
      { response: { status: '201 Created' } },
      { response: { status: '403' } },
    ])
    expect(rig.mock.state.resources()).toHaveLength(1)
  })

  it('issues tokens for a secret by Basic, form-encoded or raw, and in the body', async () => {
    const rig = await openRig(mode)
    const secret = 'a+b/c=%ä:d'
    rig.mock.state.addClient({ clientId: 'id with space', secret })
    const bytes = (text: string) => String.fromCharCode(...new TextEncoder().encode(text))
    const encoded = `${encodeURIComponent('id with space').replaceAll('%20', '+')}:${encodeURIComponent(secret)}`
    for (const pair of [encoded, bytes(`id with space:${secret}`)]) {
      const response = await token(rig, {}, { authorization: `Basic ${btoa(pair)}` })
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await json(response)).toMatchObject({
        token_type: 'Bearer',
        expires_in: 300,
        scope: 'system/*.*',
      })
    }
    const inBody = { client_id: 'id with space', client_secret: secret, scope: 'system/Observation.cud' }
    expect(await json(token(rig, inBody))).toMatchObject({ scope: 'system/Observation.cud' })
    expect(rig.mock.state.tokens).toHaveLength(3)
  })

  it.each<[string, number, string, Record<string, string>, Record<string, string>]>([
    ['a wrong secret', 401, 'invalid_client', {}, basic('c', 'x')],
    ['an unknown client', 401, 'invalid_client', {}, basic('x', 's')],
    ['no authentication', 401, 'invalid_client', {}, {}],
    ['a wrong secret in the body', 401, 'invalid_client', { client_id: 'c', client_secret: 'x' }, {}],
    ['two ways at once', 400, 'invalid_request', { client_id: 'c', client_secret: 's' }, basic('c', 's')],
    ['another grant', 400, 'unsupported_grant_type', { grant_type: 'password' }, basic('c', 's')],
    [
      'scopes out of reach',
      400,
      'invalid_scope',
      { scope: 'system/Patient.rs user/*.* openid' },
      basic('c', 's'),
    ],
    ['letters out of order', 400, 'invalid_scope', { scope: 'system/Observation.dus' }, basic('c', 's')],
  ])('refuses %s', async (_name, status, error, values, headers) => {
    const rig = await openRig(mode)
    rig.mock.state.addClient({ clientId: 'c', secret: 's', scope: 'system/Observation.cruds' })
    const response = await token(rig, values, headers)
    expect(response.status).toBe(status)
    expect(await json(response)).toMatchObject({ error })
    expect(rig.mock.state.tokens).toEqual([])
  })

  it('refuses what is no token request', async () => {
    const rig = await openRig(mode)
    expect((await rig.send('/auth/token')).status).toBe(405)
    expect((await rig.send('/auth/token', form({}))).status).toBe(400)
    const asJson = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
    expect((await rig.send('/auth/token', asJson)).status).toBe(400)
    const twice = new URLSearchParams('grant_type=client_credentials&grant_type=client_credentials')
    expect(await json(rig.send('/auth/token', { method: 'POST', body: twice }))).toMatchObject({
      error: 'invalid_request',
    })
  })

  describe('by signed assertion', () => {
    const open = async (alg = 'ES384') => {
      const rig = await openRig(mode)
      const pair = await keys(alg, 'k1')
      rig.mock.state.addClient({ clientId: 'signer', jwks: { keys: [{ ...pair.jwk }] } })
      const claims = {
        iss: 'signer',
        sub: 'signer',
        aud: `${rig.root}/auth/token`,
        exp: now + 300,
        iat: now,
        jti: 'j1',
      }
      const send = async (payload: JWTPayload, header: object = {}, key: CryptoKey = pair.privateKey) => {
        const jwt = new SignJWT({ ...claims, ...payload }).setProtectedHeader({
          alg,
          kid: 'k1',
          typ: 'JWT',
          ...header,
        })
        return token(rig, { client_assertion_type: assertionType, client_assertion: await jwt.sign(key) })
      }
      return { rig, send }
    }

    it.each(['ES384', 'RS384'])('accepts %s for token endpoint and issuer', async (alg) => {
      const { rig, send } = await open(alg)
      expect((await send({})).status).toBe(200)
      expect((await send({ jti: 'j2', aud: `${rig.root}/auth` })).status).toBe(200)
    })

    it('refuses a replayed jti while the assertion lives', async () => {
      const { send, rig } = await open()
      expect((await send({})).status).toBe(200)
      expect((await send({ iat: now - 1 })).status).toBe(401)
      rig.advance(306_000)
      expect((await send({ exp: now + 400 })).status).toBe(200)
    })

    it.each<[string, JWTPayload, object]>([
      ['an audience list', { aud: ['https://mock.example/auth/token', 'x'] }, {}],
      ['another audience', { aud: 'https://else.example/auth/token' }, {}],
      ['a long life', { exp: now + 306 }, {}],
      ['an expired one', { exp: now - 6 }, {}],
      ['one from the future', { iat: now + 60 }, {}],
      ['another subject', { sub: 'else' }, {}],
      ['an unknown issuer', { iss: 'else' }, {}],
      ['no jti', { jti: '' }, {}],
      ['no typ', {}, { typ: undefined }],
      ['no kid', {}, { kid: undefined }],
      ['an unknown kid', {}, { kid: 'k2' }],
    ])('refuses %s', async (_name, payload, header) => {
      const { send } = await open()
      const response = await send(payload, header)
      expect(response.status).toBe(401)
      expect(await json(response)).toMatchObject({ error: 'invalid_client' })
    })

    it('refuses a foreign signature, other algorithms and no JWT at all', async () => {
      const { rig, send } = await open()
      expect((await send({}, {}, (await keys('ES384', 'k1')).privateKey)).status).toBe(401)
      const rsa = await keys('RS256', 'k9')
      rig.mock.state.addClient({ clientId: 'signer', jwks: { keys: [{ ...rsa.jwk }] } })
      expect((await send({}, { alg: 'RS256', kid: 'k9' }, rsa.privateKey)).status).toBe(401)
      const request = { client_assertion_type: assertionType, client_assertion: 'x.y.z' }
      expect((await token(rig, request)).status).toBe(401)
      expect((await token(rig, { ...request, client_assertion_type: 'x' })).status).toBe(400)
      expect(rig.mock.state.tokens).toEqual([])
    })
  })

  describe('registration', () => {
    const register = (rig: Rig, metadata: unknown) =>
      rig.send('/auth/register', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(metadata),
      })

    it('registers, shows, replaces and deletes a client (RFC 7591, RFC 7592)', async () => {
      const rig = await openRig(mode)
      const response = await register(rig, {
        client_name: 'gateway',
        scope: 'system/Observation.c',
        grant_types: ['client_credentials', 'refresh_token'],
      })
      expect(response.status).toBe(201)
      const client = await json(response)
      expect(client).toMatchObject({
        client_name: 'gateway',
        client_secret_expires_at: 0,
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['client_credentials'],
      })
      const [id, secret, uri] = ['client_id', 'client_secret', 'registration_client_uri'].map((name) =>
        String(client[name]),
      )
      expect(uri).toBe(`${rig.root}/auth/register/${id}`)
      expect((await token(rig, { client_id: id ?? '', client_secret: secret ?? '' })).status).toBe(200)

      const manage = (method: string, bearerToken: unknown, body?: object) =>
        fetch(uri ?? '', {
          method,
          headers: { authorization: `Bearer ${String(bearerToken)}`, 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
      const first = client['registration_access_token']
      expect((await manage('GET', 'x')).status).toBe(401)
      expect(await json(manage('GET', first))).toEqual(client)
      expect((await manage('PUT', first, client)).status).toBe(400)
      const changed = await json(
        manage('PUT', first, { client_id: id, client_name: 'new', scope: 'system/Basic.c' }),
      )
      expect(changed).toMatchObject({
        client_id: id,
        client_name: 'new',
        client_secret: secret,
        scope: 'system/Basic.c',
      })
      // The management token was rotated.
      expect((await manage('GET', first)).status).toBe(401)
      const second = changed['registration_access_token']
      expect((await manage('POST', second)).status).toBe(405)
      expect((await manage('DELETE', second)).status).toBe(204)
      expect((await manage('GET', second)).status).toBe(401)
      expect((await token(rig, { client_id: id ?? '', client_secret: secret ?? '' })).status).toBe(401)
      expect(rig.mock.state.tokens).toEqual([])
    })

    it.each<[string, unknown]>([
      ['no object', []],
      ['a method it does not know', { token_endpoint_auth_method: 'tls_client_auth' }],
      ['no keys', { token_endpoint_auth_method: 'private_key_jwt' }],
      [
        'a key without kid',
        { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'EC' }] } },
      ],
      [
        'a private key',
        { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'EC', kid: 'a', d: 'x' }] } },
      ],
      ['other grants', { grant_types: ['implicit'] }],
      ['other scopes', { scope: 'user/*.*' }],
    ])('refuses %s', async (_name, metadata) => {
      const rig = await openRig(mode)
      const response = await register(rig, metadata)
      expect(response.status).toBe(400)
      expect(await json(response)).toMatchObject({ error: 'invalid_client_metadata' })
      expect(rig.mock.state.clients).toEqual([])
    })
  })

  it('satisfies a certified OAuth client library from discovery to token', async () => {
    // The library reads the system clock.
    const rig = await openRig(mode, { clock: () => Date.now() })
    const options = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(`${rig.root}/auth`)
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' }),
    )
    const pair = await keys('ES384', 'k1')
    const registered = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(
        as,
        {
          token_endpoint_auth_method: 'private_key_jwt',
          grant_types: ['client_credentials'],
          jwks: { keys: [pair.jwk as oauth.JWK] },
        },
        options,
      ),
    )
    const client = { client_id: registered.client_id }
    const authenticate = oauth.PrivateKeyJwt(
      { key: pair.privateKey, kid: 'k1' },
      {
        [oauth.modifyAssertion]: (header) => {
          header['typ'] = 'JWT'
        },
      },
    )
    const answer = await oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authenticate,
        { scope: 'system/Basic.rs' },
        options,
      ),
    )
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 300, scope: 'system/Basic.rs' })
    const resource = await oauth.protectedResourceRequest(
      answer.access_token,
      'GET',
      new URL(`${rig.root}/fhir/Basic`),
      undefined,
      undefined,
      options,
    )
    expect(resource.status).toBe(200)
  })
})
