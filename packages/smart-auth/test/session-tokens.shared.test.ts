import { describe, expect, it, vi } from 'vitest'
import {
  memorySecretStore,
  restoreSession,
  type SecretRecord,
  type SecretStore,
} from '@fhir-outbox/smart-auth'
import { deferred, failure, json } from './support/fake-fetch.js'
import { loggedIn, minute, refreshes, url } from './support/logged-in.js'
import { base, peopleServer, start } from './support/people-server.js'

describe('the tokens of a session', () => {
  it('are used until shortly before their end, then refreshed, once, for all who ask', async () => {
    const { people, session, another } = await loggedIn()
    expect(await session.getToken({ url })).toMatchObject({
      value: 'access-1',
      expiresAt: start + 5 * minute,
    })
    people.now += 5 * minute - 31_000
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-1' })
    people.now += 30_000
    const others = await Promise.all([another(), another()])
    const values = await Promise.all([session, session, ...others].map((one) => one.getToken({ url })))
    expect(values.map(({ value }) => value)).toEqual(['access-2', 'access-2', 'access-2', 'access-2'])
    expect(refreshes(people)).toEqual(['refresh-1'])
    people.now += 5 * minute
    await session.getToken({ url })
    expect(refreshes(people)).toEqual(['refresh-1', 'refresh-2'])
  })

  it('are renewed at different moments by different devices', async () => {
    const { people, another } = await loggedIn()
    const early = await another({ random: () => 1 })
    const late = await another({ random: () => 0 })
    await Promise.all([early, late].map((one) => one.getToken({ url })))
    people.now += 5 * minute - 33_000
    await late.getToken({ url })
    expect(refreshes(people)).toEqual([])
    await early.getToken({ url })
    await vi.waitFor(() => expect(refreshes(people)).toEqual(['refresh-1']))
  })

  it('are stored before anybody sees them', async () => {
    const seen: string[] = []
    const inner = memorySecretStore()
    const store: SecretStore = {
      ...inner,
      async set(id, record) {
        await inner.set(id, record)
        const { token, refreshToken } = record.data as { token?: { value: string }; refreshToken?: string }
        if (token !== undefined) seen.push(`stored ${token.value} ${refreshToken ?? ''}`)
      },
    }
    const { people, session } = await loggedIn(undefined, { store })
    people.now += 5 * minute
    const { value } = await session.getToken({ url })
    seen.push(`seen ${value}`)
    expect(seen.slice(-2)).toEqual(['stored access-2 refresh-2', 'seen access-2'])
  })

  it('need a person after invalid_grant, and only then is the refresh token gone', async () => {
    const { people, session } = await loggedIn(() => json({ error: 'invalid_client' }, 401))
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(session.secrets().refreshToken).toBe('refresh-1')
    people.bend.token = () => json({ error: 'invalid_grant' }, 400)
    expect(await failure(session.getToken({ url }))).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      oauthError: 'invalid_grant',
    })
    expect(session.secrets().refreshToken).toBeUndefined()
    await failure(session.getToken({ url }))
    expect(refreshes(people)).toHaveLength(2)
  })

  it('stay in use while a refresh fails and they are still valid', async () => {
    const { people, session } = await loggedIn(() => json({}, 503))
    await session.getToken({ url })
    people.now += 5 * minute - 20_000
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-1' })
    await vi.waitFor(() => expect(refreshes(people)).toHaveLength(1))
    people.now += 17_000
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-1' })
  })

  it('are refreshed once after a 401; a token that was brought meanwhile is taken instead', async () => {
    const { people, session, another } = await loggedIn()
    const other = await another()
    await Promise.all([session, other].map((one) => one.getToken({ url })))
    expect(await session.getToken({ url, rejected: 'access-1' })).toMatchObject({ value: 'access-2' })
    expect(await other.getToken({ url, rejected: 'access-1' })).toMatchObject({ value: 'access-2' })
    expect(refreshes(people)).toEqual(['refresh-1'])
  })

  it('end with the second 401 in a row', async () => {
    const { people, session } = await loggedIn()
    await session.getToken({ url })
    await session.getToken({ url, rejected: 'access-1' })
    const error = await failure(session.getToken({ url, rejected: 'access-2' }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', status: 401 })
    expect(refreshes(people)).toEqual(['refresh-1'])
    people.now += 61_000
    expect(await session.getToken({ url, rejected: 'access-2' })).toMatchObject({ value: 'access-3' })
  })

  it('are fetched to the end although all who asked have left', async () => {
    const gate = deferred<Response>()
    const { people, session } = await loggedIn(() => gate.promise)
    people.now += 5 * minute
    const controller = new AbortController()
    const left = session.getToken({ url, signal: controller.signal })
    await vi.waitFor(() => expect(refreshes(people)).toHaveLength(1))
    controller.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    expect(people.sentTo('/token').at(-1)?.signal.aborted).toBe(false)
    gate.resolve(
      json({ access_token: 'access-2', token_type: 'Bearer', expires_in: 300, refresh_token: 'refresh-2' }),
    )
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-2' })
    expect(refreshes(people)).toEqual(['refresh-1'])
  })

  it.each([
    ['more rights', { scope: 'openid patient/*.cruds' }],
    ['another patient', { patient: 'p2' }],
  ])('are refused with %s than the person granted', async (_name, members) => {
    const people = await peopleServer({ token: (_sent, n) => (n === 1 ? { patient: 'p1' } : members) })
    const session = await people.logIn()
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(session.secrets()).toEqual({ idToken: expect.any(String) as string })
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(refreshes(people)).toHaveLength(1)
  })

  it('may be for less for a while, and then for all that was granted again, but for no more', async () => {
    const scopes = [
      'openid patient/*.rs',
      'openid patient/Observation.rs',
      'openid patient/*.rs',
      'openid patient/*.cruds',
    ]
    const people = await peopleServer({ token: (_sent, n) => ({ scope: scopes[n - 1] }) })
    const session = await people.logIn()
    for (const scope of scopes.slice(1, 3)) {
      people.now += 5 * minute
      expect(await session.getToken({ url })).toMatchObject({ scope })
    }
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
  })

  it.each([
    ['for another person', { sub: 'person-2' }],
    ['from another issuer', { iss: 'https://evil.example.test' }],
    ['for another client', { aud: 'other' }],
  ])('are refused with an id_token %s', async (_name, claims) => {
    const { people, session } = await loggedIn(() => {
      people.bend.claims = claims
      return {}
    })
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(session.secrets()).not.toHaveProperty('accessToken')
    expect(session.claims?.sub).toBe('person-1')
  })

  it('are not given out from memory either after a refusal in the background', async () => {
    const people = await peopleServer({ token: (_sent, n) => (n === 1 ? {} : { scope: 'patient/*.cruds' }) })
    const session = await people.logIn()
    await session.getToken({ url })
    people.now += 5 * minute - 20_000
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-1' })
    await vi.waitFor(() => expect(session.secrets()).not.toHaveProperty('accessToken'))
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(refreshes(people)).toHaveLength(1)
  })

  it('wait unseen while the id_token beside them cannot be checked, and the refresh token stays', async () => {
    const { people, another } = await loggedIn()
    people.now += 5 * minute
    let away = true
    const session = await another({
      fetch: async (to, init) => (away && to.endsWith('/jwks') ? json({}, 503) : people.fetch(to, init)),
    })
    expect(await failure(session.getToken({ url }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      status: 503,
    })
    expect(session.secrets()).toMatchObject({ refreshToken: 'refresh-2' })
    expect(session.secrets()).not.toHaveProperty('accessToken')
    away = false
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-3' })
    expect(refreshes(people)).toEqual(['refresh-1', 'refresh-2'])
  })

  it('keep what a refresh does not repeat', async () => {
    const { people, session } = await loggedIn(() => ({
      refresh_token: undefined,
      scope: undefined,
      id_token: undefined,
    }))
    const { idToken } = session.secrets()
    people.now += 5 * minute
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-2', scope: session.scope })
    expect(session.secrets()).toMatchObject({ refreshToken: 'refresh-1', idToken })
    expect(session.claims?.sub).toBe('person-1')
  })

  it('are not written over those of a process that has taken over', async () => {
    const inner = memorySecretStore()
    let lostLock = false
    const store: SecretStore = {
      ...inner,
      lock: (id, work, signal) => inner.lock(id, () => work({ stillHeld: async () => !lostLock }), signal),
    }
    const { people, session } = await loggedIn(
      async () => {
        lostLock = true
        const id = `session:default:${base}`
        const stored = (await inner.get(id)) as SecretRecord
        const token = {
          value: 'access-of-the-other',
          expiresAt: people.now + 5 * minute,
          lifetimeMs: 5 * minute,
        }
        const generation = Number(stored.data['generation']) + 1
        await inner.set(id, {
          data: { ...stored.data, token, refreshToken: 'refresh-of-the-other', generation },
        })
        return json({ access_token: 'access-2', token_type: 'Bearer', refresh_token: 'refresh-2' })
      },
      { store },
    )
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE' })
    lostLock = false
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-of-the-other' })
    expect(refreshes(people)).toHaveLength(1)
  })

  it('end for everybody when one ends the session', async () => {
    const { people, session, another } = await loggedIn()
    const other = await another()
    expect(await session.end()).toBe('revoked')
    const revoked = people.sentTo('/revoke').map(({ form }) => form.get('token'))
    expect(revoked).toEqual(['refresh-1', 'access-1'])
    for (const one of [session, other]) {
      expect(await failure(one.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    }
    expect(await restoreSession({ store: people.store, fhirBaseUrl: base })).toBeUndefined()
  })

  it('are never those of somebody who logged in later in the same place', async () => {
    const { people, session } = await loggedIn()
    people.bend.claims = { sub: 'person-2' }
    const later = await people.logIn()
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(session.claims?.sub).toBe('person-1')
    expect(session.secrets().accessToken).not.toBe(later.secrets().accessToken)
    await failure(session.setPatient('p9'))
    expect(await later.getToken({ url })).toMatchObject({ type: 'Bearer' })
    expect(later.patient).toBeUndefined()
    expect(await session.end()).toBe('revoked')
    expect(people.sentTo('/revoke').map(({ form }) => form.get('token'))).toEqual(['refresh-1', 'access-1'])
    expect(await later.getToken({ url })).toMatchObject({ type: 'Bearer' })
  })

  it('are never those of a login for another patient', async () => {
    const people = await peopleServer({ token: (_sent, n) => ({ patient: n === 1 ? 'p1' : 'p2' }) })
    const session = await people.logIn()
    await people.logIn()
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(session.patient).toBe('p1')
  })

  it('are those of a new login of the same person, by the client of that login', async () => {
    const { people, session } = await loggedIn(() => json({ error: 'invalid_grant' }, 400))
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    people.bend.token = () => ({})
    await people.logIn()
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-3' })
  })

  it('need a person when there is nothing to refresh with', async () => {
    const people = await peopleServer({ token: () => ({ refresh_token: undefined }) })
    const session = await people.logIn()
    expect(session.notices).toContain('no-refresh-token')
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(refreshes(people)).toEqual([])
  })

  it('never go to another origin, nor over plain http', async () => {
    const { session } = await loggedIn()
    expect(await failure(session.getToken({ url: 'https://evil.example.test/r4' }))).toMatchObject({
      code: 'ERR_WRONG_ORIGIN',
    })
    expect(await failure(session.getToken({ url: 'http://fhir.example.test/r4' }))).toMatchObject({
      code: 'ERR_INSECURE_URL',
    })
  })
})
