import { getResponse, type HttpHandler } from 'msw'
import { createCredentials } from './auth/credentials.js'
import { createAuthService, serverMetadata, smartConfiguration } from './auth/service.js'
import { createC3ProService } from './c3pro/service.js'
import { createStateStore } from './create-state.js'
import { MockServerError } from './errors.js'
import { createPages } from './fhir/paging.js'
import { createRepository } from './fhir/repository.js'
import { createFhirService } from './fhir/service.js'
import { indexPage } from './index-page.js'
import { createSeededRandom } from './random.js'
import { jsonReply, type Call } from './server/call.js'
import { createExchange } from './server/exchange.js'
import { createFaults, type Faults } from './server/faults.js'
import { createHandlers } from './server/handlers.js'
import { listen, type Listening, type ListenOptions } from './node/listen.js'
import { createExchangeLog, type LoggedExchange } from './server/log.js'
import type { MockState } from './state.js'

export interface MockServerOptions {
  /**
   * Absolute URL of the root that `handlers` answer to, without a slash at the end; a path is allowed. `*` answers
   * every host. Default `https://mock.example`. `listen()` and `fetch()` answer every host whatever stands here.
   */
  readonly origin?: string
  /** Milliseconds since 1970; default `Date.now`. */
  readonly clock?: () => number
  /** Whole number that ids, tokens and secrets follow from; default 1. */
  readonly seed?: number
  /** Life of access tokens in seconds; default 300 at `/auth/token`, 1800 at `/c3pro/oauth`. */
  readonly tokenSeconds?: number
  /** `true`: the FHIR routes need no token. Default `false`. */
  readonly open?: boolean
  readonly limits?: {
    /** Entries of one Bundle; more are answered with 400 `too-costly`. Default: no limit. */
    readonly entries?: number
    /** Bytes of one request body; more are answered with 413. Default 16 MiB. */
    readonly bodyBytes?: number
    /** Exchanges that `log` keeps at least. Default: all. */
    readonly logEntries?: number
  }
  /** Waits for `delay` and `down` faults; rejects when the signal aborts. Default: a timer. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface MockServer {
  /** For `setupServer` and `setupWorker` of MSW. */
  readonly handlers: readonly HttpHandler[]
  /** Serves the same handlers on a real port (Node only). */
  listen(options?: ListenOptions): Promise<Listening>
  /** Answers one request without any network; rejects with a TypeError where a connection would have been cut. */
  fetch(request: Request): Promise<Response>
  readonly state: MockState
  readonly clock: () => number
  readonly faults: Faults
  readonly log: readonly LoggedExchange[]
}

const defaultOrigin = 'https://mock.example'

function checkOrigin(origin: string): string {
  if (origin === '*' || (/^https?:\/\/[^/?#*]+(\/[^?#*]+)?$/.test(origin) && !origin.endsWith('/')))
    return origin
  throw new MockServerError(
    'ERR_MOCK_OPTIONS',
    '`origin` is no absolute http(s) URL without query and final slash.',
    'Give something like `https://mock.example`, or `*`.',
  )
}

function defaultSleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    const stop = (): void => {
      clearTimeout(timer)
      reject(new DOMException('The wait was aborted.', 'AbortError'))
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/**
 * A mock of every server FHIR Outbox talks to: a FHIR R4 store, SMART Backend Services authorization and the C3-PRO
 * receiver. Each mock has its own state; nothing is shared and nothing starts before it is used.
 * @throws MockServerError `ERR_MOCK_OPTIONS` for an origin that is no URL.
 */
export function createMockServer(options: MockServerOptions = {}): MockServer {
  const { open = false, limits = {}, sleep = defaultSleep, tokenSeconds } = options
  const origin = checkOrigin(options.origin ?? defaultOrigin)
  const clock = options.clock ?? ((): number => Date.now())
  const random = createSeededRandom(options.seed ?? 1)
  const credentials = createCredentials(random, clock)
  const repository = createRepository()
  const pages = createPages(() => random.uuid(), clock)
  const store = createStateStore({ repository, credentials, pages, random, clock })
  const log = createExchangeLog(clock, limits.logEntries ?? Infinity)
  const listening = new Set<Listening>()
  const faults = createFaults(() => listening.size > 0)

  const fhir = createFhirService({
    view: repository,
    pages,
    openRoutes: open,
    maxEntries: limits.entries ?? Infinity,
    startedAt: clock(),
    tokenOf: (headers) => credentials.fromHeader(headers.get('authorization')),
    open: (fhirBase) => store.open(fhirBase),
    commit: (context, requestId) => store.commit(context, requestId),
  })
  const auth = createAuthService({
    credentials,
    tokenSeconds: tokenSeconds ?? 300,
    clock,
    newId: () => random.uuid(),
  })
  const c3pro = createC3ProService({
    credentials,
    antispamTokens: store.antispamTokens,
    receipts: store.receipts,
    tokenSeconds: tokenSeconds ?? 1800,
    consumer: { ...store, clock },
    newId: () => random.uuid(),
  })

  const route = async (call: Call): Promise<Response> => {
    const [area, ...path] = call.path
    const reading = call.method === 'GET' || call.method === 'HEAD'
    const name = path.join('/')
    switch (area) {
      case undefined: {
        const headers = { 'content-type': 'text/html;charset=utf-8' }
        if (reading) return new Response(indexPage(call.root, open), { headers })
        return jsonReply(405, { error: 'Use GET.' }, { allow: 'GET, HEAD' })
      }
      case 'fhir':
        if (reading && name === '.well-known/smart-configuration') return smartConfiguration(call.root)
        return fhir({ ...call, path })
      case 'auth':
        return auth({ ...call, path })
      case 'c3pro':
        return c3pro({ ...call, path })
      default:
        if (reading && name === 'oauth-authorization-server/auth') return serverMetadata(call.root)
        return jsonReply(404, { error: 'There is nothing here.' })
    }
  }

  const exchange = createExchange({
    log,
    faults,
    sleep,
    route,
    maxBodyBytes: limits.bodyBytes ?? 16 * 1024 * 1024,
  })
  const anywhere = [...createHandlers('*', exchange)]

  return {
    handlers: createHandlers(origin, exchange),
    listen: async (listenOptions = {}) => {
      const inner = await listen((goDown) => createHandlers('*', exchange, goDown), listenOptions, sleep)
      const outer: Listening = {
        ...inner,
        close: async () => {
          listening.delete(outer)
          await inner.close()
        },
      }
      listening.add(outer)
      return outer
    },
    fetch: async (request) => {
      const response = (await getResponse(anywhere, request)) ?? new Response(null, { status: 404 })
      if (response.type === 'error') throw new TypeError('The connection was cut.')
      return response
    },
    state: store.state,
    clock,
    faults,
    log: log.entries,
  }
}
