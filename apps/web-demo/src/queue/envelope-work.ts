import { createSealer, importRecipient } from '@fhir-outbox/envelope-crypto'
import type { SealedFor } from '@fhir-outbox/data-queue'
import type { Suite } from '../model/envelope.js'
import { EnvelopeChoiceError, type ReceiverKey } from './envelope-settings.js'

// Loaded when somebody chooses envelopes, and at the start while they are on.

type Jwk = Readonly<Record<string, unknown>>

const algorithms: Readonly<Record<Suite, string>> = { jwe: 'RSA-OAEP-256', 'c3-pro': 'RSA-OAEP' }

/** The RSA key of a JWK Set that readings can be sealed for: one that is for encryption before one that does not say. */
export function fittingKey(keys: unknown, suite: Suite): Jwk | undefined {
  const fitting = (Array.isArray(keys) ? (keys as readonly unknown[]) : []).filter(
    (key): key is Jwk =>
      typeof key === 'object' &&
      key !== null &&
      'kty' in key &&
      key.kty === 'RSA' &&
      (!('alg' in key) || key.alg === algorithms[suite]),
  )
  return (
    fitting.findLast((key) => key['use'] === 'enc') ?? fitting.findLast((key) => key['use'] === undefined)
  )
}

/**
 * The key that the receiver publishes now, of its JWK Set. Whoever can change that answer can read what is sealed: a real
 * app brings the key with it, or has a person compare the fingerprint.
 */
export async function fetchReceiverKey(keysUrl: string, suite: Suite): Promise<ReceiverKey> {
  const response = await fetch(keysUrl, { redirect: 'error', credentials: 'omit', cache: 'no-store' })
  if (!response.ok) {
    throw new EnvelopeChoiceError('ERR_NO_KEYS', `The receiver answered ${response.status}.`)
  }
  const { keys } = ((await response.json()) ?? {}) as { readonly keys?: unknown }
  const found = fittingKey(keys, suite)
  if (found === undefined) {
    throw new EnvelopeChoiceError(
      'ERR_NO_FITTING_KEY',
      'None of the keys that the receiver publishes is for these envelopes.',
    )
  }
  const jwk = JSON.stringify(found)
  const { kid } = found
  const { keyId, fingerprint } = await importRecipient(jwk, { keyId: typeof kid === 'string' ? kid : '' })
  const key = { keyId, jwk, fingerprint }
  // A key that cannot seal is refused now, not with the first reading.
  const seal = await sealerOf(suite, key)
  await seal(new TextEncoder().encode('{}'), { key: 'trial', destination: keysUrl })
  return key
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
