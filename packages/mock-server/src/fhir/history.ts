import { etagOf, type Resource } from './model.js'
import { FhirProblem } from './problem.js'
import type { RepositoryView } from './repository.js'

/** The history of one resource, newest first, in one Bundle (not paged). */
export function historyBundle(view: RepositoryView, type: string, id: string, fhirBase: string): Resource {
  const versions = view.versions(type, id)
  if (versions.length === 0)
    throw new FhirProblem(404, 'not-found', `Resource \`${type}/${id}\` was not found.`)
  const entry = versions.toReversed().map((version) => {
    const existedBefore = versions.some(
      (other) => other.version === version.version - 1 && other.resource !== undefined,
    )
    const url = version.method === 'POST' ? type : `${type}/${id}`
    let status = existedBefore ? '200' : '201'
    if (version.resource === undefined) status = '204'
    return {
      fullUrl: `${fhirBase}/${type}/${id}`,
      ...(version.resource === undefined ? {} : { resource: version.resource }),
      request: { method: version.method, url },
      response: { status, etag: etagOf(version), lastModified: new Date(version.at).toISOString() },
    }
  })
  return {
    resourceType: 'Bundle',
    type: 'history',
    total: versions.length,
    link: [{ relation: 'self', url: `${fhirBase}/${type}/${id}/_history` }],
    entry,
  }
}
