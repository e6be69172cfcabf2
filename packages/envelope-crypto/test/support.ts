import {
  createOpener,
  generateRecipient,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import type {
  GeneratedRecipient,
  GenerateRecipientOptions,
  Opener,
  OpeningKey,
  Recipient,
} from '@fhir-outbox/envelope-crypto'
import { encodeBase64 } from '../src/internal/base64.js'
import { encryptMessage } from '../src/suites/c3-pro.js'

export interface Party {
  readonly generated: GeneratedRecipient
  readonly recipient: Recipient
  readonly openingKey: OpeningKey
  readonly opener: Opener
}

/** A receiver with a fresh key, RSA of 2048 bits if nothing else is said, and what its senders know of it. */
export async function newParty(options: GenerateRecipientOptions = { bits: 2048 }): Promise<Party> {
  const generated = await generateRecipient(options)
  const recipient = await importRecipient(generated.certificatePem, { keyId: generated.keyId })
  const openingKey = await importOpeningKey(generated.privateKeyPkcs8Pem, { keyId: generated.keyId })
  return { generated, recipient, openingKey, opener: createOpener({ keys: keyRing([openingKey]) }) }
}

/** The key that unwraps the AES keys of C3-PRO. */
export function c3ProKey(key: OpeningKey): CryptoKey {
  if (key.kind === 'RSA') return key.privateKeys['RSA-OAEP']
  throw new TypeError('The key is not RSA.')
}

/** What a foreign C3-PRO sender would do with a given key; also with keys and bytes that no sender should send. */
export async function foreignEnvelope(
  recipient: Recipient,
  key: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<{ key_id: string; symmetric_key: string; message: string; version: string }> {
  const publicKey = await crypto.subtle.importKey(
    'spki',
    recipient.spki,
    { name: 'RSA-OAEP', hash: 'SHA-1' },
    false,
    ['encrypt'],
  )
  const wrapped = new Uint8Array(await crypto.subtle.encrypt({ name: 'RSA-OAEP' }, publicKey, key))
  return {
    key_id: recipient.keyId,
    symmetric_key: encodeBase64(wrapped),
    message: encodeBase64(message),
    version: '1.0.2',
  }
}

export async function foreignSealed(
  recipient: Recipient,
  key: Uint8Array<ArrayBuffer>,
  plaintext: string,
): ReturnType<typeof foreignEnvelope> {
  return foreignEnvelope(recipient, key, await encryptMessage(key, utf8(plaintext)))
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

/** A text by whatever the promise or function fails with; fails itself when nothing fails. */
export async function failure(
  attempt: Promise<unknown> | (() => unknown),
): Promise<Error & { code?: unknown; hint?: unknown }> {
  try {
    await (typeof attempt === 'function' ? attempt() : attempt)
  } catch (error) {
    if (error instanceof Error || error instanceof DOMException) return error
    throw new TypeError('What was thrown is not an error.', { cause: error })
  }
  throw new Error('It was expected to fail and did not.')
}

/** The code of the error that `run` throws or rejects with; undefined when it does neither. */
export async function codeOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
    return undefined
  } catch (error) {
    return error instanceof Error ? Reflect.get(error, 'code') : error
  }
}

/** A copy that lacks one member. */
export function without(value: object, member: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== member))
}
