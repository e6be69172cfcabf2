import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as portable } from '@noble/hashes/sha2.js'
import { encodeText, toHex } from './bytes.js'

/** What is used of `node:crypto`. */
interface NodeCrypto {
  hash(algorithm: 'sha256', bytes: Uint8Array, encoding: 'buffer'): Uint8Array
  hash(algorithm: 'sha256', bytes: Uint8Array, encoding: 'hex'): string
  createSecretKey(key: Uint8Array): unknown
  createHmac(
    algorithm: 'sha256',
    key: unknown,
  ): { update(text: string): { digest(encoding: 'base64url'): string } }
}

/** For records: small, and hashed by the thousand, where a promise for each would take longer than the hash. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const node = nodeCrypto()
  return node === undefined ? portable(bytes) : new Uint8Array(node.hash('sha256', bytes, 'buffer'))
}

/** The same in lower-case hexadecimal. */
export function sha256HexAtOnce(bytes: Uint8Array): string {
  return nodeCrypto()?.hash('sha256', bytes, 'hex') ?? toHex(portable(bytes))
}

/** From here on hashing takes so long that the thread has better things to do. */
const large = 64 * 1024
/** From here on, WebCrypto in a browser takes less time than JavaScript: a fifth of it for a kilobyte. */
const small = 256

/** Of contents of any size, in lower-case hexadecimal. A promise only when the platform hashes off the thread. */
export function sha256Hex(bytes: Uint8Array): string | Promise<string> {
  const node = nodeCrypto()
  // WebCrypto is missing on pages without TLS, such as one that a gateway serves in a local network.
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle
  if (subtle === undefined || bytes.length < (node === undefined ? small : large)) {
    return sha256HexAtOnce(bytes)
  }
  // The copy gives WebCrypto a buffer of its own, whatever kind of memory the caller's view lies on.
  return subtle.digest('SHA-256', bytes.slice()).then((digest) => toHex(new Uint8Array(digest)))
}

/** HMAC-SHA-256 of texts under one key, in base64url without padding. */
export function hmacSha256(key: Uint8Array): (text: string) => string {
  const node = nodeCrypto()
  if (node !== undefined) {
    const secret = node.createSecretKey(key)
    return (text) => node.createHmac('sha256', secret).update(text).digest('base64url')
  }
  const keyed = hmac.create(portable, key)
  // Cloned: the key is mixed in once.
  return (text) => base64url(keyed.clone().update(encodeText(text)).digest())
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

let found: { readonly node: NodeCrypto | undefined } | undefined

/**
 * Node's synchronous cryptography, many times faster than JavaScript's; undefined anywhere else. Looked up at the first
 * use and by `process.getBuiltinModule`, so that nothing happens on import and bundlers find no import of Node's modules.
 */
function nodeCrypto(): NodeCrypto | undefined {
  found ??= { node: builtin('node:crypto') as NodeCrypto | undefined }
  return found.node
}

function builtin(name: string): unknown {
  const process: unknown = Reflect.get(globalThis, 'process')
  if (typeof process !== 'object' || process === null) return undefined
  const load: unknown = Reflect.get(process, 'getBuiltinModule')
  return typeof load === 'function' ? load.call(process, name) : undefined
}
