import { discover, fetchDocument, unreachable, type SmartConfiguration } from '../discover.js'
import { AuthError } from '../errors.js'
import type { ConnectionOptions } from '../types.js'
import { stringListMember, stringMember, type JsonRecord } from './json.js'
import { omitUndefined } from './omit-undefined.js'
import { isPassingStatus } from './token-failure.js'
import { assertStated, displayUrl, parseStated, parseUrlOption } from './url.js'

/** Where a person logs in. Given by the app, nothing is discovered. */
export interface LoginEndpoints {
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  /** Needed, with `jwksUri`, when `openid` is asked for. */
  readonly issuer?: string
  readonly jwksUri?: string
  readonly registrationEndpoint?: string
  readonly revocationEndpoint?: string
  readonly introspectionEndpoint?: string
  /** Whether the server names itself in each answer (RFC 9207). Default false. */
  readonly namesIssuer?: boolean
  /** Whether the authorization request may be a POST. Default false. */
  readonly takesPost?: boolean
  readonly scopesSupported?: readonly string[]
  readonly idTokenAlgorithms?: readonly string[]
}

export interface LoginEndpointsRequest {
  readonly base: URL
  readonly given: LoginEndpoints | undefined
  /** Replaces the issuer that the server states, letter by letter. */
  readonly issuer: string | undefined
  readonly endpointOrigins: readonly string[] | undefined
  readonly wantsIdToken: boolean
  readonly connection: ConnectionOptions
  readonly signal: AbortSignal | undefined
}

/** The endpoints of one login: as given, or from the FHIR server and then from the issuer it names. */
export async function loginEndpoints(request: LoginEndpointsRequest): Promise<LoginEndpoints> {
  const { base, given, connection, signal, wantsIdToken } = request
  if (given !== undefined) return checkGiven(given, wantsIdToken)
  const found = await discover(base.href, {
    ...omitUndefined({
      fetch: connection.fetch,
      now: connection.now,
      timeoutMs: connection.timeoutMs,
      trace: connection.trace,
      endpointOrigins: request.endpointOrigins,
      signal,
    }),
  })
  const { authorizationEndpoint, tokenEndpoint, registrationEndpoint } = found
  if (authorizationEndpoint === undefined) {
    throw new AuthError('ERR_DISCOVERY_FAILED', `${displayUrl(base)} names no authorization endpoint`, {
      hint: 'People cannot log in at this server; use a client of its own, or give the endpoints.',
    })
  }
  const issuer = request.issuer ?? found.issuer
  const oidc = issuer === undefined || !wantsIdToken ? undefined : await oidcMetadata(issuer, request)
  const metadata: JsonRecord = { ...found.raw, ...oidc }
  return omitUndefined({
    authorizationEndpoint,
    tokenEndpoint,
    registrationEndpoint,
    issuer,
    jwksUri: found.jwksUri ?? (oidc === undefined ? undefined : stringMember(oidc, 'jwks_uri')),
    revocationEndpoint: found.revocationEndpoint,
    introspectionEndpoint: found.introspectionEndpoint,
    namesIssuer: metadata['authorization_response_iss_parameter_supported'] === true,
    takesPost: found.capabilities.includes('authorize-post'),
    scopesSupported: found.scopesSupported ?? scopesOf(oidc),
    idTokenAlgorithms: stringListMember(metadata, 'id_token_signing_alg_values_supported'),
  })
}

function scopesOf(oidc: JsonRecord | undefined): SmartConfiguration['scopesSupported'] {
  return oidc === undefined ? undefined : stringListMember(oidc, 'scopes_supported')
}

function checkGiven(given: LoginEndpoints, wantsIdToken: boolean): LoginEndpoints {
  for (const name of [
    'authorizationEndpoint',
    'tokenEndpoint',
    'jwksUri',
    'registrationEndpoint',
    'revocationEndpoint',
    'introspectionEndpoint',
  ] as const) {
    const url = given[name]
    if (url !== undefined) parseUrlOption(url, name)
  }
  if (wantsIdToken && (given.issuer === undefined || given.jwksUri === undefined)) {
    throw new AuthError('ERR_INVALID_OPTIONS', 'An id_token can be checked only with issuer and jwksUri', {
      hint: 'Give the endpoints with issuer and jwksUri, or do not ask for openid.',
    })
  }
  return given
}

/**
 * The OpenID metadata of the issuer that was named before any login. Undefined when there is none: SMART servers
 * may state everything in their own document.
 */
async function oidcMetadata(
  issuer: string,
  { base, endpointOrigins, issuer: given, connection, signal }: LoginEndpointsRequest,
): Promise<JsonRecord | undefined> {
  // An issuer that the app names is one it trusts, wherever it is.
  const stated = given === undefined
  const what = stated ? 'The issuer that the server states' : 'issuer'
  const own = stated ? parseStated(issuer, what) : parseUrlOption(issuer, what)
  const origins = stated ? endpointOrigins : endpointOrigins && [...endpointOrigins, own.origin]
  assertStated(own, what, base, origins)
  const document = await fetchDocument(own, '.well-known/openid-configuration', 262_144, {
    ...connection,
    ...(signal === undefined ? {} : { signal }),
  })
  const { url, body } = document
  if (document.failure !== undefined) throw document.failure
  if (isPassingStatus(document.status)) throw unreachable(document)
  if (body === undefined) return undefined
  if (body['issuer'] !== issuer) {
    throw new AuthError('ERR_DISCOVERY_FAILED', `${displayUrl(url)} is the metadata of another issuer`, {
      hint: 'Report it to the operator of the server; an issuer that is written differently can be given as `issuer`.',
    })
  }
  const keys = stringMember(body, 'jwks_uri')
  if (keys !== undefined) {
    const member = 'The jwks_uri that the issuer states'
    assertStated(parseStated(keys, member), member, base, origins)
  }
  return body
}
