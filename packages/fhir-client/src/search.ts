import type { ClientContext } from './context.js'
import { invalid } from './conditions.js'
import {
  firstPage,
  walk,
  type FetchedPage,
  type PageBase,
  type PageKind,
  type WalkOptions,
} from './paging.js'
import { typePath } from './paths.js'
import type { CallOptions, FhirRequest } from './request.js'
import { linkUrl } from './links.js'
import { isRecord, type FhirResource, type OperationOutcome, type ResourceLike } from './resources.js'
import { encodeSearchParams, type SearchParams } from './search-params.js'

/** Options of `search`. */
export interface SearchOptions extends CallOptions {
  /**
   * `'post'` sends the parameters in a form body to `_search`: query strings end in the logs of servers and
   * proxies, and names or identifiers do not belong there. Default: `'get'`.
   */
  readonly via?: 'get' | 'post' | undefined
  /** `'strict'` asks the server to refuse parameters it does not know, rather than to ignore them. */
  readonly handling?: 'strict' | 'lenient' | undefined
}

/** Options of `pages`. */
export interface PagesOptions extends SearchOptions, WalkOptions {}

/** One page of a search or of an operation that answers in pages. */
export interface SearchPage<T extends ResourceLike = FhirResource> extends PageBase<SearchPage<T>> {
  /** What was searched for: entries with `search.mode` `match` or none. */
  readonly matches: readonly T[]
  /** What came along: entries with `search.mode` `include`. */
  readonly included: readonly FhirResource[]
  /** What the server has to say about the search: entries with `search.mode` `outcome`. */
  readonly outcomes: readonly OperationOutcome[]
  /**
   * Parameters sent but not named by the `self` link of the first page, so probably ignored: the result may hold
   * everything. Absent on later pages and when there is no `self` link.
   */
  readonly ignored?: readonly string[]
}

/** The first page of a search. */
export async function search<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  params: SearchParams,
  options: SearchOptions,
): Promise<SearchPage<T>> {
  return (await firstSearchPage<T>(context, type, params, options)).page
}

/** All pages of a search. */
export async function* pages<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  params: SearchParams,
  options: PagesOptions,
): AsyncGenerator<SearchPage<T>, void, void> {
  yield* walk((following) => firstSearchPage<T>(context, type, params, { ...options, ...following }), options)
}

/** Pages whose entries have a `search.mode`. */
export function searchKind<T extends ResourceLike>(
  anchor: string,
  sent?: SearchParams,
): PageKind<SearchPage<T>> {
  return {
    anchor,
    view: (page) => ({
      ...page,
      ...sortEntries<T>(page),
      ...(sent === undefined ? {} : ignoredOf(page, sent)),
    }),
  }
}

async function firstSearchPage<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  params: SearchParams,
  options: SearchOptions,
): Promise<FetchedPage<SearchPage<T>>> {
  const query = encodeSearchParams(params)
  const { via = 'get', handling, signal, timeoutMs } = options
  if (via !== 'get' && via !== 'post') throw invalid('`via` is neither get nor post.')
  const headers = {
    ...(handling === undefined ? {} : { prefer: `handling=${handling}` }),
    ...options.headers,
  }
  const request: FhirRequest =
    via === 'post'
      ? {
          method: 'POST',
          path: `${typePath(type)}/_search`,
          body: query,
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        }
      : { method: 'GET', path: typePath(type) + (query === '' ? '' : `?${query}`), headers }
  return firstPage(context, searchKind<T>(type, params), { ...request, signal, timeoutMs }, options)
}

function sortEntries<T extends ResourceLike>(
  page: PageBase<SearchPage<T>>,
): Pick<SearchPage<T>, 'matches' | 'included' | 'outcomes'> {
  const matches: T[] = []
  const included: FhirResource[] = []
  const outcomes: OperationOutcome[] = []
  const { entry } = page.bundle
  for (const one of Array.isArray(entry) ? entry : []) {
    if (!isRecord(one) || !isRecord(one['resource'])) continue
    const mode = isRecord(one['search']) ? one['search']['mode'] : undefined
    // The caller names the type it searches for; as everywhere, only `resourceType` is checked.
    if (mode === undefined || mode === 'match') matches.push(one['resource'] as unknown as T)
    else if (mode === 'include') included.push(one['resource'] as FhirResource)
    else if (mode === 'outcome') outcomes.push(one['resource'] as unknown as OperationOutcome)
  }
  return { matches, included, outcomes }
}

/** They shape the answer and pick nothing: a `self` link without them is none the worse. */
const shaping = new Set(
  '_count _format _pretty _total _summary _elements _sort _include _revinclude _contained _containedType _score _offset'.split(
    ' ',
  ),
)

function ignoredOf(page: PageBase<unknown>, sent: SearchParams): { readonly ignored?: readonly string[] } {
  const self = linkUrl(page.bundle.link, 'self')
  const query = self === undefined ? -1 : self.indexOf('?')
  if (page.ordinal !== 0 || self === undefined) return {}
  const used = new Set(
    [...new URLSearchParams(query === -1 ? '' : self.slice(query)).keys()].map(withoutModifier),
  )
  const names = new Set(new URLSearchParams(encodeSearchParams(sent)).keys())
  return {
    ignored: [...names].filter((name) => !shaping.has(name) && !used.has(withoutModifier(name))),
  }
}

function withoutModifier(name: string): string {
  return name.replace(/:.*$/s, '')
}
