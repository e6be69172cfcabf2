import { discover, type SmartConfiguration } from '../discover.js'
import { AuthError } from '../errors.js'
import type { ConnectionOptions } from '../types.js'
import { exchange } from './exchange.js'
import { parseJsonObject, stringListMember, stringMember, type JsonRecord } from './json.js'
import { omitUndefined } from './omit-undefined.js'
import { isPassingStatus } from './token-failure.js'
import { appendPath, displayUrl, isLoopback, parseUrlOption } from './url.js'

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
  const oidc = issuer === undefined || !wantsIdToken ? undefined : await oidcMetadata(issuer, base, request)
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
  parseUrlOption(given.authorizationEndpoint, 'authorizationEndpoint')
  parseUrlOption(given.tokenEndpoint, 'tokenEndpoint')
  for (const name of [
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
      hint: 'Add issuer and jwksUri to the endpoints, leave them all out, or do not ask for openid.',
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
  base: URL,
  { connection, signal }: LoginEndpointsRequest,
): Promise<JsonRecord | undefined> {
  const url = appendPath(
    parseUrlOption(issuer, 'The issuer that the server states'),
    '.well-known/openid-configuration',
  )
  const request = {
    method: 'GET' as const,
    headers: { accept: 'application/json' },
    maxBytes: 262_144,
    signal,
  }
  const answer = await exchange(url, request, connection, 10_000)
  if (isPassingStatus(answer.status)) {
    throw new AuthError('ERR_AUTH_UNREACHABLE', `GET ${displayUrl(url)} answered ${answer.status}`, {
      hint: 'Try later.',
      status: answer.status,
    })
  }
  const body = answer.status === 200 && answer.complete ? parseJsonObject(answer.text) : undefined
  if (body === undefined) return undefined
  if (body['issuer'] !== issuer) {
    throw new AuthError('ERR_DISCOVERY_FAILED', `${displayUrl(url)} is the metadata of another issuer`, {
      hint: 'Report it to the operator of the server; an issuer that is written differently can be given as `issuer`.',
    })
  }
  const keys = stringMember(body, 'jwks_uri')
  if (keys !== undefined) {
    const parsed = parseUrlOption(keys, 'The jwks_uri that the issuer states')
    if (parsed.protocol === 'http:' && !isLoopback(base)) {
      throw new AuthError('ERR_INSECURE_URL', 'The jwks_uri that the issuer states must be https', {
        hint: 'Report it to the operator of the server.',
      })
    }
  }
  return body
}
