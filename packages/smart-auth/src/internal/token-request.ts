import {
  allowInsecureRequests,
  customFetch,
  processGenericTokenEndpointResponse,
  type AuthorizationServer,
  type ClientAuth,
  type TokenEndpointResponse,
} from 'oauth4webapi'
import { AuthError } from '../errors.js'
import type { AccessToken, AuthProfile, ConnectionOptions } from '../types.js'
import { exchange, type Answer } from './exchange.js'
import type { Grant } from './grants.js'
import { stringMember, type JsonRecord } from './json.js'
import { notEndpointHint, parseAnswer, tokenFailure, type FailureContext } from './token-failure.js'
import type { IssuedToken } from './token-cache.js'
import { displayUrl } from './url.js'

const maxBytes = 262_144
const timeoutMs = 30_000

export interface GrantRequest {
  readonly grant: Grant
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

/** A token with everything that came beside it. */
export interface TokenAnswer extends IssuedToken {
  /** The scope as stated; absent when the server said nothing. */
  readonly statedScope?: string
  readonly refreshToken?: string
  /** Not verified yet. */
  readonly idToken?: string
  /** All other members of the answer. */
  readonly members: JsonRecord
}

/** Asks the token endpoint for a token, once (RFC 6749, sections 4.1.3, 4.4 and 6; RFC 7523). */
export async function requestToken(
  request: GrantRequest,
  connection: ConnectionOptions,
  signal: AbortSignal | undefined,
): Promise<TokenAnswer> {
  const { clientId, profile, scope } = request
  const tokenEndpoint = new URL(request.tokenEndpoint)
  // oauth4webapi wants an issuer, which SMART servers without single sign-on do not state. This stand-in is
  // never compared with anything: id_tokens are taken out before the answer is processed.
  const as: AuthorizationServer = { issuer: tokenEndpoint.origin, token_endpoint: tokenEndpoint.href }
  const client = { client_id: clientId }
  const startedAt = (connection.now ?? Date.now)()
  const secrets = [...request.secrets]
  let answer: Answer | undefined
  const more = {
    ...(scope === undefined || request.grant.hasOwnScope ? {} : { scope }),
    ...(request.audience === undefined ? {} : { aud: request.audience }),
  }
  await request.grant.send(as, client, request.auth, more, {
    // The URL policy of this package has already allowed it: plain http is loopback here.
    [allowInsecureRequests]: true,
    [customFetch]: async (url, init) => {
      secrets.push(...sentSecrets(init.body, init.headers))
      const body = init.body.toString()
      const sent = { method: 'POST' as const, headers: init.headers, body, maxBytes, signal }
      answer = await exchange(new URL(url), sent, connection, timeoutMs)
      return new Response()
    },
  })
  if (answer === undefined) throw new TypeError('the token request was not sent')
  const where = `POST ${displayUrl(tokenEndpoint)}`
  const now = (connection.now ?? Date.now)()
  const context: FailureContext = { endpoint: 'token', where, profile, secrets, now }
  const body = parseAnswer(answer, profile)
  if (answer.status < 200 || answer.status > 299 || (body?.['error'] ?? undefined) !== undefined) {
    throw tokenFailure(answer, context)
  }
  // RFC 6749, section 5.1 knows 200 only; C3-PRO answers 202, and its documentation says 201.
  if (answer.status !== 200 && profile !== 'c3-pro') {
    throw new AuthError('ERR_AUTH_UNREACHABLE', `${where} answered ${answer.status} instead of 200`, {
      hint: "Check that the address is the token endpoint; a C3-PRO server needs profile 'c3-pro'.",
      status: answer.status,
      arrived: 'maybe',
    })
  }
  return tokenAnswer(await processBody(as, client, body, context, answer.status), scope, startedAt)
}

const secretParameters = [
  'client_assertion',
  'client_secret',
  'assertion',
  'code',
  'code_verifier',
  'refresh_token',
] as const

function sentSecrets(body: URLSearchParams, headers: Record<string, string>): readonly string[] {
  const authorization = headers['authorization']?.replace(/^\S+ /, '')
  return [authorization, ...secretParameters.map((name) => body.get(name) ?? undefined)]
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
): Promise<{ parsed: TokenEndpointResponse; idToken: string | undefined }> {
  const unusable = (reason: string): AuthError =>
    new AuthError('ERR_AUTH_UNREACHABLE', `${context.where} answered ${status} ${reason}`, {
      hint: notEndpointHint('token'),
      status,
      arrived: 'maybe',
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
        arrived: 'maybe',
      },
    )
  }
  const { id_token: idToken, refresh_token: refresh, expires_in: lifetime, scope, ...rest } = body
  const normal = {
    ...rest,
    token_type: type,
    ...(typeof scope === 'string' ? { scope } : {}),
    ...(typeof refresh === 'string' && refresh !== '' ? { refresh_token: refresh } : {}),
    ...lifetimeMember(lifetime),
  }
  try {
    // What is so deep that it cannot be copied could not be stored either. Some platforms write it all the same.
    const text = JSON.stringify(structuredClone(normal))
    const response = new Response(text, { headers: { 'content-type': 'application/json' } })
    const parsed = await processGenericTokenEndpointResponse(as, client, response)
    return { parsed, idToken: typeof idToken === 'string' && idToken !== '' ? idToken : undefined }
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

function tokenAnswer(
  { parsed, idToken }: { parsed: TokenEndpointResponse; idToken: string | undefined },
  requestedScope: string | undefined,
  startedAt: number,
): TokenAnswer {
  const { access_token, token_type: _type, expires_in, refresh_token, scope: stated, ...members } = parsed
  const lifetimeMs = expires_in === undefined ? undefined : Math.floor(expires_in * 1000)
  // RFC 6749, section 5.1: no scope in the answer means the scope that was asked for.
  const scope = stated ?? requestedScope
  const patient = members['patient']
  const token: AccessToken = Object.freeze({
    value: access_token,
    type: 'Bearer' as const,
    ...(lifetimeMs === undefined ? {} : { expiresAt: startedAt + lifetimeMs }),
    ...(scope === undefined ? {} : { scope }),
    ...(typeof patient === 'string' && patient !== '' ? { patient } : {}),
  })
  return {
    token,
    members,
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    ...(stated === undefined ? {} : { statedScope: stated }),
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    ...(idToken === undefined ? {} : { idToken }),
  }
}
