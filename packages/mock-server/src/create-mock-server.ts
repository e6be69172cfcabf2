import { getResponse, type HttpHandler } from 'msw'
import { createCredentials } from './auth/credentials.js'
import { authorizeApp, patientLogin } from './auth/login.js'
import { createLogins } from './auth/logins.js'
import type { AuthParts } from './auth/parts.js'
import { createAuthService, serverMetadata, smartConfiguration } from './auth/service.js'
import { createSigningKeys } from './auth/signing-keys.js'
import { resolveC3ProProfile, type C3ProProfileChoice } from './c3pro/profile.js'
import { createC3ProService } from './c3pro/service.js'
import { createStateStore } from './create-state.js'
import { MockServerError } from './errors.js'
import { interactions as allInteractions, type Interaction } from './fhir/interactions.js'
import { createJobs } from './fhir/jobs.js'
import type { Resource } from './fhir/model.js'
import { createPageSeal } from './fhir/page-seal.js'
import { createPages } from './fhir/paging.js'
import { patientList } from './fhir/patient-list.js'
import type { Issue } from './fhir/problem.js'
import { resolveProfile, type FhirProfileChoice } from './fhir/profile.js'
import { createRepository } from './fhir/repository.js'
import { createFhirService } from './fhir/service.js'
import { checkResource, throwIssues } from './fhir/structure.js'
import { indexPage } from './index-page.js'
import { createSeededRandom } from './random.js'
import { htmlReply, jsonReply, type Call } from './server/call.js'
import type { CorsMode } from './server/cors.js'
import { createExchange } from './server/exchange.js'
import { createFaults, type FaultKind, type Faults } from './server/faults.js'
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
  /**
   * The root that absolute links show. Default: the address of the request. `X-Forwarded-Host` and `Forwarded` of a
   * request win over both.
   */
  readonly baseUrl?: string
  /** Milliseconds since 1970; default `Date.now`. */
  readonly clock?: () => number
  /** Whole number that ids, tokens and secrets follow from; default 1. */
  readonly seed?: number
  /** Which server to be like: `strict` and `correct` unless said otherwise. */
  readonly profiles?: { readonly fhir?: FhirProfileChoice; readonly c3pro?: C3ProProfileChoice }
  /** A further validator for every resource written over HTTP; what it finds is answered with 422. */
  readonly validate?: (resource: Resource) => readonly Issue[]
  /** What web apps of other origins may read; default as the FHIR profile has it (`strict`: everything). */
  readonly cors?: CorsMode
  /** Life of access tokens in seconds; default 300 at `/auth/token`, 1800 at `/c3pro/oauth`. */
  readonly tokenSeconds?: number
  /** How long asynchronous requests take, in seconds of the mock's clock; default 1. With 0 all are ready in time. */
  readonly asyncSeconds?: number
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
  /** Waits for `delay`, `drip` and `refuse` faults; rejects when the signal aborts. Default: a timer. */
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
    const timer = setTimeout(() => {
      // A slow answer waits again and again, by one signal.
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    const stop = (): void => {
      clearTimeout(timer)
      reject(new DOMException('The wait was aborted.', 'AbortError'))
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/**
 * A mock of every server FHIR Outbox talks to: a FHIR R4 store, an authorization server for SMART apps and backend
 * services, and the C3-PRO receiver. Each mock has its own state; nothing is shared and nothing starts before it is
 * used.
 * @throws MockServerError `ERR_MOCK_OPTIONS` for an origin or base that is no URL.
 */
export function createMockServer(options: MockServerOptions = {}): MockServer {
  return assembleMockServer(options, { interactions: allInteractions, missingFaults: new Set() })
}

/** What the mock can do, in tables: tests take rows out to show that each one is needed. */
export interface Tables {
  readonly interactions: readonly Interaction[]
  readonly missingFaults: ReadonlySet<FaultKind>
}

export function assembleMockServer(options: MockServerOptions, tables: Tables): MockServer {
  const { open = false, limits = {}, sleep = defaultSleep, tokenSeconds, asyncSeconds = 1 } = options
  const origin = checkOrigin(options.origin ?? defaultOrigin)
  const baseUrl = options.baseUrl === undefined ? undefined : checkOrigin(options.baseUrl)
  const clock = options.clock ?? ((): number => Date.now())
  const profile = resolveProfile(options.profiles?.fhir)
  const c3proProfile = resolveC3ProProfile(options.profiles?.c3pro)
  const random = createSeededRandom(options.seed ?? 1)
  const newId = (): string => random.uuid()
  const credentials = createCredentials(random)
  const logins = createLogins()
  const signingKeys = createSigningKeys()
  const repository = createRepository()
  const jobs = createJobs(asyncSeconds * 1000, newId)
  let pageSecret = credentials.newOpaque()
  const seal = createPageSeal(
    () => pageSecret,
    () => random.bytes(12),
    profile.pageLife,
  )
  const store = createStateStore({
    repository,
    credentials,
    logins,
    signingKeys,
    jobs,
    random,
    profile,
    clock,
    pageSecret: { get: () => pageSecret, set: (secret) => (pageSecret = secret) },
  })
  const log = createExchangeLog(clock, limits.logEntries ?? Infinity)
  const listening = new Set<Listening>()
  const faults = createFaults(() => listening.size > 0, tables.missingFaults)

  const fhir = createFhirService({
    repository,
    pages: createPages(seal, newId),
    jobs,
    profile,
    open,
    maxEntries: limits.entries ?? Infinity,
    startedAt: clock(),
    interactions: tables.interactions,
    has: new Set(
      tables.interactions.filter(({ needs }) => needs?.(profile) !== false).map(({ name }) => name),
    ),
    check: (value, type) => {
      const resource = checkResource(value, type, profile.validation)
      throwIssues(options.validate?.(resource) ?? [], 422)
      return resource
    },
    tokenOf: (headers, now) => credentials.fromHeader(headers.get('authorization'), now),
    begin: ({ access, fhirBase, call }) =>
      store.open({ fhirBase, access, now: call.now, trouble: call.trouble }),
    commit: (context, requestId) => store.commit(context, requestId),
    newId,
  })
  const authParts: AuthParts = {
    credentials,
    logins,
    signingKeys,
    tokenSeconds: tokenSeconds ?? 300,
    newId,
    patients: () => patientList(repository),
  }
  const auth = createAuthService(authParts)
  const c3pro = createC3ProService({
    profile: c3proProfile,
    credentials,
    antispamTokens: store.antispamTokens,
    receipts: store.receipts,
    tokenSeconds: tokenSeconds ?? 1800,
    newId,
    consumer: {
      received: store.received,
      filed: store.filed,
      profile: c3proProfile,
      currentKeyId: () => store.state.c3pro.keyId,
      keyPair: (keyId) => store.keyPair(keyId),
      read: (type, id) => repository.current(type, id)?.resource,
      open: (fhirBase, now) => store.open({ fhirBase, now }),
      commit: (context, requestId) => store.commit(context, requestId),
    },
  })

  const route = async (call: Call): Promise<Response> => {
    const [area, ...path] = call.path
    const reading = call.method === 'GET' || call.method === 'HEAD'
    const name = path.join('/')
    switch (area) {
      case undefined:
        if (reading) return htmlReply(200, indexPage(call.root, open))
        return jsonReply(405, { error: 'Use GET.' }, { allow: 'GET, HEAD' })
      case 'fhir':
        if (reading && name === '.well-known/smart-configuration') return smartConfiguration(call.root)
        return fhir({ ...call, path })
      case 'auth':
        return auth({ ...call, path })
      case 'c3pro':
        return c3pro({ ...call, path })
      case 'patient-login':
        return patientLogin(authParts, call)
      case 'authorize-app':
        return authorizeApp(authParts, call)
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
    clock,
    baseUrl: baseUrl === '*' ? undefined : baseUrl,
    cors: options.cors ?? profile.cors,
    maxBodyBytes: limits.bodyBytes ?? 16 * 1024 * 1024,
  })
  const handlers = createHandlers(origin, exchange)
  const anywhere = [...handlers, ...createHandlers('*', exchange)]

  return {
    handlers,
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
