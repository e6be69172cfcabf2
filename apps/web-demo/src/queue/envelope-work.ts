import { createSealer, importRecipient } from '@fhir-outbox/envelope-crypto'
import type { SealedFor } from '@fhir-outbox/data-queue'
import type { Suite } from '../model/envelope.js'
import type { ReceiverKey } from './envelopes.js'

// Loaded when somebody chooses envelopes.

/**
 * The key that the receiver publishes now, of its JWK Set. Whoever can change that answer can read what is sealed: a real
 * app brings the key with it, or has a person compare the fingerprint.
 */
export async function fetchReceiverKey(keysUrl: string): Promise<ReceiverKey> {
  const response = await fetch(keysUrl, { redirect: 'error', credentials: 'omit', cache: 'no-store' })
  if (!response.ok) throw new TypeError(`The receiver answered ${response.status}.`)
  const { keys } = (await response.json()) as { readonly keys?: unknown }
  const last: unknown = Array.isArray(keys) ? keys.at(-1) : undefined
  const jwk = JSON.stringify(last ?? null)
  const { kid } = (last ?? {}) as { readonly kid?: unknown }
  const { keyId, fingerprint } = await importRecipient(jwk, { keyId: typeof kid === 'string' ? kid : '' })
  return { keyId, jwk, fingerprint }
}

type Seal = (plaintext: Uint8Array, about: SealedFor | undefined) => Promise<object>

const sealers = new Map<string, Promise<Seal>>()

async function sealerOf(suite: Suite, { keyId, jwk }: ReceiverKey): Promise<Seal> {
  const recipient = await importRecipient(jwk, { keyId })
  const sealer =
    suite === 'jwe' ? createSealer({ recipient }) : createSealer({ suite, recipient, version: '4.0.1' })
  return (plaintext, about) => sealer.seal(plaintext, about)
}

export async function sealFor(
  suite: Suite,
  key: ReceiverKey,
  plaintext: Uint8Array,
  about: SealedFor | undefined,
): Promise<object> {
  const name = `${suite} ${key.jwk}`
  const sealer = sealers.get(name) ?? sealerOf(suite, key)
  sealers.set(name, sealer)
  return await (
    await sealer
  )(plaintext, about)
}
