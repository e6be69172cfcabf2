import { AuthError } from '../errors.js'
import type { ConnectionOptions, Fetch, FetchInit } from '../types.js'
import { abortError, throwIfAborted } from './abort.js'
import { safeCause } from './redact.js'
import { tracer } from './trace.js'
import { displayUrl } from './url.js'
import { wasSent } from './was-sent.js'

/** A whole answer, read within its limits. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The body as text; empty when `complete` is false. */
  readonly text: string
  /** False when the body was longer than allowed. */
  readonly complete: boolean
}

export interface ExchangeRequest {
  readonly method: FetchInit['method']
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

// A ky instance given as `fetch` reads these too: a second try of its own would replay an assertion, and a
// thrown HTTPError would hide the answer. The platform's fetch ignores them.
const kyOptions = { retry: 0, throwHttpErrors: false, timeout: false }

/** The longest delay that a timer takes everywhere. */
export const longestTimerMs = 2_147_483_647

async function readBounded(response: Response, maxBytes: number): Promise<string | undefined> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let size = 0
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > maxBytes) {
      reader.cancel().catch(() => undefined)
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}

/**
 * One request with its answer, bounded in time and size, redirects not followed. Rejects with
 * ERR_AUTH_UNREACHABLE when no whole answer came, with an AbortError when `signal` fired.
 */
export async function exchange(
  url: URL,
  request: ExchangeRequest,
  connection: ConnectionOptions,
  defaultTimeoutMs: number,
): Promise<Answer> {
  throwIfAborted(request.signal)
  const send: Fetch = connection.fetch ?? ((target, init) => fetch(target, init))
  // Timers that are asked for more fire at once.
  const timeoutMs = Math.min(connection.timeoutMs ?? defaultTimeoutMs, longestTimerMs)
  const controller = new AbortController()
  let stop: (error: unknown) => void = () => undefined
  // A sender may ignore the signal, so the wait itself ends too.
  const stopped = new Promise<never>((_, reject) => {
    stop = (error) => {
      reject(error)
      controller.abort()
    }
  })
  stopped.catch(() => undefined)
  const { method } = request
  const where = `${method} ${displayUrl(url)}`
  const trace = tracer(connection)
  const step = { method, url: displayUrl(url) }
  trace('request', step)
  const timer = setTimeout(() => {
    stop(
      new AuthError('ERR_AUTH_UNREACHABLE', `${where} got no answer within ${timeoutMs} ms`, {
        hint: 'Try later; check the network and the address.',
        arrived: 'maybe',
      }),
    )
  }, timeoutMs)
  const onAbort = (): void => stop(abortError())
  request.signal?.addEventListener('abort', onAbort, { once: true })

  const run = async (): Promise<Answer> => {
    const init: FetchInit = {
      ...kyOptions,
      method: request.method,
      headers: { ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      signal: controller.signal,
    }
    const response = await send(url.href, init)
    const text = await readBounded(response, request.maxBytes)
    // Browsers hide a redirect that is not followed behind status 0.
    const status = response.type === 'opaqueredirect' ? 302 : response.status
    return { status, headers: response.headers, text: text ?? '', complete: text !== undefined }
  }
  const running = run().catch((error: unknown) => {
    throw new AuthError('ERR_AUTH_UNREACHABLE', `${where} failed before a whole answer arrived`, {
      hint: 'Try later; check the network and the address.',
      cause: safeCause(error),
      arrived: wasSent(error),
    })
  })
  running.catch(() => undefined)
  try {
    const answer = await Promise.race([running, stopped])
    trace('answer', { ...step, status: answer.status })
    return answer
  } catch (error) {
    trace('no-answer', error instanceof AuthError ? { ...step, code: error.code } : step)
    throw error
  } finally {
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', onAbort)
  }
}
