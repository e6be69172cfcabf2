import { invalid } from './conditions.js'
import { call, callUrl, type ClientContext } from './context.js'
import { FhirError, isFhirError } from './errors.js'
import { badLink, followableUrl, linkUrl, serverBaseOf } from './links.js'
import { resolvePath } from './base-url.js'
import type { CallOptions, FhirRequest } from './request.js'
import { isBundle, type Bundle } from './resources.js'
import { expectType, wrongType, type FhirResponse } from './response.js'

/** Where a page can lead to. */
export type PageRelation = 'first' | 'previous' | 'next'

/** What pages of searches, histories and operations have in common. `P` is the page itself. */
export interface PageBase<P> {
  /** 0 for the first page. Page URLs are opaque and may differ on every visit. */
  readonly ordinal: number
  /** The page as it came, included resources and outcomes among its entries. */
  readonly bundle: Bundle
  /** The end of a result is the absence of a next link, nothing else: totals and page sizes are hints. */
  readonly hasNext: boolean
  /** Servers forget how they got somewhere: after some pages there is only `first`. */
  readonly hasPrevious: boolean
  readonly response: FhirResponse<Bundle>
  /** A neighbouring page of the same session; `undefined` when the server gives no such link. */
  follow(relation: PageRelation, options?: CallOptions): Promise<P | undefined>
}

/** Options of everything that walks through pages. */
export interface WalkOptions {
  /**
   * How many pages are asked for before they are wanted, one after the other. No more than these and the page in
   * hand are held. 0 asks for a page when the one before it was consumed. Default: 1.
   */
  readonly lookAhead?: number | undefined
}

/** How one kind of page is asked for and understood. */
export interface PageKind<P> {
  /** The first segment of its path: where it stands in a foreign URL shows where the server thinks its base is. */
  readonly anchor: string
  readonly view: (page: PageBase<P>) => P
}

/** Where a page came from, and what is known for following its links. */
interface PageOrigin {
  readonly url: URL
  readonly ordinal: number
  readonly serverBase?: string | undefined
}

/** A page with what is needed to walk on. It holds no other page. */
export interface FetchedPage<P> {
  readonly page: P
  readonly url: URL
  readonly next: (options: CallOptions) => Promise<FetchedPage<P> | undefined>
}

/** Sends the request whose answer is the first page. Its neighbours are asked for with `options` alone. */
export async function firstPage<P>(
  context: ClientContext,
  kind: PageKind<P>,
  request: FhirRequest,
  options: CallOptions,
): Promise<FetchedPage<P>> {
  const response = await call<Bundle>(context, request)
  const origin = { url: resolvePath(context.base, request.path), ordinal: 0 }
  return toPage(context, kind, expectType(context, response, request, 'Bundle'), origin, options)
}

/**
 * All pages, one after the other. Rejects with `ERR_PAGE_EXPIRED` when the server has given the session up: a new
 * search would show a new state, so that is the caller's choice.
 */
export async function* walk<P>(
  first: (options: CallOptions) => Promise<FetchedPage<P>>,
  options: CallOptions & WalkOptions,
): AsyncGenerator<P, void, void> {
  const lookAhead = options.lookAhead ?? 1
  if (!Number.isSafeInteger(lookAhead) || lookAhead < 0) throw invalid('`lookAhead` is not a whole number.')
  const { signal: outer, timeoutMs, headers } = options
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(outer?.reason)
  if (outer?.aborted === true) onAbort()
  outer?.addEventListener('abort', onAbort)
  const following: CallOptions = { signal: stop.signal, timeoutMs, headers }
  const ringless = ringDetector()
  const ahead: Promise<FetchedPage<P> | undefined>[] = [first(following)]
  try {
    for (;;) {
      const current = await ahead.shift()
      if (current === undefined) return
      ringless(current.url)
      const fill = (count: number): void => {
        while (ahead.length < count) {
          const before = ahead.at(-1) ?? Promise.resolve(current)
          const next = before.then((page) => page?.next(following))
          // It is the consumer's failure when the consumer gets there, and nobody's before.
          next.catch(() => {})
          ahead.push(next)
        }
      }
      fill(lookAhead)
      yield current.page
      fill(1)
    }
  } finally {
    outer?.removeEventListener('abort', onAbort)
    // Whoever leaves early does not wait for pages nobody reads.
    stop.abort()
  }
}

async function toPage<P>(
  context: ClientContext,
  kind: PageKind<P>,
  response: FhirResponse<Bundle>,
  origin: PageOrigin,
  asked: CallOptions,
): Promise<FetchedPage<P>> {
  const bundle = response.resource
  // The type was checked; this line is for the compiler.
  if (!isBundle(bundle)) throw badLink(origin.url)
  const { url: pageUrl, ordinal } = origin
  const serverBase = serverBaseOf(bundle.link, pageUrl, kind.anchor) ?? origin.serverBase
  const linkContext = {
    base: context.base,
    pageUrl,
    anchor: kind.anchor,
    serverBase,
    rebase: context.rebaseLinks,
  }
  const links = {
    first: linkUrl(bundle.link, 'first'),
    previous: linkUrl(bundle.link, 'previous') ?? linkUrl(bundle.link, 'prev'),
    next: linkUrl(bundle.link, 'next'),
  }
  const ordinals = { first: 0, previous: ordinal - 1, next: ordinal + 1 }
  const { headers, timeoutMs } = asked
  // A bad link must not spoil a page nobody leaves by it: it is looked at when it is followed.
  const go = async (relation: PageRelation, options: CallOptions): Promise<FetchedPage<P> | undefined> => {
    const link = links[relation]
    if (link === undefined) return undefined
    const url = followableUrl(linkContext, link)
    if (relation === 'next' && url.href === pageUrl.href) throw badLink(pageUrl)
    const target = { url, ordinal: ordinals[relation], serverBase }
    return toPage(context, kind, await linkedPage(context, url, options), target, options)
  }
  const page = kind.view({
    ordinal,
    bundle,
    hasNext: links.next !== undefined,
    hasPrevious: links.previous !== undefined,
    response,
    follow: async (relation, options = {}) => (await go(relation, { headers, timeoutMs, ...options }))?.page,
  })
  return { page, url: pageUrl, next: (options) => go('next', options) }
}

async function linkedPage(
  context: ClientContext,
  url: URL,
  options: CallOptions,
): Promise<FhirResponse<Bundle>> {
  let response: FhirResponse
  try {
    response = await callUrl(context, url, options)
  } catch (error) {
    throw isFhirError(error) && (error.status === 404 || error.status === 410) ? pageExpired(error) : error
  }
  if (!isBundle(response.resource)) throw wrongType(response, 'GET', url.pathname, 'Bundle')
  return response as FhirResponse<Bundle>
}

/**
 * Throws `ERR_BAD_LINK` when next links go round in a ring, of whatever length, and remembers a single URL for it
 * (Brent's algorithm): the one in hand at the last power of two.
 */
function ringDetector(): (url: URL) => void {
  let kept: string | undefined
  let steps = 0
  let limit = 1
  return (url) => {
    if (url.href === kept) throw badLink(url)
    steps += 1
    if (steps < limit) return
    kept = url.href
    limit *= 2
    steps = 0
  }
}

function pageExpired(error: FhirError): FhirError {
  return new FhirError('ERR_PAGE_EXPIRED', 'A page is no longer there.', {
    sent: 'yes',
    issues: error.issues,
    ...(error.method === undefined ? {} : { method: error.method }),
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.status === undefined ? {} : { status: error.status }),
    cause: error,
  })
}
