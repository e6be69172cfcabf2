import type { Encryption } from '@fhir-outbox/data-queue'
import type { Suite } from '../model/envelope.js'
import type { Receiver } from '../platform/server.js'
import { createStore, type Store } from '../platform/store.js'

/** The public key of a receiver, as it was when somebody chose envelopes. */
export interface ReceiverKey {
  readonly keyId: string
  /** JSON of the JWK. */
  readonly jwk: string
  /** SHA-256 of the public key, for comparing with the receiver over another channel. */
  readonly fingerprint: string
}

/** How new readings travel. The key stays known when envelopes are off. */
export interface EnvelopeSettings {
  readonly suite: Suite | 'off'
  readonly key: ReceiverKey
}

/** Sealing readings for their receiver before they are stored. The choice is one for all tabs, and for later visits. */
export interface Envelopes {
  readonly receiver: Receiver
  /** `undefined`: nobody has chosen yet, and readings travel as they are. */
  readonly settings: Store<EnvelopeSettings | undefined>
  /** Seals what is measured from now on, for the key that the receiver has now. Rejects with errors of envelope-crypto. */
  use(suite: Suite): Promise<void>
  stop(): void
  /** Whether what is measured now is sealed. */
  readonly on: () => boolean
  readonly sealer: Encryption['sealer']
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** Reads what `use` has kept. */
export function parseEnvelopeSettings(text: string | null): EnvelopeSettings | undefined {
  if (text === null) return undefined
  try {
    const { suite, keyId, jwk, fingerprint } = JSON.parse(text) as Readonly<Record<string, unknown>>
    if (suite !== 'jwe' && suite !== 'c3-pro' && suite !== 'off') return undefined
    if (!isText(keyId) || !isText(jwk) || !isText(fingerprint)) return undefined
    return { suite, key: { keyId, jwk, fingerprint } }
  } catch {
    return undefined
  }
}

export function openEnvelopes(receiver: Receiver): Envelopes {
  const name = `fhir-outbox-demo-envelopes ${receiver.endpoint}`
  // Looked up anew every time: no tab may go on in clear after another one has said otherwise.
  const read = (): EnvelopeSettings | undefined => parseEnvelopeSettings(localStorage.getItem(name))
  const settings = createStore(read())
  const work = () => import('./envelope-work.js')
  addEventListener('storage', ({ key }) => {
    if (key === name || key === null) settings.set(read())
  })

  function keep(suite: Suite | 'off', key: ReceiverKey): void {
    localStorage.setItem(name, JSON.stringify({ suite, ...key }))
    settings.set(read())
  }

  return {
    receiver,
    settings,
    async use(suite) {
      keep(suite, await (await work()).fetchReceiverKey(receiver.keysUrl))
    },
    stop() {
      const key = read()?.key
      if (key !== undefined) keep('off', key)
    },
    on: () => (read()?.suite ?? 'off') !== 'off',
    sealer: {
      async seal(plaintext, about) {
        const now = read()
        // Between being asked and now; the reading stays in the form.
        if (now === undefined || now.suite === 'off') throw new TypeError('Envelopes were turned off.')
        return await (await work()).sealFor(now.suite, now.key, plaintext, about)
      },
    },
  }
}
