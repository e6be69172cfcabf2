import { base64url, exportJWK, generateKeyPair, SignJWT, type JWK, type JWTHeaderParameters } from 'jose'
import { describe, expect, it } from 'vitest'
import { failure, json } from './support/fake-fetch.js'
import { issuer, peopleServer, type Bend, type PeopleServer } from './support/people-server.js'

/** A login whose id_token is made by the test. */
async function withToken(
  make: (people: PeopleServer, good: string) => Promise<string> | string,
  bend: Bend = {},
): Promise<PeopleServer> {
  const people = await peopleServer(bend)
  people.bend.idToken = async (good) => make(people, await good())
  return people
}

const parts = (token: string): readonly [string, string, string] =>
  token.split('.') as [string, string, string]
const encode = (value: unknown): string => base64url.encode(JSON.stringify(value))

function claimsIn(token: string): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(base64url.decode(parts(token)[1]))) as Record<string, unknown>
}

async function signed(
  people: PeopleServer,
  good: string,
  header: Partial<JWTHeaderParameters>,
): Promise<string> {
  const whole = { alg: 'ES256', kid: 'k1', ...header } as JWTHeaderParameters
  return new SignJWT(claimsIn(good)).setProtectedHeader(whole).sign(people.signing.privateKey)
}

describe('an id_token is refused', () => {
  it.each([
    [
      'that nobody signed',
      (_people: PeopleServer, good: string) => `${encode({ alg: 'none' })}.${parts(good)[1]}.`,
    ],
    [
      'with its signature cut off',
      (_people: PeopleServer, good: string) => parts(good).slice(0, 2).join('.') + '.',
    ],
    [
      'with other claims under the signature',
      (_people: PeopleServer, good: string) => {
        const [head, , signature] = parts(good)
        return `${head}.${encode({ ...claimsIn(good), sub: 'evil' })}.${signature}`
      },
    ],
    [
      'signed by the public key as a secret',
      async (people: PeopleServer, good: string) => {
        const secret = new TextEncoder().encode(JSON.stringify(people.signing.jwk))
        return new SignJWT(claimsIn(good)).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret)
      },
    ],
    [
      'signed by a key that it brings along',
      async (_people: PeopleServer, good: string) => {
        const own = await generateKeyPair('ES256', { extractable: true })
        const jwk = await exportJWK(own.publicKey)
        return new SignJWT(claimsIn(good))
          .setProtectedHeader({ alg: 'ES256', jwk, jku: 'https://evil.example.test/jwks', kid: 'k1' })
          .sign(own.privateKey)
      },
    ],
    [
      'with a critical header that is not understood',
      async (people: PeopleServer, good: string) =>
        new SignJWT(claimsIn(good))
          .setProtectedHeader({ alg: 'ES256', kid: 'k1', crit: ['exp2'], exp2: 1 })
          .sign(people.signing.privateKey, { crit: { exp2: true } }),
    ],
    ['that is encrypted', () => 'a.b.c.d.e'],
    ['that is no token', () => 'marker'],
  ] as const)('%s', async (_name, make) => {
    // prettier-ignore
    const people = await withToken(make)
    const error = await failure(people.logIn())
    expect(error.code).toBe('ERR_ID_TOKEN_REFUSED')
    expect(error.message).not.toMatch(/marker|eyJ/)
    expect(await people.store.ids()).toEqual([])
  })

  it.each([
    ['of another issuer', { iss: 'https://evil.example.test' }],
    ['of an issuer with a slash more', { iss: `${issuer}/` }],
    ['for another client', { aud: 'other' }],
    ['for several clients without naming one', { aud: ['app', 'other'] }],
    ['for several clients and another of them', { aud: ['app', 'other'], azp: 'other' }],
    ['made for another client', { azp: 'other' }],
    ['that has expired', { exp: 1 }],
    ['that never expires', { exp: undefined }],
    ['that is not valid yet', { nbf: 9_999_999_999 }],
    ['dated ahead', { iat: 9_999_999_999 }],
    ['without a date', { iat: undefined }],
    ['without a subject', { sub: '' }],
    ['without nonce', { nonce: undefined }],
    ['of another login', { nonce: 'x' }],
    ['of another access token', { at_hash: 'x' }],
  ])('%s', async (_name, claims) => {
    const people = await peopleServer({ claims })
    expect((await failure(people.logIn())).code).toBe('ERR_ID_TOKEN_REFUSED')
    expect(people.sentTo('/token')).toHaveLength(1)
    expect(people.sentTo('/revoke').map(({ form }) => form.get('token'))).toEqual(['refresh-1', 'access-1'])
    expect(await people.store.ids()).toEqual([])
  })

  it('signed with an algorithm that the server does not list', async () => {
    const people = await peopleServer({ openid: { id_token_signing_alg_values_supported: ['RS256'] } })
    expect((await failure(people.logIn())).code).toBe('ERR_ID_TOKEN_REFUSED')
  })

  it('signed with an algorithm that does not fit the key', async () => {
    const people = await withToken((_people, good) => `${encode({ alg: 'RS256', kid: 'k1' })}.${parts(good).slice(1).join('.')}`) // prettier-ignore
    expect((await failure(people.logIn())).code).toBe('ERR_ID_TOKEN_REFUSED')
  })

  it('when a code of somebody else was put in: its nonce is another', async () => {
    const people = await peopleServer()
    const mine = await people.begin()
    await people.begin()
    // The token of the later login answers the earlier one.
    expect((await failure(people.complete(people.answer(mine)))).code).toBe('ERR_ID_TOKEN_REFUSED')
  })
})

describe('an id_token is accepted', () => {
  it('for several clients when it names this one, with a hash that fits', async () => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('access-1'))
    const at_hash = base64url.encode(new Uint8Array(digest).slice(0, 16))
    const people = await peopleServer({ claims: { aud: ['app', 'other'], azp: 'app', at_hash } })
    expect((await people.logIn()).claims).toMatchObject({ sub: 'person-1', azp: 'app' })
  })

  it.each([-119_000, 119_000])('when the clocks are %i ms apart', async (offset) => {
    const people = await peopleServer()
    const seconds = Math.floor(people.now / 1000)
    people.bend.claims = { iat: seconds, exp: seconds + 1, nbf: seconds }
    const session = await people.logIn({}, { now: () => people.now + offset })
    expect(session.claims?.sub).toBe('person-1')
  })

  it('is missed when it was granted and did not come', async () => {
    const people = await peopleServer({ idToken: async () => undefined })
    const session = await people.logIn()
    expect(session.claims).toBeUndefined()
    expect(session.notices).toEqual(['no-id-token'])
  })

  it('is dropped when nobody asked for one', async () => {
    const people = await peopleServer()
    const session = await people.logIn({ scope: 'patient/*.rs' })
    expect([session.claims, session.secrets().idToken]).toEqual([undefined, undefined])
  })
})

describe('the keys of the server', () => {
  it('are loaded once more, and not again, for a key that is not among them', async () => {
    const people = await withToken((own, good) => signed(own, good, { kid: 'unknown' }))
    expect((await failure(people.logIn())).code).toBe('ERR_ID_TOKEN_REFUSED')
    expect(people.sentTo('/jwks')).toHaveLength(2)
  })

  it('may have been changed since they were loaded', async () => {
    const people = await peopleServer()
    const session = await people.logIn()
    const next = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(next.publicKey)), kid: 'k2', alg: 'ES256' }
    const seen = (): number => people.sentTo('/jwks').length
    people.now += 600_000
    await session.getToken({ url: 'https://fhir.example.test/r4' })
    people.bend.keys = [jwk]
    people.bend.idToken = async (good) =>
      new SignJWT(claimsIn(await good({ nonce: undefined })))
        .setProtectedHeader({ alg: 'ES256', kid: 'k2' })
        .sign(next.privateKey)
    people.now += 600_000
    const before = seen()
    expect(await session.getToken({ url: 'https://fhir.example.test/r4' })).toMatchObject({
      value: 'access-3',
    })
    expect(seen()).toBe(before + 1)
  })

  it('are loaded at most once a minute for a flood of unknown keys', async () => {
    const people = await peopleServer({ token: () => ({ expires_in: 1 }) })
    const session = await people.logIn()
    const url = 'https://fhir.example.test/r4'
    await session.getToken({ url })
    people.now += 5_000
    await session.getToken({ url })
    const before = people.sentTo('/jwks').length
    const next = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(next.publicKey)), kid: 'k2', alg: 'ES256' }
    people.bend.idToken = async (make) =>
      new SignJWT(claimsIn(await make({ nonce: undefined })))
        .setProtectedHeader({ alg: 'ES256', kid: 'k2' })
        .sign(next.privateKey)
    const id = `session:default:${url}`
    const attempt = async (): Promise<unknown> => {
      const stored = (await people.store.get(id))?.data ?? {}
      await people.store.set(id, { data: { ...stored, refreshToken: 'r' } })
      people.now += 5_000
      return session.getToken({ url }).catch((error: unknown) => (error as { code: string }).code)
    }
    for (let n = 0; n < 4; n += 1) expect(await attempt()).toBe('ERR_LOGIN_REQUIRED')
    expect(people.sentTo('/jwks')).toHaveLength(before + 1)
    people.bend.keys = [people.signing.jwk, jwk]
    people.now += 60_000
    expect(await attempt()).toMatchObject({ type: 'Bearer' })
    expect(people.sentTo('/jwks')).toHaveLength(before + 2)
  })

  it('are loaded for a new one also after the clock was set back', async () => {
    const people = await peopleServer()
    const session = await people.logIn()
    const url = 'https://fhir.example.test/r4'
    const signedBy = async (kid: string): Promise<void> => {
      const pair = await generateKeyPair('ES256', { extractable: true })
      people.bend.keys = [{ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' }]
      people.bend.idToken = async (make) =>
        new SignJWT(claimsIn(await make({ nonce: undefined })))
          .setProtectedHeader({ alg: 'ES256', kid })
          .sign(pair.privateKey)
    }
    for (const [kid, setForward] of [
      ['k2', 0],
      ['k3', 0],
      ['k4', -86_400_000],
    ] as const) {
      await signedBy(kid)
      people.now += 120_000 + setForward
      const { value } = await session.getToken({ url })
      expect(await session.getToken({ url, rejected: value })).toMatchObject({ type: 'Bearer' })
    }
  })

  it('may have one name for two: each is tried', async () => {
    const other = { ...(await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)), kid: 'k1', alg: 'ES256' } // prettier-ignore
    const people = await peopleServer()
    people.bend.keys = [other, people.signing.jwk]
    expect((await people.logIn()).claims?.sub).toBe('person-1')
  })

  it('need no name', async () => {
    const people = await withToken((own, good) =>
      new SignJWT(claimsIn(good)).setProtectedHeader({ alg: 'ES256' }).sign(own.signing.privateKey),
    )
    const { kid: _kid, ...unnamed } = people.signing.jwk
    const other = await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)
    people.bend.keys = [other, unnamed]
    expect((await people.logIn()).claims?.sub).toBe('person-1')
  })

  it.each([
    ['text', (): Response => new Response('no json')],
    ['a list', (): Response => json([])],
    ['an endless answer', (): Response => new Response('x'.repeat(300_000))],
    ['too many keys', (): Response => json({ keys: Array.from({ length: 201 }, () => ({ kty: 'EC' })) })],
  ])('are not trusted from %s', async (_name, answer) => {
    const people = await peopleServer()
    const fetch: typeof people.fetch = async (url, init) =>
      url.endsWith('/jwks') ? answer() : people.fetch(url, init)
    const error = await failure(people.logIn({}, { fetch }))
    expect(error.code).toBe('ERR_ID_TOKEN_REFUSED')
  })

  it('are not trusted when they are private or symmetric', async () => {
    const people = await peopleServer()
    const secret: JWK = { ...(await exportJWK(people.signing.privateKey)), kid: 'k1', alg: 'ES256' }
    people.bend.keys = [secret, { kty: 'oct', k: 'AAAA', kid: 'k1' }]
    expect((await failure(people.logIn())).code).toBe('ERR_ID_TOKEN_REFUSED')
  })
})
