import ky from 'ky'
import { startDeadline } from './deadline.js'
import { FhirError, requestAborted } from './errors.js'
import { bareCause, classifyNetworkFailure } from './network-failure.js'
import type { Sender, SendRequest } from './sender.js'

/** Options of `kySender`. */
export interface KySenderOptions {
  /** Default: the `fetch` of the platform at the time of the call. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Cookies and other ambient credentials. Default: `'omit'`. */
  readonly credentials?: RequestCredentials | undefined
}

/**
 * The default sender: `ky` with its retries, redirects and status errors switched off. Runs wherever `fetch` does.
 * Answers are neither taken from nor put into the HTTP cache, and no `Referer` is sent.
 */
export function kySender(options: KySenderOptions = {}): Sender {
  return { send: (request) => send(request, options) }
}

async function send(request: SendRequest, options: KySenderOptions): Promise<Response> {
  const { method, url, headers, body, timeoutMs, signal } = request
  if (signal?.aborted === true) throw requestAborted('no', signal.reason)
  const deadline = startDeadline(timeoutMs, signal)
  try {
    const answer = ky(url, {
      method,
      headers: { ...headers },
      // A string's bytes are made here, so that the length is known and sent, and no charset is added.
      ...(body === undefined ? {} : { body: copy(body) }),
      signal: deadline.signal,
      redirect: 'manual',
      cache: 'no-store',
      credentials: options.credentials ?? 'omit',
      referrerPolicy: 'no-referrer',
      retry: 0,
      // ky's own time-out error holds the request, and with it the token.
      timeout: false,
      throwHttpErrors: false,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    })
    return await answer
  } catch (error) {
    throw sendFailure(error, deadline.stopped(), request)
  } finally {
    deadline.end()
  }
}

function sendFailure(
  error: unknown,
  stopped: 'expired' | 'aborted' | undefined,
  request: SendRequest,
): unknown {
  if (stopped === 'aborted') return requestAborted('maybe', request.signal?.reason)
  const path = pathOf(request.url)
  const known = { method: request.method, path }
  if (stopped === 'expired') {
    return new FhirError('ERR_TIMEOUT', `${request.method} ${path} got no answer in time.`, {
      ...known,
      sent: 'maybe',
    })
  }
  const { code, sent } = classifyNetworkFailure(error)
  return new FhirError(code, `${request.method} ${path} got no answer.`, {
    ...known,
    sent,
    cause: bareCause(error),
  })
}

function copy(body: Uint8Array | string): Uint8Array<ArrayBuffer> {
  return typeof body === 'string' ? new TextEncoder().encode(body) : new Uint8Array(body)
}

function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : ''
}
