import {
  createOpener,
  createRecordCipher,
  createSealer,
  generateRecipient,
  importOpeningKey,
  importRecipient,
  type OpenedJwe,
  type OpeningKey,
  type Recipient,
} from '@fhir-outbox/envelope-crypto'
import { createFhirClient, type SendRequest } from '@fhir-outbox/fhir-client'
import { memoryStorage, sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { onTestFinished } from 'vitest'
import { openEncryptedDataQueue, type DataQueue, type Encryption } from '../../src/index.js'
import { quick } from '../bench.js'

export const fhirUrl = 'https://study.example/fhir'
export const sealedUrl = 'https://study.example/sealed'

interface Answer {
  readonly status: number
  readonly body?: string
}

/** A FHIR server and, beside it, a receiver of JWEs that knows some keys and files a delivery key once. */
interface Receiver {
  readonly keys: Map<string, OpeningKey>
  /** `text` of what was filed, in order, whichever way it came. */
  readonly filed: string[]
  readonly opened: OpenedJwe[]
  /** URLs of all writes, and what the encrypted endpoint was sent. */
  readonly urls: string[]
  readonly bodies: string[]
  /** Answers the next envelopes instead of the receiver. */
  answer: Answer | undefined
  encryption(sealer: Encryption['sealer'], more?: Partial<Encryption>): Encryption
  queue(encryption: Encryption, storage?: QueueStorage): DataQueue
}

/** A key pair: for the sender, and for the receiver. */
export async function keyPair(keyId: string): Promise<readonly [Recipient, OpeningKey]> {
  const made = await generateRecipient({ keyId, curve: 'P-256' })
  return [
    await importRecipient(made.certificatePem, { keyId }),
    await importOpeningKey(made.privateKeyPkcs8Pem, { keyId }),
  ]
}

export function receiver(): Receiver {
  const keys = new Map<string, OpeningKey>()
  const opener = createOpener({ keys: (keyId) => keys.get(keyId) })
  const seen = new Set<string>()

  async function take(body: string): Promise<Answer> {
    self.bodies.push(body)
    if (self.answer !== undefined) return self.answer
    const envelope: unknown = JSON.parse(body)
    try {
      const opened = await opener.openDetailed(envelope)
      if (opened.suite !== 'jwe') return { status: 400 }
      self.opened.push(opened)
      if (!seen.has(opened.key ?? '')) self.filed.push(textOf(new TextDecoder().decode(opened.plaintext)))
      seen.add(opened.key ?? '')
      return { status: 200 }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'server_error'
      return { status: 422, body: JSON.stringify({ error: code.replace('ERR_', '').toLowerCase() }) }
    }
  }

  async function send({ method, url, body }: SendRequest): Promise<Response> {
    if (method === 'GET') return new Response(null, { status: 404 })
    self.urls.push(url)
    const text = typeof body === 'string' ? body : new TextDecoder().decode(body)
    const sealed = url.startsWith(sealedUrl)
    if (!sealed) self.filed.push(textOf(text))
    const answer = sealed ? await take(text) : { status: 201 }
    const headers = sealed ? {} : { location: `${fhirUrl}/Observation/${self.filed.length}/_history/1` }
    return new Response(answer.body ?? null, { status: answer.status, headers })
  }

  const self: Receiver = {
    keys,
    filed: [],
    opened: [],
    urls: [],
    bodies: [],
    answer: undefined,
    encryption: (sealer, more) => ({
      client: createFhirClient({ baseUrl: sealedUrl, send: { send } }),
      sealer,
      shouldEncrypt: (resource) => resource['resourceType'] === 'QuestionnaireResponse',
      receiver: 'deduplicates',
      ...more,
    }),
    queue(encryption, storage = memoryStorage()) {
      const fhir = createFhirClient({ baseUrl: fhirUrl, send: { send } })
      const queue = openEncryptedDataQueue({ storage, fhir, encryption, defaults: quick })
      onTestFinished(() => queue.close())
      return queue
    },
  }
  return self
}

function textOf(json: string): string {
  return /"text":"([^"]*)"/.exec(json)?.[1] ?? json
}

/** Seals for whoever is the recipient now. */
export function sealerFor(current: () => Recipient): Encryption['sealer'] {
  return createSealer({ recipient: { current: () => Promise.resolve(current()) } })
}

export const answers = (text: string): object => ({
  resourceType: 'QuestionnaireResponse',
  status: 'completed',
  text: { status: 'generated', div: `<div>${text}</div>` },
  item: [{ linkId: 'a', text }],
})

/** Sealed storage whose key can be taken away. */
export function lockable(below: QueueStorage): {
  readonly storage: QueueStorage
  locked: boolean
  lock(): void
} {
  const key = crypto.getRandomValues(new Uint8Array(32))
  const cipher = createRecordCipher({
    keyId: 'records',
    key: () => Promise.resolve(self.locked ? undefined : key.slice()),
  })
  const self = {
    storage: sealStorage(below, cipher),
    locked: false,
    lock() {
      self.locked = true
      cipher.lock()
    },
  }
  return self
}
