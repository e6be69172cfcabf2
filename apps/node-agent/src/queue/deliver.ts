import type { DataQueue } from '@fhir-outbox/data-queue'
import type { Failure } from '@fhir-outbox/queue-core'

/** What became of the entries that were watched. */
export interface Delivery {
  readonly delivered: number
  readonly waiting: number
  readonly rejected: readonly { readonly sequence: number; readonly failure: Failure }[]
  /** Why the rest waits, when that is known. */
  readonly blockedBy?: Failure
}

export interface DeliverOptions {
  /** Only these count; all when absent. */
  readonly sequences?: ReadonlySet<number>
  /** After this time the rest stays queued. */
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}
