type JsonObject = Record<string, unknown>

const keySystem = 'urn:ietf:rfc:3986'

/** What `urn:uuid` references of a transaction became: fullUrl → `Type/id`. */
export type Rewritten = ReadonlyMap<string, string>

/**
 * Whether a stored resource is what was sent, but for what delivery is allowed to change: id, meta, references
 * that the server rewrote, and one key of ours.
 */
export function isSameContent(sent: unknown, stored: unknown, rewritten: Rewritten = new Map()): boolean {
  if (!isObject(sent) || !isObject(stored)) return false
  const { id: _sentId, meta: _sentMeta, ...expected } = sent
  const { id: _id, meta: _meta, ...content } = stored
  const identifier = withoutKey(expected['identifier'], content['identifier'])
  if (identifier === undefined) delete content['identifier']
  else content['identifier'] = identifier
  return equal(expected, content, rewritten)
}

/** The stored identifiers without the one that delivery may have added after those that were sent. */
function withoutKey(sent: unknown, stored: unknown): unknown {
  if (!Array.isArray(stored)) return sent === undefined && isKey(stored) ? undefined : stored
  const own = Array.isArray(sent) ? sent.length : 0
  if (stored.length !== own + 1 || !isKey(stored[own])) return stored
  return sent === undefined ? undefined : stored.slice(0, own)
}

function isKey(identifier: unknown): boolean {
  return (
    isObject(identifier) &&
    identifier['system'] === keySystem &&
    String(identifier['value']).startsWith('urn:uuid:')
  )
}

function equal(sent: unknown, stored: unknown, rewritten: Rewritten): boolean {
  if (typeof sent === 'string') return stored === sent || stored === (rewritten.get(sent) ?? sent)
  if (Array.isArray(sent)) {
    return (
      Array.isArray(stored) &&
      sent.length === stored.length &&
      sent.every((one, index) => equal(one, stored[index], rewritten))
    )
  }
  if (!isObject(sent)) return sent === stored
  if (!isObject(stored)) return false
  const names = Object.keys(sent)
  return (
    names.length === Object.keys(stored).length &&
    names.every((name) => name in stored && equalMember(name, sent[name], stored[name], rewritten))
  )
}

function equalMember(name: string, sent: unknown, stored: unknown, rewritten: Rewritten): boolean {
  const target = typeof sent === 'string' ? rewritten.get(sent) : undefined
  // A reference must have been rewritten; anywhere else the same text may stand for something else.
  return name === 'reference' && target !== undefined ? stored === target : equal(sent, stored, rewritten)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
