import { DataQueueError } from './errors.js'
import type { EntryHeader } from './header.js'
import { isObject, toJson, type JsonObject } from './json.js'
import { derivedKey, keyCondition, writeKey } from './key.js'
import { meetsCondition } from './condition.js'
import type { KeyMode } from './plan.js'

/** One write with its content fixed; how it is made safe to repeat is decided when it leaves. */
export interface Write extends Omit<EntryHeader, 'plan'> {
  readonly body: string
  readonly resourceType: string
}

const typePattern = /^[A-Z][A-Za-z]{0,63}$/
const idPattern = /^[A-Za-z0-9\-.]{1,64}$/

/**
 * A bare resource (which is changed): with an `id` it is a PUT, without one a POST. Everything but the key travels as it came.
 * @throws DataQueueError `ERR_INVALID_RESOURCE`
 */
export function resourceWrite(resource: JsonObject, key: string, keyMode: KeyMode, of?: number): Write {
  const resourceType = typeOf(resource)
  const id = resource['id']
  if (of !== undefined) {
    // The id is the one that the server gave, whatever this one says.
    const { id: _own, ...rest } = resource
    const body = toJson(rest)
    return { method: 'PUT', path: resourceType, headers: {}, body, resourceType, of }
  }
  if (id !== undefined) {
    const path = `${resourceType}/${checkId(id, resourceType)}`
    return { method: 'PUT', path, headers: {}, body: toJson(resource), resourceType }
  }
  if (keyMode === 'client-id') {
    const body = toJson({ ...resource, id: key })
    return { method: 'PUT', path: `${resourceType}/${key}`, headers: {}, body, resourceType }
  }
  const place = writeKey(resource, key)
  return { method: 'POST', path: resourceType, headers: {}, body: toJson(resource), resourceType, place }
}

/** @throws DataQueueError `ERR_INVALID_RESOURCE` */
export function checkId(id: unknown, resourceType: string): string {
  if (typeof id !== 'string' || !idPattern.test(id)) {
    throw new DataQueueError('ERR_INVALID_RESOURCE', `The id of the ${resourceType} is not a FHIR id.`, {
      hint: 'An id has 1 to 64 of the characters A-Z, a-z, 0-9, "-" and ".".',
    })
  }
  return id
}

/** @throws DataQueueError `ERR_INVALID_RESOURCE` */
export function checkType(type: unknown): string {
  return typeOf({ resourceType: type })
}

/**
 * A transaction Bundle, delivered as one request. Every create in it gets a key of its own, so that running
 * the transaction twice changes nothing; an `ifNoneExist` that is already there is never replaced.
 * @throws DataQueueError `ERR_INVALID_BUNDLE`
 */
export function transactionWrite(bundle: JsonObject, key: string, keyMode: KeyMode): Write {
  if (bundle['resourceType'] !== 'Bundle' || bundle['type'] !== 'transaction') {
    throw invalidBundle(
      'The resource is not a Bundle of type transaction.',
      'Use create() for other resources.',
    )
  }
  const given = bundle['entry']
  if (!Array.isArray(given) || given.length === 0) {
    throw invalidBundle('The transaction has no entries.', 'Put at least one entry into Bundle.entry.')
  }
  const entry = given.map((one: unknown, index) =>
    repeatableEntry(one, index, derivedKey(key, index), keyMode),
  )
  const doubtful = entry.findIndex(mayDouble)
  return {
    method: 'POST',
    path: '',
    headers: {},
    body: toJson({ ...bundle, entry }),
    resourceType: 'Bundle',
    entries: entry.length,
    ...(keyMode === 'client-id' ? { puts: true } : {}),
    ...(doubtful === -1 ? {} : { doubtful }),
  }
}

function repeatableEntry(entry: unknown, index: number, key: string, keyMode: KeyMode): unknown {
  const request = isObject(entry) ? entry['request'] : undefined
  if (!isObject(entry) || !isObject(request) || typeof request['url'] !== 'string') {
    throw invalidBundle(
      `Entry ${index} of the transaction has no request.`,
      'Every entry of a transaction needs request.method and request.url.',
    )
  }
  switch (request['method']) {
    case 'GET':
    case 'HEAD':
    case 'PUT':
    case 'DELETE':
      return entry
    case 'POST':
      break
    default:
      throw invalidBundle(
        `Entry ${index} of the transaction has a method that cannot be repeated safely.`,
        'Use POST, PUT, DELETE or GET; send a PATCH outside the queue.',
      )
  }
  if (typeof request['ifNoneExist'] === 'string') return entry
  const resource = entry['resource']
  if (!isObject(resource)) {
    throw invalidBundle(
      `Entry ${index} of the transaction creates nothing: it has no resource.`,
      'Add the resource.',
    )
  }
  const resourceType = typeOf(resource)
  if (request['url'] !== resourceType) {
    throw invalidBundle(
      `Entry ${index} of the transaction posts a ${resourceType} to another path.`,
      'The request.url of a create is the resource type; operations cannot be queued.',
    )
  }
  const copy = { ...resource }
  if (keyMode === 'client-id') {
    copy['id'] = key
    return { ...entry, resource: copy, request: { ...request, method: 'PUT', url: `${resourceType}/${key}` } }
  }
  const place = writeKey(copy, key)
  return { ...entry, resource: copy, request: { ...request, ifNoneExist: keyCondition(place, key) } }
}

/** A condition that came with the entry and that the created resource would not meet: a repetition creates again. */
function mayDouble(entry: unknown): boolean {
  if (!isObject(entry) || !isObject(entry['request']) || !isObject(entry['resource'])) return false
  const { method, ifNoneExist } = entry['request']
  return (
    method === 'POST' && typeof ifNoneExist === 'string' && !meetsCondition(entry['resource'], ifNoneExist)
  )
}

function typeOf(resource: JsonObject): string {
  const type = resource['resourceType']
  if (typeof type !== 'string' || !typePattern.test(type)) {
    throw new DataQueueError(
      'ERR_INVALID_RESOURCE',
      'The object is no FHIR resource: it has no resourceType.',
      {
        hint: 'Pass a FHIR resource in JSON, with its type in "resourceType".',
      },
    )
  }
  return type
}

function invalidBundle(message: string, hint: string): DataQueueError {
  return new DataQueueError('ERR_INVALID_BUNDLE', message, { hint })
}
