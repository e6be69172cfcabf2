import type { Resource, StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import { findMatches, type SearchRequest } from './search.js'
import type { RepositoryView } from './repository.js'

/** Milliseconds a page link works after it was handed out. */
export const pageLifeMs: number = 60 * 60 * 1000

interface PageStart {
  readonly type: string
  /** The result as it stood when the search ran: later writes do not show. */
  readonly matches: readonly StoredVersion[]
  readonly offset: number
  readonly count: number
  readonly expiresAt: number
}

interface Link {
  readonly relation: 'self' | 'first' | 'previous' | 'next'
  readonly url: string
}

export interface Pages {
  /** A searchset Bundle with the first page; further pages stay reachable through its links. */
  search(view: RepositoryView, type: string, request: SearchRequest, fhirBase: string): Resource
  /** 404 for what was never handed out, has expired, or belongs to another type: indistinguishable on purpose. */
  page(type: string, id: string, fhirBase: string): Resource
  clear(): void
}

/** Page links hold an opaque id; the same page gets a new one in every answer. */
export function createPages(newId: () => string, clock: () => number): Pages {
  const starts = new Map<string, PageStart>()

  const register = (start: Omit<PageStart, 'expiresAt'>, fhirBase: string): string => {
    const now = clock()
    for (const [id, old] of starts) {
      // Oldest first: the first one still alive ends the sweep.
      if (old.expiresAt > now) break
      starts.delete(id)
    }
    const id = newId()
    starts.set(id, { ...start, expiresAt: now + pageLifeMs })
    return `${fhirBase}/${start.type}/__page/${id}`
  }

  const bundleAt = (start: Omit<PageStart, 'expiresAt'>, self: string, fhirBase: string): Resource => {
    const { type, matches, offset, count } = start
    const at = (to: number): string => register({ type, matches, offset: to, count }, fhirBase)
    const link: Link[] = [{ relation: 'self', url: self }]
    if (offset > 0) {
      link.push(
        { relation: 'first', url: at(0) },
        { relation: 'previous', url: at(Math.max(0, offset - count)) },
      )
    }
    if (count > 0 && offset + count < matches.length) link.push({ relation: 'next', url: at(offset + count) })
    return searchset(matches, matches.slice(offset, offset + count), link, fhirBase)
  }

  return {
    search: (view, type, request, fhirBase) => {
      const matches = findMatches(view, type, request.criteria)
      if (request.order !== undefined) matches.sort(request.order)
      const query = new URLSearchParams(request.used.map(([name, value]) => [name, value])).toString()
      const self = `${fhirBase}/${type}${query === '' ? '' : `?${query}`}`
      return bundleAt(
        { type, matches, offset: 0, count: request.onlyCount ? 0 : request.count },
        self,
        fhirBase,
      )
    },
    page: (type, id, fhirBase) => {
      const start = starts.get(id)
      if (start === undefined || start.type !== type || start.expiresAt <= clock()) {
        throw new FhirProblem(404, 'not-found', `Page with id \`${id.slice(0, 80)}\` not found.`)
      }
      return bundleAt(start, `${fhirBase}/${type}/__page/${id}`, fhirBase)
    },
    clear: () => starts.clear(),
  }
}

function searchset(
  matches: readonly StoredVersion[],
  page: readonly StoredVersion[],
  link: readonly Link[],
  fhirBase: string,
): Resource {
  const entry = page.map((version) => ({
    fullUrl: `${fhirBase}/${version.type}/${version.id}`,
    resource: version.resource,
    search: { mode: 'match' },
  }))
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    total: matches.length,
    link,
    // FHIR knows no empty arrays.
    ...(entry.length === 0 ? {} : { entry }),
  }
}
