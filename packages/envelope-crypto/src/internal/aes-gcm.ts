import { join, unshared } from './bytes.js'
import { nodeCrypto, syncUpTo } from './node-crypto.js'
import type { NodeCrypto } from './node-crypto.js'
import { isPromise } from './soon.js'
import type { Soon } from './soon.js'
import { webCrypto } from './web-crypto.js'

/** Bytes of a nonce: the one length that is used as it is (NIST SP 800-38D, section 5.2.1.1). */
export const nonceLength = 12
/** Bytes of the authentication tag, which stands behind the ciphertext. */
export const tagLength = 16

/** What is encrypted, and what is authenticated with it. The bytes are read before the call returns. */
export interface GcmInput {
  /** Must never come twice under one key. */
  readonly nonce: Uint8Array
  readonly plain: Uint8Array
  readonly associated: Uint8Array
  /** What stands before the ciphertext in the answer. Default: nothing. */
  readonly prefix?: readonly Uint8Array[]
}

/** AES-256-GCM under one key. */
export interface AesGcm {
  /** Prefix, ciphertext and tag. */
  encrypt(input: GcmInput): Soon<Uint8Array<ArrayBuffer>>
  /** Undefined when anything was changed. */
  decrypt(
    nonce: Uint8Array,
    sealed: Uint8Array,
    associated: Uint8Array,
  ): Soon<Uint8Array<ArrayBuffer> | undefined>
}

const nothing: readonly Uint8Array[] = []

/** With a key whose bytes are known: all but large messages go through `node:crypto` where there is one. */
export function aesGcmOfBytes(raw: Uint8Array<ArrayBuffer>): AesGcm {
  let key: Soon<CryptoKey> | undefined
  function importOnce(): Soon<CryptoKey> {
    if (key !== undefined) return key
    const importing = webCrypto().subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
    key = importing
    importing.then(
      (imported) => {
        key = imported
      },
      () => {
        key = undefined
      },
    )
    return importing
  }
  const platform = aesGcm(importOnce)
  // Once for all messages: looking it up shows beside a small one.
  const node = nodeCrypto()
  if (node === undefined) return platform
  return {
    encrypt: (input) =>
      input.plain.length <= syncUpTo ? encryptInNode(node, raw, input) : platform.encrypt(input),
    decrypt: (nonce, sealed, associated) =>
      sealed.length <= syncUpTo
        ? decryptInNode(node, raw, nonce, sealed, associated)
        : platform.decrypt(nonce, sealed, associated),
  }
}

/** With a key that WebCrypto keeps. */
export function aesGcmOfKey(key: CryptoKey): AesGcm {
  return aesGcm(() => key)
}

function aesGcm(keyOf: () => Soon<CryptoKey>): AesGcm {
  return {
    encrypt(input) {
      const key = keyOf()
      return isPromise(key) ? encryptLater(key, input) : encryptByPlatform(key, input)
    },
    async decrypt(nonce, sealed, associated) {
      const algorithm = parameters(nonce.slice(), associated.slice())
      const content = new Uint8Array(sealed)
      const { subtle } = webCrypto()
      const key = await keyOf()
      try {
        return new Uint8Array(await subtle.decrypt(algorithm, key, content))
      } catch {
        return undefined
      }
    },
  }
}

async function encryptLater(key: Promise<CryptoKey>, input: GcmInput): Promise<Uint8Array<ArrayBuffer>> {
  const nonce = input.nonce.slice()
  const plain = input.plain.slice()
  const associated = input.associated.slice()
  const prefix = [join(...(input.prefix ?? nothing))]
  try {
    return await encryptByPlatform(await key, { nonce, plain, associated, prefix })
  } finally {
    plain.fill(0)
  }
}

/** WebCrypto copies what it is given before it returns. */
async function encryptByPlatform(
  key: CryptoKey,
  { nonce, plain, associated, prefix = nothing }: GcmInput,
): Promise<Uint8Array<ArrayBuffer>> {
  const start = join(...prefix)
  const encrypting = webCrypto().subtle.encrypt(parameters(nonce, associated), key, unshared(plain))
  const sealed = new Uint8Array(await encrypting)
  return start.length === 0 ? sealed : join(start, sealed)
}

function parameters(nonce: Uint8Array, associated: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: unshared(nonce), additionalData: unshared(associated) }
}

function encryptInNode(
  node: NodeCrypto,
  raw: Uint8Array,
  { nonce, plain, associated, prefix = nothing }: GcmInput,
): Uint8Array<ArrayBuffer> {
  const cipher = node.createCipheriv('aes-256-gcm', raw, nonce)
  cipher.setAAD(associated)
  let start = 0
  for (const { length } of prefix) start += length
  const sealed = new Uint8Array(start + plain.length + tagLength)
  let at = 0
  for (const part of prefix) {
    sealed.set(part, at)
    at += part.length
  }
  sealed.set(cipher.update(plain), start)
  cipher.final()
  sealed.set(cipher.getAuthTag(), start + plain.length)
  return sealed
}

function decryptInNode(
  node: NodeCrypto,
  raw: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associated: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const end = sealed.length - tagLength
  if (end < 0) return undefined
  const decipher = node.createDecipheriv('aes-256-gcm', raw, nonce, { authTagLength: tagLength })
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.length)
}
