import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import {
  beginLaunch,
  completeLaunch,
  memorySecretStore,
  type BeginLaunchOptions,
  type CompleteLaunchOptions,
  type SecretStore,
  type Session,
} from '@fhir-outbox/smart-auth'
import { fakeFetch, json, type FakeFetch, type Sent } from './fake-fetch.js'

export const base = 'https://fhir.example.test/r4'
export const issuer = 'https://auth.example.test'
export const redirectUri = 'https://app.example.test/callback'
export const start = Date.parse('2031-05-06T07:08:09Z')

/** What a test bends before or during a login. */
export interface Bend {
  configuration?: Record<string, unknown>
  openid?: Record<string, unknown> | Response
  keys?: readonly JWK[]
  /** Replaces or adds members of the token answer. */
  token?: (sent: Sent, n: number) => Record<string, unknown> | Response | Promise<Response>
  claims?: Record<string, unknown>
  idToken?: (make: (claims?: Record<string, unknown>) => Promise<string>) => Promise<string | undefined>
  patients?: readonly Record<string, unknown>[]
}

export interface PeopleServer extends FakeFetch {
  readonly bend: Bend
  now: number
  readonly store: SecretStore
  begin(options?: Partial<BeginLaunchOptions>): Promise<URL>
  /** The address the server would send the person back to. */
  answer(url: URL, more?: Record<string, string>): string
  complete(callbackUrl: string, options?: Partial<CompleteLaunchOptions>): Promise<Session>
  /** Begin, answer and complete. */
  logIn(begin?: Partial<BeginLaunchOptions>, complete?: Partial<CompleteLaunchOptions>): Promise<Session>
  sentTo(end: string): readonly Sent[]
  readonly signing: { readonly privateKey: CryptoKey; readonly jwk: JWK }
  idToken(claims?: Record<string, unknown>): Promise<string>
}

/** A server for people's logins that says what a test wants it to say. Nothing is sent anywhere. */
export async function peopleServer(bend: Bend = {}): Promise<PeopleServer> {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }
  const world = { now: start, nonce: undefined as string | undefined, issued: 0 }
  const store = memorySecretStore()

  const idToken = (claims: Record<string, unknown> = {}): Promise<string> => {
    const seconds = Math.floor(world.now / 1000)
    const whole = {
      iss: issuer,
      sub: 'person-1',
      aud: 'app',
      iat: seconds,
      exp: seconds + 300,
      ...(world.nonce === undefined ? {} : { nonce: world.nonce }),
      ...bend.claims,
      ...claims,
    }
    return new SignJWT(whole).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(pair.privateKey)
  }

  async function tokenAnswer(sent: Sent): Promise<Response> {
    world.issued += 1
    const n = world.issued
    const bent = await bend.token?.(sent, n)
    if (bent instanceof Response) return bent
    const id = bend.idToken === undefined ? await idToken() : await bend.idToken(idToken)
    const members = {
      access_token: `access-${n}`,
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'openid fhirUser offline_access patient/*.rs',
      refresh_token: `refresh-${n}`,
      ...(id === undefined ? {} : { id_token: id }),
      ...bent,
    }
    return json(Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)))
  }

  const server = fakeFetch(async (sent) => {
    const { origin, pathname } = new URL(sent.url)
    if (sent.url === `${base}/.well-known/smart-configuration`) {
      return json({
        issuer,
        jwks_uri: `${issuer}/jwks`,
        authorization_endpoint: `${issuer}/authorize?tenant=7`,
        token_endpoint: `${issuer}/token`,
        revocation_endpoint: `${issuer}/revoke`,
        scopes_supported: ['openid', 'fhirUser', 'launch/patient', 'patient/*.rs'],
        capabilities: ['launch-standalone', 'sso-openid-connect'],
        code_challenge_methods_supported: ['S256'],
        ...bend.configuration,
      })
    }
    if (pathname === '/.well-known/openid-configuration') {
      return bend.openid instanceof Response
        ? bend.openid
        : json({
            issuer,
            jwks_uri: `${issuer}/jwks`,
            id_token_signing_alg_values_supported: ['ES256', 'RS256'],
            ...bend.openid,
          })
    }
    if (pathname === '/jwks') return json({ keys: bend.keys ?? [jwk] })
    if (pathname === '/token') return tokenAnswer(sent)
    if (pathname === '/revoke') return new Response(null, { status: 200 })
    if (origin === new URL(base).origin && pathname === '/r4/Patient') {
      const entry = (bend.patients ?? []).map((resource) => ({
        resource: { resourceType: 'Patient', ...resource },
      }))
      return json({ resourceType: 'Bundle', type: 'searchset', entry })
    }
    return new Response('not here', { status: 404 })
  })

  const people: PeopleServer = {
    ...server,
    bend,
    store,
    signing: { privateKey: pair.privateKey, jwk },
    idToken,
    get now() {
      return world.now
    },
    set now(value) {
      world.now = value
    },
    async begin(options = {}) {
      const { url } = await beginLaunch({
        store,
        ...(options.launchUrl === undefined ? { fhirBaseUrl: base } : {}),
        clientId: 'app',
        redirectUri,
        scope: 'openid fhirUser offline_access patient/*.rs',
        fetch: server.fetch,
        now: () => world.now,
        ...options,
      })
      const target = new URL(url)
      world.nonce = target.searchParams.get('nonce') ?? undefined
      return target
    },
    answer(url, more = {}) {
      const back = new URL(url.searchParams.get('redirect_uri') ?? '')
      const members = { code: 'marker-code', state: url.searchParams.get('state') ?? '', ...more }
      for (const [name, value] of Object.entries(members)) back.searchParams.append(name, value)
      return back.href
    },
    complete: (callbackUrl, options = {}) =>
      completeLaunch({
        store,
        callbackUrl,
        fetch: server.fetch,
        now: () => world.now,
        random: () => 0,
        ...options,
      }),
    async logIn(begin = {}, complete = {}) {
      const url = await people.begin(begin)
      return people.complete(people.answer(url), complete)
    },
    sentTo: (end) => server.sent.filter((sent) => new URL(sent.url).pathname.endsWith(end)),
  }
  return people
}
