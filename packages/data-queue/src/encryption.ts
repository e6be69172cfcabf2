import type { FhirClient } from '@fhir-outbox/fhir-client'
import type { StorageSupport } from '@fhir-outbox/queue-core'
import { DataQueueError } from './errors.js'
import type { JsonObject } from './json.js'
import type { Receiver } from './plan.js'

/** What turns bytes into an envelope; `createSealer` of `@fhir-outbox/envelope-crypto` fits. */
export interface Sealer {
  /** `about` is what a sealer may bind the envelope to, so that it cannot stand in the place of another one. */
  seal(plaintext: Uint8Array, about?: SealedFor): Promise<object>
}

/** Which entry an envelope carries, and where to. */
export interface SealedFor {
  /** Key of the entry. */
  readonly key: string
  /** Base URL of the encrypted endpoint. */
  readonly destination: string
}

/** How chosen resources are encrypted. */
export interface Encryption {
  /** A client whose base URL is the endpoint that takes envelopes by POST. */
  readonly client: FhirClient
  readonly sealer: Sealer
  /** Which writes are encrypted. The answer is kept with the entry. Default: all creates. */
  readonly shouldEncrypt?: (resource: JsonObject, method: 'POST' | 'PUT') => boolean
  /**
   * `'enqueue'` (default): what is stored is the envelope, and whoever opens the storage cannot read it. `'send'`:
   * the resource is stored and sealed anew for every request, so that the receiver's key may change meanwhile; only
   * on a storage that is sealed itself.
   */
  readonly sealAt?: 'enqueue' | 'send'
  /**
   * Whether the receiver drops a second resource with the same key. C3-PRO's original consumer keeps
   * everything: then the plan is `at-least-once`. Default `'keeps-everything'`.
   */
  readonly receiver?: Receiver
  /**
   * Whether the receiver runs a transaction Bundle that it finds in an envelope. Then a transaction that holds
   * anything to be encrypted travels in one envelope; else it is refused, since C3-PRO's original consumer would file
   * the Bundle as a document. Default `false`.
   */
  readonly receiverRunsTransactions?: boolean
  /**
   * Appends the resource type to the URL, as C3-PRO's original client did. Receivers ignore it, and it tells
   * everybody in between what is inside. Default `false`.
   */
  readonly typeInPath?: boolean
}

const encoder = new TextEncoder()

/** The envelope of a resource, as it travels. Rejects with what the sealer rejects with. */
export async function envelopeOf(
  sealer: Sealer,
  plaintext: Uint8Array,
  about: SealedFor,
): Promise<Uint8Array> {
  return encoder.encode(JSON.stringify(await sealer.seal(plaintext, about)))
}

/**
 * Refuses what would let plaintext out.
 * @throws DataQueueError `ERR_STORAGE_NOT_SEALED`, `ERR_INVALID_OPTION`
 */
export function checkEncryption(
  { client, sealAt }: Encryption,
  fhirUrl: string,
  storage: StorageSupport,
): void {
  if (sealAt === 'send' && storage.sealed !== true) {
    throw new DataQueueError(
      'ERR_STORAGE_NOT_SEALED',
      'Resources that are sealed when they leave would be stored in clear.',
      { hint: "Wrap the storage in sealStorage of @fhir-outbox/queue-core, or leave sealAt at 'enqueue'." },
    )
  }
  if (client.baseUrl === fhirUrl) {
    throw new DataQueueError(
      'ERR_INVALID_OPTION',
      'The encrypted endpoint has the same URL as the FHIR server.',
      { hint: 'Give encryption.client the base URL of the endpoint that takes envelopes.' },
    )
  }
}
