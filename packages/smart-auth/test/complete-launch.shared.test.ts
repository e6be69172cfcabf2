import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  beginLaunch,
  completeLaunch,
  createClientKey,
  keyProof,
  loginRegistration,
  memorySecretStore,
  secretProof,
  type Fetch,
  type SecretStore,
} from '@fhir-outbox/smart-auth'
import { failure, json, type Sent } from './support/fake-fetch.js'
import { base, issuer, peopleServer, redirectUri } from './support/people-server.js'

describe('completeLaunch', () => {
  it('exchanges the code once and keeps the session', async () => {
    const people = await peopleServer({ token: () => ({ scope: 'openid patient/Observation.rs' }) })
    const session = await people.logIn()
    expect(Object.fromEntries(people.sentTo('/token')[0]?.form ?? [])).toMatchObject({
      grant_type: 'authorization_code',
      code: 'marker-code',
      redirect_uri: redirectUri,
      client_id: 'app',
    })
    expect(session.notices).toEqual(['scope-reduced'])
    expect(session.askedScope).toBe('openid fhirUser offline_access patient/*.rs')
    expect(session.secrets()).toMatchObject({ accessToken: 'access-1', refreshToken: 'refresh-1' })
    expect(JSON.stringify(session)).not.toMatch(/access-1|refresh-1/)
  })

  it('authenticates a confidential client with its secret or its key, also when it refreshes', async () => {
    const { privateJwk } = await createClientKey()
    for (const proof of [secretProof({ clientSecret: 's' }), keyProof({ key: privateJwk })]) {
      const people = await peopleServer()
      const session = await people.logIn({}, { proof })
      people.now += 600_000
      await session.getToken({ url: base })
      const audience = ({ form }: Sent): unknown => {
        const assertion = form.get('client_assertion')
        return assertion === null ? undefined : decodeJwt(assertion).aud
      }
      for (const sent of people.sentTo('/token')) {
        expect(sent.headers['authorization'] ?? audience(sent)).toMatch(
          /^Basic YXBwOnM=$|^https:\/\/auth.example.test\/token$/,
        )
      }
      expect(people.sentTo('/token')).toHaveLength(2)
    }
  })

  it('uses the secret that the server gave to an app that registered itself', async () => {
    const people = await peopleServer({ configuration: { registration_endpoint: `${issuer}/register` }, claims: { aud: 'own' } }) // prettier-ignore
    const fetch: Fetch = async (to, init) =>
      to.endsWith('/register')
        ? json(
            { client_id: 'own', client_secret: 's', token_endpoint_auth_method: 'client_secret_basic' },
            201,
          )
        : people.fetch(to, init)
    const { store } = people
    const registration = loginRegistration({ clientName: 'Diary' })
    const { url } = await beginLaunch({ store, fhirBaseUrl: base, registration, redirectUri, scope: 'patient/*.rs', fetch, now: () => people.now }) // prettier-ignore
    const session = await people.complete(people.answer(new URL(url)), { fetch })
    people.now += 600_000
    await session.getToken({ url: base })
    const used = people.sentTo('/token').map(({ headers }) => headers['authorization'])
    expect(used).toEqual([`Basic ${btoa('own:s')}`, `Basic ${btoa('own:s')}`])
  })

  /** Everything that must be refused before a token request is sent. */
  const forged: readonly (readonly [string, (good: string) => string])[] = [
    ['without state', (good) => good.replace(/state=[^&]+/, '')],
    ['with an empty state', (good) => good.replace(/state=[^&]+/, 'state=')],
    ['with a guessed state', (good) => good.replace(/state=[^&]+/, `state=${'A'.repeat(43)}`)],
    ['with two states', (good) => `${good}&state=x`],
    ['with two codes', (good) => `${good}&code=foreign`],
    ['with two issuers', (good) => `${good}&iss=${issuer}&iss=${issuer}`],
    ['without code', (good) => good.replace(/code=[^&]+&/, '')],
    ['from another issuer', (good) => `${good}&iss=${encodeURIComponent('https://evil.example.test')}`],
    ['that names the FHIR base as issuer', (good) => `${good}&iss=${encodeURIComponent(base)}`],
    ['with a token in the query', (good) => `${good}&access_token=marker`],
    ['with a token in the fragment', (good) => `${good}#access_token=marker&token_type=bearer`],
    ['with an id_token in the fragment', (good) => `${good}#id_token=marker`],
    ['at another path', (good) => good.replace('/callback', '/callback/more')],
    ['at another host', (good) => good.replace('app.example', 'evil.example')],
    ['over plain http', (good) => good.replace('https:', 'http:')],
    ['at another port', (good) => good.replace('.test/', '.test:444/')],
    ['with a parameter more', (good) => `${good}&next=x`],
    ['that is no address', () => 'callback'],
  ]

  it.each(forged)('refuses an answer %s, and asks for no token', async (_name, forge) => {
    const people = await peopleServer()
    const url = await people.begin()
    const error = await failure(people.complete(forge(people.answer(url))))
    expect(error.code).toBe('ERR_CALLBACK_REFUSED')
    expect(people.sentTo('/token')).toEqual([])
  })

  it('takes each answer once', async () => {
    const people = await peopleServer()
    const callback = people.answer(await people.begin())
    const results = await Promise.allSettled([people.complete(callback), people.complete(callback)])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect((await failure(people.complete(callback))).code).toBe('ERR_CALLBACK_REFUSED')
    expect(people.sentTo('/token')).toHaveLength(1)
  })

  it('takes no answer in another place, and none that comes too late', async () => {
    const people = await peopleServer()
    const callback = people.answer(await people.begin())
    expect((await failure(people.complete(callback, { store: memorySecretStore() }))).code).toBe(
      'ERR_CALLBACK_REFUSED',
    )
    people.now += 600_001
    expect((await failure(people.complete(callback))).code).toBe('ERR_CALLBACK_REFUSED')
    expect((await failure(people.complete(callback))).code).toBe('ERR_CALLBACK_REFUSED')
    expect(people.sentTo('/token')).toEqual([])
    expect(await people.store.ids()).toEqual([])
  })

  it('forgets logins that nobody came back from', async () => {
    const people = await peopleServer()
    await people.begin()
    people.now += 600_001
    await people.begin()
    expect(await people.store.ids()).toHaveLength(1)
  })

  it('demands the issuer from a server that says it always names itself', async () => {
    const people = await peopleServer({ openid: { authorization_response_iss_parameter_supported: true } })
    const error = await failure(people.logIn())
    expect(error.code).toBe('ERR_CALLBACK_REFUSED')
    const url = await people.begin()
    await people.complete(people.answer(url, { iss: issuer }))
    expect(people.sentTo('/token')).toHaveLength(1)
  })

  it('tells two servers apart: the answer of one never goes to the other', async () => {
    const [one, two] = [await peopleServer(), await peopleServer({ configuration: { token_endpoint: `${issuer}/two/token` } })] // prettier-ignore
    const store = memorySecretStore()
    const first = await one.begin({ store })
    await two.begin({ store })
    await one.complete(one.answer(first), { store })
    expect(one.sentTo('/token')).toHaveLength(1)
    expect(two.sentTo('/token')).toEqual([])
  })

  it('reports what the server said, what was asked, and what is offered', async () => {
    const people = await peopleServer()
    const url = await people.begin({ scope: 'oidc patient/*.rs' })
    const refused = people.answer(url, { error: 'invalid_scope', error_description: 'oidc is not allowed' })
    const error = await failure(people.complete(refused))
    expect(error).toMatchObject({
      code: 'ERR_AUTHORIZATION_REFUSED',
      oauthError: 'invalid_scope',
      scopes: { asked: ['oidc', 'patient/*.rs'], offered: expect.arrayContaining(['openid']) as string[] },
    })
    expect(error.message).toContain('oidc is not allowed')
    expect(error.hint).toContain('openid')
    expect(people.sentTo('/token')).toEqual([])
  })

  it('tells a refusal by the person from everything else', async () => {
    const people = await peopleServer()
    const url = await people.begin()
    const error = await failure(people.complete(people.answer(url, { error: 'access_denied' })))
    expect(error).toMatchObject({ code: 'ERR_AUTHORIZATION_REFUSED', oauthError: 'access_denied' })
  })

  it('makes the words of an error harmless, and keeps other logins', async () => {
    const people = await peopleServer()
    const [waiting, url] = [await people.begin(), await people.begin()]
    const error_description = `<script>alert(1)</script>\r\nSet-Cookie: x ${'A'.repeat(1_000_000)} ${url.searchParams.get('state') ?? ''}`
    const error = await failure(people.complete(people.answer(url, { error: '<b>\n', error_description })))
    expect(error.code).toBe('ERR_AUTHORIZATION_REFUSED')
    expect(error.message.length).toBeLessThan(600)
    expect(error.message).not.toMatch(/[<>\r\n]/)
    expect(error.message).not.toContain(url.searchParams.get('state') ?? '-')
    const unknown = people.answer(url, { error: 'server_error' })
    expect((await failure(people.complete(unknown))).code).toBe('ERR_CALLBACK_REFUSED')
    // The first login was not touched by either.
    await people.begin()
    const nonce = waiting.searchParams.get('nonce')
    people.bend.claims = { nonce }
    await people.complete(people.answer(waiting))
  })

  it.each([
    ['a page', new Response('<html>'), 'ERR_AUTH_UNREACHABLE'],
    ['nothing', new Response(null, { status: 204 }), 'ERR_AUTH_UNREACHABLE'],
    ['a token of another kind', json({ access_token: 'a', token_type: 'DPoP' }), 'ERR_LOGIN_REQUIRED'],
    ['no token', json({ token_type: 'Bearer' }), 'ERR_AUTH_UNREACHABLE'],
    [
      'a token with a line break',
      json({ access_token: 'a\nb', token_type: 'Bearer' }),
      'ERR_AUTH_UNREACHABLE',
    ],
    ['a refused code', json({ error: 'invalid_grant' }, 400), 'ERR_LOGIN_REQUIRED'],
  ])('has no session after %s', async (_name, answer, code) => {
    const people = await peopleServer({ token: () => answer })
    expect((await failure(people.logIn())).code).toBe(code)
    expect(await people.store.ids()).toEqual([])
  })

  it.each([
    ['a number as patient', { patient: 5, fhirContext: 'no list' }],
    ['an object as encounter', { encounter: { reference: 'x' }, intent: 7, tenant: [] }],
  ])('takes no context from %s', async (_name, members) => {
    const people = await peopleServer({ token: () => members })
    const session = await people.logIn()
    expect([session.patient, session.encounter, session.intent, session.tenant]).toEqual(
      Array(4).fill(undefined),
    )
    expect(session.context).toMatchObject(members)
  })

  it.each([
    ['a negative one', -5],
    ['a huge one', 1e20],
    ['none', undefined],
    ['a word', 'soon'],
  ])('treats a life time that makes no sense as not stated: %s', async (_name, expires_in) => {
    const people = await peopleServer({ token: () => ({ expires_in }) })
    const session = await people.logIn()
    expect(session.expiresAt).toBeUndefined()
    people.now += 30 * 86_400_000
    expect(await session.getToken({ url: base })).toMatchObject({ value: 'access-1' })
  })

  it('narrates what it does, without a secret', async () => {
    const people = await peopleServer()
    const told: unknown[] = []
    const trace = (event: unknown): number => told.push(event)
    await people.logIn({ trace }, { trace })
    const steps = told.map((event) => (event as { step: string }).step)
    expect(steps).toEqual(
      expect.arrayContaining(['login-begun', 'request', 'answer', 'login-returned', 'login-completed']),
    )
    expect(JSON.stringify(told)).not.toMatch(/marker|access-1|refresh-1|state=|verifier|eyJ/)
    await people.logIn(
      {},
      {
        trace: () => {
          throw new Error('the listener is broken')
        },
      },
    )
  })

  it('takes the tokens back that it cannot keep', async () => {
    const people = await peopleServer()
    const store: SecretStore = {
      ...people.store,
      set: (id, record) =>
        id.startsWith('session:') ? Promise.reject(new Error('no space')) : people.store.set(id, record),
    }
    const error = await failure(people.logIn({ store }, { store }))
    expect(error.code).toBe('ERR_CREDENTIALS_UNWRITABLE')
    expect(people.sentTo('/revoke').map(({ form }) => form.get('token'))).toEqual(['refresh-1', 'access-1'])
  })

  it('takes them back also when the app gives up meanwhile', async () => {
    const people = await peopleServer()
    const controller = new AbortController()
    const fetch: Fetch = async (to, init) => {
      if (to.endsWith('/Patient?_count=2&_elements=id')) controller.abort()
      return people.fetch(to, init)
    }
    const given = people.logIn({ patientMode: 'single-patient' }, { fetch, signal: controller.signal })
    await expect(given).rejects.toMatchObject({ name: 'AbortError' })
    expect(people.sentTo('/revoke').map(({ form }) => form.get('token'))).toEqual(['refresh-1', 'access-1'])
  })

  it('begins and completes also where another record cannot be read', async () => {
    const people = await peopleServer()
    const store: SecretStore = { ...people.store, ids: () => Promise.reject(new Error('one of them is odd')) }
    expect((await people.logIn({ store }, { store })).claims?.sub).toBe('person-1')
  })

  it('keeps accounts apart', async () => {
    const people = await peopleServer()
    await people.logIn({ account: 'anna' })
    await people.logIn({ account: 'ben' })
    expect((await people.store.ids()).toSorted()).toEqual([`session:anna:${base}`, `session:ben:${base}`])
    expect((await failure(people.begin({ account: 'a:b' }))).code).toBe('ERR_INVALID_OPTIONS')
  })

  it('refuses a store that is none', async () => {
    const store = {} as ReturnType<typeof memorySecretStore>
    expect((await failure(completeLaunch({ store, callbackUrl: redirectUri }))).code).toBe(
      'ERR_INVALID_OPTIONS',
    )
  })
})
