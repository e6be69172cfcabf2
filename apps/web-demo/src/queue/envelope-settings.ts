import type { QueueStorage } from '@fhir-outbox/queue-core'
import type { Suite } from '../model/envelope.js'

/** The public key of a receiver, as it was when somebody chose envelopes. */
export interface ReceiverKey {
  readonly keyId: string
  /** JSON of the JWK. */
  readonly jwk: string
  /** SHA-256 of the public key, for comparing with the receiver over another channel. */
  readonly fingerprint: string
}

/** Readings are sealed for this key, and for this endpoint only. */
export interface EnvelopesOn {
  readonly suite: Suite
  readonly endpoint: string
  readonly key: ReceiverKey
}

/** What somebody chose. `'unreadable'`: something was chosen, and it is not known any more what. */
export type EnvelopeSettings = EnvelopesOn | { readonly suite: 'off' } | 'unreadable'

/** Its messages are sentences for whoever looks at the screen; they tell nothing of a reading or a key. */
export class EnvelopeChoiceError extends Error {
  override readonly name = 'EnvelopeChoiceError'
  readonly code: 'ERR_CHOOSE_AGAIN' | 'ERR_NO_FITTING_KEY' | 'ERR_NO_KEYS' | 'ERR_TURNED_OFF'

  constructor(code: EnvelopeChoiceError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const version = 1
const noteName = 'web-demo/envelopes'

type Notes = Pick<QueueStorage, 'notes'>

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

export function envelopeSettingsText(settings: Exclude<EnvelopeSettings, 'unreadable'>): string {
  if (settings.suite === 'off') return JSON.stringify({ v: version, suite: 'off' })
  const { suite, endpoint, key } = settings
  return JSON.stringify({ v: version, suite, endpoint, ...key })
}

/** Reads what `envelopeSettingsText` wrote; `undefined` when nobody has written anything. */
export function parseEnvelopeSettings(text: string | undefined): EnvelopeSettings | undefined {
  if (text === undefined) return undefined
  try {
    const { v, suite, endpoint, keyId, jwk, fingerprint } = JSON.parse(text) as Readonly<
      Record<string, unknown>
    >
    if (v !== version) return 'unreadable'
    if (suite === 'off') return { suite }
    if (suite !== 'jwe' && suite !== 'c3-pro') return 'unreadable'
    if (!isText(endpoint) || !isText(keyId) || !isText(jwk) || !isText(fingerprint)) return 'unreadable'
    return { suite, endpoint, key: { keyId, jwk, fingerprint } }
  } catch {
    return 'unreadable'
  }
}

/** What holds of the note of this store and of the copy that all stores share: whatever protects more. */
export function saferOf(
  note: EnvelopeSettings | undefined,
  copy: EnvelopeSettings | undefined,
): EnvelopeSettings | undefined {
  if (note === 'unreadable' || copy === 'unreadable') return 'unreadable'
  return note === undefined || (note.suite === 'off' && copy !== undefined) ? copy : note
}

/** Why nothing may be stored now, neither in an envelope nor as it is. */
export function refusalOf(
  settings: EnvelopeSettings | undefined,
  endpoint: string | undefined,
): EnvelopeChoiceError | undefined {
  if (settings === undefined) return undefined
  if (settings === 'unreadable') {
    return new EnvelopeChoiceError(
      'ERR_CHOOSE_AGAIN',
      'It cannot be read any more which envelopes were chosen here. Choose again in Settings.',
    )
  }
  if (settings.suite === 'off' || settings.endpoint === endpoint) return undefined
  return new EnvelopeChoiceError(
    'ERR_CHOOSE_AGAIN',
    'Envelopes were chosen here for another receiver than this page has. Choose again in Settings.',
  )
}

export async function readEnvelopeNote({ notes }: Notes): Promise<EnvelopeSettings | undefined> {
  const found = await notes.get(noteName)
  return parseEnvelopeSettings(found && new TextDecoder().decode(found.bytes))
}

/** Rejects when it could not be kept, or when other tabs were first again and again. */
export async function keepEnvelopeNote({ notes }: Notes, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text)
  for (let triesLeft = 3; ; triesLeft -= 1) {
    const expected = (await notes.get(noteName))?.version ?? 0
    try {
      await notes.put(noteName, bytes, expected)
      return
    } catch (error) {
      const raced = error instanceof Error && 'code' in error && error.code === 'ERR_NOTE_CONFLICT'
      if (!raced || triesLeft === 0) throw error
    }
  }
}

/** Where what was sealed in this store goes, as far as the choice tells. */
export async function chosenEndpoint(storage: Notes): Promise<string | undefined> {
  const settings = await readEnvelopeNote(storage)
  return typeof settings === 'object' && settings.suite !== 'off' ? settings.endpoint : undefined
}
