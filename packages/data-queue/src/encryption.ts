import type { FhirClient } from '@fhir-outbox/fhir-client'
import type { JsonObject } from './json.js'
import type { Receiver } from './plan.js'

/** What turns bytes into an envelope; `createSealer` of `@fhir-outbox/envelope-crypto` fits. */
export interface Sealer {
  seal(plaintext: Uint8Array): Promise<object>
}

/** How chosen resources are encrypted before they are stored. */
export interface Encryption {
  /** A client whose base URL is the endpoint that takes envelopes by POST. */
  readonly client: FhirClient
  readonly sealer: Sealer
  /** Which writes are encrypted. The answer is kept with the entry. Default: all creates. */
  readonly shouldEncrypt?: (resource: JsonObject, method: 'POST' | 'PUT') => boolean
  /**
   * Whether the receiver drops a second resource with the same key. C3-PRO's original consumer keeps
   * everything: then the plan is `at-least-once`. Default `'keeps-everything'`.
   */
  readonly receiver?: Receiver
}
