import { Agent, type Dispatcher } from 'undici'
import { parseUrl } from '../base-url.js'
import { maxTimerMs } from '../deadline.js'
import { FhirError, requestAborted } from '../errors.js'
import { bareCause, classifyNetworkFailure, type NetworkFailure } from '../network-failure.js'
import type { ResponseHeaders, Sender, SenderResponse, SendRequest } from '../sender.js'
import { bodyQueue, type BodyQueue } from './body-queue.js'
import { decode } from './decode.js'

/** Whom to trust and who to be, as `node:tls` takes it. */
export interface TlsOptions {
  /** Certificates of authorities, PEM. They replace those of Node. */
  readonly ca?: string | readonly string[] | undefined
  /** Own certificate chain, PEM, for servers that ask for one. */
  readonly cert?: string | undefined
  /** Key of the own certificate, PEM. */
  readonly key?: string | undefined
}

/** Options of `keepAliveSender`. */
export interface KeepAliveSenderOptions {
  /** Most connections to one origin; requests beyond wait their turn. Default: 16. */
  readonly connections?: number | undefined
  /** Time limit of making a connection, TLS included, in milliseconds. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /**
   * How long an idle connection is kept, in milliseconds, unless the server says less. Longer than the server keeps
   * it means requests that break with `sent: 'maybe'`. Default: 4,000.
   */
  readonly keepAliveMs?: number | undefined
  readonly tls?: TlsOptions | undefined
  /** An `undici` dispatcher to use in place of an own one, e.g. a `ProxyAgent`. The options above are its business. */
  readonly dispatcher?: Dispatcher | undefined
}

/** A sender that holds connections open. */
export interface KeepAliveSender extends Sender {
  /** Waits for what is under way and closes its connections. A dispatcher given as an option stays open. */
  close(): Promise<void>
}

/**
 * A sender for Node on `undici`: one pool of kept-alive connections per origin, one request at a time on each, no
 * retry, no redirect, no cookie. Idle connections do not keep a process alive.
 *
 * It knows when a request begins to be written, so `sent` is exact: `'no'` for everything before, waiting for a
 * connection included, and `'maybe'` from then on, also when the server had closed an idle connection meanwhile.
 */
export function keepAliveSender(options: KeepAliveSenderOptions = {}): KeepAliveSender {
  const { connections = 16, connectTimeoutMs = 10_000, keepAliveMs = 4000, tls = {} } = options
  const own =
    options.dispatcher === undefined
      ? new Agent({
          connections,
          pipelining: 1,
          allowH2: false,
          keepAliveTimeout: keepAliveMs,
          keepAliveMaxTimeout: Math.max(keepAliveMs, 1000),
          // Time limits come with each request, and its reader watches the body.
          headersTimeout: 0,
          bodyTimeout: 0,
          connect: { timeout: connectTimeoutMs, ...tlsOptions(tls) },
        })
      : undefined
  const dispatcher = options.dispatcher ?? own
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        if (dispatcher !== undefined) dispatch(dispatcher, request, resolve, reject)
      }),
    close: async () => own?.close(),
  }
}

const highWater = 256 * 1024

function dispatch(
  dispatcher: Dispatcher,
  request: SendRequest,
  resolve: (response: SenderResponse) => void,
  reject: (error: unknown) => void,
): void {
  const { method, url, headers, body, timeoutMs, signal } = request
  if (signal?.aborted === true) return reject(requestAborted('no', signal.reason))
  const target = parseUrl(url)
  if (target === undefined) return reject(failure(request, '', { code: 'ERR_INVALID_URL', sent: 'no' }))
  const path = target.pathname
  /** Set once bytes may leave. */
  let connection: Dispatcher.DispatchController | undefined
  let stopped: unknown
  let answer: BodyQueue | undefined
  const settle = (): void => {
    if (timer !== undefined) clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  /** Gives up before the headers came. A request still waiting for a connection is let go of when it gets one. */
  const stop = (error: Error): void => {
    settle()
    stopped = error
    // In this order: the abort comes back as an error of its own.
    reject(error)
    connection?.abort(error)
  }
  const sent = (): 'no' | 'maybe' => (connection === undefined ? 'no' : 'maybe')
  const onAbort = (): void => stop(requestAborted(sent(), signal?.reason))
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () => stop(failure(request, path, { code: 'ERR_TIMEOUT', sent: sent() })),
          // Timers that are asked for more fire at once.
          Math.min(timeoutMs, maxTimerMs),
        )
  signal?.addEventListener('abort', onAbort)

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      if (stopped === undefined) connection = controller
      else controller.abort(stopped as Error)
    },
    onResponseStart(controller, status, raw) {
      // 1xx is on the way, not the answer.
      if (status < 200) return
      settle()
      const queue = bodyQueue({
        highWater,
        onDrain: () => controller.resume(),
        onLeave: () => controller.abort(new Error('The body was not wanted.')),
      })
      answer = queue
      const fields = headerFields(raw)
      const bare = method === 'HEAD' || status === 204 || status === 304
      resolve({ status, headers: fields, body: bare ? null : decode(queue, fields.get('content-encoding')) })
    },
    onResponseData(controller, chunk) {
      if (answer?.push(chunk) === false) controller.pause()
    },
    onResponseEnd() {
      answer?.end()
    },
    onResponseError(_controller, error) {
      if (answer !== undefined) return answer.fail(bareCause(error))
      settle()
      reject(failure(request, path, judge(error, sent()), error))
    },
  }
  try {
    dispatcher.dispatch(
      {
        origin: target.origin,
        path: path + target.search,
        method: method as Dispatcher.HttpMethod,
        headers: { 'accept-encoding': 'gzip, deflate, br', ...headers },
        // Repeating is for those who know what the request does.
        idempotent: false,
        ...(body === undefined ? {} : { body }),
      },
      handler,
    )
  } catch (error) {
    settle()
    reject(failure(request, path, { code: 'ERR_NETWORK', sent: sent() }, error))
  }
}

/** What the moment of the failure says beats what its name says: nothing left before the request was begun. */
function judge(error: unknown, sent: 'no' | 'maybe'): NetworkFailure {
  const known = classifyNetworkFailure(error)
  if (sent === 'no') return { code: known.code === 'ERR_NETWORK' ? 'ERR_CONNECT' : known.code, sent }
  // An alert refuses the connection, and with it every request on it.
  if (known.code === 'ERR_TLS' || known.code === 'ERR_TIMEOUT') return known
  return { code: 'ERR_NETWORK', sent }
}

function failure(request: SendRequest, path: string, what: NetworkFailure, cause?: unknown): FhirError {
  const { method } = request
  const late = what.code === 'ERR_TIMEOUT' ? 'got no answer in time' : 'got no answer'
  return new FhirError(what.code, `${method} ${path} ${late}.`, {
    method,
    path,
    sent: what.sent,
    ...(cause === undefined ? {} : { cause: bareCause(cause) }),
  })
}

function headerFields(raw: Record<string, string | string[] | undefined>): ResponseHeaders {
  return {
    get: (name) => {
      const value = raw[name.toLowerCase()]
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
    },
  }
}

function tlsOptions(tls: TlsOptions): Record<string, unknown> {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined))
}
