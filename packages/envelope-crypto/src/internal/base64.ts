import { nodeBuiltin } from './node-crypto.js'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const codes = Uint8Array.from(alphabet, (character) => character.charCodeAt(0))
const padding = 61 // '='
const skip = 64
const invalid = 255

const values = new Uint8Array(128).fill(invalid)
for (const [value, code] of codes.entries()) values[code] = value
for (const whitespace of [9, 10, 12, 13, 32]) values[whitespace] = skip

/** Standard Base64 with padding and without line breaks. */
export function encodeBase64(bytes: Uint8Array): string {
  return encodeByPlatform(bytes, 'base64') ?? encodeBase64Here(bytes)
}

/** Base64url without padding (RFC 7515, section 2). */
export function encodeBase64Url(bytes: Uint8Array): string {
  const encoded = encodeByPlatform(bytes, 'base64url')
  if (encoded !== undefined) return encoded
  return encodeBase64Here(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** By Node's Buffer, or by the method that browsers have got and Node 20 has not; undefined elsewhere. */
function encodeByPlatform(bytes: Uint8Array, alphabet: 'base64' | 'base64url'): string | undefined {
  const node = nodeBuiltin('node:buffer') as NodeBuffer | undefined
  if (node !== undefined) {
    return node.Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(alphabet)
  }
  const toBase64: unknown = Reflect.get(bytes, 'toBase64')
  if (typeof toBase64 !== 'function') return undefined
  return String(Reflect.apply(toBase64, bytes, platformOptions[alphabet]))
}

const platformOptions = {
  base64: [{ alphabet: 'base64' }],
  base64url: [{ alphabet: 'base64url', omitPadding: true }],
} as const

interface NodeBuffer {
  readonly Buffer: {
    from(buffer: ArrayBufferLike, offset: number, length: number): { toString(encoding: string): string }
  }
}

/**
 * Decodes Base64url without padding. Undefined for anything else, also for the texts that differ only in bits which
 * decode to nothing: every value has one form, so that an envelope cannot be changed and stay the same.
 */
export function decodeBase64Url(text: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  const bytes = decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
  if (bytes === undefined) return undefined
  const lastGroup = bytes.subarray(bytes.length - (bytes.length % 3))
  return text.endsWith(encodeBase64Url(lastGroup)) ? bytes : undefined
}

/** For platforms without an encoder of their own. */
export function encodeBase64Here(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  let written = 0
  for (let read = 0; read < bytes.length; read += 3) {
    const left = bytes.length - read
    const group =
      (byteAt(bytes, read) << 16) |
      (left > 1 ? byteAt(bytes, read + 1) << 8 : 0) |
      (left > 2 ? byteAt(bytes, read + 2) : 0)
    text[written++] = byteAt(codes, group >> 18)
    text[written++] = byteAt(codes, (group >> 12) & 63)
    text[written++] = left > 1 ? byteAt(codes, (group >> 6) & 63) : padding
    text[written++] = left > 2 ? byteAt(codes, group & 63) : padding
  }
  return new TextDecoder().decode(text)
}

/**
 * Decodes standard Base64 as leniently as the receivers of the C3-PRO envelope do: white space anywhere, padding
 * optional. Undefined when the text is anything else, so that the caller names the error.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  // Written for large messages: one pass, one allocation; atob would go through a string of the same size.
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 3)
  let written = 0
  let group = 0
  let digits = 0
  let index = 0
  for (; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === padding) break
    const value = code < 128 ? byteAt(values, code) : invalid
    if (value === skip) continue
    if (value === invalid) return undefined
    group = (group << 6) | value
    if (++digits % 4 !== 0) continue
    bytes[written++] = group >> 16
    bytes[written++] = (group >> 8) & 255
    bytes[written++] = group & 255
    group = 0
  }
  const rest = digits % 4
  if (rest === 1 || !isPaddingFor(rest, text, index)) return undefined
  if (rest === 2) bytes[written++] = group >> 4
  if (rest === 3) {
    bytes[written++] = group >> 10
    bytes[written++] = (group >> 2) & 255
  }
  return bytes.slice(0, written)
}

function isPaddingFor(digitsInLastGroup: number, text: string, from: number): boolean {
  let found = 0
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === padding) found++
    else if (code >= 128 || byteAt(values, code) !== skip) return false
  }
  return found === 0 || (digitsInLastGroup > 1 && found === 4 - digitsInLastGroup)
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}
