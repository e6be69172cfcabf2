import { nodeCrypto } from './node-crypto.js'
import { webCrypto } from './web-crypto.js'

/** Encrypts a content key to one recipient; at once where the platform can. */
export type KeyWrap = (
  key: Uint8Array<ArrayBuffer>,
) => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>

/** RSA-OAEP with an empty label; the same hash serves MGF1. */
export type OaepHash = 'SHA-1' | 'SHA-256'

const nodeHash: Readonly<Record<OaepHash, string>> = { 'SHA-1': 'sha1', 'SHA-256': 'sha256' }

/** Imports the key at the first use, and again after an import that failed. */
export function rsaOaepWrap(spki: Uint8Array<ArrayBuffer>, hash: OaepHash): KeyWrap {
  let nodeKey: unknown
  let key: CryptoKey | undefined
  async function byPlatform(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    key ??= await importRsaPublicKey(spki, hash)
    return new Uint8Array(await webCrypto().subtle.encrypt({ name: 'RSA-OAEP' }, key, content))
  }
  return (content) => {
    const node = nodeCrypto()
    if (node === undefined) return byPlatform(content)
    nodeKey ??= node.createPublicKey({ key: spki, format: 'der', type: 'spki' })
    const padding = node.constants.RSA_PKCS1_OAEP_PADDING
    return node.publicEncrypt({ key: nodeKey, padding, oaepHash: nodeHash[hash] }, content)
  }
}

export function importRsaPublicKey(spki: Uint8Array<ArrayBuffer>, hash: OaepHash): Promise<CryptoKey> {
  return webCrypto().subtle.importKey('spki', spki, { name: 'RSA-OAEP', hash }, false, ['encrypt'])
}
