import { bareUrl, type BaseUrl } from './base-url.js'
import { maxTimerMs, startDeadline } from './deadline.js'
import { FhirError, isFhirError, requestAborted, type FhirErrorCode, type Sent } from './errors.js'
import { bareCause, classifyNetworkFailure } from './network-failure.js'
import { discardBody, readBody, type BodyRead } from './read-body.js'
import type { ResponseHeaders, Sender, SenderResponse, SendRequest } from './sender.js'

/** What every exchange of one client shares. */
export interface ExchangeContext {
  readonly base: BaseUrl
  readonly sender: Sender
  readonly maxResponseBytes: number
}

/** One request with everything but the token decided. */
export interface PreparedRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** An HTTP answer with its body read, as far as that went. */
export interface Answer {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: BodyRead
}

const maxErrorBytes = 1024 * 1024
const maxRedirects = 5
const redirects = new Set([300, 301, 302, 303, 307, 308])

/**
 * Sends one request and reads its answer within one time limit. A read may be redirected within the origin of
 * the base; a write never is: `fetch` would turn a POST into an empty GET and call its answer a success.
 */
export async function exchange(
  context: ExchangeContext,
  request: PreparedRequest,
  token?: string,
): Promise<Answer> {
  let current = request
  for (let hops = 0; ; hops += 1) {
    const outcome = await exchangeOnce(context, current, token)
    if (!('redirectTo' in outcome)) return outcome
    const target = redirectTarget(context.base, current, outcome.redirectTo)
    if (target === undefined || hops >= maxRedirects) throw redirected(current, outcome.status)
    current = { ...current, url: target }
  }
}

interface Redirect {
  readonly status: number | undefined
  readonly redirectTo: string | undefined
}

async function exchangeOnce(
  context: ExchangeContext,
  request: PreparedRequest,
  token: string | undefined,
): Promise<Answer | Redirect> {
  const { method, url, headers, body, timeoutMs, signal } = request
  if (signal?.aborted === true) throw requestAborted('no', signal.reason)
  // The URL was built below the base; this line makes a mistake elsewhere harmless.
  const mayAuthorize = url.origin === context.base.origin && context.base.mayCarryToken
  const deadline = startDeadline(timeoutMs, signal)
  try {
    // Asynchronous even for a sender that throws at once.
    const send = async (outgoing: SendRequest): Promise<SenderResponse> => context.sender.send(outgoing)
    const sending = send({
      method,
      url: url.href,
      headers:
        token !== undefined && mayAuthorize ? { ...headers, authorization: `Bearer ${token}` } : headers,
      ...(body === undefined ? {} : { body }),
      timeoutMs,
      signal: deadline.signal,
    })
    let response: SenderResponse
    try {
      response = await deadline.race(sending)
    } catch (error) {
      // A sender deaf to its signal may still come back with a response nobody reads.
      sending.then(discardBody, () => {})
      throw sendFailure(request, error, deadline.stopped())
    }
    if (response.type === 'opaqueredirect' || redirects.has(response.status)) {
      discardBody(response)
      const status = response.status === 0 ? undefined : response.status
      return { status, redirectTo: response.headers.get('location') ?? undefined }
    }
    // Opaque and error responses show nothing; `fetch` gives none for what this package asks, a foreign sender may.
    if (response.status === 0) throw sendFailure(request, new Error('The answer has no status.'), undefined)
    const succeeded = response.status >= 200 && response.status <= 299
    const limit = succeeded ? context.maxResponseBytes : Math.min(maxErrorBytes, context.maxResponseBytes)
    const read = await readBody(response, limit, deadline)
    if (read.state === 'aborted') throw requestAborted('maybe', signal?.reason)
    return { method, path: url.pathname, status: response.status, headers: response.headers, body: read }
  } finally {
    deadline.end()
  }
}

function redirectTarget(
  base: BaseUrl,
  request: PreparedRequest,
  location: string | undefined,
): URL | undefined {
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
  const target = location === undefined ? undefined : bareUrl(location, request.url)
  return target?.origin === base.origin ? target : undefined
}

function redirected(request: PreparedRequest, status: number | undefined): FhirError {
  const path = request.url.pathname
  return new FhirError('ERR_REDIRECTED', `${request.method} ${path} was redirected.`, {
    method: request.method,
    path,
    sent: 'yes',
    ...(status === undefined ? {} : { status }),
  })
}

const senderCodes: ReadonlySet<string> = new Set<FhirErrorCode>([
  'ERR_DNS',
  'ERR_CONNECT',
  'ERR_TLS',
  'ERR_NETWORK',
  'ERR_TIMEOUT',
  'ERR_INVALID_URL',
])

/** The error of a request without an answer. Foreign senders are trusted about `sent` only when they say it. */
function sendFailure(
  request: PreparedRequest,
  error: unknown,
  stopped: 'expired' | 'aborted' | undefined,
): unknown {
  const { method } = request
  const path = request.url.pathname
  const claimed = claimOf(error)
  if (stopped === 'aborted') return requestAborted(claimed.sent ?? 'maybe', request.signal?.reason)
  if (stopped === 'expired') {
    const sent = claimed.sent ?? 'maybe'
    return new FhirError('ERR_TIMEOUT', `${method} ${path} got no answer in time.`, { method, path, sent })
  }
  if (isFhirError(error)) return error
  const guessed = classifyNetworkFailure(error)
  return new FhirError(claimed.code ?? guessed.code, `${method} ${path} got no answer.`, {
    method,
    path,
    sent: claimed.sent ?? guessed.sent,
    cause: bareCause(error),
  })
}

function claimOf(error: unknown): { readonly code?: FhirErrorCode; readonly sent?: Exclude<Sent, 'yes'> } {
  if (typeof error !== 'object' || error === null) return {}
  const code: unknown = Reflect.get(error, 'code')
  const sent: unknown = Reflect.get(error, 'sent')
  return {
    ...(isSenderCode(code) ? { code } : {}),
    ...(sent === 'no' || sent === 'maybe' ? { sent } : {}),
  }
}

function isSenderCode(code: unknown): code is FhirErrorCode {
  return typeof code === 'string' && senderCodes.has(code)
}

/** Throws `ERR_INVALID_REQUEST` unless a time limit is one a timer can keep. */
export function checkTimeout(timeoutMs: number): number {
  if (!(timeoutMs > 0 && timeoutMs <= maxTimerMs)) {
    throw new FhirError('ERR_INVALID_REQUEST', 'A time limit is not a positive number of milliseconds.', {
      sent: 'no',
    })
  }
  return timeoutMs
}
