import { BundleError } from '../errors.js'
import type { TransactionEntry } from '../resources.js'
import { isObject } from './check.js'

/** What one entry refers to among the entries of the same list. */
export type Links = {
  /** The server has to rewrite or to resolve the reference: the target must be in the same transaction. */
  readonly bound: readonly number[]
  /** The reference names the final id of a PUT: the target may come in the same transaction or an earlier one. */
  readonly after: readonly number[]
}

export function linksOf(entries: readonly TransactionEntry[]): readonly Links[] {
  const names = namesOfAll(entries)
  const conditions = conditionsOf(entries)
  return entries.map((entry, index) => {
    const bound = new Set<number>()
    const after = new Set<number>()
    visitTexts(entry.resource, (text, isReference) => {
      // A fragment or version names a part or a state of the same resource.
      const target =
        names.get(text) ??
        names.get(text.replace(/(?:#.*|\/_history\/[^/]*)$/, '')) ??
        (isReference ? conditions.get(text) : undefined)
      if (target === undefined) {
        if (isReference && text.startsWith('urn:uuid:')) throw dangling(index)
      } else if (target !== index) {
        const isFinal = entries[target]?.request.method === 'PUT' && !text.startsWith('urn:')
        ;(isFinal ? after : bound).add(target)
      }
    })
    return { bound: [...bound], after: [...after] }
  })
}

function namesOfAll(entries: readonly TransactionEntry[]): ReadonlyMap<string, number> {
  const names = new Map<string, number>()
  for (const [index, entry] of entries.entries()) {
    checkEntry(entry, index)
    for (const name of namesOf(entry)) {
      const earlier = names.get(name)
      if (earlier === undefined) names.set(name, index)
      else if (!updatesTheSame(entries[earlier], entry)) {
        throw invalidEntry(index, 'has the fullUrl or URL of an earlier entry')
      }
    }
  }
  return names
}

/** What a reference by condition finds: resources that these entries may be about to write. */
function conditionsOf(entries: readonly TransactionEntry[]): ReadonlyMap<string, number> {
  const conditions = new Map<string, number>()
  for (const [index, entry] of entries.entries()) {
    const target = writeTarget(entry)
    if (target?.includes('?') === true && !conditions.has(target)) conditions.set(target, index)
  }
  return conditions
}

/** Two updates of one resource may be packed, into two transactions. */
function updatesTheSame(a: TransactionEntry | undefined, b: TransactionEntry): boolean {
  return a?.request.method === 'PUT' && b.request.method === 'PUT' && a.request.url === b.request.url
}

function namesOf({ fullUrl, request }: TransactionEntry): readonly string[] {
  const names = fullUrl === undefined ? [] : [fullUrl]
  const isUpdate = request.method === 'PUT' && /^[A-Za-z]+\/[A-Za-z0-9\-.]+$/.test(request.url)
  return isUpdate && request.url !== fullUrl ? [...names, request.url] : names
}

/** A server rewrites every link that equals a fullUrl, narrative included, so every text counts. */
function visitTexts(
  value: unknown,
  visit: (text: string, isReference: boolean) => void,
  name?: string,
): void {
  if (typeof value === 'string') {
    if (name === 'div')
      for (const [, link = ''] of value.matchAll(/(?:href|src)="([^"]*)"/g)) visit(link, false)
    else visit(value, name === 'reference')
  } else if (Array.isArray(value)) {
    for (const item of value) visitTexts(item, visit, name)
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) visitTexts(item, visit, key)
  }
}

function checkEntry(entry: unknown, index: number): void {
  const request = isObject(entry) ? entry['request'] : undefined
  if (!isObject(request) || typeof request['method'] !== 'string' || typeof request['url'] !== 'string') {
    throw invalidEntry(index, 'must have a request with method and url')
  }
}

export function invalidEntry(index: number, what: string): BundleError {
  return new BundleError('ERR_INVALID_BUNDLE', `entry[${index}] ${what}`, { path: `entry[${index}]` })
}

function dangling(index: number): BundleError {
  return new BundleError('ERR_REFERENCE_CLOSURE', `entry[${index}] refers to a urn:uuid that no entry has`, {
    path: `entry[${index}]`,
  })
}

/** What the entry writes to; two entries with the same one must not meet in one transaction. */
export function writeTarget({ request }: TransactionEntry): string | undefined {
  if (request.method === 'POST') {
    return request.ifNoneExist === undefined ? undefined : `${request.url}?${request.ifNoneExist}`
  }
  return request.method === 'GET' || request.method === 'HEAD' ? undefined : request.url
}
