import {
  allowInsecureRequests,
  clientCredentialsGrantRequest,
  customFetch,
  processClientCredentialsResponse,
  type AuthorizationServer,
  type ClientAuth,
  type TokenEndpointResponse,
} from 'oauth4webapi'
import { AuthError } from '../errors.js'
import type { AccessToken, AuthProfile, ConnectionOptions } from '../types.js'
import { exchange, type Answer } from './exchange.js'
import { stringMember, type JsonRecord } from './json.js'
import { parseAnswer, tokenFailure, type FailureContext } from './token-failure.js'
import type { IssuedToken } from './token-cache.js'
import { displayUrl } from './url.js'

const maxBytes = 262_144
const timeoutMs = 30_000
const notTokenHint = 'Try later; if it stays so, check that the address is the token endpoint.'

export interface ClientCredentialsRequest {
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly auth: ClientAuth
  readonly scope: string | undefined
  /** Sent as `aud`, as Swift-SMART does in every flow. */
  readonly audience: string | undefined
  readonly profile: AuthProfile
  /** Never shown, besides what is found in the request itself. */
  readonly secrets: readonly string[]
}

/** Asks the token endpoint for a token by client_credentials (RFC 6749, section 4.4), once. */
export async function requestToken(
  request: ClientCredentialsRequest,
  connection: ConnectionOptions,
  signal: AbortSignal,
): Promise<IssuedToken> {
  const { clientId, profile, scope } = request
  const tokenEndpoint = new URL(request.tokenEndpoint)
  // oauth4webapi wants an issuer, which SMART servers without single sign-on do not state. This stand-in is
  // never compared with anything: id_tokens are dropped before the answer is processed.
  const as: AuthorizationServer = { issuer: tokenEndpoint.origin, token_endpoint: tokenEndpoint.href }
  const client = { client_id: clientId }
  const startedAt = (connection.now ?? Date.now)()
  const secrets = [...request.secrets]
  let answer: Answer | undefined
  await clientCredentialsGrantRequest(
    as,
    client,
    request.auth,
    {
      ...(scope === undefined ? {} : { scope }),
      ...(request.audience === undefined ? {} : { aud: request.audience }),
    },
    {
      // The URL policy of this package has already allowed it: plain http is loopback here.
      [allowInsecureRequests]: true,
      [customFetch]: async (url, init) => {
        secrets.push(...sentSecrets(init.body, init.headers))
        const body = init.body.toString()
        const sent = { method: 'POST' as const, headers: init.headers, body, maxBytes, signal }
        answer = await exchange(new URL(url), sent, connection, timeoutMs)
        return new Response()
      },
    },
  )
  if (answer === undefined) throw new TypeError('the token request was not sent')
  const where = `POST ${displayUrl(tokenEndpoint)}`
  const context: FailureContext = { where, profile, secrets, now: (connection.now ?? Date.now)() }
  const body = parseAnswer(answer, profile)
  if (answer.status < 200 || answer.status > 299 || (body?.['error'] ?? undefined) !== undefined) {
    throw tokenFailure(answer, context)
  }
  const parsed = await processBody(as, client, body, context, answer.status)
  return issuedToken(parsed, scope, startedAt)
}

function sentSecrets(body: URLSearchParams, headers: Record<string, string>): readonly string[] {
  const authorization = headers['authorization']?.replace(/^\S+ /, '')
  return [authorization, body.get('client_assertion') ?? undefined, body.get('client_secret') ?? undefined]
    .filter((secret) => secret !== undefined)
    .flatMap((secret) => [secret, ...secret.split('.').filter((part) => part.length > 16)])
}

/** Brings an answer into the one form oauth4webapi accepts, then lets it check the members. */
async function processBody(
  as: AuthorizationServer,
  client: { client_id: string },
  body: JsonRecord | undefined,
  context: FailureContext,
  status: number,
): Promise<TokenEndpointResponse> {
  const unusable = (reason: string): AuthError =>
    new AuthError('ERR_AUTH_UNREACHABLE', `${context.where} answered ${status} ${reason}`, {
      hint: notTokenHint,
      status,
    })
  if (body === undefined) throw unusable('without a JSON object of acceptable size')
  const value = stringMember(body, 'access_token')
  // RFC 6750, section 2.1; anything else would break the header it must travel in.
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) throw unusable('without a usable access_token')
  const type = body['token_type'] ?? (context.profile === 'c3-pro' ? 'bearer' : undefined)
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') {
    throw new AuthError(
      'ERR_LOGIN_REQUIRED',
      `${context.where} answered with a token that is not a bearer token`,
      {
        hint: 'Have the server issue bearer tokens to this client.',
        status,
      },
    )
  }
  // Neither an id_token nor a refresh token means anything in this grant.
  const { id_token: _idToken, refresh_token: _refresh, expires_in: lifetime, scope, ...rest } = body
  const normal = {
    ...rest,
    token_type: type,
    ...(typeof scope === 'string' ? { scope } : {}),
    ...lifetimeMember(lifetime),
  }
  const response = new Response(JSON.stringify(normal), { headers: { 'content-type': 'application/json' } })
  try {
    return await processClientCredentialsResponse(as, client, response)
  } catch {
    // Its errors hold the body, token included, so they are not passed on as a cause.
    throw unusable('with a token response that is not well-formed')
  }
}

/** `expires_in` as a number, or nothing: a senseless value counts as not stated. */
function lifetimeMember(value: unknown): { expires_in?: number } {
  const seconds = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value
  const sane = typeof seconds === 'number' && seconds >= 0 && seconds <= 10 * 366 * 86_400
  return sane ? { expires_in: seconds } : {}
}

function issuedToken(
  parsed: TokenEndpointResponse,
  requestedScope: string | undefined,
  startedAt: number,
): IssuedToken {
  const lifetimeMs = parsed.expires_in === undefined ? undefined : Math.floor(parsed.expires_in * 1000)
  // RFC 6749, section 5.1: no scope in the answer means the scope that was asked for.
  const scope = parsed.scope ?? requestedScope
  const patient = parsed['patient']
  const token: AccessToken = Object.freeze({
    value: parsed.access_token,
    type: 'Bearer' as const,
    ...(lifetimeMs === undefined ? {} : { expiresAt: startedAt + lifetimeMs }),
    ...(scope === undefined ? {} : { scope }),
    ...(typeof patient === 'string' && patient !== '' ? { patient } : {}),
  })
  return { token, ...(lifetimeMs === undefined ? {} : { lifetimeMs }) }
}
