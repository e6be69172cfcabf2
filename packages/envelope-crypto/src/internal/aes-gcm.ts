import { join } from './bytes.js'
import { nodeCrypto, syncUpTo } from './node-crypto.js'
import type { NodeCrypto } from './node-crypto.js'
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
  /** Stands before the ciphertext in what is returned. Default: nothing. */
  readonly prefix?: Uint8Array
}

/** AES-256-GCM under one key. */
export interface AesGcm {
  /** Prefix, ciphertext and tag; at once where the platform can. */
  encrypt(input: GcmInput): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>
  /** Undefined when anything was changed. */
  decrypt(
    nonce: Uint8Array,
    sealed: Uint8Array,
    associated: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer> | undefined>
}

const nothing = new Uint8Array(0)

/** With a key whose bytes are known: all but large messages go through `node:crypto` where there is one. */
export function aesGcmOfBytes(raw: Uint8Array<ArrayBuffer>): AesGcm {
  let imported: Promise<CryptoKey> | undefined
  const platform = aesGcm(() => {
    imported ??= webCrypto().subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
    return imported
  })
  return {
    encrypt(input) {
      const node = input.plain.length <= syncUpTo ? nodeCrypto() : undefined
      return node === undefined ? platform.encrypt(input) : encryptInNode(node, raw, input)
    },
    decrypt(nonce, sealed, associated) {
      const node = sealed.length <= syncUpTo ? nodeCrypto() : undefined
      return node === undefined
        ? platform.decrypt(nonce, sealed, associated)
        : Promise.resolve(decryptInNode(node, raw, nonce, sealed, associated))
    },
  }
}

/** With a key that WebCrypto keeps. */
export function aesGcmOfKey(key: CryptoKey): AesGcm {
  return aesGcm(() => Promise.resolve(key))
}

function aesGcm(keyOf: () => Promise<CryptoKey>): AesGcm {
  const parameters = (nonce: Uint8Array, associated: Uint8Array): AesGcmParams => ({
    name: 'AES-GCM',
    iv: new Uint8Array(nonce),
    additionalData: new Uint8Array(associated),
  })
  return {
    async encrypt({ nonce, plain, associated, prefix = nothing }) {
      const algorithm = parameters(nonce, associated)
      const content = new Uint8Array(plain)
      const start = prefix.slice()
      try {
        const sealed = await webCrypto().subtle.encrypt(algorithm, await keyOf(), content)
        return start.length === 0 ? new Uint8Array(sealed) : join(start, new Uint8Array(sealed))
      } finally {
        content.fill(0)
      }
    },
    async decrypt(nonce, sealed, associated) {
      const algorithm = parameters(nonce, associated)
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

function encryptInNode(
  node: NodeCrypto,
  raw: Uint8Array,
  { nonce, plain, associated, prefix = nothing }: GcmInput,
): Uint8Array<ArrayBuffer> {
  const cipher = node.createCipheriv('aes-256-gcm', raw, nonce)
  cipher.setAAD(associated)
  const sealed = new Uint8Array(prefix.length + plain.length + tagLength)
  sealed.set(prefix)
  sealed.set(cipher.update(plain), prefix.length)
  cipher.final()
  sealed.set(cipher.getAuthTag(), prefix.length + plain.length)
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
  return new Uint8Array(plain)
}
