import type { Failure } from '@fhir-outbox/queue-core'

/** What every result says about its entry. */
interface Identified {
  readonly sequence: number
  /** Lower-case UUID; written into the resource unless the plan makes it the id. */
  readonly key: string
  /** How later entries refer to this one: put it into `reference`, the server's id takes its place in time. */
  readonly reference: string
}

/** The server has it. */
export interface Delivered extends Identified {
  readonly state: 'delivered'
  /** `Type/id` at the server, when its answer said so. */
  readonly id?: string
  readonly version?: string
  readonly status?: number
  /** An earlier request of ours had already been applied; its answer was lost. */
  readonly alreadyThere: boolean
  /** The server had our key already, with other content than what was sent. */
  readonly differs?: true
}

/** Accepted and durable; it will be delivered when the world lets it. */
export interface Queued extends Identified {
  readonly state: 'queued'
  /** Why it did not go at once, when that is known. */
  readonly reason?: Failure
}

/** The server refused it for good. It is kept as a dead letter until somebody decides. */
export interface Rejected extends Identified {
  readonly state: 'rejected'
  readonly failure: Failure
}

export type WriteResult = Delivered | Queued | Rejected
