import { everythingPage } from './everything.js'
import { beginHistory, historyPage } from './history.js'
import type { Job } from './job.js'
import { FhirProblem } from './problem.js'
import { isNotModified, readResource, versionHeaders } from './reads.js'
import { beginSearch, searchPage } from './search-page.js'
import { createResource } from './writes.js'

export function read(job: Job, type: string, id: string): Response {
  job.access.demand('r', type)
  const { profile, repository } = job
  const current = repository.current(type, id)
  if (profile.deletedRead === 'not-found' && current !== undefined && current.resource === undefined) {
    throw new FhirProblem(404, 'not-found', `Resource \`${type}/${id}\` was not found.`)
  }
  if (profile.ids === 'uuid' && current === undefined) job.checkUrlId(id)
  const version = readResource(repository, type, id)
  job.access.requireResource('r', version.resource)
  const headers = versionHeaders(version)
  const conditional = profile.conditionalRead && !job.call.trouble.ignoreConditions
  if (conditional && isNotModified(version, job.call.headers)) return job.empty(304, headers)
  return job.reply(200, version.resource, headers)
}

export function create(job: Job, type: string, ifNoneExist: string | undefined): Response {
  job.access.demand('c', type)
  const resource = job.resourceBody(type)
  return job.write((context) => createResource(context, resource, ifNoneExist))
}

export function search(
  job: Job,
  type: string | undefined,
  pairs: readonly (readonly [string, string])[],
): Promise<Response> {
  job.access.demand('s', type)
  const context = job.searching('s')
  const state = beginSearch(context, type, pairs, job.searchLagMs, job.call.now)
  const later = job.later(state)
  if (later !== undefined) return Promise.resolve(later)
  const open = searchPage(context, state)
  const { profile, pages } = job
  if (job.call.method !== 'POST' || !profile.clauseTokens) return job.bundle(open)
  const hide = (target: (typeof open.links)[number][1]): typeof target =>
    typeof target === 'string' ? target : { ...target, ...token() }
  let hidden: { readonly pairs: readonly []; readonly clauses: string } | undefined
  const token = (): NonNullable<typeof hidden> => {
    hidden ??= { pairs: [], clauses: pages.keepClauses(pairs, job.call.now) }
    return hidden
  }
  return job.bundle({ ...open, links: open.links.map(([relation, target]) => [relation, hide(target)]) })
}

export function history(
  job: Job,
  place: { readonly type?: string; readonly id?: string },
): Promise<Response> {
  job.access.demand('r', place.type)
  const context = job.searching('r')
  return job.bundle(historyPage(context, beginHistory(context, place, [...job.call.query])))
}

export async function page(
  job: Job,
  place: { readonly kind: 'search' | 'history' | 'everything'; readonly type?: string; readonly id?: string },
  token: string,
): Promise<Response> {
  const letter = place.kind === 'search' ? 's' : 'r'
  job.access.demand(letter, place.type)
  const opened = await job.pages.open(place, token, job.call.now)
  const context = job.searching(letter)
  const self = `${context.fhirBase}/${job.call.path.map(encodeURIComponent).join('/')}`
  switch (opened.kind) {
    case 'search':
      return job.bundle(searchPage(context, opened, self))
    case 'history':
      return job.bundle(historyPage(context, opened, self))
    case 'everything':
      return job.bundle(everythingPage(context, opened))
  }
}
