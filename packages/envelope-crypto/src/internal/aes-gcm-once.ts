import { tagLength } from './aes-gcm.js'
import { nodeCrypto, syncUpTo } from './node-crypto.js'
import type { NodeCrypto } from './node-crypto.js'
import type { Soon } from './soon.js'
import { borrowBytes, giveBack } from './spare-bytes.js'
import { webCrypto } from './web-crypto.js'

/** One message, and the key and nonce that serve it alone. The bytes are read before the call returns. */
export interface OnceInput {
  readonly key: Uint8Array<ArrayBuffer>
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly plain: Uint8Array
  /** What is authenticated with it: ASCII. */
  readonly associated: string
}

export interface SealedOnce {
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/** AES-256-GCM. Beside `aesGcmOfBytes`, which keeps its key for more messages, it saves what the first of them costs. */
export function encryptOnce(input: OnceInput): Soon<SealedOnce> {
  const node = input.plain.length <= syncUpTo ? nodeCrypto() : undefined
  return node === undefined ? encryptByPlatform(input) : encryptInNode(node, input)
}

/** Ciphertext and tag are not put together: a copy of a large message costs as much as its encryption. */
function encryptInNode(node: NodeCrypto, { key, nonce, plain, associated }: OnceInput): SealedOnce {
  const cipher = node.createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(associated)
  const ciphertext = cipher.update(plain)
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

async function encryptByPlatform({ key, nonce, plain, associated }: OnceInput): Promise<SealedOnce> {
  const { subtle } = webCrypto()
  const importing = subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  const end = plain.length + associated.length
  const copy = borrowBytes(end)
  copy.set(plain)
  for (let at = 0; at < associated.length; at++) copy[plain.length + at] = associated.charCodeAt(at)
  let encrypting: Promise<ArrayBuffer>
  try {
    const additionalData = copy.subarray(plain.length, end)
    const content = copy.subarray(0, plain.length)
    encrypting = subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData }, await importing, content)
  } finally {
    // WebCrypto has its own copy when it returns.
    giveBack(copy, end)
  }
  const sealed = new Uint8Array(await encrypting)
  const split = sealed.length - tagLength
  return { ciphertext: sealed.subarray(0, split), tag: sealed.subarray(split) }
}
