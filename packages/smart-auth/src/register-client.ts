import {
  allowInsecureRequests,
  customFetch,
  dynamicClientRegistrationRequest,
  type AuthorizationServer,
  type JsonValue,
} from 'oauth4webapi'
import { AuthError } from './errors.js'
import { exchange, type Answer } from './internal/exchange.js'
import { stringListMember, stringMember, type JsonRecord } from './internal/json.js'
import { omitUndefined } from './internal/omit-undefined.js'
import { retryAfterMs } from './internal/retry-after.js'
import { isPassingStatus, parseAnswer, readComplaint } from './internal/token-failure.js'
import { displayUrl, parseUrlOption } from './internal/url.js'
import type { AuthProfile, ConnectionOptions } from './types.js'

export interface RegisterClientOptions extends ConnectionOptions {
  readonly registrationEndpoint: string
  /** The members of the registration request, as in RFC 7591, section 2. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** Sent as Bearer token with this request; never kept. */
  readonly initialAccessToken?: string
  /** More request headers, for instance `Antispam`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Values in `metadata` or `headers` that must never show up in an error. */
  readonly secrets?: readonly string[]
  /** Default `smart`. */
  readonly profile?: AuthProfile
  readonly signal?: AbortSignal
}

/** What the server gave. Holds secrets: store it like a password. */
export interface RegisteredClient {
  readonly clientId: string
  readonly clientSecret?: string
  /** Seconds since 1970, 0 for never, as the server stated it. */
  readonly clientSecretExpiresAt?: number
  readonly tokenEndpointAuthMethod?: string
  readonly grantTypes?: readonly string[]
  readonly redirectUris?: readonly string[]
  readonly scope?: string
  /** For managing the registration (RFC 7592). Left out when the address is on another origin. */
  readonly registrationClientUri?: string
  readonly registrationAccessToken?: string
  /** All members of the answer, which may differ from what was asked for. */
  readonly metadata: Readonly<Record<string, unknown>>
}

const maxBytes = 262_144
const timeoutMs = 30_000

/**
 * Registers a client once (RFC 7591); no second try of its own, because each success makes one more client.
 *
 * Errors: `ERR_AUTH_UNREACHABLE` (no answer, 408, 425, 429 or 5xx), `ERR_REGISTRATION_FAILED` (refused, or the
 * answer holds no usable client), `ERR_INSECURE_URL`, `ERR_INVALID_OPTIONS`.
 */
export async function registerClient(options: RegisterClientOptions): Promise<RegisteredClient> {
  const url = parseUrlOption(options.registrationEndpoint, 'registrationEndpoint')
  const { initialAccessToken, metadata } = options
  const profile = options.profile ?? 'smart'
  checkHeaders({ ...options.headers, ...(initialAccessToken === undefined ? {} : { initialAccessToken }) })
  const secrets = [
    ...(options.secrets ?? []),
    ...(initialAccessToken === undefined ? [] : [initialAccessToken]),
  ]
  const as: AuthorizationServer = { issuer: url.origin, registration_endpoint: url.href }
  let answer: Answer | undefined
  await dynamicClientRegistrationRequest(as, metadata as Record<string, JsonValue>, {
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    ...(initialAccessToken === undefined ? {} : { initialAccessToken }),
    // The URL policy of this package has already allowed it: plain http is loopback here.
    [allowInsecureRequests]: true,
    [customFetch]: async (target, init) => {
      const { headers, body } = init
      const { signal } = options
      const request = { method: 'POST' as const, headers, body, maxBytes, signal }
      answer = await exchange(new URL(target), request, options, timeoutMs)
      return new Response()
    },
  })
  if (answer === undefined) throw new TypeError('the registration was not sent')
  return readRegistrationAnswer(answer, {
    method: 'POST',
    url,
    profile,
    secrets,
    now: (options.now ?? Date.now)(),
  })
}

// A control character would make the platform throw an error that quotes the header, secret and all.
function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\x20-\x7e]*$/.test(value) || !/^[A-Za-z0-9_-]+$/.test(name)) {
      throw new AuthError('ERR_INVALID_OPTIONS', 'A header for the registration holds forbidden characters', {
        hint: 'Use printable ASCII; look for a line break at the end of the value.',
      })
    }
  }
}

export interface ReadContext {
  readonly method: string
  readonly url: URL
  readonly profile: AuthProfile
  readonly secrets: readonly string[]
  readonly now: number
}

/** What an answer about a registration means; shared with its management. */
export function readRegistrationAnswer(answer: Answer, context: ReadContext): RegisteredClient {
  const { status } = answer
  const where = `${context.method} ${displayUrl(context.url)}`
  const body = parseAnswer(answer, context.profile)
  const complaint = readComplaint(body, context.secrets)
  const said = complaint.text === '' ? '' : ` (${complaint.text})`
  if (isPassingStatus(status)) {
    throw new AuthError('ERR_AUTH_UNREACHABLE', `${where} answered ${status}${said}`, {
      hint: 'Try later.',
      status,
      oauthError: complaint.oauthError,
      retryAfterMs: retryAfterMs(answer.headers, context.now),
    })
  }
  const refused = (reason: string): AuthError =>
    new AuthError('ERR_REGISTRATION_FAILED', `${where} ${reason}`, {
      hint: 'Check the registration endpoint, and what it demands of a new client.',
      status,
      oauthError: complaint.oauthError,
    })
  if (status < 200 || status > 299) throw refused(`refused the registration with ${status}${said}`)
  if (body === undefined) throw refused(`answered ${status} without a JSON object of acceptable size`)
  if (complaint.text !== '') throw refused(`answered ${status} with an error${said}`)
  return registeredClient(body, context, refused)
}

function registeredClient(
  body: JsonRecord,
  { method, url }: ReadContext,
  refused: (reason: string) => AuthError,
): RegisteredClient {
  const clientId = stringMember(body, 'client_id')
  if (clientId === undefined || clientId === '') throw refused('answered without a client_id')
  const clientSecret = stringMember(body, 'client_secret')
  if (clientSecret === '') throw refused('answered with an empty client_secret')
  const expires = body['client_secret_expires_at']
  const managed = stringMember(body, 'registration_client_uri')
  // An answer about a registration may leave out its address, and bring a new management token all the same.
  const own =
    managed === undefined
      ? method !== 'POST'
      : URL.canParse(managed) && new URL(managed).origin === url.origin
  return omitUndefined({
    clientId,
    clientSecret,
    clientSecretExpiresAt: typeof expires === 'number' && expires >= 0 ? expires : undefined,
    tokenEndpointAuthMethod: stringMember(body, 'token_endpoint_auth_method'),
    grantTypes: stringListMember(body, 'grant_types'),
    redirectUris: stringListMember(body, 'redirect_uris'),
    scope: stringMember(body, 'scope'),
    registrationClientUri: own ? managed : undefined,
    registrationAccessToken: own ? stringMember(body, 'registration_access_token') : undefined,
    metadata: body,
  })
}
