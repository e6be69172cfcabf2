import { AuthError } from './errors.js'
import { exchange } from './internal/exchange.js'
import { parseJsonObject, stringListMember, stringMember, type JsonRecord } from './internal/json.js'
import { omitUndefined } from './internal/omit-undefined.js'
import { retryAfterMs } from './internal/retry-after.js'
import { oauthUris } from './internal/oauth-uris.js'
import { isPassingStatus } from './internal/token-failure.js'
import { appendPath, assertStated, displayUrl, parseFhirBase, parseStated } from './internal/url.js'
import type { ConnectionOptions } from './types.js'

/** What a FHIR server says about its authorization server. Endpoints are absolute URLs. */
export interface SmartConfiguration {
  /** Which document it was taken from. */
  readonly source: 'smart-configuration' | 'capability-statement'
  /** The FHIR base URL it belongs to, without a trailing slash. */
  readonly fhirBaseUrl: string
  readonly tokenEndpoint: string
  readonly authorizationEndpoint?: string
  readonly registrationEndpoint?: string
  readonly introspectionEndpoint?: string
  readonly revocationEndpoint?: string
  readonly managementEndpoint?: string
  readonly jwksUri?: string
  /** Stated only by servers with single sign-on. */
  readonly issuer?: string
  /** Capabilities such as `client-confidential-asymmetric`; servers also state their own. */
  readonly capabilities: readonly string[]
  readonly scopesSupported?: readonly string[]
  readonly grantTypesSupported?: readonly string[]
  readonly tokenEndpointAuthMethodsSupported?: readonly string[]
  readonly tokenEndpointAuthSigningAlgValuesSupported?: readonly string[]
  readonly codeChallengeMethodsSupported?: readonly string[]
  /** All members as served; empty for a capability statement. */
  readonly raw: Readonly<Record<string, unknown>>
}

export interface DiscoverOptions extends ConnectionOptions {
  readonly signal?: AbortSignal
  /** Origins that endpoints may be on, besides that of the FHIR base. Default: any. */
  readonly endpointOrigins?: readonly string[]
}

const timeoutMs = 10_000
const maxConfigurationBytes = 262_144
const maxCapabilityStatementBytes = 8_388_608

/**
 * Asks a FHIR server where its authorization server is: `.well-known/smart-configuration` under the base
 * URL, then, one after the other, the `oauth-uris` of its CapabilityStatement. Redirects are not followed.
 *
 * Errors: `ERR_AUTH_UNREACHABLE` (no answer, 429 or 5xx), `ERR_DISCOVERY_FAILED` (it answered, but names no
 * token endpoint), `ERR_INSECURE_URL` (base URL or an endpoint is not https), `ERR_WRONG_ORIGIN` (an endpoint is not on
 * one of `endpointOrigins`), `ERR_INVALID_OPTIONS`.
 *
 * @example
 * const { tokenEndpoint } = await discover('https://fhir.example.org/r4')
 */
export async function discover(
  fhirBaseUrl: string,
  options: DiscoverOptions = {},
): Promise<SmartConfiguration> {
  const base = parseFhirBase(fhirBaseUrl)
  const first = await fetchDocument(base, '.well-known/smart-configuration', maxConfigurationBytes, options)
  if (first.status === 429) throw unreachable(first)
  const stated = tokenEndpointOf(first.body)
  if (first.body !== undefined && stated !== undefined) {
    return configuration('smart-configuration', base, stated, first.body, options)
  }
  const second = await fetchDocument(base, 'metadata', maxCapabilityStatementBytes, options)
  const uris = second.body === undefined ? undefined : oauthUris(second.body)
  const fallback = tokenEndpointOf(uris)
  if (uris !== undefined && fallback !== undefined) {
    return configuration('capability-statement', base, fallback, uris, options)
  }
  if (first.failure !== undefined) throw first.failure
  if (second.failure !== undefined) throw second.failure
  const passing = [first, second].find((document) => isPassingStatus(document.status))
  if (passing !== undefined) throw unreachable(passing)
  throw new AuthError(
    'ERR_DISCOVERY_FAILED',
    `${displayUrl(base)} names no token endpoint: smart-configuration answered ${first.status}, metadata ${second.status}`,
    { hint: 'Check the FHIR base URL, or give the token endpoint yourself.' },
  )
}

export interface Document {
  readonly url: URL
  /** 0 when no answer came; `failure` then says why. */
  readonly status: number
  readonly failure?: AuthError
  readonly body: JsonRecord | undefined
  readonly retryAfterMs: number | undefined
}

/** A JSON document below an address. Rejects with an AbortError only. */
export async function fetchDocument(
  base: URL,
  path: string,
  maxBytes: number,
  options: DiscoverOptions,
): Promise<Document> {
  const url = appendPath(base, path)
  const accept = path === 'metadata' ? 'application/fhir+json, application/json;q=0.9' : 'application/json'
  const request = { method: 'GET' as const, headers: { accept }, maxBytes, signal: options.signal }
  const answer = await exchange(url, request, options, timeoutMs).catch((error: unknown) => {
    // A server that hangs on the one document may still serve the other.
    if (error instanceof AuthError) return error
    throw error
  })
  if (answer instanceof AuthError) {
    return { url, status: 0, failure: answer, body: undefined, retryAfterMs: undefined }
  }
  const usable = answer.complete && answer.status === 200
  return {
    url,
    status: answer.status,
    body: usable ? parseJsonObject(answer.text) : undefined,
    retryAfterMs: retryAfterMs(answer.headers, (options.now ?? Date.now)()),
  }
}

function tokenEndpointOf(body: JsonRecord | undefined): string | undefined {
  const value = body === undefined ? undefined : stringMember(body, 'token_endpoint')
  return value === '' ? undefined : value
}

/** Of a document that cannot be had now. */
export function unreachable(document: Document): AuthError {
  const { status, retryAfterMs } = document
  return new AuthError('ERR_AUTH_UNREACHABLE', `GET ${displayUrl(document.url)} answered ${status}`, {
    hint: 'Try later.',
    status,
    retryAfterMs,
  })
}

function resolveEndpoint(
  base: URL,
  value: string,
  member: string,
  origins: readonly string[] | undefined,
): string {
  const what = `The ${member} that the server states`
  // Older servers write endpoints relative to the FHIR base.
  const url = parseStated(value, what, appendPath(base, ''))
  assertStated(url, what, base, origins)
  return URL.canParse(value) ? value : url.href
}

function configuration(
  source: SmartConfiguration['source'],
  base: URL,
  tokenEndpoint: string,
  members: JsonRecord,
  { endpointOrigins }: DiscoverOptions,
): SmartConfiguration {
  const endpoint = (member: string): string | undefined => {
    const value = stringMember(members, member)
    return value === undefined || value === ''
      ? undefined
      : resolveEndpoint(base, value, member, endpointOrigins)
  }
  const list = (member: string): readonly string[] | undefined => stringListMember(members, member)
  return Object.freeze(
    omitUndefined({
      source,
      fhirBaseUrl: base.href.replace(/\/+$/, ''),
      tokenEndpoint: resolveEndpoint(base, tokenEndpoint, 'token_endpoint', endpointOrigins),
      authorizationEndpoint: endpoint('authorization_endpoint'),
      registrationEndpoint: endpoint('registration_endpoint'),
      introspectionEndpoint: endpoint('introspection_endpoint'),
      revocationEndpoint: endpoint('revocation_endpoint'),
      managementEndpoint: endpoint('management_endpoint'),
      jwksUri: endpoint('jwks_uri'),
      issuer: stringMember(members, 'issuer'),
      capabilities: list('capabilities') ?? [],
      scopesSupported: list('scopes_supported'),
      grantTypesSupported: list('grant_types_supported'),
      tokenEndpointAuthMethodsSupported: list('token_endpoint_auth_methods_supported'),
      tokenEndpointAuthSigningAlgValuesSupported: list('token_endpoint_auth_signing_alg_values_supported'),
      codeChallengeMethodsSupported: list('code_challenge_methods_supported'),
      raw: source === 'smart-configuration' ? members : {},
    }),
  )
}
