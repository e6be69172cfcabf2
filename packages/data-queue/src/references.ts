import { isObject, type JsonObject } from './json.js'

const local = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** Length of `urn:uuid:` and a UUID. */
const localLength = 45

/** How an entry is referred to before the server has given its resource an id. */
export function localReference(key: string): string {
  return `urn:uuid:${key}`
}

/**
 * What looks like a local reference in a resource, each key once. In a `reference` it is one; a `url` may be that of an
 * attachment, or something that has nothing to do with the queue. That of a resource or an extension never has.
 */
export function localKeys(resource: JsonObject): ReadonlyMap<string, 'reference' | 'url'> {
  const keys = new Map<string, 'reference' | 'url'>()
  const visit = (value: unknown, at: string): void => {
    if (Array.isArray(value)) for (const one of value) visit(one, at)
    else if (isObject(value)) {
      const isNamed = value['resourceType'] !== undefined || at === 'extension' || at === 'modifierExtension'
      for (const [name, member] of Object.entries(value)) {
        if ((name !== 'reference' && name !== 'url') || typeof member !== 'string' || !local.test(member)) {
          visit(member, name)
          continue
        }
        const key = member.slice('urn:uuid:'.length)
        if (name === 'reference') keys.set(key, name)
        else if (!isNamed && !keys.has(key)) keys.set(key, name)
      }
    }
  }
  visit(resource, '')
  return keys
}

/** Replaces local references inside a resource (which is changed). */
export function replaceLocal(resource: JsonObject, known: ReadonlyMap<string, string>): void {
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) visit(one)
    else if (isObject(value)) {
      for (const [name, member] of Object.entries(value)) {
        if ((name === 'reference' || name === 'url') && typeof member === 'string' && local.test(member)) {
          const target = known.get(member.slice('urn:uuid:'.length))
          if (target !== undefined) value[name] = target
        } else visit(member)
      }
    }
  }
  visit(resource)
}

const encoder = new TextEncoder()

/** Where the references to a key begin in JSON bytes: after `"reference":"` or `"url":"`, nowhere else. */
export function referenceOffsets(payload: Uint8Array, key: string): readonly number[] {
  const offsets: number[] = []
  for (const name of ['reference', 'url']) {
    const prefix = `"${name}":"`
    const pattern = encoder.encode(`${prefix}${localReference(key)}"`)
    for (let at = find(payload, pattern, 0); at !== -1; at = find(payload, pattern, at + pattern.length)) {
      offsets.push(at + prefix.length)
    }
  }
  return offsets.toSorted((a, b) => a - b)
}

function find(haystack: Uint8Array, needle: Uint8Array, from: number): number {
  const [first] = needle
  if (first === undefined) return -1
  for (let at = haystack.indexOf(first, from); at !== -1; at = haystack.indexOf(first, at + 1)) {
    let same = 1
    while (same < needle.length && haystack[at + same] === needle[same]) same++
    if (same === needle.length) return at
  }
  return -1
}

/** Whether a local reference to the key begins there. */
export function isReferenceAt(payload: Uint8Array, offset: number, key: string): boolean {
  const wanted = encoder.encode(localReference(key))
  return wanted.every((byte, index) => payload[offset + index] === byte)
}

/** The bytes with local references replaced; everything else as it is stored. */
export function spliceReferences(
  payload: Uint8Array,
  replacements: readonly { readonly offset: number; readonly text: string }[],
): Uint8Array {
  if (replacements.length === 0) return payload
  const parts: Uint8Array[] = []
  let from = 0
  for (const { offset, text } of replacements.toSorted((a, b) => a.offset - b.offset)) {
    // An id is the server's to choose: it must not end the string it is put into.
    parts.push(payload.subarray(from, offset), encoder.encode(JSON.stringify(text).slice(1, -1)))
    from = offset + localLength
  }
  parts.push(payload.subarray(from))
  return joinBytes(parts)
}

/** The resource with an id of ours, by one insertion behind its first brace. */
export function withId(payload: Uint8Array, id: string): Uint8Array {
  const brace = payload.indexOf(0x7b)
  return joinBytes([
    payload.subarray(0, brace + 1),
    encoder.encode(`"id":${JSON.stringify(id)},`),
    payload.subarray(brace + 1),
  ])
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
