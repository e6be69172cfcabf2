import { base64url, type CryptoKey } from 'jose'
import { AuthError } from '../errors.js'
import { isRecord, parseJsonObject, type JsonRecord } from './json.js'

/** A record as it lies in a store: AES-256-GCM, with the record's name as associated data. */
export interface SealedRecord {
  readonly version: 1
  readonly iv: Uint8Array<ArrayBuffer>
  readonly data: Uint8Array<ArrayBuffer>
}

const context = 'fhir-outbox secret 1'

function associated(id: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${context}\n${id}`)
}

/** Turns 32 bytes into a key that cannot be taken out again. */
export async function importSealingKey(bytes: Uint8Array): Promise<CryptoKey> {
  const copy = new Uint8Array(bytes)
  const key = await crypto.subtle.importKey('raw', copy, 'AES-GCM', false, ['encrypt', 'decrypt'])
  copy.fill(0)
  return key
}

export async function sealRecord(id: string, data: JsonRecord, key: CryptoKey): Promise<SealedRecord> {
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const plain = new TextEncoder().encode(JSON.stringify({ id, data }))
  const sealed = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: associated(id) },
    key,
    plain,
  )
  return { version: 1, iv, data: new Uint8Array(sealed) }
}

function unreadable(reason: string): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNREADABLE', `A stored secret ${reason}`, {
    hint: 'Give the key it was sealed with, restore it, or delete it and log in or register again.',
  })
}

/** Rejects with ERR_CREDENTIALS_UNREADABLE when the record was changed, moved, or sealed with another key. */
export async function openRecord(id: string, sealed: unknown, key: CryptoKey): Promise<JsonRecord> {
  if (!isRecord(sealed)) throw unreadable('is not in a known form')
  const { version, iv, data } = sealed
  if (version !== 1) throw unreadable('has a version that this release does not know')
  if (!(iv instanceof Uint8Array) || !(data instanceof Uint8Array)) throw unreadable('is incomplete')
  let plain: ArrayBuffer
  try {
    const algorithm = { name: 'AES-GCM', iv: new Uint8Array(iv), additionalData: associated(id) }
    plain = await crypto.subtle.decrypt(algorithm, key, new Uint8Array(data))
  } catch {
    throw unreadable('cannot be opened with this key')
  }
  const record = parseJsonObject(new TextDecoder().decode(plain))
  if (record === undefined || record['id'] !== id || !isRecord(record['data'])) {
    throw unreadable('does not hold what its name says')
  }
  return record['data']
}

/** The same as text, for files and for web storage. */
export function sealedToText({ version, iv, data }: SealedRecord): string {
  return JSON.stringify({
    format: 'fhir-outbox-secret',
    version,
    iv: base64url.encode(iv),
    data: base64url.encode(data),
  })
}

export function sealedFromText(text: string): unknown {
  const record = parseJsonObject(text)
  if (record?.['format'] !== 'fhir-outbox-secret') return undefined
  const { version, iv, data } = record
  if (typeof iv !== 'string' || typeof data !== 'string') return { version }
  try {
    return { version, iv: base64url.decode(iv), data: base64url.decode(data) }
  } catch {
    return { version }
  }
}
