import type { Encryption } from '@fhir-outbox/data-queue'
import type { QueueStorage } from '@fhir-outbox/queue-core'
import type { Suite } from '../model/envelope.js'
import { loadPart } from '../platform/load-part.js'
import type { Receiver } from '../platform/server.js'
import { createStore, type Store } from '../platform/store.js'
import {
  EnvelopeChoiceError,
  envelopeSettingsText,
  keepEnvelopeNote,
  parseEnvelopeSettings,
  readEnvelopeNote,
  refusalOf,
  saferOf,
  type EnvelopeSettings,
} from './envelope-settings.js'

/**
 * Sealing readings for their receiver before they are stored. The choice is one for all tabs, and for later visits; when
 * it is in doubt, nothing is stored.
 */
export interface Envelopes {
  /** `undefined` where the server has none, as far as is known. */
  readonly receiver: Receiver | undefined
  /** `undefined`: nobody has chosen yet, and readings travel as they are. */
  readonly settings: Store<EnvelopeSettings | undefined>
  /**
   * Seals what is measured from now on, for the key that the receiver has now. Rejects with EnvelopeChoiceError, with
   * LoadAgainError, with errors of envelope-crypto, of the storage and of `fetch`; then the choice is what it was.
   */
  use(suite: Suite): Promise<void>
  stop(): Promise<void>
  /** Finds out what is chosen now. Rejects with EnvelopeChoiceError when nothing may be stored. Ask before storing. */
  check(): Promise<void>
  /** Whether what is measured now is sealed, or not stored. */
  readonly on: () => boolean
  readonly sealer: Encryption['sealer']
}

/** Loaded when it is needed, and held from then on: later there may be no network, or another version of the app. */
function loadWork(): Promise<typeof import('./envelope-work.js')> {
  return loadPart('The part of the app that seals', () => import('./envelope-work.js'))
}

/** Keeps the choice beside the queue: it lives as long as the readings do. The copy tells other tabs and other stores. */
export async function openEnvelopes(
  storage: Pick<QueueStorage, 'notes'>,
  receiver: Receiver | undefined,
): Promise<Envelopes> {
  const copyName = `fhir-outbox-demo-envelopes ${receiver?.endpoint ?? ''}`
  const settings = createStore<EnvelopeSettings | undefined>('unreadable')
  let looked = Promise.resolve()

  const on = (): boolean => {
    const now = settings.get()
    return now !== undefined && (now === 'unreadable' || now.suite !== 'off')
  }

  async function read(): Promise<void> {
    const note = await readEnvelopeNote(storage)
    settings.set(saferOf(note, parseEnvelopeSettings(localStorage.getItem(copyName) ?? undefined)))
    if (on()) void loadWork().catch(() => undefined)
  }

  /** One after the other: what was read first must not win over what was read last. */
  function look(): Promise<void> {
    const next = looked.then(read)
    looked = next.catch(() => undefined)
    return next
  }

  async function keep(text: string): Promise<void> {
    await keepEnvelopeNote(storage, text)
    try {
      localStorage.setItem(copyName, text)
    } catch {
      // No room: an old copy must not speak against the note.
      localStorage.removeItem(copyName)
    }
    await look()
  }

  addEventListener('storage', ({ key }) => {
    if (key === copyName || key === null) void look().catch(() => undefined)
  })
  await look().catch(() => undefined)

  return {
    receiver,
    settings,
    async use(suite) {
      if (receiver === undefined) {
        throw new EnvelopeChoiceError('ERR_CHOOSE_AGAIN', 'No receiver for envelopes is known here.')
      }
      const key = await (await loadWork()).fetchReceiverKey(receiver.keysUrl, suite)
      await keep(envelopeSettingsText({ suite, endpoint: receiver.endpoint, key }))
    },
    stop: () => keep(envelopeSettingsText({ suite: 'off' })),
    async check() {
      await look()
      const refusal = refusalOf(settings.get(), receiver?.endpoint)
      if (refusal !== undefined) throw refusal
    },
    on,
    sealer: {
      async seal(plaintext, about) {
        const now = settings.get()
        const refusal = refusalOf(now, receiver?.endpoint)
        if (refusal !== undefined) throw refusal
        // Between being asked and now; the reading stays in the form.
        if (typeof now !== 'object' || now.suite === 'off') {
          throw new EnvelopeChoiceError(
            'ERR_TURNED_OFF',
            'Envelopes were turned off meanwhile. Store it again.',
          )
        }
        return await (await loadWork()).sealFor(now.suite, now.key, plaintext, about)
      },
    },
  }
}
