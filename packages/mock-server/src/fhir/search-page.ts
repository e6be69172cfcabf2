import { elementsOf, includedIn } from './include.js'
import type { LiveVersion, Resource } from './model.js'
import { pageLinks, type OpenBundle } from './paging.js'
import type { PageState } from './page-seal.js'
import type { FhirProfile } from './profile.js'
import type { Cursor, Repository, Scan } from './repository.js'
import { fitsAll, keysOfCriteria, parseSearch, spellCursor, type Pair, type SearchRequest } from './search.js'

export interface SearchContext {
  readonly repository: Repository
  readonly profile: FhirProfile
  readonly fhirBase: string
  readonly strict: boolean
  /** Whether the caller may see this resource. */
  visible(resource: Resource): boolean
}

/** The state of the first page of a search that begins now. */
export function beginSearch(
  context: SearchContext,
  type: string | undefined,
  pairs: readonly Pair[],
  lagMs: number,
  now: number,
): PageState {
  const { repository } = context
  const t = lagMs > 0 ? repository.lastTAt(now - lagMs) : repository.lastT
  return { kind: 'search', ...(type === undefined ? {} : { type }), pairs, t, back: [] }
}

/** One page. `self` is the URL it was asked for with, or nothing for the first page: that one spells the search out. */
export function searchPage(context: SearchContext, state: PageState, self?: string): OpenBundle {
  const { profile, fhirBase } = context
  const request = parseSearch(state.pairs, context, state.type)
  const own = `${fhirBase}${state.type === undefined ? '' : `/${state.type}`}`
  const query = new URLSearchParams(request.used.map(([name, value]) => [name, value])).toString()
  const url = self ?? `${own}${query === '' ? '' : `?${query}`}`
  if (profile.links === 'offset') return offsetPage(context, state, request, own, query)

  const wanted = request.onlyCount ? 0 : request.count
  const found = find(context, state, request, wanted)
  let total = state.total
  if (state.after === undefined) total = totalOf(context, state, request, found)
  else if (profile.total === 'first-page') total = undefined
  const { total: _total, ...untold } = state
  const carried: PageState = total === undefined || profile.total !== 'always' ? untold : { ...untold, total }
  const shown = profile.total === 'page' ? found.matches.length : total
  // The link set looks at a total of 0, whether or not it is shown again later.
  const linked = total === 0 ? { ...carried, total } : carried
  return {
    bundle: searchset(context, state, request, found.matches, shown),
    links: request.onlyCount || wanted === 0 ? [['self', url]] : pageLinks(profile, linked, url, found.next),
  }
}

interface Found {
  readonly matches: readonly LiveVersion[]
  /** The cursor of the last match, when there are more. */
  readonly next: Cursor | undefined
}

function scanOf({ type, t, after }: PageState, request: SearchRequest): Scan {
  return {
    type: type ?? (request.types.length === 1 ? request.types[0] : undefined),
    keys: type === undefined ? undefined : keysOfCriteria(request.criteria),
    order: request.order,
    descending: request.descending,
    after,
    t,
  }
}

function* matching(
  context: SearchContext,
  state: PageState,
  request: SearchRequest,
): Iterable<{
  readonly version: LiveVersion
  readonly cursor: Cursor
}> {
  const types = new Set(request.types)
  for (const row of context.repository.scan(scanOf(state, request))) {
    if (types.size > 0 && !types.has(row.version.type)) continue
    if (fitsAll(row.version, request.criteria) && context.visible(row.version.resource)) yield row
  }
}

function find(context: SearchContext, state: PageState, request: SearchRequest, count: number): Found {
  const matches: LiveVersion[] = []
  let last: Cursor | undefined
  if (count === 0) return { matches, next: undefined }
  for (const { version, cursor } of matching(context, state, request)) {
    // One match beyond the page shows that there is a next one.
    if (matches.length === count) return { matches, next: last }
    matches.push(version)
    last = cursor
  }
  return { matches, next: undefined }
}

function countAll(context: SearchContext, state: PageState, request: SearchRequest): number {
  let total = 0
  const { after: _after, ...start } = state
  for (const _ of matching(context, start, request)) total += 1
  return total
}

function totalOf(
  context: SearchContext,
  state: PageState,
  request: SearchRequest,
  found: Found,
): number | undefined {
  const { total } = context.profile
  const fits = found.next === undefined && !request.onlyCount && request.count > 0
  if (fits) return total === 'wish' && !request.accurateTotal ? undefined : found.matches.length
  const told =
    total === 'always' ||
    request.onlyCount ||
    request.accurateTotal ||
    (total === 'first-page' && (request.criteria.length === 0 || request.count === 0))
  return told ? countAll(context, state, request) : undefined
}

function searchset(
  context: SearchContext,
  state: PageState,
  request: SearchRequest,
  matches: readonly LiveVersion[],
  total: number | undefined,
): Resource {
  const { fhirBase, repository } = context
  const included = includedIn(matches, request.includes, repository.view(state.t))
  const shown = (resource: Resource): Resource =>
    request.elements.length === 0 ? resource : elementsOf(resource, request.elements)
  const entryOf = ({ type, id, resource }: LiveVersion, mode: string): object => ({
    fullUrl: `${fhirBase}/${type}/${id}`,
    resource: mode === 'match' ? shown(resource) : resource,
    search: { mode },
  })
  const entry = [
    ...matches.map((version) => entryOf(version, 'match')),
    ...included
      .filter(({ resource }) => context.visible(resource))
      .map((version) => entryOf(version, 'include')),
  ]
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(total === undefined ? {} : { total }),
    // FHIR knows no empty arrays.
    ...(entry.length === 0 ? {} : { entry }),
  }
}

/**
 * Pages by `_offset` over the store as it stands: what changes in between shifts them, as on real servers. Sorted by the
 * time of the last change, they go on by `_cursor` instead, and nothing is left out.
 */
function offsetPage(
  context: SearchContext,
  state: PageState,
  request: SearchRequest,
  own: string,
  query: string,
): OpenBundle {
  const { offset, count, onlyCount } = request
  const byCursor = request.order === 'updated' && !request.descending
  const place = request.cursor === undefined ? state : { ...state, after: request.cursor }
  const wanted = onlyCount || request.brokenCount ? 0 : count
  const matches: LiveVersion[] = []
  let more = false
  let seen = 0
  let last: Cursor | undefined
  for (const { version, cursor } of matching(context, place, request)) {
    seen += 1
    if (seen <= offset) continue
    if (matches.length >= wanted) {
      more = true
      break
    }
    matches.push(version)
    last = cursor
  }
  const link = (name: '_offset' | '_cursor', value: string): string => {
    const params = new URLSearchParams(query)
    params.set('_count', request.brokenCount ? 'NaN' : String(count))
    params.set(name, value)
    return `${own}?${params.toString()}`
  }
  const at = (to: number): string => link('_offset', String(to))
  const links: [OpenBundle['links'][number][0], string][] = [
    ['self', request.cursor === undefined ? at(offset) : link('_cursor', spellCursor(request.cursor))],
    ['first', at(0)],
  ]
  if (wanted > 0 && more) {
    const next =
      byCursor && typeof last === 'number' ? link('_cursor', spellCursor(last)) : at(offset + count)
    links.push(['next', next])
  }
  if (wanted > 0 && offset > 0) links.push(['previous', at(Math.max(0, offset - count))])
  const total = request.accurateTotal || onlyCount ? countAll(context, state, request) : undefined
  return { bundle: searchset(context, state, request, matches, total), links }
}
