import { startDeadline } from './deadline.js'
import { FhirError, requestAborted } from './errors.js'
import { exchange, type Answer, type ExchangeContext, type PreparedRequest } from './exchange.js'

/** An access token as a `TokenSource` gives it. */
export interface AccessToken {
  readonly value: string
  readonly type: 'Bearer'
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number | undefined
  readonly scope?: string | undefined
  readonly patient?: string | undefined
}

/** What a token is wanted for. */
export interface TokenRequest {
  /** The URL about to be called, without its query string. */
  readonly url: string
  /** The token the server just refused: do not give it again, get a new one. */
  readonly rejected?: string
  readonly signal?: AbortSignal
}

/**
 * Where access tokens come from. Rejections with a `code` (`ERR_AUTH_UNREACHABLE`, `ERR_LOGIN_REQUIRED`, …) reach
 * the caller of the client unchanged.
 */
export interface TokenSource {
  getToken(request: TokenRequest): Promise<AccessToken>
}

/**
 * Sends with a token and answers the first 401 with one forced refresh and one replay of the same request. A 401
 * is taken for "not applied", as HTTP has it.
 */
export async function exchangeWithToken(
  context: ExchangeContext,
  tokens: TokenSource | undefined,
  request: PreparedRequest,
): Promise<Answer> {
  if (tokens === undefined) return exchange(context, request)
  const first = await fetchToken(tokens, request, undefined)
  const answer = await exchange(context, request, first)
  if (answer.status !== 401) return answer
  const second = await fetchToken(tokens, request, first)
  // A source that cannot do better gives the same token: the server has refused it already.
  return second === first ? answer : exchange(context, request, second)
}

async function fetchToken(
  tokens: TokenSource,
  request: PreparedRequest,
  rejected: string | undefined,
): Promise<string> {
  const { method, url, timeoutMs, signal } = request
  if (signal?.aborted === true) throw requestAborted('no', signal.reason)
  const known = { method, path: url.pathname, sent: 'no' } as const
  const deadline = startDeadline(timeoutMs, signal)
  try {
    const token: unknown = await deadline.race(
      tokens.getToken({
        url: url.origin + url.pathname,
        ...(rejected === undefined ? {} : { rejected }),
        // A source that has a token at hand does not look at it.
        get signal() {
          return deadline.signal
        },
      }),
    )
    const value = bearerValue(token)
    if (value !== undefined) return value
  } catch (error) {
    const stopped = deadline.stopped()
    if (stopped === 'aborted') throw requestAborted('no', signal?.reason)
    if (stopped === 'expired') {
      throw new FhirError('ERR_TIMEOUT', `${method} ${url.pathname} waited too long for a token.`, known)
    }
    if (hasCode(error)) throw error
    throw new FhirError('ERR_TOKEN_SOURCE', `${method} ${url.pathname} got no token.`, {
      ...known,
      cause: error,
    })
  } finally {
    deadline.end()
  }
  throw new FhirError('ERR_TOKEN_SOURCE', `${method} ${url.pathname} got an unusable token.`, known)
}

/**
 * A value that may stand in a header. `fetch` would refuse others too, but with a message that repeats the token.
 */
function bearerValue(token: unknown): string | undefined {
  if (typeof token !== 'object' || token === null) return undefined
  const value: unknown = Reflect.get(token, 'value')
  const type: unknown = Reflect.get(token, 'type')
  const isBearer = typeof type === 'string' && type.toLowerCase() === 'bearer'
  return isBearer && typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : undefined
}

function hasCode(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' && code.startsWith('ERR_')
}
