import { isObject, readJson, toJson } from './json.js'
import { keySystem } from './key.js'

/** The transaction without the conditions that were written for our own keys; those of the caller stay. */
export function withoutConditions(payload: Uint8Array): Uint8Array {
  const bundle = readJson(new TextDecoder().decode(payload))
  const entries: unknown[] = Array.isArray(bundle['entry']) ? bundle['entry'] : []
  const entry = entries.map((one) => {
    if (!isObject(one) || !isObject(one['request'])) return one
    const { ifNoneExist, ...request } = one['request']
    return ownKey(ifNoneExist) === undefined ? one : { ...one, request }
  })
  return new TextEncoder().encode(toJson({ ...bundle, entry }))
}

/** Type, place and key of the first create of a transaction that carries a key of ours. */
export function firstOwnCreate(
  payload: Uint8Array,
): { readonly type: string; readonly place: 'identifier' | 'tag'; readonly key: string } | undefined {
  const bundle: unknown = JSON.parse(new TextDecoder().decode(payload))
  const entries = isObject(bundle) && Array.isArray(bundle['entry']) ? bundle['entry'].filter(isObject) : []
  for (const { request } of entries) {
    if (!isObject(request) || typeof request['url'] !== 'string') continue
    const own = ownKey(request['ifNoneExist'])
    if (own !== undefined) return { type: request['url'], ...own }
  }
  return undefined
}

function ownKey(
  condition: unknown,
): { readonly place: 'identifier' | 'tag'; readonly key: string } | undefined {
  if (typeof condition !== 'string') return undefined
  const parameters = [...new URLSearchParams(condition)]
  const [[name, value] = ['', '']] = parameters
  const prefix = `${keySystem}|urn:uuid:`
  if (parameters.length !== 1 || !value.startsWith(prefix)) return undefined
  const key = value.slice(prefix.length)
  if (name === 'identifier') return { place: 'identifier', key }
  return name === '_tag' ? { place: 'tag', key } : undefined
}
