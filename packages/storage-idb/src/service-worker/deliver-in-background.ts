/** What delivers: a data queue or an outbox, opened for this purpose. */
export interface Deliverer {
  /** Resolves when nothing more can be delivered now; `waiting` is what is left. */
  flush(): Promise<{ readonly waiting: number; readonly elsewhere?: boolean }>
  close(): Promise<void>
}

/** Where tokens come from: what the client of the queue uses. Nothing of a token is stored with a request. */
export interface BackgroundTokenSource {
  getToken(request: { readonly url: string; readonly signal?: AbortSignal }): Promise<unknown>
}

/** The part of a service worker's global scope that is needed; `globalThis` fits inside of one. */
export interface WorkerScope {
  addEventListener(type: string, listener: (event: never) => void): void
  readonly registration?: { readonly sync?: { register(tag: string): Promise<void> } }
  readonly clients?: { matchAll(options: { includeUncontrolled: boolean }): Promise<readonly Told[]> }
}

interface Told {
  postMessage(message: unknown): void
}

/** Options of `deliverInBackground`. */
export interface BackgroundOptions {
  /** Opens the queue for one delivery; it is closed afterwards, so that pages can go on. */
  readonly open: () => Promise<Deliverer>
  /**
   * Asked before the queue is opened: without a token nothing is tried. `ERR_LOGIN_REQUIRED` is told to the pages,
   * as only they can sign in.
   */
  readonly tokens?: BackgroundTokenSource
  /** What the token is for: the URL of the FHIR server. Needed with `tokens`. */
  readonly url?: string
  /** Of Background Sync, and of messages. Default `fhir-outbox`. */
  readonly tag?: string
  /** Default `globalThis`. */
  readonly scope?: WorkerScope
}

/**
 * How a delivery in the background ended.
 * - `done`: nothing waits any more
 * - `waiting`: something does, or another tab is delivering it
 * - `login-required`, `no-token`: nothing was tried
 * - `failed`: the queue could not be opened or failed
 */
export type BackgroundOutcome = 'done' | 'waiting' | 'login-required' | 'no-token' | 'failed'

/** The message that pages get after each delivery. It holds no data. */
export interface BackgroundMessage {
  readonly type: 'fhir-outbox-delivery'
  readonly tag: string
  readonly outcome: BackgroundOutcome
}

/** A service worker that delivers. */
export interface Background {
  /** Delivers now, or after the delivery that runs; who asks before it has begun shares it. Never rejects. */
  deliver(): Promise<BackgroundOutcome>
}

export const defaultTag = 'fhir-outbox'
export const wakeUp = 'fhir-outbox-deliver'

interface Lasting {
  waitUntil(work: Promise<unknown>): void
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

/**
 * Makes a service worker deliver what waits: when Background Sync says that there is a network, or, where the browser
 * has none, when the worker starts and when it goes online; and whenever a page asks by `requestDelivery`. Call it
 * while the worker's script is evaluated, as listeners must be there by then.
 *
 * A sync that leaves something waiting fails, so that the browser tries again later.
 */
export function deliverInBackground(options: BackgroundOptions): Background {
  const { open, tokens, url = '', tag = defaultTag } = options
  const scope = options.scope ?? (globalThis as unknown as WorkerScope)
  const sync = scope.registration?.sync
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<BackgroundOutcome> | undefined

  async function flush(): Promise<BackgroundOutcome> {
    const queue = await open()
    try {
      const { waiting } = await queue.flush()
      return waiting === 0 ? 'done' : 'waiting'
    } finally {
      await queue.close()
    }
  }

  async function attempt(): Promise<BackgroundOutcome> {
    try {
      await tokens?.getToken({ url })
    } catch (error) {
      return codeOf(error) === 'ERR_LOGIN_REQUIRED' ? 'login-required' : 'no-token'
    }
    return await flush().catch(() => 'failed' as const)
  }

  async function tell(outcome: BackgroundOutcome): Promise<void> {
    const message: BackgroundMessage = { type: 'fhir-outbox-delivery', tag, outcome }
    const pages = (await scope.clients?.matchAll({ includeUncontrolled: true })) ?? []
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a client has none
    for (const page of pages) page.postMessage(message)
  }

  /** One that runs may have looked before what is asked for was there: it is not joined. */
  function deliver(): Promise<BackgroundOutcome> {
    if (next !== undefined) return next
    const mine = last.then(async () => {
      next = undefined
      const outcome = await attempt()
      await tell(outcome).catch(() => undefined)
      return outcome
    })
    next = mine
    last = mine
    return mine
  }

  async function orTryLater(): Promise<void> {
    if ((await deliver()) === 'done') return
    // Not allowed, or no permission: the next message, or start, will do.
    await sync?.register(tag).catch(() => undefined)
  }

  scope.addEventListener('sync', (event: Lasting & { readonly tag: string }) => {
    if (event.tag !== tag) return
    event.waitUntil(
      deliver().then((outcome) => {
        // Signing in takes a person, and every try is one less: the page will ask again.
        if (outcome !== 'done' && outcome !== 'login-required') throw new Error(`the delivery is ${outcome}`)
      }),
    )
  })
  scope.addEventListener('message', (event: Lasting & { readonly data: unknown }) => {
    const { data } = event
    if (typeof data !== 'object' || data === null || !('type' in data) || data.type !== wakeUp) return
    if ('tag' in data && data.tag === tag) event.waitUntil(orTryLater())
  })
  if (sync === undefined) {
    scope.addEventListener('online', () => void deliver())
    scope.addEventListener('activate', (event: Lasting) => event.waitUntil(deliver()))
    void deliver()
  }
  return { deliver }
}
