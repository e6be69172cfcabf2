import { decodeProtectedHeader, flattenedDecrypt, importJWK, type FlattenedJWE } from 'jose'
import { asArray, isObject } from '../json.js'

/** A JWE in its flattened or general JSON serialisation. */
export interface JweEnvelope {
  readonly protected: string
  readonly iv: string
  readonly ciphertext: string
  readonly tag: string
  readonly encrypted_key?: string
  readonly recipients?: readonly unknown[]
}

/** `undefined` unless the members are there that every such JWE has. */
export function parseJwe(value: unknown): JweEnvelope | undefined {
  if (!isObject(value)) return undefined
  const { protected: head, iv, ciphertext, tag, encrypted_key, recipients } = value
  if (typeof head !== 'string' || typeof iv !== 'string') return undefined
  if (typeof ciphertext !== 'string' || typeof tag !== 'string') return undefined
  const content = { protected: head, iv, ciphertext, tag }
  if (typeof encrypted_key === 'string') return { ...content, encrypted_key }
  return Array.isArray(recipients) ? { ...content, recipients } : undefined
}

/** The part of an envelope that is for one recipient, by the key id it names. */
export interface JwePart {
  readonly keyId: string
  readonly jwe: FlattenedJWE
}

/** What there is for each recipient; whatever names no key is left out. */
export function partsOf({ recipients, encrypted_key, ...content }: JweEnvelope): readonly JwePart[] {
  const all: readonly unknown[] = recipients ?? [{ encrypted_key }]
  return all.flatMap((part): readonly JwePart[] => {
    if (!isObject(part)) return []
    const { header, encrypted_key: wrapped } = part
    if (typeof wrapped !== 'string' || (header !== undefined && !isObject(header))) return []
    const jwe = { ...content, encrypted_key: wrapped, ...(header === undefined ? {} : { header }) }
    const keyId = keyIdOf(jwe)
    return keyId === undefined || keyId.trim() === '' ? [] : [{ keyId, jwe }]
  })
}

function keyIdOf(jwe: FlattenedJWE): string | undefined {
  try {
    const head = decodeProtectedHeader(jwe)
    const kid: unknown = Object.hasOwn(head, 'kid') ? head.kid : jwe.header?.kid
    return typeof kid === 'string' ? kid : undefined
  } catch {
    return undefined
  }
}

/**
 * Opens by RSA-OAEP-256 and A256GCM. `undefined` for every kind of failure alike; an envelope that was made for another
 * destination is one.
 */
export async function openJwe(
  { jwe }: JwePart,
  privateJwk: JsonWebKey,
  destination: string,
): Promise<Uint8Array | undefined> {
  try {
    const key = await importJWK({ ...privateJwk, kty: 'RSA' }, 'RSA-OAEP-256')
    const { plaintext, protectedHeader } = await flattenedDecrypt(jwe, key, {
      keyManagementAlgorithms: ['RSA-OAEP-256'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    const meant = asArray(protectedHeader?.['aud'])
    return meant.length === 0 || meant.includes(destination) ? plaintext : undefined
  } catch {
    return undefined
  }
}
