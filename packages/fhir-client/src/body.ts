import { invalid } from './conditions.js'

/**
 * What a request may carry. Bytes and text leave untouched; parts leave as one body, joined and not re-written;
 * any other object leaves as JSON.
 */
export type RequestBody = Uint8Array | readonly Uint8Array[] | string | object

/** The body as it goes to the sender. Throws `ERR_INVALID_REQUEST`. */
export function encodeBody(body: RequestBody | undefined): Uint8Array | string | undefined {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return body
  if (isParts(body)) return joinParts(body)
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) throw invalid('Bytes must be a Uint8Array.')
  try {
    const text: unknown = JSON.stringify(body)
    if (typeof text === 'string') return text
  } catch {
    // The parser's words may quote the body.
  }
  throw invalid('The body cannot be written as JSON.')
}

/** Whether a body is bytes in one form or another, which this package sends without looking inside. */
export function isRaw(body: object | string): body is Uint8Array | readonly Uint8Array[] | string {
  return typeof body === 'string' || body instanceof Uint8Array || isParts(body)
}

/** Joins parts; a single one is not copied. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only !== undefined) return only
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.byteLength
  }
  return bytes
}

/** An empty list is the JSON `[]`: no body at all is `undefined`. */
function isParts(body: object): body is readonly Uint8Array[] {
  return Array.isArray(body) && body.length > 0 && body.every((part) => part instanceof Uint8Array)
}
