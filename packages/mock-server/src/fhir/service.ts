import type { MockToken } from '../auth/credentials.js'
import { allows, type Letter } from '../auth/scopes.js'
import { parseJson } from '../json.js'
import { formOf, type Call } from '../server/call.js'
import { doneOutcome, runBundle } from './bundles.js'
import { capabilityStatement } from './capability.js'
import { historyBundle } from './history.js'
import { etagOf, typePattern, type Resource, type StoredVersion } from './model.js'
import type { Pages } from './paging.js'
import { parsePrefer, requireJsonAccepted, requireJsonBody, type Preferences } from './preferences.js'
import { FhirProblem, outcomeOfProblem } from './problem.js'
import { readResource, readVersion, versionHeaders } from './reads.js'
import type { RepositoryView } from './repository.js'
import { parseSearch } from './search.js'
import { checkResource } from './structure.js'
import {
  createResource,
  deleteResource,
  updateResource,
  type WriteContext,
  type WriteResult,
} from './writes.js'

export interface FhirServiceParts {
  readonly view: RepositoryView
  readonly pages: Pages
  readonly openRoutes: boolean
  readonly maxEntries: number
  readonly startedAt: number
  tokenOf(headers: Headers): MockToken | undefined
  open(fhirBase: string): WriteContext
  commit(context: WriteContext, requestId: number): void
}

export type FhirService = (call: Call) => Response

interface Job {
  readonly call: Call
  readonly fhirBase: string
  readonly preferences: Preferences
  allow(letter: Letter, type: string): void
}

function fhirReply(
  status: number,
  resource: Resource | undefined,
  headers: Record<string, string> = {},
): Response {
  if (resource === undefined) return new Response(null, { status, headers })
  return new Response(JSON.stringify(resource), {
    status,
    headers: { 'content-type': 'application/fhir+json;charset=utf-8', ...headers },
  })
}

/** Everything below `/fhir` except discovery. `call.path` starts after `fhir`. */
export function createFhirService(parts: FhirServiceParts): FhirService {
  const authorize = (call: Call): Job['allow'] => {
    if (parts.openRoutes) return () => undefined
    const token = parts.tokenOf(call.headers)
    if (token === undefined) {
      const given = call.headers.has('authorization')
      const challenge = `Bearer realm="fhir"${given ? ', error="invalid_token"' : ''}`
      throw new FhirProblem(
        401,
        'login',
        given ? 'The token is unknown or expired.' : 'A Bearer token is needed.',
        {
          headers: { 'www-authenticate': challenge },
        },
      )
    }
    return (letter, type) => {
      if (allows(token.scope, letter, type)) return
      throw new FhirProblem(403, 'forbidden', `The token does not allow \`${letter}\` on ${type}.`, {
        headers: { 'www-authenticate': 'Bearer realm="fhir", error="insufficient_scope"' },
      })
    }
  }

  return (call) => {
    try {
      if (call.path.length === 1 && call.path[0] === 'metadata') {
        requireMethod(call, 'GET', 'HEAD')
        requireJsonAccepted(call.headers, call.query.get('_format'))
        return fhirReply(200, capabilityStatement(call.root, parts.openRoutes, parts.startedAt))
      }
      const allow = authorize(call)
      requireJsonAccepted(call.headers, call.query.get('_format'))
      return route(parts, {
        call,
        allow,
        fhirBase: `${call.root}/fhir`,
        preferences: parsePrefer(call.headers),
      })
    } catch (error) {
      if (!(error instanceof FhirProblem)) throw error
      return fhirReply(error.status, outcomeOfProblem(error), error.headers)
    }
  }
}

function requireMethod(call: Call, ...allowed: readonly string[]): void {
  if (allowed.includes(call.method)) return
  throw new FhirProblem(405, 'not-supported', `${call.method} is not supported here.`, {
    headers: { allow: allowed.join(', ') },
  })
}

function route(parts: FhirServiceParts, job: Job): Response {
  const { call } = job
  const [type, second, third, fourth, ...rest] = call.path
  if (type === undefined) {
    requireMethod(call, 'POST')
    return systemPost(parts, job)
  }
  if (!typePattern.test(type) || rest.length > 0)
    throw new FhirProblem(404, 'not-found', 'There is nothing here.')
  if (second === undefined) {
    requireMethod(call, 'GET', 'HEAD', 'POST')
    return call.method === 'POST' ? create(parts, job, type) : search(parts, job, type)
  }
  if (second === '_search' && third === undefined) {
    requireMethod(call, 'POST')
    return search(parts, job, type)
  }
  if (second === '__page' && third !== undefined && fourth === undefined) {
    requireMethod(call, 'GET', 'HEAD')
    job.allow('s', type)
    return fhirReply(200, parts.pages.page(type, third, job.fhirBase))
  }
  if (third === undefined) {
    requireMethod(call, 'GET', 'HEAD', 'PUT', 'DELETE')
    return instance(parts, job, type, second)
  }
  if (third !== '_history') throw new FhirProblem(404, 'not-found', 'There is nothing here.')
  requireMethod(call, 'GET', 'HEAD')
  job.allow('r', type)
  if (fourth === undefined) return fhirReply(200, historyBundle(parts.view, type, second, job.fhirBase))
  const version = readVersion(parts.view, type, second, fourth)
  return fhirReply(200, version.resource, versionHeaders(version))
}

function bodyValue(call: Call): unknown {
  requireJsonBody(call.headers)
  const value = parseJson(call.body)
  if (value === undefined) throw new FhirProblem(400, 'structure', 'The body is not JSON in UTF-8.')
  return value
}

function systemPost(parts: FhirServiceParts, job: Job): Response {
  const { call, fhirBase, preferences, allow } = job
  const answer = runBundle(bodyValue(call), {
    fhirBase,
    preferences,
    allow,
    maxEntries: parts.maxEntries,
    pages: parts.pages,
    open: () => parts.open(fhirBase),
    commit: (context) => parts.commit(context, call.n),
  })
  return fhirReply(200, answer)
}

function search(parts: FhirServiceParts, job: Job, type: string): Response {
  const { call, fhirBase, preferences } = job
  job.allow('s', type)
  const pairs = [...call.query]
  if (call.method === 'POST') {
    const form = formOf(call)
    if (form === undefined) throw new FhirProblem(415, 'not-supported', '_search takes a form body.')
    pairs.push(...form)
  }
  const request = parseSearch(pairs, fhirBase, preferences.strict)
  return fhirReply(200, parts.pages.search(parts.view, type, request, fhirBase))
}

function create(parts: FhirServiceParts, job: Job, type: string): Response {
  job.allow('c', type)
  const resource = checkResource(bodyValue(job.call), type)
  const context = parts.open(job.fhirBase)
  const result = createResource(context, resource, job.call.headers.get('if-none-exist') ?? undefined)
  parts.commit(context, job.call.n)
  return writeReply(result, job)
}

function instance(parts: FhirServiceParts, job: Job, type: string, id: string): Response {
  const { call } = job
  if (call.method === 'GET' || call.method === 'HEAD') {
    job.allow('r', type)
    const version = readResource(parts.view, type, id)
    return fhirReply(200, version.resource, versionHeaders(version))
  }
  const ifMatch = call.headers.get('if-match') ?? undefined
  if (call.method === 'DELETE') {
    job.allow('d', type)
    const context = parts.open(job.fhirBase)
    const { version } = deleteResource(context, type, id, ifMatch)
    parts.commit(context, call.n)
    const headers = version === undefined ? {} : { etag: etagOf(version) }
    if (job.preferences.return === 'OperationOutcome') return fhirReply(200, doneOutcome(200), headers)
    return fhirReply(204, undefined, headers)
  }
  job.allow('u', type)
  const resource = checkResource(bodyValue(call), type)
  const context = parts.open(job.fhirBase)
  const result = updateResource(context, id, resource, {
    ifMatch,
    ifNoneMatch: call.headers.get('if-none-match') ?? undefined,
  })
  parts.commit(context, call.n)
  return writeReply(result, job)
}

function writeReply(result: WriteResult, job: Job): Response {
  const { status, version } = result
  if (version === undefined) return fhirReply(status, undefined)
  const headers = { ...versionHeaders(version), location: locationOf(version, job.fhirBase) }
  switch (job.preferences.return) {
    case 'minimal':
      return fhirReply(status, undefined, headers)
    case 'OperationOutcome':
      return fhirReply(status, doneOutcome(status), headers)
    default:
      return fhirReply(status, version.resource, headers)
  }
}

function locationOf(version: StoredVersion, fhirBase: string): string {
  return `${fhirBase}/${version.type}/${version.id}/_history/${version.version}`
}
