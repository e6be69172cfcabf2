import { cbc } from '@noble/ciphers/aes.js'
import { join } from './bytes.js'
import { nodeCrypto, syncUpTo } from './node-crypto.js'
import { webCrypto } from './web-crypto.js'

/** AES-CBC with PKCS#7 padding; 16, 24 or 32 byte keys. The bytes are read before the call returns. */
export function aesCbcEncrypt(
  key: Uint8Array<ArrayBuffer>,
  iv: Uint8Array<ArrayBuffer>,
  plaintext: Uint8Array,
): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
  const node = plaintext.length <= syncUpTo ? nodeCrypto() : undefined
  if (node === undefined) return encryptByPlatform(key, iv, new Uint8Array(plaintext))
  const cipher = node.createCipheriv(`aes-${key.length * 8}-cbc`, key, iv)
  return join(cipher.update(plaintext), cipher.final())
}

/** Wipes the plaintext, which is a copy. */
async function encryptByPlatform(
  key: Uint8Array<ArrayBuffer>,
  iv: Uint8Array<ArrayBuffer>,
  plaintext: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const platformKey = await importKey(key, 'encrypt')
    if (platformKey === undefined) return cbc(key, iv).encrypt(plaintext)
    return new Uint8Array(await webCrypto().subtle.encrypt({ name: 'AES-CBC', iv }, platformKey, plaintext))
  } finally {
    plaintext.fill(0)
  }
}

/** Rejects when the length or the padding is wrong; the caller must not tell the two apart. */
export async function aesCbcDecrypt(
  key: Uint8Array<ArrayBuffer>,
  iv: Uint8Array<ArrayBuffer>,
  ciphertext: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const platformKey = await importKey(key, 'decrypt')
  if (platformKey === undefined) return cbc(key, iv).decrypt(ciphertext)
  return new Uint8Array(await webCrypto().subtle.decrypt({ name: 'AES-CBC', iv }, platformKey, ciphertext))
}

/** Undefined where the platform lacks AES-192, which Chromium leaves out on purpose. */
async function importKey(
  key: Uint8Array<ArrayBuffer>,
  usage: 'encrypt' | 'decrypt',
): Promise<CryptoKey | undefined> {
  const imported = webCrypto().subtle.importKey('raw', key, 'AES-CBC', false, [usage])
  if (key.length !== 24) return imported
  try {
    return await imported
  } catch {
    return undefined
  }
}
