import { etagOf, isLive, type LiveVersion, type Resource, type StoredVersion } from './model.js'
import { FhirProblem, operationOutcome } from './problem.js'
import type { RepositoryView } from './repository.js'

export function readResource(view: RepositoryView, type: string, id: string): LiveVersion {
  return present(view.current(type, id), `${type}/${id}`)
}

export function readVersion(view: RepositoryView, type: string, id: string, vid: string): LiveVersion {
  const version = view.versions(type, id).find((candidate) => candidate.versionId === vid)
  return present(version, `${type}/${id}/_history/${vid}`)
}

function present(version: StoredVersion | undefined, name: string): LiveVersion {
  if (version === undefined) throw new FhirProblem(404, 'not-found', `Resource \`${name}\` was not found.`)
  if (isLive(version)) return version
  throw new FhirProblem(410, 'deleted', `Resource \`${name}\` was deleted.`, {
    headers: versionHeaders(version),
  })
}

export function versionHeaders(version: StoredVersion): Record<string, string> {
  const modified = { 'last-modified': new Date(version.at).toUTCString() }
  return version.versionId === '' ? modified : { etag: etagOf(version), ...modified }
}

/** Whether the client already has what it asks for (`If-None-Match`, else `If-Modified-Since`). */
export function isNotModified(version: StoredVersion, headers: Headers): boolean {
  const tags = headers.get('if-none-match')
  if (tags !== null) {
    // Weak comparison: the mark of weakness does not count (RFC 9110, 8.8.3.2).
    const own = etagOf(version).slice(2)
    return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === own)
  }
  const since = Date.parse(headers.get('if-modified-since') ?? '')
  return !Number.isNaN(since) && Math.floor(version.at / 1000) * 1000 <= since
}

const doneTexts: Readonly<Record<number, string>> = {
  200: '200 OK',
  201: '201 Created',
  204: '204 No Content',
}

export function doneOutcome(status: number): Resource {
  return operationOutcome('information', 'informational', doneTexts[status] ?? String(status))
}
