import {
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
} from 'oauth4webapi'
import { AuthError } from './errors.js'
import { loginEndpoints, type LoginEndpoints } from './internal/login-endpoints.js'
import {
  transactionId,
  transactionsIn,
  type LoginTransaction,
  type OwnSecret,
} from './internal/login-transaction.js'
import { readLaunch } from './internal/launch-url.js'
import { tracer } from './internal/trace.js'
import { isLoopback, parseFhirBase } from './internal/url.js'
import type { LoginRegistration } from './login-registration.js'
import { isPatientMode, loginScopes, type PatientMode } from './patient-mode.js'
import { splitScopes } from './scopes.js'
import { checkStore, type SecretStore } from './secret-store.js'
import type { ConnectionOptions } from './types.js'

export type { LoginEndpoints }

export interface BeginLaunchOptions extends ConnectionOptions {
  /** Keeps the login under way, and later the session. */
  readonly store: SecretStore
  /** FHIR base URL, for a launch that the app starts by itself. */
  readonly fhirBaseUrl?: string
  /** The address an EHR opened the app with, for an EHR launch; only its `iss` and `launch` are read. */
  readonly launchUrl?: string
  /** FHIR base URLs that an EHR launch may name. Nothing is requested from any other. */
  readonly allowedServers?: readonly string[]
  /** The client, registered by hand. Or give `registration`. */
  readonly clientId?: string
  /** `loginRegistration(…)`: registers the app when there is no client yet. */
  readonly registration?: LoginRegistration
  /** Where the server sends the person back to: https, loopback, or a scheme of the app's own. Matched exactly. */
  readonly redirectUri: string
  /** For instance `patient/*.rs offline_access`; what the mode needs is added. */
  readonly scope: string
  /** Default `token-only`; `launch-context` for an EHR launch. */
  readonly patientMode?: PatientMode
  /** Tells logins at the same server apart. Default `default`. */
  readonly account?: string
  /** When given, nothing is discovered. */
  readonly endpoints?: LoginEndpoints
  /** Replaces the issuer that the server states, where the two are written differently. */
  readonly issuer?: string
  /** Origins that discovered endpoints may be on, besides that of the FHIR base. Default: any. */
  readonly endpointOrigins?: readonly string[]
  /** How long the person may take, in milliseconds. Default 600,000. */
  readonly expiresInMs?: number
  /** More parameters of the authorization request, for instance `resource`. None of the protocol's own. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Where to send the person. */
export interface BegunLaunch {
  /** The authorization request as an address to open. */
  readonly url: string
  /** The same as a form to post, when the server takes it: better for long scopes. */
  readonly form?: { readonly action: string; readonly fields: Readonly<Record<string, string>> }
}

/**
 * Begins a person's login (SMART App Launch 2.2.0): notes a new state, nonce and PKCE verifier, and gives the
 * authorization request. Open it, and give the address that comes back to `completeLaunch`.
 *
 * Errors: `ERR_LAUNCH_REFUSED` (an EHR launch from a server that is not allowed), `ERR_AUTH_UNREACHABLE`,
 * `ERR_DISCOVERY_FAILED`, `ERR_REGISTRATION_FAILED`, `ERR_INSECURE_URL`, `ERR_WRONG_ORIGIN`, `ERR_INVALID_OPTIONS`,
 * `ERR_CREDENTIALS_UNREADABLE`, `ERR_CREDENTIALS_UNWRITABLE`.
 *
 * @example
 * const { url } = await beginLaunch({
 *   store, fhirBaseUrl, clientId, redirectUri, scope: 'patient/*.rs', patientMode: 'single-patient',
 * })
 */
export async function beginLaunch(options: BeginLaunchOptions): Promise<BegunLaunch> {
  const { store, signal } = options
  checkStore(store)
  const now = (): number => (options.now ?? Date.now)()
  const { audience, launch } = target(options)
  const base = parseFhirBase(audience)
  const fhirBaseUrl = base.href.replace(/\/+$/, '')
  const mode = options.patientMode ?? (launch === undefined ? 'token-only' : 'launch-context')
  checkMode(mode, launch)
  checkRedirect(options.redirectUri)
  const expiresInMs = options.expiresInMs ?? 600_000
  if (!(expiresInMs > 0 && Number.isFinite(expiresInMs))) {
    throw invalid('expiresInMs is not a time', 'Give a positive number of milliseconds.')
  }
  const scope = loginScopes(
    launch === undefined ? options.scope : ['launch', ...splitScopes(options.scope)],
    mode,
  )
  const wantsIdToken = splitScopes(scope).includes('openid')
  const account = checkedAccount(options.account ?? 'default')
  const endpoints = await loginEndpoints({
    base,
    given: options.endpoints,
    issuer: options.issuer,
    endpointOrigins: options.endpointOrigins,
    wantsIdToken,
    connection: options,
    signal,
  })
  const client = await clientOf(options, { fhirBaseUrl, account, scope, endpoints })
  const state = generateRandomState()
  const codeVerifier = generateRandomCodeVerifier()
  const nonce = wantsIdToken ? generateRandomNonce() : undefined
  const transaction: LoginTransaction = {
    version: 1,
    account,
    fhirBaseUrl,
    audience,
    ...client,
    redirectUri: options.redirectUri,
    endpoints,
    mode,
    scope,
    state,
    codeVerifier,
    ...(nonce === undefined ? {} : { nonce }),
    expiresAt: now() + expiresInMs,
  }
  await transactionsIn(store, now).put(await transactionId(state), { data: { ...transaction } })
  const fields: Record<string, string> = {
    ...options.parameters,
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: options.redirectUri,
    scope,
    state,
    aud: audience,
    code_challenge: await calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    ...(nonce === undefined ? {} : { nonce }),
    ...(launch === undefined ? {} : { launch }),
  }
  tracer(options)('login-begun', { detail: launch === undefined ? 'standalone' : 'from an EHR' })
  return request(endpoints, fields)
}

function request(endpoints: LoginEndpoints, fields: Record<string, string>): BegunLaunch {
  const url = new URL(endpoints.authorizationEndpoint)
  // The endpoint may have a query of its own: it stays.
  for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value)
  return {
    url: url.href,
    ...(endpoints.takesPost === true ? { form: { action: endpoints.authorizationEndpoint, fields } } : {}),
  }
}

function invalid(message: string, hint: string): AuthError {
  return new AuthError('ERR_INVALID_OPTIONS', message, { hint })
}

function checkedAccount(account: string): string {
  if (/^[\w.@-]{1,80}$/.test(account)) return account
  throw invalid('account is not a plain name', 'Use letters, digits and . _ @ - only.')
}

/** The server to log in at, and the launch value when an EHR opened the app. */
function target(options: BeginLaunchOptions): { readonly audience: string; readonly launch?: string } {
  const { fhirBaseUrl, launchUrl, allowedServers } = options
  if (launchUrl !== undefined && fhirBaseUrl === undefined) {
    const { iss, launch } = readLaunch(launchUrl, allowedServers ?? [])
    return { audience: iss, launch }
  }
  if (fhirBaseUrl === undefined || launchUrl !== undefined) {
    throw invalid('Either fhirBaseUrl or launchUrl is needed', 'Give one of them.')
  }
  return { audience: fhirBaseUrl }
}

function checkMode(mode: PatientMode, launch: string | undefined): void {
  if (!isPatientMode(mode)) throw invalid('patientMode is not known', 'See the list of modes.')
  if (mode === 'launch-context' && launch === undefined) {
    throw invalid("patientMode 'launch-context' needs launchUrl", 'Use it when an EHR has opened the app.')
  }
}

/** https, loopback, or a scheme that belongs to the app: reverse domain names have a dot (RFC 8252, section 7.1). */
function checkRedirect(redirectUri: string): void {
  const url = URL.canParse(redirectUri) ? new URL(redirectUri) : undefined
  const loopback = url?.protocol === 'http:' && isLoopback(url)
  const own = url !== undefined && /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(url.protocol)
  if (
    url === undefined ||
    url.hash !== '' ||
    redirectUri.includes('#') ||
    !(url.protocol === 'https:' || loopback || own)
  ) {
    throw new AuthError('ERR_INSECURE_URL', 'redirectUri is not a safe address to come back to', {
      hint: 'Use https, http on loopback, or a scheme with a dot such as org.example.app:/callback; no fragment.',
    })
  }
}

async function clientOf(
  options: BeginLaunchOptions,
  login: { fhirBaseUrl: string; account: string; scope: string; endpoints: LoginEndpoints },
): Promise<{ readonly clientId: string; readonly ownSecret?: OwnSecret }> {
  const { clientId, registration, redirectUri, store } = options
  if (clientId !== undefined && clientId !== '') return { clientId }
  if (registration === undefined)
    throw invalid('Neither clientId nor registration is given', 'Give one of them.')
  const made = await registration.client({
    ...login,
    store,
    redirectUri,
    registrationEndpoint: login.endpoints.registrationEndpoint,
    connection: options,
  })
  const { clientSecret, authMethod } = made
  if (clientSecret === undefined) return { clientId: made.clientId }
  const secretIn = authMethod === 'client_secret_post' ? 'body' : 'header'
  return { clientId: made.clientId, ownSecret: { clientSecret, secretIn } }
}
