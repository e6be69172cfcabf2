import { describe, expect, it } from 'vitest'
import { memorySecretStore, type SecretRecord, type SecretStore } from '@fhir-outbox/smart-auth'
import { failure, json } from './support/fake-fetch.js'
import { loggedIn, lost, minute, refreshes, refused, url } from './support/logged-in.js'
import { base } from './support/people-server.js'

describe('the tokens of a session, when a refresh left doubts', () => {
  it('stay unseen while they cannot be stored, and are not refreshed a second time for that', async () => {
    let full = false
    const inner = memorySecretStore()
    const store: SecretStore = {
      ...inner,
      async set(id, record) {
        const { token } = record.data as { token?: { value: string } }
        if (full && token?.value === 'access-2') throw new Error(`no space for ${token.value}`)
        await inner.set(id, record)
      },
    }
    const { people, session } = await loggedIn(undefined, { store })
    people.now += 5 * minute
    full = true
    const error = await failure(session.getToken({ url }))
    expect(error).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      cause: { code: 'ERR_CREDENTIALS_UNWRITABLE' },
    })
    full = false
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-2' })
    expect(refreshes(people)).toEqual(['refresh-1'])
  })

  it('are not asked for again after an answer was lost, unless the app allows it', async () => {
    const { people, session, another } = await loggedIn(lost)
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      arrived: 'maybe',
    })
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(refreshes(people)).toEqual(['refresh-1'])
    // Nothing was thrown away: with the policy the same token is sent again.
    people.bend.token = () => ({})
    const bold = await another({ uncertainRefresh: 'resend' })
    expect(await bold.getToken({ url })).toMatchObject({ value: 'access-3' })
    expect(refreshes(people)).toEqual(['refresh-1', 'refresh-1'])
  })

  it.each([
    ['an answer that is cut off', () => new Response('{"access_token":"acc')],
    ['an answer without a token', () => json({ token_type: 'Bearer' })],
    [
      'an answer that nobody can unfold',
      () =>
        new Response(
          `{"access_token":"a","token_type":"Bearer","x":${'['.repeat(99_999)}${']'.repeat(99_999)}}`,
        ),
    ],
    ['time that has run out', () => new Promise<Response>(() => undefined)],
  ])('count %s as lost', async (_name, refresh) => {
    const { people, session } = await loggedIn(refresh, {
      session: { uncertainRefresh: 'resend', timeoutMs: 30 },
    })
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      arrived: 'maybe',
    })
    expect(session.secrets().refreshToken).toBe('refresh-1')
  })

  it('are uncertain after an answer that nobody can use: the refresh token may be another one now', async () => {
    const other = { token_type: 'DPoP', refresh_token: 'refresh-2' }
    const { people, session } = await loggedIn(() => other)
    people.now += 5 * minute
    const error = await failure(session.getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', arrived: 'maybe' })
    await failure(session.getToken({ url }))
    expect(refreshes(people)).toEqual(['refresh-1'])
  })

  it('are uncertain after a crash between the request and its answer', async () => {
    const { people, another, session } = await loggedIn()
    const id = `session:default:${base}`
    const stored = (await people.store.get(id)) as SecretRecord
    await people.store.set(id, { data: { ...stored.data, refreshBegunAt: people.now } })
    people.now += 5 * minute
    expect(await failure((await another()).getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(refreshes(people)).toEqual([])
    expect(session.secrets().refreshToken).toBe('refresh-1')
  })

  it.each([
    ['nobody answers', () => refused(), {}],
    [
      'no address answers in time',
      () => {
        throw new TypeError('fetch failed', {
          cause: Object.assign(
            new AggregateError([
              Object.assign(new Error('a'), { code: 'ETIMEDOUT', syscall: 'connect' }),
              Object.assign(new Error('b'), { code: 'ENETUNREACH', syscall: 'connect' }),
            ]),
            { code: 'ETIMEDOUT' },
          ),
        })
      },
      { arrived: 'no' },
    ],
    [
      'the connection ends before it is secure',
      () => {
        throw new TypeError('fetch failed', {
          cause: Object.assign(
            new Error('Client network socket disconnected before secure TLS connection was established'),
            { code: 'ECONNRESET' },
          ),
        })
      },
      { arrived: 'no' },
    ],
    ['it answers 503', () => json({}, 503, { 'retry-after': '7' }), { status: 503, retryAfterMs: 7000 }],
    ['it answers 429', () => json({}, 429), { status: 429 }],
    ['it is temporarily unavailable', () => json({ error: 'temporarily_unavailable' }, 400), { status: 400 }],
    ['a portal answers', () => new Response('<html>', { status: 404 }), { status: 404 }],
  ])('are kept when %s: try later, and then go on', async (_name, refresh, more) => {
    const { people, session } = await loggedIn(refresh)
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', ...more })
    people.bend.token = () => ({})
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-3' })
    expect(refreshes(people)).toEqual(['refresh-1', 'refresh-1'])
  })

  it('are not taken for used up because the disk was full while nobody answered', async () => {
    let full = false
    const inner = memorySecretStore()
    const store: SecretStore = {
      ...inner,
      async set(id, record) {
        if (full) throw new Error('no space')
        await inner.set(id, record)
      },
    }
    const { people, session } = await loggedIn(
      () => {
        full = true
        return refused()
      },
      { store },
    )
    people.now += 5 * minute
    expect(await failure(session.getToken({ url }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      arrived: 'no',
    })
    full = false
    people.bend.token = () => ({})
    expect(await session.getToken({ url })).toMatchObject({ value: 'access-3' })
  })
})
