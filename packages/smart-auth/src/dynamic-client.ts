import type { CryptoKey, JWK } from 'jose'
import type { ClientAuth } from 'oauth4webapi'
import type { CredentialStore, StoredClient, StoredKey } from './credential-store.js'
import { AuthError } from './errors.js'
import { untilAborted } from './internal/abort.js'
import { audienceResolver, type AssertionAudience } from './internal/assertion-audience.js'
import { assertionMaker, randomTokenId } from './internal/assertion.js'
import { assertionAuth, publicAuth, secretAuth, type BasicEncoding } from './internal/client-auth.js'
import { createClientKeeper } from './internal/client-keeper.js'
import { deleteStoredRegistration } from './internal/delete-stored.js'
import { registerNewClient } from './internal/client-registrar.js'
import { clientCredentialsGrant, jwtBearerGrant, type Grant } from './internal/grants.js'
import { resourceGuard, serverEndpoints } from './internal/server-endpoints.js'
import { createTokenCache, type IssuedToken } from './internal/token-cache.js'
import { asTokenError } from './internal/token-failure.js'
import { requestToken } from './internal/token-request.js'
import { parseFhirBase, parseUrlOption } from './internal/url.js'
import { keyRegistration, secretRegistration, type RegistrationMethod } from './registration-method.js'
import type { AuthProfile, ConnectionOptions, ServerOptions, TokenSource } from './types.js'

export interface DynamicClientOptions extends ServerOptions, ConnectionOptions {
  /** Where to register; discovered from `fhirBaseUrl` when left out. */
  readonly registrationEndpoint?: string
  /** Keeps what the server gives, secrets included. One store per server. */
  readonly credentials: CredentialStore
  /**
   * `key`: by a new ES384 key of its own; `secret`: for a secret that the server gives. Or a method such as
   * `appStoreReceipt(…)`, `deviceRegistration(…)` or `softwareStatement(…)`.
   */
  readonly registration: 'key' | 'secret' | RegistrationMethod
  /** Chooses the method when the address is known; undefined for `registration`. Profile and tokens follow its choice. */
  readonly beforeRegistration?: (
    registrationEndpoint: string,
  ) => RegistrationMethod | undefined | Promise<RegistrationMethod | undefined>
  readonly clientName: string
  readonly scope: string
  /** More members for the registration request, for instance `software_id`. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Default `token_endpoint`. */
  readonly assertionAudience?: AssertionAudience
  /** For a client with a secret. Default `raw`, or `form` at a C3-PRO server. */
  readonly basicEncoding?: BasicEncoding
  /** Sent as `aud` with each token request when given. */
  readonly audience?: string
  /** Makes each assertion's `jti`; must never repeat. Default: 128 random bits. */
  readonly randomId?: () => string
}

/** A token source that registers itself. */
export interface DynamicClient extends TokenSource {
  /**
   * Deletes the registration at the server when the server gave the means (RFC 7592), then forgets token and
   * credentials; the next `getToken` registers a new client. Resolves with what became of the registration at the
   * server: `deleted`, or `left` when it could not be deleted. Rejects with `ERR_CREDENTIALS_UNWRITABLE`.
   */
  forgetRegistration(): Promise<'deleted' | 'left'>
}

/**
 * A token source that registers its own client when there are no stored credentials, saves what the server
 * gave before using it, and registers anew, once, when the server no longer knows the client.
 *
 * A registration under way is finished and saved even when all callers abort.
 *
 * @example
 * const tokens = dynamicClient({
 *   fhirBaseUrl: 'https://fhir.example.org/r4', credentials: memoryCredentialStore(),
 *   registration: 'key', clientName: 'Scale gateway', scope: 'system/Observation.c',
 * })
 */
export function dynamicClient(options: DynamicClientOptions): DynamicClient {
  const method =
    options.registration === 'key'
      ? keyRegistration
      : options.registration === 'secret'
        ? secretRegistration
        : options.registration
  const now = (): number => (options.now ?? Date.now)()
  const base = options.fhirBaseUrl === undefined ? undefined : parseFhirBase(options.fhirBaseUrl)
  const registration = options.registrationEndpoint
  if (registration !== undefined) parseUrlOption(registration, 'registrationEndpoint')
  const server = base?.href.replace(/\/+$/, '') ?? registration
  if (server === undefined) {
    throw new AuthError('ERR_INVALID_OPTIONS', 'Neither fhirBaseUrl nor registrationEndpoint is given', {
      hint: 'Give fhirBaseUrl, or registrationEndpoint and tokenEndpoint.',
    })
  }
  const endpoints = serverEndpoints(options, options)
  const audience = audienceResolver(options, endpoints)

  async function registrationEndpoint(): Promise<{ url: string; trusted: boolean }> {
    if (registration !== undefined) return { url: registration, trusted: true }
    const found = (await endpoints.configuration()).registrationEndpoint
    if (found === undefined) {
      throw new AuthError('ERR_REGISTRATION_FAILED', 'The server offers no registration endpoint', {
        hint: 'Give registrationEndpoint, or register the client by hand.',
      })
    }
    return { url: found, trusted: base?.origin === new URL(found).origin }
  }

  const keeper = createClientKeeper({
    store: options.credentials,
    server,
    now,
    register: (replacements) =>
      registerNewClient(
        {
          method,
          server,
          clientName: options.clientName,
          scope: options.scope,
          metadata: options.metadata ?? {},
          endpoint: registrationEndpoint,
          connection: options,
          keepsKeyHandles: options.credentials.keepsKeyHandles === true,
          ...(options.beforeRegistration === undefined ? {} : { choose: options.beforeRegistration }),
        },
        replacements,
      ),
  })

  /** `beforeRegistration` may have chosen another way than `registration`. */
  const profileOf = (client: StoredClient): AuthProfile => client.profile ?? method.profile

  async function tokenFor(client: StoredClient, signal: AbortSignal): Promise<IssuedToken> {
    const profile = profileOf(client)
    const tokenEndpoint = await endpoints.tokenEndpoint(signal)
    return requestToken(
      {
        ...authenticated(client, options, profile, () => audience(tokenEndpoint, signal)),
        tokenEndpoint,
        clientId: client.clientId,
        scope: client.scope ?? options.scope,
        audience: options.audience,
        profile,
        secrets: client.clientSecret === undefined ? [] : [client.clientSecret],
      },
      options,
      signal,
    )
  }

  async function issue(signal: AbortSignal): Promise<IssuedToken> {
    let client = await untilAborted(keeper.current(), signal)
    let issued: IssuedToken
    try {
      issued = await tokenFor(client, signal)
    } catch (error) {
      if (!isUnknownClient(error, profileOf(client))) throw error
      const other = await untilAborted(keeper.replace(client), signal)
      if (other === undefined) throw error
      client = other
      issued = await tokenFor(client, signal)
    }
    // Bookkeeping only: if it cannot be stored now, the next token brings another chance.
    await keeper.confirm(client).catch(() => undefined)
    return issued
  }

  const cache = createTokenCache({
    guard: resourceGuard(options),
    now,
    random: () => (options.random ?? Math.random)(),
    async request(signal) {
      try {
        return await issue(signal)
      } catch (error) {
        endpoints.forget()
        throw asTokenError(error)
      }
    },
  })
  return {
    getToken: cache.getToken,
    async forgetRegistration() {
      cache.clear()
      const client = await keeper.stored().catch(() => undefined)
      const done = client === undefined ? 'left' : await deleteStoredRegistration(client, options)
      await keeper.forget()
      return done
    },
  }
}

/** Only a server that denies the client itself is a reason to register again. */
function isUnknownClient(error: unknown, profile: AuthProfile): boolean {
  if (!(error instanceof AuthError) || error.code !== 'ERR_LOGIN_REQUIRED') return false
  // C3-PRO answers 401 unauthorized_client to a client it does not know.
  return error.oauthError === 'invalid_client' || (profile === 'c3-pro' && error.status === 401)
}

function authenticated(
  client: StoredClient,
  options: DynamicClientOptions,
  profile: AuthProfile,
  audience: () => Promise<string>,
): { readonly grant: Grant; readonly auth: ClientAuth } {
  const grant = clientCredentialsGrant()
  const { clientId, key, clientSecret } = client
  if (key !== undefined) {
    const makeAssertion = assertionMaker({
      clientId,
      key: signingKey(key),
      alg: key.alg,
      kid: key.kid,
      now: () => (options.now ?? Date.now)(),
      randomId: () => (options.randomId ?? randomTokenId)(),
    })
    const assertion = async (): Promise<string> => makeAssertion(await audience())
    // A client of this one device has no other way to authenticate: its assertion is the grant.
    return client.authMethod === 'none'
      ? { grant: jwtBearerGrant(assertion), auth: publicAuth() }
      : { grant, auth: assertionAuth(assertion) }
  }
  const auth = secretAuth({
    clientId,
    clientSecret: clientSecret ?? '',
    basicEncoding: options.basicEncoding ?? (profile === 'c3-pro' ? 'form' : 'raw'),
    secretIn: client.authMethod === 'client_secret_post' ? 'body' : 'header',
  })
  return { grant, auth }
}

function signingKey({ handle, privateJwk }: StoredKey): CryptoKey | JWK {
  const key = handle ?? privateJwk
  if (key === undefined) {
    throw new AuthError('ERR_CREDENTIALS_UNREADABLE', 'The stored client has lost its key', {
      hint: 'Forget the registration to have a new client registered.',
    })
  }
  return key
}
