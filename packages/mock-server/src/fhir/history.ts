import { etagOf, type StoredVersion } from './model.js'
import { pageLinks, type OpenBundle } from './paging.js'
import type { PageState } from './page-seal.js'
import { FhirProblem } from './problem.js'
import { timeRange } from './search-values.js'
import type { SearchContext } from './search-page.js'

interface HistoryRequest {
  readonly count: number
  readonly since: number
  readonly onlyCount: boolean
}

function parseHistory(context: SearchContext, state: PageState): HistoryRequest {
  let count = context.profile.defaultCount
  let since = -Infinity
  let onlyCount = false
  for (const [name, value] of state.pairs) {
    if (name === '_count') {
      if (!/^\d{1,9}$/.test(value)) throw new FhirProblem(400, 'value', '`_count` is not a whole number.')
      count = Math.min(Number(value), context.profile.maxCount)
    } else if (name === '_since') {
      const range = timeRange(value)
      if (range === undefined) throw new FhirProblem(400, 'value', '`_since` is not an instant.')
      since = range.start
    } else if (name === '_summary') onlyCount = value === 'count'
    else if (name !== '_format' && context.strict) {
      throw new FhirProblem(400, 'not-supported', `The parameter \`${name.slice(0, 80)}\` is not supported.`)
    }
  }
  return { count, since, onlyCount }
}

/** Versions of one resource, a type or everything, newest first. */
export function historyPage(context: SearchContext, state: PageState, self?: string): OpenBundle {
  const { repository, profile, fhirBase } = context
  const { type, id, t } = state
  const { count, since, onlyCount } = parseHistory(context, state)
  const before = typeof state.after === 'number' ? state.after : Infinity
  const known = type !== undefined && id !== undefined ? repository.view(t).versions(type, id) : undefined
  if (known?.length === 0)
    throw new FhirProblem(404, 'not-found', `Resource \`${type}/${id}\` was not found.`)

  const shows = (version: StoredVersion): boolean => {
    const shown =
      version.resource ??
      repository.versions(version.type, version.id).findLast((one) => one.resource)?.resource
    return version.at >= since && shown !== undefined && context.visible(shown)
  }
  const newestFirst = (start: number): Iterable<StoredVersion> =>
    known === undefined
      ? repository.newest(type, start, t)
      : known.toReversed().filter(({ seq }) => seq < start)
  const page: StoredVersion[] = []
  let next: number | undefined
  for (const version of newestFirst(before)) {
    if (onlyCount || count === 0) break
    if (!shows(version)) continue
    if (page.length === count) {
      next = page.at(-1)?.seq
      break
    }
    page.push(version)
  }
  let { total } = state
  if (total === undefined) {
    total = 0
    for (const version of newestFirst(Infinity)) if (shows(version)) total += 1
  }
  const entry = page.map((version) => historyEntry(context, version))
  const own = [fhirBase, type, id, '_history'].filter((part) => part !== undefined).join('/')
  const query = new URLSearchParams(state.pairs.map(([name, value]) => [name, value])).toString()
  const url = self ?? `${own}${query === '' ? '' : `?${query}`}`
  return {
    bundle: {
      resourceType: 'Bundle',
      type: 'history',
      total,
      ...(entry.length === 0 ? {} : { entry }),
    },
    links: profile.links === 'offset' ? [['self', url]] : pageLinks(profile, { ...state, total }, url, next),
  }
}

function historyEntry({ repository, fhirBase, profile }: SearchContext, version: StoredVersion): object {
  const { type, id, method, resource } = version
  const before = repository.versions(type, id).findLast((other) => other.version < version.version)
  const existed = before === undefined ? version.version > 1 : before.resource !== undefined
  let status = existed ? '200' : '201'
  if (resource === undefined) status = '204'
  return {
    fullUrl: `${fhirBase}/${type}/${id}`,
    ...(resource === undefined ? {} : { resource }),
    request: { method, url: method === 'POST' ? type : `${type}/${id}` },
    response: {
      status,
      ...(profile.versionIds === 'none' ? {} : { etag: etagOf(version) }),
      lastModified: new Date(version.at).toISOString(),
    },
  }
}

export function beginHistory(
  context: SearchContext,
  place: Pick<PageState, 'type' | 'id'>,
  pairs: PageState['pairs'],
): PageState {
  return { kind: 'history', ...place, pairs, t: context.repository.lastT, back: [] }
}
