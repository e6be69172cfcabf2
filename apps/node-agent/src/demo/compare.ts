type JsonObject = Record<string, unknown>

const keySystem = 'urn:ietf:rfc:3986'

/**
 * Whether a stored resource is what was sent, but for what delivery is allowed to change: id, meta, references
 * that the server rewrote, and the key.
 */
export function isSameContent(sent: unknown, stored: unknown): boolean {
  return equal(withoutDelivery(sent), withoutDelivery(stored))
}

function withoutDelivery(resource: unknown): unknown {
  if (!isObject(resource)) return resource
  const { id: _id, meta: _meta, identifier, ...content } = resource
  const own = Array.isArray(identifier)
    ? identifier.filter((one) => !isKey(one))
    : isKey(identifier)
      ? undefined
      : identifier
  return own === undefined || (Array.isArray(own) && own.length === 0)
    ? content
    : { ...content, identifier: own }
}

function isKey(identifier: unknown): boolean {
  return (
    isObject(identifier) &&
    identifier['system'] === keySystem &&
    String(identifier['value']).startsWith('urn:uuid:')
  )
}

function equal(sent: unknown, stored: unknown): boolean {
  if (typeof sent === 'string' && sent.startsWith('urn:uuid:')) {
    return sent === stored || (typeof stored === 'string' && /^[A-Z][A-Za-z]+\/[^/]+$/.test(stored))
  }
  if (Array.isArray(sent)) {
    return (
      Array.isArray(stored) &&
      sent.length === stored.length &&
      sent.every((one, index) => equal(one, stored[index]))
    )
  }
  if (!isObject(sent)) return sent === stored
  if (!isObject(stored)) return false
  const names = Object.keys(sent)
  return names.length === Object.keys(stored).length && names.every((name) => equal(sent[name], stored[name]))
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
