import { credentialsIn, type CredentialStore, type StoredClient } from './credential-store.js'
import { AuthError } from './errors.js'
import { registerClient } from './register-client.js'
import type { SecretStore } from './secret-store.js'
import { restoreSession, type SessionOptions, type SessionReference } from './session.js'
import type { ConnectionOptions } from './types.js'
import { createClientKeeper } from './internal/client-keeper.js'
import { deleteStoredRegistration } from './internal/delete-stored.js'
import { omitUndefined } from './internal/omit-undefined.js'
import { parseFhirBase } from './internal/url.js'

export interface LoginRegistrationOptions {
  /** Shown to people by the server. */
  readonly clientName: string
  /** `native` for apps and command lines with loopback or custom redirects. Default `web`. */
  readonly applicationType?: 'web' | 'native'
  /** Sent as Bearer token with the registration; never kept. */
  readonly initialAccessToken?: string
  /** More members, for instance `software_statement`. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Default: discovered. */
  readonly registrationEndpoint?: string
}

/** Gets a client for people's logins; made by `loginRegistration`. */
export interface LoginRegistration {
  client(request: LoginClientRequest): Promise<StoredClient>
}

/** What `beginLaunch` tells. */
export interface LoginClientRequest {
  readonly store: SecretStore
  readonly fhirBaseUrl: string
  readonly account: string
  readonly redirectUri: string
  /** Everything the login will ask for, or a server may refuse it later. */
  readonly scope: string
  /** As the server states it. */
  readonly registrationEndpoint: string | undefined
  readonly connection: ConnectionOptions
}

/**
 * Registers the app for people's logins when it has no client at the server yet, for every scope a login asks for; kept
 * in the store, and made anew when the redirect address or the scopes have changed.
 *
 * @example
 * await beginLaunch({ registration: loginRegistration({ clientName: 'Diary' }), ...rest })
 */
export function loginRegistration(options: LoginRegistrationOptions): LoginRegistration {
  return { client: (request) => loginClient(request, options) }
}

function loginCredentials(store: SecretStore, fhirBaseUrl: string, account: string): CredentialStore {
  return credentialsIn(store, `login:${account}:${fhirBaseUrl}`)
}

async function loginClient(
  request: LoginClientRequest,
  options: LoginRegistrationOptions,
): Promise<StoredClient> {
  const { store, fhirBaseUrl, account, redirectUri, connection } = request
  const credentials = loginCredentials(store, fhirBaseUrl, account)
  const keeper = createClientKeeper({
    store: credentials,
    server: fhirBaseUrl,
    now: () => (connection.now ?? Date.now)(),
    register: (replacements) => register(request, options, replacements),
  })
  const stored = await keeper.current()
  const known = stored.redirectUris ?? []
  const asked = (stored.scope ?? '').split(' ')
  const fits = known.includes(redirectUri) && request.scope.split(' ').every((each) => asked.includes(each))
  if (fits) return stored
  await keeper.forget()
  return keeper.current()
}

async function register(
  request: LoginClientRequest,
  registration: LoginRegistrationOptions,
  replacements: number,
): Promise<StoredClient> {
  const { redirectUri, scope, connection, fhirBaseUrl } = request
  const registrationEndpoint = registration.registrationEndpoint ?? request.registrationEndpoint
  if (registrationEndpoint === undefined) {
    throw new AuthError('ERR_REGISTRATION_FAILED', 'The server offers no registration endpoint', {
      hint: 'Register the app by hand and give its clientId.',
    })
  }
  const { fetch, now, timeoutMs, trace } = connection
  const registered = await registerClient({
    ...omitUndefined({ fetch, now, timeoutMs, trace, initialAccessToken: registration.initialAccessToken }),
    registrationEndpoint,
    metadata: {
      client_name: registration.clientName,
      application_type: registration.applicationType ?? 'web',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      scope,
      ...registration.metadata,
    },
  })
  const method = registered.tokenEndpointAuthMethod ?? 'none'
  const bySecret = method === 'client_secret_basic' || method === 'client_secret_post'
  const usable = method === 'none' || (bySecret && registered.clientSecret !== undefined)
  const redirects = registered.redirectUris ?? [redirectUri]
  if (!usable || !redirects.includes(redirectUri)) {
    throw new AuthError('ERR_REGISTRATION_FAILED', 'The server registered the app in a way it cannot use', {
      hint: usable ? 'The server changed the redirect address.' : 'Have the server register public clients.',
    })
  }
  return {
    version: 1,
    server: fhirBaseUrl,
    clientId: registered.clientId,
    authMethod: bySecret ? method : 'none',
    // As asked for: a later login with more scopes is noticed, and a server that grants less is not asked each time.
    scope,
    redirectUris: redirects,
    registeredAt: (connection.now ?? Date.now)(),
    confirmed: false,
    replacements,
    ...omitUndefined({
      clientSecret: bySecret ? registered.clientSecret : undefined,
      clientSecretExpiresAt: bySecret ? registered.clientSecretExpiresAt : undefined,
      registrationClientUri: registered.registrationClientUri,
      registrationAccessToken: registered.registrationAccessToken,
    }),
  }
}

/**
 * Forgets an app's own registration for people's logins: ends the session, deletes the registration at the server
 * when the server gave the means, and removes the credentials. Resolves with what became of the registration at the
 * server.
 */
export async function forgetLoginRegistration(
  reference: SessionReference,
  options: SessionOptions = {},
): Promise<'deleted' | 'left'> {
  const session = await restoreSession(reference, options).catch(() => undefined)
  await session?.end()
  const base = parseFhirBase(reference.fhirBaseUrl).href.replace(/\/+$/, '')
  const credentials = loginCredentials(reference.store, base, reference.account ?? 'default')
  const client = await credentials.load().catch(() => undefined)
  const done = client === undefined ? 'left' : await deleteStoredRegistration(client, options)
  await credentials.clear()
  return done
}
