import { authOf, type ClientProof } from './client-proof.js'
import { AuthError } from './errors.js'
import { formRequest } from './internal/form-request.js'
import { notEndpointHint } from './internal/token-failure.js'
import type { ConnectionOptions } from './types.js'

export interface RevokeOptions extends ConnectionOptions {
  readonly revocationEndpoint: string
  /** The audience of an assertion. Default: the revocation endpoint. */
  readonly tokenEndpoint?: string
  readonly clientId: string
  /** Default: a public client. */
  readonly proof?: ClientProof
  readonly tokenTypeHint?: 'access_token' | 'refresh_token'
  readonly signal?: AbortSignal
}

/**
 * Revokes a token (RFC 7009). A token that the server does not know counts as revoked.
 *
 * Errors: `ERR_AUTH_UNREACHABLE`, `ERR_LOGIN_REQUIRED` (the server refuses this client, or this kind of token),
 * `ERR_INSECURE_URL`, `ERR_INVALID_OPTIONS`.
 */
export async function revoke(token: string, options: RevokeOptions): Promise<void> {
  const { revocationEndpoint, tokenTypeHint, clientId } = options
  await formRequest({
    kind: 'revocation',
    endpoint: revocationEndpoint,
    fields: { token, ...(tokenTypeHint === undefined ? {} : { token_type_hint: tokenTypeHint }) },
    clientId,
    auth: authOf(options.proof, {
      clientId,
      audience: options.tokenEndpoint ?? revocationEndpoint,
      connection: options,
    }),
    connection: options,
    signal: options.signal,
  })
}

export interface IntrospectOptions extends ConnectionOptions {
  readonly introspectionEndpoint: string
  readonly clientId: string
  /** Default: a public client. */
  readonly proof?: ClientProof
  /** The audience of an assertion. Default: the introspection endpoint. */
  readonly tokenEndpoint?: string
  /** Authenticates by this access token instead of a client. */
  readonly bearer?: string
  readonly tokenTypeHint?: 'access_token' | 'refresh_token'
  readonly signal?: AbortSignal
}

/** What a server says about a token. Without `active` nothing else counts. */
export interface Introspection {
  readonly active: boolean
  readonly scope?: string
  readonly clientId?: string
  /** Milliseconds since 1970. */
  readonly expiresAt?: number
  readonly patient?: string
  /** All members as served: launch context, `iss`, `sub`, `fhirUser` and whatever else there is. */
  readonly members: Readonly<Record<string, unknown>>
}

/**
 * Asks the server about a token (RFC 7662; SMART App Launch 2.2.0, "Token Introspection").
 *
 * Errors: `ERR_AUTH_UNREACHABLE`, `ERR_LOGIN_REQUIRED` (the server refuses to tell this client), `ERR_INSECURE_URL`,
 * `ERR_INVALID_OPTIONS`.
 */
export async function introspect(token: string, options: IntrospectOptions): Promise<Introspection> {
  const { introspectionEndpoint, tokenTypeHint, clientId, bearer } = options
  const { status, where, body } = await formRequest({
    kind: 'introspection',
    endpoint: introspectionEndpoint,
    fields: { token, ...(tokenTypeHint === undefined ? {} : { token_type_hint: tokenTypeHint }) },
    clientId,
    auth:
      bearer === undefined
        ? authOf(options.proof, {
            clientId,
            audience: options.tokenEndpoint ?? introspectionEndpoint,
            connection: options,
          })
        : (_as, _client, _body, headers) => headers.set('authorization', `Bearer ${bearer}`),
    connection: options,
    signal: options.signal,
  })
  const members = body ?? {}
  const { active, scope, client_id: client, exp, patient } = members
  if (typeof active !== 'boolean') {
    throw new AuthError(
      'ERR_AUTH_UNREACHABLE',
      `${where} answered ${status} without saying whether the token is active`,
      { hint: notEndpointHint('introspection'), status },
    )
  }
  return {
    active,
    members,
    ...(typeof scope === 'string' ? { scope } : {}),
    ...(typeof client === 'string' ? { clientId: client } : {}),
    ...(typeof exp === 'number' ? { expiresAt: exp * 1000 } : {}),
    ...(typeof patient === 'string' ? { patient } : {}),
  }
}
