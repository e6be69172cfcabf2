import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import ky from 'ky'
import { setupServer } from 'msw/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMockServer, type MockServer } from '@fhir-outbox/mock-server'
import {
  appStoreReceipt,
  backendServices,
  clientCredentials,
  createClientKey,
  credentialsIn,
  discover,
  dynamicClient,
  memoryCredentialStore,
  registerClient,
  type TokenSource,
} from '@fhir-outbox/smart-auth'
import { fileSecretStore, keyFromFile } from '@fhir-outbox/smart-auth/node'
import { failure } from './support/fake-fetch.js'

interface Setting {
  readonly mock: MockServer
  readonly root: string
  end(): Promise<void>
}

const settings: Readonly<Record<string, (clock: () => number) => Promise<Setting>>> = {
  'through MSW': async (clock) => {
    const mock = createMockServer({ clock })
    const server = setupServer(...mock.handlers)
    server.listen({ onUnhandledRequest: 'error' })
    return { mock, root: 'https://mock.example', end: async () => server.close() }
  },
  'over a socket': async (clock) => {
    const mock = createMockServer({ clock })
    const listening = await mock.listen()
    return { mock, root: listening.url, end: () => listening.close() }
  },
}

const scope = 'system/Observation.c'
let time = 0
const now = (): number => time

describe.each(Object.entries(settings))('the mock server %s', (_name, begin) => {
  let setting: Setting
  let fhir: string
  beforeEach(async () => {
    time = Date.parse('2031-05-06T07:08:09Z')
    setting = await begin(now)
    fhir = `${setting.root}/fhir`
  })
  afterEach(() => setting.end())

  const posts = (path: string): number =>
    setting.mock.log.filter(({ method, url }) => method === 'POST' && url.startsWith(path)).length

  /** Whether the FHIR server itself lets the token in. */
  async function created(tokens: TokenSource): Promise<number> {
    const url = `${fhir}/Observation`
    const { value } = await tokens.getToken({ url })
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${value}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify({
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'weight' },
      }),
    })
    await response.arrayBuffer()
    return response.status
  }

  it('is discovered', async () => {
    await expect(discover(fhir)).resolves.toMatchObject({
      source: 'smart-configuration',
      tokenEndpoint: `${setting.root}/auth/token`,
      registrationEndpoint: `${setting.root}/auth/register`,
    })
  })

  it.each(['header', 'body'] as const)('takes a client with its secret in the %s', async (secretIn) => {
    const clientSecret = 's+cr/et=='
    setting.mock.state.addClient({ clientId: 'my-client', secret: clientSecret, scope })
    const credentials = { clientId: 'my-client', clientSecret, secretIn, scope, now }
    expect(await created(clientCredentials({ fhirBaseUrl: fhir, ...credentials }))).toBe(201)
    const wrong = clientCredentials({ fhirBaseUrl: fhir, ...credentials, clientSecret: 'marker-wrong' })
    const error = await failure(wrong.getToken({ url: fhir }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', oauthError: 'invalid_client', status: 401 })
    expect(error.message).not.toContain('marker')
  })

  it('takes assertions of both algorithms, and each only once', async () => {
    const elliptic = await generateKeyPair('ES384', { extractable: true })
    const rsa = await generateKeyPair('RS384', { extractable: true })
    const keys = [
      { ...(await exportJWK(elliptic.publicKey)), kid: 'e' },
      { ...(await exportJWK(rsa.publicKey)), kid: 'r' },
    ]
    setting.mock.state.addClient({ clientId: 'gateway', jwks: { keys }, scope })
    const common = { fhirBaseUrl: fhir, clientId: 'gateway', scope, now }
    const es = backendServices({ ...common, key: elliptic.privateKey, kid: 'e' })
    expect(await created(es)).toBe(201)
    const pem = await exportPKCS8(rsa.privateKey)
    expect(await created(backendServices({ ...common, key: pem, alg: 'RS384', kid: 'r' }))).toBe(201)
    const replay = backendServices({ ...common, key: pem, alg: 'RS384', kid: 'r', randomId: () => 'same' })
    const { value } = await replay.getToken({ url: fhir })
    expect(await failure(replay.getToken({ url: fhir, rejected: value }))).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      oauthError: 'invalid_client',
    })
  })

  it.each([-140_000, 0, 140_000])('is entered by a gateway whose clock is %i ms off', async (offset) => {
    // The mock refuses an assertion that has expired, expires too late, or is dated ahead.
    const { privateJwk, publicJwk } = await createClientKey()
    const jwks = { keys: [{ ...publicJwk, key_ops: ['verify'] }] }
    setting.mock.state.addClient({ clientId: 'gateway', jwks, scope })
    const source = backendServices({
      fhirBaseUrl: fhir,
      clientId: 'gateway',
      key: privateJwk,
      scope,
      now: () => time + offset,
    })
    expect(await created(source)).toBe(201)
  })

  it('says which scope is not granted', async () => {
    setting.mock.state.addClient({ clientId: 'c', secret: 's', scope })
    const source = clientCredentials({
      fhirBaseUrl: fhir,
      clientId: 'c',
      clientSecret: 's',
      scope: 'system/Patient.d',
    })
    expect(await failure(source.getToken({ url: fhir }))).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      oauthError: 'invalid_scope',
    })
  })

  it('renews what has expired, and what the server has thrown away', async () => {
    setting.mock.state.addClient({ clientId: 'c', secret: 's', scope })
    const source = clientCredentials({ fhirBaseUrl: fhir, clientId: 'c', clientSecret: 's', scope, now })
    expect(await created(source)).toBe(201)
    time += 3 * 86_400_000
    expect(await created(source)).toBe(201)
    setting.mock.state.expireTokens()
    expect(await created(source)).toBe(401)
    const { value } = await source.getToken({ url: fhir })
    await source.getToken({ url: fhir, rejected: value })
    expect(await created(source)).toBe(201)
    expect(posts('/auth/token')).toBe(3)
  })

  it('is waited for while its token endpoint is away and the FHIR side is up', async () => {
    setting.mock.state.addClient({ clientId: 'c', secret: 's', scope })
    const source = clientCredentials({ fhirBaseUrl: fhir, clientId: 'c', clientSecret: 's', scope, now })
    const url = '/auth/token'
    setting.mock.faults.add({ url, fault: { kind: 'cut-before' } })
    setting.mock.faults.add({ url, fault: { kind: 'cut-after' } })
    setting.mock.faults.add({ url, fault: { kind: 'status', status: 503, headers: { 'retry-after': '20' } } })
    for (const more of [{}, {}, { status: 503, retryAfterMs: 20_000 }]) {
      const error = await failure(source.getToken({ url: fhir }))
      expect(error).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', ...more })
    }
    expect(await created(source)).toBe(201)
  })

  it('gives up on a token endpoint that hangs', async () => {
    const clientSecret = 's'
    setting.mock.state.addClient({ clientId: 'c', secret: clientSecret, scope })
    const hang = setting.mock.faults.add({ url: '/auth/token', fault: { kind: 'hang' } })
    const source = clientCredentials({
      tokenEndpoint: `${setting.root}/auth/token`,
      clientId: 'c',
      clientSecret,
      timeoutMs: 50,
    })
    const error = await failure(source.getToken({ url: fhir }))
    expect(error.code).toBe('ERR_AUTH_UNREACHABLE')
    hang.remove()
  })

  it('is never followed to another address', async () => {
    const headers = { location: `${setting.root}/auth/token` }
    setting.mock.faults.add({ url: '/auth/token', fault: { kind: 'status', status: 307, headers } })
    setting.mock.state.addClient({ clientId: 'c', secret: 's', scope })
    const source = clientCredentials({ fhirBaseUrl: fhir, clientId: 'c', clientSecret: 's', scope })
    expect(await failure(source.getToken({ url: fhir }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      status: 307,
    })
    expect(posts('/auth/token')).toBe(1)
  })

  it('registers a client with its own key, and again after it has forgotten it', async () => {
    const empty = setting.mock.state.export()
    const credentials = memoryCredentialStore()
    const source = dynamicClient({
      fhirBaseUrl: fhir,
      credentials,
      registration: 'key',
      clientName: 'Scale gateway',
      scope,
      now,
    })
    const first = await Promise.all([1, 2, 3].map(() => created(source)))
    expect(first).toEqual([201, 201, 201])
    expect([posts('/auth/register'), posts('/auth/token')]).toEqual([1, 1])
    setting.mock.state.restore(empty)
    expect(await created(source)).toBe(401)
    const { value } = await source.getToken({ url: fhir })
    await source.getToken({ url: fhir, rejected: value })
    expect(await created(source)).toBe(201)
    expect(posts('/auth/register')).toBe(2)
    const ids = setting.mock.state.clients.map(({ clientId }) => clientId)
    expect(ids).toContain((await credentials.load())?.clientId)
  })

  it('registers a client with a secret on demand', async () => {
    const registered = await registerClient({
      registrationEndpoint: `${setting.root}/auth/register`,
      metadata: { grant_types: ['client_credentials'], scope },
    })
    const { clientId, clientSecret = '' } = registered
    expect(registered).toMatchObject({ clientSecretExpiresAt: 0, scope })
    expect(registered.registrationClientUri).toBe(`${setting.root}/auth/register/${clientId}`)
    expect(await created(clientCredentials({ fhirBaseUrl: fhir, clientId, clientSecret, scope, now }))).toBe(
      201,
    )
  })

  describe('as C3-PRO', () => {
    const receipt = btoa('a receipt of the app store')
    const c3pro = (): Parameters<typeof dynamicClient>[0] => ({
      registrationEndpoint: `${setting.root}/c3pro/register`,
      tokenEndpoint: `${setting.root}/c3pro/oauth?grant_type=client_credentials`,
      credentials: memoryCredentialStore(),
      registration: appStoreReceipt({ receipt: async () => receipt, antispam: 'spam-no-more' }),
      clientName: 'Study',
      scope: 'user/*.*',
      now,
    })
    const url = (): string => `${setting.root}/c3pro/encfhir/Observation`

    it('registers by receipt and gives tokens', async () => {
      setting.mock.state.addReceipt(receipt)
      setting.mock.state.addAntispam('spam-no-more')
      const before = setting.mock.state.export()
      const source = dynamicClient(c3pro())
      const { value, expiresAt } = await source.getToken({ url: url() })
      expect(expiresAt).toBe(time + 1_800_000)
      expect(setting.mock.state.tokens).toContainEqual(
        expect.objectContaining({ token: value, kind: 'c3pro' }),
      )
      setting.mock.state.restore(before)
      await source.getToken({ url: url(), rejected: value })
      expect(posts('/c3pro/register')).toBe(2)
    })

    it('refuses a receipt that it does not know, and the antispam secret', async () => {
      setting.mock.state.addAntispam('spam-no-more')
      const error = await failure(dynamicClient(c3pro()).getToken({ url: url() }))
      expect(error).toMatchObject({
        code: 'ERR_LOGIN_REQUIRED',
        status: 401,
        oauthError: 'unauthorized_client',
        cause: { code: 'ERR_REGISTRATION_FAILED' },
      })
      expect(error.message).toContain('Apple receipt not valid')
      const registration = appStoreReceipt({ receipt: async () => receipt, antispam: 'guessed' })
      const other = await failure(dynamicClient({ ...c3pro(), registration }).getToken({ url: url() }))
      expect(other.message).toContain('Antispam token not validated')
    })

    it('needs the form-encoding of this profile', async () => {
      setting.mock.state.addReceipt(receipt)
      setting.mock.state.addAntispam('spam-no-more')
      let clientId = ''
      let clientSecret = ''
      // Secrets are base64: some hold a plus sign, which only form-encoding carries through.
      for (let round = 0; round < 20 && !clientSecret.includes('+'); round += 1) {
        const credentials = memoryCredentialStore()
        await dynamicClient({ ...c3pro(), credentials }).getToken({ url: url() })
        const stored = await credentials.load()
        clientId = stored?.clientId ?? ''
        clientSecret = stored?.clientSecret ?? ''
      }
      expect(clientSecret).toContain('+')
      const tokenEndpoint = `${setting.root}/c3pro/oauth`
      const options = { tokenEndpoint, clientId, clientSecret, profile: 'c3-pro' } as const
      await expect(clientCredentials(options).getToken({ url: url() })).resolves.toMatchObject({
        type: 'Bearer',
      })
      const raw = clientCredentials({ ...options, basicEncoding: 'raw' })
      expect(await failure(raw.getToken({ url: url() }))).toMatchObject({
        code: 'ERR_LOGIN_REQUIRED',
        status: 401,
      })
    })
  })

  it('is reached through ky, without a second try of its own', async () => {
    setting.mock.state.addClient({ clientId: 'c', secret: 's', scope })
    const send = ky.create({ retry: { limit: 3, methods: ['post', 'get'], delay: () => 1 } })
    const options = { fhirBaseUrl: fhir, clientId: 'c', scope, fetch: send, now }
    expect(await created(clientCredentials({ ...options, clientSecret: 's' }))).toBe(201)
    const before = posts('/auth/token')
    const refused = await failure(
      clientCredentials({ ...options, clientSecret: 'x' }).getToken({ url: fhir }),
    )
    expect(refused).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', oauthError: 'invalid_client' })
    setting.mock.faults.add({ url: '/auth/token', fault: { kind: 'status', status: 503 } })
    const away = await failure(clientCredentials({ ...options, clientSecret: 's' }).getToken({ url: fhir }))
    expect(away).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', status: 503 })
    expect(posts('/auth/token')).toBe(before + 2)
  })

  it('meets the same client after a restart of the gateway', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'smart-auth-'))
    try {
      const start = (): TokenSource => {
        const store = fileSecretStore({ directory, key: keyFromFile(join(directory, 'key')) })
        return dynamicClient({
          fhirBaseUrl: fhir,
          credentials: credentialsIn(store, 'gateway'),
          registration: 'key',
          clientName: 'Scale gateway',
          scope,
          now,
        })
      }
      expect(await created(start())).toBe(201)
      expect(await created(start())).toBe(201)
      expect(posts('/auth/register')).toBe(1)
      const files = await readdir(directory)
      expect(files.filter((name) => name.endsWith('.secret'))).toHaveLength(1)
      expect(files.filter((name) => name.endsWith('.lock'))).toEqual([])
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
