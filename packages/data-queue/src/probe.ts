import type { FhirClient, FhirResource } from '@fhir-outbox/fhir-client'
import { failureOf } from './classify.js'
import { isObject } from './json.js'
import { keySystem, type KeyPlace } from './key.js'

/** A resource of ours at the server. */
export interface Hit {
  /** `Type/id`. */
  readonly id: string
  readonly version?: string
  readonly resource: unknown
  /** How many resources carry the key. */
  readonly count: number
}

/** What asking for keys came to. */
export type Asked =
  | { readonly kind: 'answered'; readonly hits: ReadonlyMap<string, Hit> }
  /** The server does not answer such questions. */
  | { readonly kind: 'refused' }
  /** No answer for another reason. */
  | { readonly kind: 'failed'; readonly error: unknown }

const perSearch = 20

/** Asks for resources by our keys, several at a time. A hit counts only when it really carries the key. */
export async function askForKeys(
  client: FhirClient,
  query: { readonly type: string; readonly place: KeyPlace; readonly keys: readonly string[] },
  signal: AbortSignal,
): Promise<Asked> {
  const { type, place, keys } = query
  const hits = new Map<string, Hit>()
  for (let from = 0; from < keys.length; from += perSearch) {
    const some = keys.slice(from, from + perSearch)
    const value = some.map((key) => `${keySystem}|urn:uuid:${key}`).join(',')
    const params = { [place === 'identifier' ? 'identifier' : '_tag']: value, _count: some.length * 2 }
    let matches: readonly FhirResource[]
    try {
      // HAPI answers from results of the last minute unless it is told not to.
      const headers = { 'cache-control': 'no-cache' }
      ;({ matches } = await client.search(type, params, { signal, headers }))
    } catch (error) {
      if (signal.aborted) throw error
      const { status } = failureOf(error)
      return status !== undefined && [403, 404, 405, 410, 422, 501].includes(status)
        ? { kind: 'refused' }
        : { kind: 'failed', error }
    }
    let ours = 0
    for (const resource of matches) {
      const key = some.find((one) => carries(resource, place, one))
      if (key === undefined || typeof resource.id !== 'string') continue
      ours++
      hits.set(key, hitOf(resource, type, hits.get(key)))
    }
    // It found something else: it does not look at what it was asked.
    if (ours === 0 && matches.length > 0) return { kind: 'refused' }
  }
  return { kind: 'answered', hits }
}

function hitOf(resource: FhirResource, type: string, before: Hit | undefined): Hit {
  const version = isObject(resource.meta) ? resource.meta['versionId'] : undefined
  return {
    id: `${type}/${String(resource.id)}`,
    ...(typeof version === 'string' ? { version } : {}),
    resource,
    ...before,
    count: (before?.count ?? 0) + 1,
  }
}

function carries(resource: FhirResource, place: KeyPlace, key: string): boolean {
  const value = `urn:uuid:${key}`
  const inside: unknown = resource
  if (!isObject(inside)) return false
  const meta = inside['meta']
  const list = place === 'identifier' ? inside['identifier'] : isObject(meta) ? meta['tag'] : undefined
  const member = place === 'identifier' ? 'value' : 'code'
  return [list].flat().some((one) => isObject(one) && one['system'] === keySystem && one[member] === value)
}

/** What reading a resource by its id came to. */
export async function askForId(
  client: FhirClient,
  address: string,
  signal: AbortSignal,
): Promise<
  | { readonly kind: 'found'; readonly hit: Hit }
  | { readonly kind: 'absent' }
  | Exclude<Asked, { kind: 'answered' }>
> {
  try {
    const headers = { 'cache-control': 'no-cache' }
    const request = { method: 'GET', path: address, headers, signal, expect: expected(address) } as const
    const { resource, version } = await client.request(request)
    // An answer about something else is none.
    if (isObject(resource) && `${String(resource['resourceType'])}/${String(resource['id'])}` !== address)
      return { kind: 'refused' }
    const inMeta =
      isObject(resource) && isObject(resource['meta']) ? resource['meta']['versionId'] : undefined
    const known = version ?? (typeof inMeta === 'string' ? inMeta : undefined)
    return {
      kind: 'found',
      hit: { id: address, ...(known === undefined ? {} : { version: known }), resource, count: 1 },
    }
  } catch (error) {
    if (signal.aborted) throw error
    const { status } = failureOf(error)
    if (status === 404 || status === 410) return { kind: 'absent' }
    return status === 403 || status === 405 || status === 501
      ? { kind: 'refused' }
      : { kind: 'failed', error }
  }
}

/** A server may answer with the bytes of a Binary as they are. */
function expected(address: string): 'bytes' | 'fhir' {
  return address.startsWith('Binary/') ? 'bytes' : 'fhir'
}
