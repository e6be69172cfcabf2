import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  appStoreReceipt,
  authFromSettings,
  beginLaunch,
  credentialsIn,
  deleteRegistration,
  deviceRegistration,
  dynamicClient,
  forgetLoginRegistration,
  loginRegistration,
  memoryCredentialStore,
  memorySecretStore,
  readRegistration,
  softwareStatement,
  updateRegistration,
  type DynamicClientOptions,
  type RegistrationMethod,
} from '@fhir-outbox/smart-auth'
import { failure, fakeFetch, json, thrown, token, type FakeFetch, type Sent } from './support/fake-fetch.js'
import { base, issuer, peopleServer } from './support/people-server.js'

const url = `${base}/Observation`
const registrationEndpoint = 'https://auth.example.test/register'
const tokenEndpoint = 'https://auth.example.test/token'

function client(
  server: FakeFetch,
  options: Partial<DynamicClientOptions> = {},
): ReturnType<typeof dynamicClient> {
  return dynamicClient({
    tokenEndpoint,
    registrationEndpoint,
    credentials: credentialsIn(memorySecretStore(), 'c'),
    registration: 'secret',
    clientName: 'Scale',
    scope: 'system/Observation.c',
    fetch: server.fetch,
    ...options,
  })
}

const bodyOf = (sent: Sent | undefined): Record<string, unknown> =>
  JSON.parse(sent?.body ?? '{}') as Record<string, unknown>

describe('a registration for one device', () => {
  it('is made with a token that is not kept, and signs its own grants from then on', async () => {
    const server = fakeFetch(({ url: to }) =>
      to === registrationEndpoint
        ? json({ client_id: 'device-1', token_endpoint_auth_method: 'none' }, 201)
        : token('t'),
    )
    const store = memorySecretStore()
    const given: string[] = []
    const source = client(server, {
      credentials: credentialsIn(store, 'device'),
      registration: deviceRegistration({
        softwareId: 'app-1',
        initialAccessToken: async () => 'marker-initial',
        revoke: async (initial) => void given.push(initial),
      }),
    })
    await source.getToken({ url })
    const [register, ask] = server.sent
    expect(register?.headers['authorization']).toBe('Bearer marker-initial')
    expect(bodyOf(register)).toMatchObject({
      software_id: 'app-1',
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer'],
    })
    expect(given).toEqual(['marker-initial'])
    expect(Object.fromEntries(ask?.form ?? [])).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      client_id: 'device-1',
      scope: 'system/Observation.c',
    })
    const assertion = ask?.form.get('assertion') ?? ''
    expect(decodeJwt(assertion)).toMatchObject({ iss: 'device-1', sub: 'device-1', aud: tokenEndpoint })
    const stored = await store.get('client:device')
    expect(stored?.key?.extractable).toBe(false)
    expect(JSON.stringify(stored?.data)).not.toContain('marker')
  })

  it('gives the token back also when it failed, and fails loudly when the server registers something else', async () => {
    for (const answer of [
      json({}, 500),
      json(
        {
          client_id: 'x',
          token_endpoint_auth_method: 'client_secret_basic',
          client_secret: 's',
          grant_types: ['authorization_code'],
        },
        201,
      ),
    ]) {
      // prettier-ignore
      const given: string[] = []
      const registration = deviceRegistration({
        softwareId: 'a',
        initialAccessToken: async () => 'marker-initial',
        revoke: async (initial) => {
          given.push(initial)
          throw new Error('the revocation endpoint is away')
        },
      })
      const error = await failure(
        client(
          fakeFetch(() => answer.clone()),
          { registration },
        ).getToken({ url }),
      )
      expect(['ERR_AUTH_UNREACHABLE', 'ERR_LOGIN_REQUIRED']).toContain(error.code)
      expect(given).toEqual(['marker-initial'])
      expect(error.message).not.toContain('marker')
    }
  })
})

describe('a dynamic client', () => {
  it('asks the app how to register, when it knows where', async () => {
    const server = fakeFetch(({ url: to }) =>
      to === registrationEndpoint ? json({ client_id: 'c', client_secret: 's' }, 201) : token('t'),
    )
    const asked: string[] = []
    const beforeRegistration = (where: string): RegistrationMethod => {
      asked.push(where)
      return softwareStatement('marker-statement', 'secret')
    }
    await client(server, { beforeRegistration }).getToken({ url })
    expect(asked).toEqual([registrationEndpoint])
    expect(bodyOf(server.sent[0])).toMatchObject({ software_statement: 'marker-statement' })
  })

  it('keeps the habits of the server that the app has chosen for, after a restart as well', async () => {
    const server = fakeFetch(({ url: to }) =>
      to === registrationEndpoint
        ? new Response('{"client_id":"c","client_secret":"a+b",}', { status: 201 })
        : json({ access_token: 't', expires_in: '1800' }, 202),
    )
    const credentials = credentialsIn(memorySecretStore(), 'c')
    const beforeRegistration = (): RegistrationMethod =>
      appStoreReceipt({ receipt: async () => 'UkVD', antispam: 'a' })
    for (let n = 0; n < 2; n += 1) {
      const source = client(server, { credentials, beforeRegistration })
      await expect(source.getToken({ url })).resolves.toMatchObject({ value: 't' })
      expect(server.sent.at(-1)?.headers['authorization']).toBe(`Basic ${btoa('c:a%2Bb')}`)
    }
    expect(server.sent).toHaveLength(3)
  })

  it('registers anew when its secret has expired, before it is used', async () => {
    let now = Date.parse('2031-05-06T07:08:09Z')
    let made = 0
    const server = fakeFetch(({ url: to }) => {
      if (to !== registrationEndpoint) return token('t', { expires_in: 0 })
      made += 1
      return json(
        { client_id: `c${made}`, client_secret: 's', client_secret_expires_at: now / 1000 + 3600 },
        201,
      )
    })
    const source = client(server, { now: () => now })
    await source.getToken({ url })
    now += 3_530_000
    await source.getToken({ url })
    expect(made).toBe(1)
    now += 15_000
    await source.getToken({ url })
    expect(made).toBe(2)
    const used = server.sent
      .filter((sent) => sent.url === tokenEndpoint)
      .map(({ headers }) => atob((headers['authorization'] ?? '').slice(6)))
    expect(used).toEqual(['c1:s', 'c1:s', 'c2:s'])
  })

  it('registers once when several start at the same moment on one store', async () => {
    let made = 0
    const server = fakeFetch(({ url: to }) => {
      if (to !== registrationEndpoint) return token('t')
      made += 1
      return json({ client_id: `c${made}`, client_secret: 's' }, 201)
    })
    const store = memorySecretStore()
    const sources = [1, 2, 3].map(() => client(server, { credentials: credentialsIn(store, 'c') }))
    await Promise.all(sources.map((source) => source.getToken({ url })))
    expect(made).toBe(1)
  })

  it('deletes its registration at the server when it is forgotten', async () => {
    const managed = { registration_client_uri: 'https://auth.example.test/register/c', registration_access_token: 'marker-manage' } // prettier-ignore
    let status = 204
    const server = fakeFetch(({ url: to, method }) => {
      if (method === 'DELETE') return new Response(null, { status })
      return to === registrationEndpoint
        ? json({ client_id: 'c', client_secret: 's', ...managed }, 201)
        : token('t')
    })
    const credentials = memoryCredentialStore()
    const source = client(server, { credentials })
    expect(await source.forgetRegistration()).toBe('left')
    await source.getToken({ url })
    expect(await source.forgetRegistration()).toBe('deleted')
    expect(server.sent.at(-1)).toMatchObject({ method: 'DELETE', url: managed.registration_client_uri })
    expect(server.sent.at(-1)?.headers['authorization']).toBe('Bearer marker-manage')
    expect(await credentials.load()).toBeUndefined()
    status = 500
    await source.getToken({ url })
    expect(await source.forgetRegistration()).toBe('left')
    expect(await credentials.load()).toBeUndefined()
  })

  it('takes no means of management on another origin', async () => {
    const elsewhere = {
      registration_client_uri: 'https://evil.example.test/c',
      registration_access_token: 'marker',
    }
    const server = fakeFetch(({ url: to }) =>
      to === registrationEndpoint
        ? json({ client_id: 'c', client_secret: 's', ...elsewhere }, 201)
        : token('t'),
    )
    const source = client(server)
    await source.getToken({ url })
    expect(await source.forgetRegistration()).toBe('left')
    expect(server.sent.some((sent) => sent.url.includes('evil'))).toBe(false)
  })
})

describe('the management of a registration', () => {
  const managed = {
    registrationClientUri: 'https://auth.example.test/register/c',
    registrationAccessToken: 'marker-old',
  }

  it('resolves only when the new token is stored, and fails when it cannot be', async () => {
    const server = fakeFetch(() => json({ client_id: 'c', registration_access_token: 'marker-new' }))
    const kept: (string | undefined)[] = []
    const persist = async (registered: { registrationAccessToken?: string }): Promise<void> =>
      void kept.push(registered.registrationAccessToken)
    const read = await readRegistration(managed, { persist, fetch: server.fetch })
    expect(read).toMatchObject({ clientId: 'c', registrationClientUri: managed.registrationClientUri })
    const full = (): Promise<void> => Promise.reject(new Error('full'))
    await expect(readRegistration(managed, { persist: full, fetch: server.fetch })).rejects.toThrow('full')
    await updateRegistration(managed, { client_id: 'c', ...read.metadata, client_secret_expires_at: 0, client_name: 'N' }, { persist, fetch: server.fetch }) // prettier-ignore
    expect(bodyOf(server.sent.at(-1))).toEqual({ client_id: 'c', client_name: 'N' })
    expect(server.sent.at(-1)?.method).toBe('PUT')
    expect(kept).toEqual(['marker-new', 'marker-new'])
  })

  it.each([
    [401, 'ERR_REGISTRATION_FAILED'],
    [503, 'ERR_AUTH_UNREACHABLE'],
    [302, 'ERR_REGISTRATION_FAILED'],
  ])('says what %i means, and shows no token', async (status, code) => {
    const server = fakeFetch(() => json({ error_description: 'marker-old is bad' }, status))
    const persist = async (): Promise<void> => undefined
    const error = await failure(readRegistration(managed, { persist, fetch: server.fetch }))
    expect(error).toMatchObject({ code, status })
    expect(error.message).not.toContain('marker')
  })

  it('counts a client that is gone as deleted, and nothing else', async () => {
    for (const status of [204, 404, 401]) {
      await deleteRegistration(managed, { fetch: fakeFetch(() => new Response(null, { status })).fetch })
    }
    const error = await failure(deleteRegistration(managed, { fetch: fakeFetch(() => json({}, 403)).fetch }))
    expect(error).toMatchObject({ code: 'ERR_REGISTRATION_FAILED', status: 403 })
  })
})

describe('an app that registers itself for people', () => {
  it('asks for every scope of the login, and registers again for more', async () => {
    const people = await peopleServer({ configuration: { registration_endpoint: `${issuer}/register` } })
    let made = 0
    const fetch: typeof people.fetch = async (to, init) => {
      if (to !== `${issuer}/register`) return people.fetch(to, init)
      made += 1
      bodies.push(JSON.parse(init.body ?? '') as Record<string, unknown>)
      return json({ client_id: `app-${made}`, ...answer }, 201)
    }
    const bodies: Record<string, unknown>[] = []
    let answer: Record<string, unknown> = {}
    const registration = loginRegistration({ clientName: 'Diary' })
    const begin = (scope: string, redirectUri = 'https://app.example.test/cb'): Promise<{ url: string }> =>
      beginLaunch({ store: people.store, fhirBaseUrl: base, registration, redirectUri, scope, fetch, patientMode: 'single-patient' }) // prettier-ignore
    const { url: first } = await begin('patient/*.rs offline_access')
    expect(new URL(first).searchParams.get('client_id')).toBe('app-1')
    expect(bodies[0]).toMatchObject({
      scope: 'launch/patient openid fhirUser patient/*.rs offline_access',
      redirect_uris: ['https://app.example.test/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    })
    await begin('patient/*.rs')
    expect(made).toBe(1)
    await begin('patient/*.cruds')
    await begin('patient/*.cruds', 'https://app.example.test/cb2')
    expect(made).toBe(3)
    answer = { redirect_uris: ['https://evil.example.test/cb'] }
    expect((await failure(begin('openid x'))).code).toBe('ERR_REGISTRATION_FAILED')
    expect(await forgetLoginRegistration({ store: people.store, fhirBaseUrl: base }, { fetch })).toBe('left')
  })
})

describe('an app that is registered for less than it asks', () => {
  it('is not registered again for that with each login', async () => {
    const people = await peopleServer({ configuration: { registration_endpoint: `${issuer}/register` } })
    let made = 0
    const fetch: typeof people.fetch = async (to, init) => {
      if (to !== `${issuer}/register`) return people.fetch(to, init)
      made += 1
      return json({ client_id: `app-${made}`, scope: 'patient/*.rs' }, 201)
    }
    const registration = loginRegistration({ clientName: 'Diary' })
    const login = {
      store: people.store,
      fhirBaseUrl: base,
      registration,
      redirectUri: 'https://app.example.test/cb',
    }
    for (let n = 0; n < 3; n += 1)
      await beginLaunch({ ...login, scope: 'patient/*.rs offline_access', fetch })
    expect(made).toBe(1)
  })
})

describe('an App Store receipt', () => {
  it('is read again after the system has fetched a new one', async () => {
    let receipt = ''
    let refreshed = 0
    const method = appStoreReceipt({
      receipt: async () => receipt,
      refresh: async () => {
        refreshed += 1
        receipt = 'UkVD'
      },
    })
    await expect(method.prepare({ registrationEndpoint })).resolves.toMatchObject({
      members: { 'receipt-data': 'UkVD' },
    })
    await method.prepare({ registrationEndpoint })
    expect(refreshed).toBe(1)
    const never = appStoreReceipt({ receipt: async () => '', refresh: async () => undefined })
    expect((await failure(never.prepare({ registrationEndpoint }))).code).toBe('ERR_REGISTRATION_FAILED')
  })
})

describe('authFromSettings', () => {
  const c3pro = {
    authorize_uri: 'https://study.example.test/c3pro/oauth',
    registration_uri: 'https://study.example.test/c3pro/register',
  }

  it('takes a client, with the token endpoint where C3-PRO writes it', async () => {
    const server = fakeFetch(() => json({ access_token: 't', expires_in: '1800' }, 202))
    const settings = { ...c3pro, client_id: 'abc', client_secret: 'd+f', scope: 'login and more' }
    const source = authFromSettings({ baseUrl: base, settings, fetch: server.fetch })
    await expect(source?.getToken({ url })).resolves.toMatchObject({ value: 't' })
    expect(server.sent.map(({ url: to }) => to)).toEqual([c3pro.authorize_uri])
    expect(server.sent[0]?.headers['authorization']).toBe(`Basic ${btoa('abc:d%2Bf')}`)
    expect(Object.fromEntries(server.sent[0]?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      scope: 'login and more',
      aud: base,
    })
  })

  it('registers without a client, by receipt when there is one', async () => {
    const server = fakeFetch(({ url: to }) =>
      to === c3pro.registration_uri
        ? new Response('{"client_id":"c","client_secret":"s",}', { status: 201 })
        : json({ access_token: 't', token_type: 'bearer' }, 202),
    )
    const settings = { ...c3pro, client_name: 'Study', redirect_uris: ['x://y'] }
    const receipt = { receipt: async () => 'UkVD', antispam: 'a' }
    for (const more of [{ receipt }, {}]) {
      const credentials = memoryCredentialStore()
      await authFromSettings({
        baseUrl: base,
        settings,
        credentials,
        fetch: server.fetch,
        ...more,
      })?.getToken({ url })
    }
    expect(bodyOf(server.sent[0])).toMatchObject({
      client_name: 'Study',
      'receipt-data': 'UkVD',
      redirect_uris: ['x://y'],
    })
    expect(bodyOf(server.sent[2])).not.toHaveProperty('receipt-data')
    expect(bodyOf(server.sent[2])).toMatchObject({ scope: 'user/*.* openid profile' })
  })

  it('registers for a secret in the body where the settings want it there', async () => {
    const server = fakeFetch(({ url: to }) =>
      to === c3pro.registration_uri
        ? json({ client_id: 'c', client_secret: 's' }, 201)
        : json({ access_token: 't', token_type: 'bearer' }, 202),
    )
    const settings = { ...c3pro, secret_in_body: true }
    const credentials = memoryCredentialStore()
    await authFromSettings({ baseUrl: base, settings, credentials, fetch: server.fetch })?.getToken({ url })
    expect(bodyOf(server.sent[0])).toMatchObject({ token_endpoint_auth_method: 'client_secret_post' })
    expect(server.sent[1]?.headers).not.toHaveProperty('authorization')
    expect(Object.fromEntries(server.sent[1]?.form ?? [])).toMatchObject({
      client_id: 'c',
      client_secret: 's',
    })
  })

  it('knows an open server, and what it cannot do', () => {
    expect(authFromSettings({ baseUrl: base, settings: { authorize_type: 'none' } })).toBeUndefined()
    const bad = [
      { authorize_type: 'authorization_code' },
      { client_id: 'c' },
      {},
      { registration_uri: registrationEndpoint },
    ]
    for (const settings of bad) {
      expect(thrown(() => authFromSettings({ baseUrl: base, settings })).code).toBe('ERR_INVALID_OPTIONS')
    }
  })
})
