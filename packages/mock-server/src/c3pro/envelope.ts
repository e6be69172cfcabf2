import { fromBase64 } from '../bytes.js'
import { isObject } from '../json.js'

/** The four members of the C3-PRO envelope. */
export interface C3ProEnvelope {
  readonly key_id: string
  readonly symmetric_key: string
  readonly message: string
  readonly version: string
}

/** `undefined` unless all four members are there as strings; further members are ignored. */
export function parseEnvelope(value: unknown): C3ProEnvelope | undefined {
  if (!isObject(value)) return undefined
  const { key_id, symmetric_key, message, version } = value
  if (typeof key_id !== 'string' || typeof symmetric_key !== 'string') return undefined
  if (typeof message !== 'string' || typeof version !== 'string') return undefined
  return { key_id, symmetric_key, message, version }
}

/**
 * AES-CBC under a zero IV, the key by RSA-OAEP with SHA-1: what the original consumer does. `undefined` for every kind
 * of failure alike, so that nobody learns why.
 */
export async function openEnvelope(
  envelope: C3ProEnvelope,
  privateJwk: JsonWebKey,
): Promise<Uint8Array | undefined> {
  const wrapped = fromBase64(envelope.symmetric_key)
  const message = fromBase64(envelope.message)
  if (wrapped === undefined || message === undefined) return undefined
  const { subtle } = globalThis.crypto
  try {
    const rsa = await subtle.importKey('jwk', privateJwk, { name: 'RSA-OAEP', hash: 'SHA-1' }, false, [
      'decrypt',
    ])
    const raw = await subtle.decrypt('RSA-OAEP', rsa, wrapped)
    const aes = await subtle.importKey('raw', raw, 'AES-CBC', false, ['decrypt'])
    return new Uint8Array(await subtle.decrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, aes, message))
  } catch {
    return undefined
  }
}
