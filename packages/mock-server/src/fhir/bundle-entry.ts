import { isObject } from '../json.js'
import { idPattern, typePattern, type Resource } from './model.js'
import { FhirProblem } from './problem.js'
import { checkResource } from './structure.js'

type EntryMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

/** One entry of a batch or transaction after its `request` has been read. */
export interface BundleEntry {
  readonly index: number
  readonly method: EntryMethod
  readonly type: string
  readonly id: string | undefined
  readonly vid: string | undefined
  /** The part of `request.url` after `?`. */
  readonly query: string | undefined
  readonly fullUrl: string | undefined
  readonly resource: Resource | undefined
  readonly ifNoneExist: string | undefined
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
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

export function parseEntry(value: unknown, index: number, fhirBase: string): BundleEntry {
  if (!isObject(value)) refuse('structure', 'The entry is not an object.')
  const { request, fullUrl } = value
  if (!isObject(request)) refuse('required', 'The entry has no `request`.', 'request')
  const method = parseMethod(request['method'])
  const target = parseTarget(text(request, 'url'), method, fhirBase)
  if (fullUrl !== undefined && typeof fullUrl !== 'string') refuse('structure', '`fullUrl` is not a string.')
  if (fullUrl?.startsWith('urn:uuid:') === true && !urnUuid.test(fullUrl)) {
    refuse('value', '`fullUrl` is a urn:uuid without a lower-case UUID.')
  }
  if (fullUrl?.includes('/_history/') === true) refuse('invariant', '`fullUrl` names a version (bdl-8).')
  let resource: Resource | undefined
  if (method === 'POST' || method === 'PUT') {
    if (value['resource'] === undefined) refuse('required', `A ${method} entry needs a resource.`)
    resource = checkResource(value['resource'], target.type)
  }
  return {
    index,
    method,
    ...target,
    fullUrl,
    resource,
    ifNoneExist: text(request, 'ifNoneExist'),
    ifMatch: text(request, 'ifMatch'),
    ifNoneMatch: text(request, 'ifNoneMatch'),
  }
}

function parseMethod(value: unknown): EntryMethod {
  switch (value) {
    case 'GET':
    case 'HEAD':
    case 'POST':
    case 'PUT':
    case 'DELETE':
      return value
    case 'PATCH':
      return refuse('not-supported', 'PATCH is not supported.', 'request.method', 422)
    default:
      return refuse('value', '`request.method` is not an HTTP verb in capitals.', 'request.method')
  }
}

type Target = Pick<BundleEntry, 'type' | 'id' | 'vid' | 'query'>

function parseTarget(url: string | undefined, method: EntryMethod, fhirBase: string): Target {
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
  if (!reading && (query !== undefined || vid !== undefined)) {
    return refuse('not-supported', 'Conditional updates and deletes are not supported.', 'request.url', 422)
  }
  if (method === 'POST' && id !== undefined) {
    return refuse('value', 'A POST entry names a type, no id.', 'request.url')
  }
  if ((method === 'PUT' || method === 'DELETE') && id === undefined) {
    return refuse('value', `A ${method} entry needs an id.`, 'request.url')
  }
  return { type, id, vid, query }
}
