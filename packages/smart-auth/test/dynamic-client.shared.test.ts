import { describe, expect, it, vi } from 'vitest'
import {
  appStoreReceipt,
  dynamicClient,
  memoryCredentialStore,
  type CredentialStore,
  type DynamicClientOptions,
  type StoredClient,
} from '@fhir-outbox/smart-auth'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { deferred, failure, fakeFetch, json, thrown, token, type Sent } from './support/fake-fetch.js'

const base = 'https://fhir.example.test/r4'
const url = `${base}/Observation`

interface World {
  /** Clients the server knows. */
  readonly known: Set<string>
  registrations: number
  register: (sent: Sent, id: string) => Response | Promise<Response>
  token: (sent: Sent) => Response
}

function clientOf(sent: Sent): string {
  const assertion = sent.form.get('client_assertion')
  if (assertion !== null) return decodeJwt(assertion).iss ?? ''
  return decodeURIComponent(atob((sent.headers['authorization'] ?? '').slice(6))).split(':')[0] ?? ''
}

function world() {
  const state: World = {
    known: new Set(),
    registrations: 0,
    register: (_sent, id) => json({ client_id: id }, 201),
    token: () => token('t', { expires_in: 0 }),
  }
  const server = fakeFetch((sent) => {
    if (sent.url.endsWith('/smart-configuration')) {
      return json({
        token_endpoint: 'https://fhir.example.test/auth/token',
        registration_endpoint: 'https://fhir.example.test/auth/register',
      })
    }
    if (sent.url.endsWith('/register')) {
      state.registrations += 1
      const id = `client-${state.registrations}`
      state.known.add(id)
      return state.register(sent, id)
    }
    if (!state.known.has(clientOf(sent))) return json({ error: 'invalid_client' }, 401)
    return state.token(sent)
  })
  const sentTo = (end: string): readonly Sent[] => server.sent.filter((sent) => sent.url.endsWith(end))
  const client = (options: Partial<DynamicClientOptions> = {}) =>
    dynamicClient({
      fhirBaseUrl: base,
      credentials: memoryCredentialStore(),
      registration: 'key',
      clientName: 'Scale gateway',
      scope: 'system/Observation.c',
      fetch: server.fetch,
      ...options,
    })
  return { state, client, sentTo }
}

/** A store that writes down what happens to it. */
function loggedStore(log: string[], inner = memoryCredentialStore()): CredentialStore {
  return {
    async load() {
      return inner.load()
    },
    async save(client) {
      await inner.save(client)
      log.push(`save ${client.clientId}${client.confirmed ? ' confirmed' : ''}`)
    },
    async clear() {
      await inner.clear()
      log.push('clear')
    },
  }
}

describe('dynamicClient with its own key', () => {
  it('registers once for many, and saves before the first use', async () => {
    const { state, client, sentTo } = world()
    const log: string[] = []
    state.token = () => {
      log.push('token')
      return token('t')
    }
    const tokens = client({ credentials: loggedStore(log), metadata: { software_id: 'scale' } })
    const got = await Promise.all([1, 2, 3].map(() => tokens.getToken({ url })))
    expect(got.map(({ value }) => value)).toEqual(['t', 't', 't'])
    expect(state.registrations).toBe(1)
    expect(log).toEqual(['save client-1', 'token', 'save client-1 confirmed'])
    const [sent] = sentTo('/register')
    const body = JSON.parse(sent?.body ?? '') as { jwks: { keys: Record<string, unknown>[] } }
    expect(body).toMatchObject({
      client_name: 'Scale gateway',
      scope: 'system/Observation.c',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'private_key_jwt',
      software_id: 'scale',
    })
    const [key] = body.jwks.keys
    expect(key).not.toHaveProperty('d')
    const assertion = sentTo('/token')[0]?.form.get('client_assertion') ?? ''
    expect(decodeProtectedHeader(assertion)).toMatchObject({ alg: 'ES384', kid: key?.['kid'] })
    expect(decodeJwt(assertion)).toMatchObject({
      iss: 'client-1',
      aud: 'https://fhir.example.test/auth/token',
    })
  })

  it('uses the stored client after a restart', async () => {
    const { state, client } = world()
    const credentials = memoryCredentialStore()
    await client({ credentials }).getToken({ url })
    await client({ credentials }).getToken({ url })
    expect(state.registrations).toBe(1)
  })

  it('asks for no lock to use what is stored: the store may be for reading only', async () => {
    const { state, client } = world()
    const inner = memoryCredentialStore()
    await client({ credentials: inner }).getToken({ url })
    const shut = (): Promise<never> => Promise.reject(new Error('read-only file system'))
    const credentials: CredentialStore = { ...inner, save: shut, exclusive: shut }
    const tokens = client({ credentials })
    for (let n = 0; n < 2; n += 1) expect(await tokens.getToken({ url })).toMatchObject({ value: 't' })
    expect(state.registrations).toBe(1)
    const empty: CredentialStore = { ...memoryCredentialStore(), exclusive: shut }
    expect((await failure(client({ credentials: empty }).getToken({ url }))).code).toBe(
      'ERR_AUTH_UNREACHABLE',
    )
    expect(state.registrations).toBe(1)
  })

  it('registers again, once, when the server has forgotten the client', async () => {
    const { state, client } = world()
    const credentials = memoryCredentialStore()
    const tokens = client({ credentials })
    await tokens.getToken({ url })
    state.known.clear()
    await expect(tokens.getToken({ url })).resolves.toMatchObject({ value: 't' })
    expect(state.registrations).toBe(2)
    expect(await credentials.load()).toMatchObject({
      clientId: 'client-2',
      confirmed: true,
      replacements: 0,
    })
  })

  it('does not pile up clients at a server that refuses each of them', async () => {
    const { state, client } = world()
    const credentials = memoryCredentialStore()
    state.token = () => json({ error: 'invalid_client' }, 401)
    for (let round = 0; round < 4; round += 1) {
      const error = await failure(client({ credentials }).getToken({ url }))
      expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', oauthError: 'invalid_client' })
    }
    expect(state.registrations).toBe(2)
  })

  it.each(['invalid_scope', 'unauthorized_client'])('does not register again after %s', async (error) => {
    const { state, client } = world()
    state.token = () => json({ error }, 400)
    expect(await failure(client().getToken({ url }))).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      oauthError: error,
    })
    expect(state.registrations).toBe(1)
  })

  it('prefers the client that another process has registered meanwhile', async () => {
    const { state, client, sentTo } = world()
    const credentials = memoryCredentialStore()
    const [one, two] = [client({ credentials }), client({ credentials })]
    await one.getToken({ url })
    await two.getToken({ url })
    state.known.clear()
    await one.getToken({ url })
    await two.getToken({ url })
    expect(state.registrations).toBe(2)
    expect(clientOf(sentTo('/token').at(-1) as Sent)).toBe('client-2')
  })

  it('saves again rather than registers again when the store was full', async () => {
    const { state, client } = world()
    const inner = memoryCredentialStore()
    let full = true
    const credentials: CredentialStore = {
      ...inner,
      save: async (stored) => {
        if (full) throw new Error(`no space for ${stored.clientId}`)
        await inner.save(stored)
      },
    }
    const tokens = client({ credentials })
    const error = await failure(tokens.getToken({ url }))
    expect(error).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      cause: { code: 'ERR_CREDENTIALS_UNWRITABLE' },
    })
    full = false
    await expect(tokens.getToken({ url })).resolves.toMatchObject({ value: 't' })
    expect(state.registrations).toBe(1)
  })

  it('finishes and saves a registration that all callers have left', async () => {
    const { state, client } = world()
    const gate = deferred<Response>()
    state.register = () => gate.promise
    const credentials = memoryCredentialStore()
    const tokens = client({ credentials })
    const controller = new AbortController()
    const left = tokens.getToken({ url, signal: controller.signal })
    await vi.waitFor(() => expect(state.registrations).toBe(1))
    controller.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    gate.resolve(json({ client_id: 'client-1' }, 201))
    await expect(tokens.getToken({ url })).resolves.toMatchObject({ value: 't' })
    expect(state.registrations).toBe(1)
    expect(await credentials.load()).toMatchObject({ clientId: 'client-1' })
  })

  it('honours a server that gives a secret instead', async () => {
    const { state, client, sentTo } = world()
    state.register = (_sent, id) =>
      json({ client_id: id, client_secret: 's', token_endpoint_auth_method: 'client_secret_basic', scope: 'system/*.c' }, 201) // prettier-ignore
    const credentials = memoryCredentialStore()
    await client({ credentials }).getToken({ url })
    const [sent] = sentTo('/token')
    expect(sent?.headers['authorization']).toBe(`Basic ${btoa('client-1:s')}`)
    expect(sent?.form.get('scope')).toBe('system/*.c')
    expect(await credentials.load()).not.toHaveProperty('key')
  })

  it.each([
    ['without client_credentials', { grant_types: ['authorization_code'] }],
    ['as a public client', { token_endpoint_auth_method: 'none' }],
    ['for a secret that it does not give', { token_endpoint_auth_method: 'client_secret_post' }],
  ])('needs a person when the server registers the client %s', async (_name, members) => {
    const { state, client } = world()
    state.register = (_sent, id) => json({ client_id: id, ...members }, 201)
    const credentials = memoryCredentialStore()
    const error = await failure(client({ credentials }).getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_REGISTRATION_FAILED' } })
    expect(await credentials.load()).toBeUndefined()
  })

  it('tries later when the registration endpoint is away', async () => {
    const { state, client } = world()
    state.register = () => json({}, 503, { 'retry-after': '9' })
    const error = await failure(client().getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', retryAfterMs: 9000 })
  })

  it('forgets on request', async () => {
    const { state, client } = world()
    const credentials = memoryCredentialStore()
    const tokens = client({ credentials })
    await tokens.getToken({ url })
    await tokens.forgetRegistration()
    expect(await credentials.load()).toBeUndefined()
    await tokens.getToken({ url })
    expect(state.registrations).toBe(2)
  })
})

describe('stored credentials', () => {
  const stored: StoredClient = {
    version: 1,
    server: base,
    clientId: 'c',
    authMethod: 'client_secret_basic',
    clientSecret: 'marker-secret',
    registeredAt: 0,
    confirmed: true,
    replacements: 0,
  }

  it.each([
    ['of another server', { ...stored, server: 'https://other.example.test/r4' }],
    ['of a newer release', { ...stored, version: 2 }],
    ['without secret', { ...stored, clientSecret: undefined }],
    ['with a broken key', { ...stored, authMethod: 'private_key_jwt', key: { alg: 'ES384', kid: 'k' } }],
    ['of another kind', 'marker-secret'],
  ])('%s are neither used nor replaced', async (_name, value) => {
    const { state, client, sentTo } = world()
    const credentials = { ...memoryCredentialStore(), load: async () => value as StoredClient }
    const error = await failure(client({ credentials }).getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_CREDENTIALS_UNREADABLE' } })
    expect(`${error.message} ${String(error.cause)}`).not.toContain('marker')
    expect(state.registrations).toBe(0)
    expect(sentTo('/token')).toHaveLength(0)
  })

  it('that cannot be read need a person', async () => {
    const { state, client } = world()
    const load = (): Promise<undefined> => Promise.reject(new Error('marker-secret'))
    const error = await failure(
      client({ credentials: { ...memoryCredentialStore(), load } }).getToken({ url }),
    )
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_CREDENTIALS_UNREADABLE' } })
    expect(state.registrations).toBe(0)
  })

  it('stay apart from what the caller holds', async () => {
    const store = memoryCredentialStore()
    const client = { ...stored }
    await store.save(client)
    client.clientId = 'changed'
    expect((await store.load())?.clientId).toBe('c')
    await store.clear()
    await store.clear()
    expect(await store.load()).toBeUndefined()
  })
})

describe('dynamicClient with an App Store receipt', () => {
  const c3 = { registrationEndpoint: 'https://fhir.example.test/c3pro/register' }

  it('sends receipt and antispam secret, and form-encodes what it is given', async () => {
    const { state, client, sentTo } = world()
    state.register = (_sent, id) =>
      new Response(`{"client_id":"${id}","client_secret":"a+b/c==","grant_types":["client_credentials"],}`, {
        status: 201,
      })
    state.token = () => json({ access_token: 't', expires_in: '1800' }, 202)
    let reads = 0
    const receipt = async (): Promise<string> => `cmVj\nZWlwdA${(reads += 1)}=`
    const tokens = client({
      ...c3,
      registration: appStoreReceipt({ receipt, sandbox: true, antispam: async () => 'app secret' }),
    })
    await expect(tokens.getToken({ url })).resolves.toMatchObject({ value: 't' })
    const [sent] = sentTo('/c3pro/register')
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      client_name: 'Scale gateway',
      scope: 'system/Observation.c',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
      sandbox: true,
      'receipt-data': 'cmVjZWlwdA1=',
    })
    expect(sent?.headers['antispam']).toBe('app secret')
    expect(sentTo('/token')[0]?.headers['authorization']).toBe(`Basic ${btoa('client-1:a%2Bb%2Fc%3D%3D')}`)
    for (const other of sentTo('/token')) expect(other.headers).not.toHaveProperty('antispam')
    state.known.clear()
    await tokens.getToken({ url, rejected: 't' })
    expect(reads).toBe(2)
  })

  it('needs a person without a receipt, and says try later only when the app does', async () => {
    const { client } = world()
    const ask = (receipt: () => Promise<string>): Promise<unknown> =>
      client({ ...c3, registration: appStoreReceipt({ receipt }) }).getToken({ url })
    for (const receipt of [async () => ' \n', () => Promise.reject(new Error('marker-receipt'))]) {
      const error = await failure(ask(receipt))
      expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_REGISTRATION_FAILED' } })
    }
  })

  it('does not send a proof to a discovered endpoint on another origin', async () => {
    const server = fakeFetch(() =>
      json({
        token_endpoint: 'https://fhir.example.test/token',
        registration_endpoint: 'https://evil.example.test/register',
      }),
    )
    const tokens = dynamicClient({
      fhirBaseUrl: base,
      credentials: memoryCredentialStore(),
      registration: appStoreReceipt({ receipt: async () => 'marker' }),
      clientName: 'G',
      scope: '',
      fetch: server.fetch,
    })
    const error = await failure(tokens.getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_WRONG_ORIGIN' } })
    expect(server.sent).toHaveLength(1)
  })

  it('needs to know where to register and where to get tokens', () => {
    const common = { credentials: memoryCredentialStore(), clientName: 'G', scope: '' }
    const registration = 'key'
    expect(thrown(() => dynamicClient({ ...common, registration })).code).toBe('ERR_INVALID_OPTIONS')
    expect(thrown(() => dynamicClient({ ...common, ...c3, registration })).code).toBe('ERR_INVALID_OPTIONS')
  })
})
