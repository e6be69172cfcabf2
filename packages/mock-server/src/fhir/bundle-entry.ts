import { fromBase64 } from '../bytes.js'
import { isObject, parseJson } from '../json.js'
import { idPattern, typePattern, type Resource } from './model.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'

type EntryMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One entry of a batch or transaction after its `request` has been read. */
export interface BundleEntry {
  readonly index: number
  readonly method: EntryMethod
  readonly type: string
  readonly id: string | undefined
  readonly vid: string | undefined
  /** The part of `request.url` after `?`: a search, or the condition of a write. */
  readonly query: string | undefined
  readonly fullUrl: string | undefined
  readonly resource: Resource | undefined
  /** The operations of a PATCH entry. */
  readonly patch: unknown
  readonly ifNoneExist: string | undefined
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

export interface EntryRules {
  readonly fhirBase: string
  readonly profile: FhirProfile
  /** The check that every resource of a write passes. */
  check(value: unknown, type: string): Resource
}

const urnUuid = /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function refuse(code: string, diagnostics: string, expression?: string, status = 400): never {
  throw new FhirProblem(status, code, diagnostics, { expression })
}

function text(request: Readonly<Record<string, unknown>>, member: string): string | undefined {
  const value = request[member]
  if (value === undefined || typeof value === 'string') return value
  return refuse('structure', `\`request.${member}\` is not a string.`, `request.${member}`)
}

export function parseEntry(value: unknown, index: number, rules: EntryRules): BundleEntry {
  if (!isObject(value)) refuse('structure', 'The entry is not an object.')
  const { request, fullUrl } = value
  if (!isObject(request)) refuse('required', 'The entry has no `request`.', 'request')
  const method = parseMethod(request['method'], rules.profile)
  const target = parseTarget(text(request, 'url'), method, rules)
  if (fullUrl !== undefined && typeof fullUrl !== 'string') refuse('structure', '`fullUrl` is not a string.')
  if (fullUrl?.startsWith('urn:uuid:') === true && !urnUuid.test(fullUrl)) {
    refuse('value', '`fullUrl` is a urn:uuid without a lower-case UUID.')
  }
  if (fullUrl?.includes('/_history/') === true) refuse('invariant', '`fullUrl` names a version (bdl-8).')
  const body = value['resource']
  const writing = method === 'POST' || method === 'PUT'
  if ((writing || method === 'PATCH') && body === undefined) {
    refuse('required', `A ${method} entry needs a resource.`)
  }
  return {
    index,
    method,
    ...target,
    fullUrl,
    resource: writing ? rules.check(body, target.type) : undefined,
    patch: method === 'PATCH' ? parsePatch(body) : undefined,
    ifNoneExist: text(request, 'ifNoneExist'),
    ifMatch: text(request, 'ifMatch'),
    ifNoneMatch: text(request, 'ifNoneMatch'),
  }
}

function parseMethod(value: unknown, profile: FhirProfile): EntryMethod {
  switch (value) {
    case 'GET':
    case 'HEAD':
    case 'POST':
    case 'PUT':
    case 'DELETE':
      return value
    case 'PATCH':
      if (profile.patch) return value
      return refuse('not-supported', 'PATCH is not supported.', 'request.method', 422)
    default:
      return refuse('value', '`request.method` is not an HTTP verb in capitals.', 'request.method')
  }
}

/** A JSON Patch travels in a Binary (R4, http, "Patch"). */
function parsePatch(body: unknown): unknown {
  const { resourceType, contentType, data } = isObject(body) ? body : {}
  if (
    resourceType !== 'Binary' ||
    contentType !== 'application/json-patch+json' ||
    typeof data !== 'string'
  ) {
    return refuse('structure', 'A PATCH entry takes a Binary with application/json-patch+json.', 'resource')
  }
  const patch = parseJson(fromBase64(data) ?? new Uint8Array())
  return patch ?? refuse('structure', 'The data of the Binary is no JSON.', 'resource.data')
}

type Target = Pick<BundleEntry, 'type' | 'id' | 'vid' | 'query'>

function parseTarget(
  url: string | undefined,
  method: EntryMethod,
  { fhirBase, profile }: EntryRules,
): Target {
  if (url === undefined) return refuse('required', 'The entry has no `request.url`.', 'request.url')
  const relative = url.startsWith(`${fhirBase}/`) ? url.slice(fhirBase.length + 1) : url
  const mark = relative.indexOf('?')
  const path = mark < 0 ? relative : relative.slice(0, mark)
  const query = mark < 0 ? undefined : relative.slice(mark + 1)
  const [type = '', id, history, vid, ...rest] = path.split('/')
  const wellFormed =
    typePattern.test(type) &&
    (id === undefined || idPattern.test(id)) &&
    (history === undefined || (history === '_history' && vid !== undefined)) &&
    rest.length === 0
  if (!wellFormed)
    return refuse('value', '`request.url` is no relative URL this server knows.', 'request.url')
  const reading = method === 'GET' || method === 'HEAD'
  if (!reading && vid !== undefined) {
    return refuse('not-supported', 'A version can only be read.', 'request.url', 422)
  }
  if (method === 'POST' && (id !== undefined || query !== undefined)) {
    return refuse('value', 'A POST entry names a type, no id.', 'request.url')
  }
  if (!reading && method !== 'POST') checkWriteTarget(method, id, query, profile)
  return { type, id, vid, query }
}

function checkWriteTarget(
  method: EntryMethod,
  id: string | undefined,
  query: string | undefined,
  profile: FhirProfile,
): void {
  if (id !== undefined) {
    if (query !== undefined) refuse('value', 'An id and a condition exclude each other.', 'request.url')
    return
  }
  if (query === undefined || query === '') refuse('value', `A ${method} entry needs an id.`, 'request.url')
  const supported =
    method === 'DELETE' ? profile.conditionalDelete !== 'not-supported' : profile.conditionalUpdate
  if (!supported) {
    refuse('not-supported', 'Conditional updates and deletes are not supported.', 'request.url', 422)
  }
}
