/** What is used of `node:crypto`; see https://nodejs.org/api/crypto.html. */
export interface NodeCrypto {
  createCipheriv(
    algorithm: string,
    key: Uint8Array,
    iv: Uint8Array,
    options?: { authTagLength: number },
  ): NodeCipher
  createDecipheriv(
    algorithm: string,
    key: Uint8Array,
    iv: Uint8Array,
    options?: { authTagLength: number },
  ): NodeDecipher
  publicEncrypt(key: NodeEncryptionKey, bytes: Uint8Array): Uint8Array<ArrayBuffer>
  createPublicKey(key: { key: Uint8Array; format: 'der'; type: 'spki' }): unknown
  readonly constants: { readonly RSA_PKCS1_OAEP_PADDING: number }
}

interface NodeEncryptionKey {
  readonly key: unknown
  readonly padding: number
  readonly oaepHash: string
}

interface NodeCipher {
  setAAD(content: Uint8Array | string): unknown
  update(bytes: Uint8Array): Uint8Array
  final(): Uint8Array
  getAuthTag(): Uint8Array
}

interface NodeDecipher {
  setAAD(bytes: Uint8Array): unknown
  setAuthTag(bytes: Uint8Array): unknown
  update(bytes: Uint8Array): Uint8Array<ArrayBuffer>
  final(): Uint8Array
}

/**
 * Up to this many bytes Node's synchronous calls are faster than WebCrypto, whose hops between threads cost several
 * times the encryption of a small message; a message of this size holds the thread for about a tenth of a millisecond.
 */
export const syncUpTo: number = 256 * 1024

/** Node's synchronous cryptography, or undefined anywhere else. */
export function nodeCrypto(): NodeCrypto | undefined {
  return nodeBuiltin('node:crypto') as NodeCrypto | undefined
}

/** By `process.getBuiltinModule`, so that bundlers for browsers find no import of Node's modules. */
export function nodeBuiltin(name: string): unknown {
  // Asked for several times with every message, and a page looks long for a name that it has not got.
  if (isElsewhere) return undefined
  const process: unknown = Reflect.get(globalThis, 'process')
  if (typeof process !== 'object' || process === null) {
    isElsewhere = true
    return undefined
  }
  const load: unknown = Reflect.get(process, 'getBuiltinModule')
  if (typeof load !== 'function') return undefined
  // Looking a module up costs as much as encrypting a small message.
  if (known?.load !== load) known = { load, modules: new Map() }
  const { modules } = known
  const found = modules.get(name) ?? (load.call(process, name) as unknown)
  modules.set(name, found)
  return found
}

let isElsewhere = false
let known: { readonly load: unknown; readonly modules: Map<string, unknown> } | undefined
