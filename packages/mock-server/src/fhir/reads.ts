import { etagOf, type Resource, type StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import type { RepositoryView } from './repository.js'

export function readResource(
  view: RepositoryView,
  type: string,
  id: string,
): StoredVersion & { resource: Resource } {
  return present(view.current(type, id), `${type}/${id}`)
}

export function readVersion(
  view: RepositoryView,
  type: string,
  id: string,
  vid: string,
): StoredVersion & { resource: Resource } {
  const version = view.versions(type, id).find((candidate) => String(candidate.version) === vid)
  return present(version, `${type}/${id}/_history/${vid}`)
}

function present(version: StoredVersion | undefined, name: string): StoredVersion & { resource: Resource } {
  if (version === undefined) throw new FhirProblem(404, 'not-found', `Resource \`${name}\` was not found.`)
  const { resource } = version
  if (resource === undefined) {
    throw new FhirProblem(410, 'deleted', `Resource \`${name}\` was deleted.`, {
      headers: versionHeaders(version),
    })
  }
  return { ...version, resource }
}

export function versionHeaders(version: StoredVersion): Record<string, string> {
  return { etag: etagOf(version), 'last-modified': new Date(version.at).toUTCString() }
}
