import { resolvePath } from './base-url.js'
import type { ClientContext } from './context.js'
import { call, callUrl } from './context.js'
import { FhirError, isFhirError } from './errors.js'
import { badLink, followableUrl, linkUrl, serverBaseOf } from './links.js'
import type { CallOptions } from './request.js'
import { invalid } from './request.js'
import { isBundle, isRecord, type Bundle, type FhirResource, type ResourceLike } from './resources.js'
import type { FhirResponse } from './response.js'
import { encodeSearchParams, type SearchParams } from './search-params.js'

/** Options of `search` and `pages`. */
export interface SearchOptions extends CallOptions {
  /**
   * `'post'` sends the parameters in a form body to `_search`: query strings end in the logs of servers and
   * proxies, and names or identifiers do not belong there. Default: `'get'`.
   */
  readonly via?: 'get' | 'post' | undefined
}

/** One page of a search. The end of a result is the absence of a next link, nothing else. */
export interface SearchPage<T extends ResourceLike = FhirResource> {
  /** 0 for the first page. Page URLs are opaque and may differ on every visit. */
  readonly ordinal: number
  /** The page as it came, included resources and outcomes among its entries. */
  readonly bundle: Bundle
  /** What was searched for: entries with `search.mode` `match` or none. */
  readonly matches: readonly T[]
  /** What came along: entries with `search.mode` `include`. */
  readonly included: readonly FhirResource[]
  readonly hasNext: boolean
  readonly response: FhirResponse<Bundle>
}

interface FetchedPage<T extends ResourceLike> {
  readonly page: SearchPage<T>
  readonly next: URL | undefined
  readonly serverBase: string | undefined
}

/** Where a page came from, and what is known for following its links. */
interface PageOrigin {
  readonly type: string
  readonly url: URL
  readonly ordinal: number
  /** Whether the next link will be needed: a bad one must not spoil a page nobody leaves. */
  readonly follow: boolean
  readonly serverBase?: string | undefined
}

/** The first page of a search. */
export async function search<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  params: SearchParams,
  options: SearchOptions,
): Promise<SearchPage<T>> {
  return (await firstPage<T>(context, type, params, options, false)).page
}

/**
 * All pages of a search, each asked for when the one before it was consumed. Rejects with `ERR_PAGE_EXPIRED`
 * when the server has given the session up: a new search would show a new state, so that is the caller's choice.
 */
export async function* pages<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  params: SearchParams,
  options: SearchOptions,
): AsyncGenerator<SearchPage<T>, void, void> {
  let current = await firstPage<T>(context, type, params, options, true)
  yield current.page
  while (current.next !== undefined) {
    const url = current.next
    const ordinal = current.page.ordinal + 1
    const { serverBase } = current
    current = await nextPage<T>(context, { type, url, ordinal, follow: true, serverBase }, options)
    if (current.next?.href === url.href) throw badLink(url)
    yield current.page
  }
}

async function firstPage<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  params: SearchParams,
  options: SearchOptions,
  follow: boolean,
): Promise<FetchedPage<T>> {
  const query = encodeSearchParams(params)
  const response =
    options.via === 'post'
      ? await call(context, {
          ...options,
          method: 'POST',
          path: `${typePath(type)}/_search`,
          body: query,
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...options.headers },
        })
      : await call(context, {
          ...options,
          method: 'GET',
          path: typePath(type) + (query === '' ? '' : `?${query}`),
        })
  return toPage<T>(context, response, { type, url: resolvePath(context.base, type), ordinal: 0, follow })
}

async function nextPage<T extends ResourceLike>(
  context: ClientContext,
  origin: PageOrigin,
  options: SearchOptions,
): Promise<FetchedPage<T>> {
  let response: FhirResponse
  try {
    response = await callUrl(context, origin.url, options)
  } catch (error) {
    throw isFhirError(error) && (error.status === 404 || error.status === 410) ? pageExpired(error) : error
  }
  return toPage<T>(context, response, origin)
}

function toPage<T extends ResourceLike>(
  context: ClientContext,
  response: FhirResponse,
  origin: PageOrigin,
): FetchedPage<T> {
  const { type, url: pageUrl, ordinal, follow } = origin
  const bundle = response.resource
  if (!isBundle(bundle)) throw unexpected(response, 'GET', pageUrl.pathname, 'Bundle')
  const matches: T[] = []
  const included: FhirResource[] = []
  for (const entry of Array.isArray(bundle.entry) ? bundle.entry : []) {
    if (!isRecord(entry) || !isRecord(entry['resource'])) continue
    const mode = isRecord(entry['search']) ? entry['search']['mode'] : undefined
    // The caller names the type it searches for; as everywhere, only `resourceType` is checked.
    if (mode === undefined || mode === 'match') matches.push(entry['resource'] as unknown as T)
    else if (mode === 'include') included.push(entry['resource'] as FhirResource)
  }
  const link = linkUrl(bundle.link, 'next')
  const serverBase = serverBaseOf(bundle.link, pageUrl, type) ?? origin.serverBase
  const linkContext = { base: context.base, pageUrl, type, serverBase, rebase: context.rebaseLinks }
  const page: SearchPage<T> = {
    ordinal,
    bundle,
    matches,
    included,
    hasNext: link !== undefined,
    response: response as FhirResponse<Bundle>,
  }
  const next = link === undefined || !follow ? undefined : followableUrl(linkContext, link)
  return { page, next, serverBase }
}

/** A resource type as a path segment. Throws `ERR_INVALID_REQUEST`. */
export function typePath(type: string): string {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(type)) throw invalid('The resource type is not one.')
  return type
}

/** A 2xx whose resource is not the one the interaction must answer with. */
export function unexpected(
  response: Pick<FhirResponse, 'status'>,
  method: string,
  path: string,
  wanted: string,
): FhirError {
  return new FhirError('ERR_NOT_FHIR', `${method} ${path} was answered without a ${wanted}.`, {
    method,
    path,
    status: response.status,
    sent: 'maybe',
  })
}

function pageExpired(error: FhirError): FhirError {
  return new FhirError('ERR_PAGE_EXPIRED', 'A page of the search is no longer there.', {
    sent: 'yes',
    issues: error.issues,
    ...(error.method === undefined ? {} : { method: error.method }),
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.status === undefined ? {} : { status: error.status }),
    cause: error,
  })
}
