import type { Failure } from '../transport-port.js'
import type { GateStatus } from './gates.js'
import type { WipeRecord } from './wipe.js'

interface AboutEntry {
  readonly sequence: number
  readonly lane: string
  readonly gate: string
}

/** Everything an outbox tells. Plain data, without content, keys or patient data: enough for metrics. */
export type OutboxEvent =
  | {
      readonly type: 'enqueued'
      readonly sequence: number
      readonly lane: string
      readonly duplicate: boolean
    }
  | {
      readonly type: 'leased'
      readonly lane: string
      readonly gate: string
      readonly sequences: readonly number[]
      readonly trial: boolean
    }
  /** A request with these entries was noted durably and is about to leave. */
  | {
      readonly type: 'sent'
      readonly lane: string
      readonly gate: string
      readonly sequences: readonly number[]
    }
  | (AboutEntry & { readonly type: 'delivered'; readonly ageMs: number; readonly attempts: number })
  /** `OutboxOptions.ttlMs` threw; it counts as if it had said nothing about the entry. */
  | (AboutEntry & { readonly type: 'ttl-failed'; readonly failure: Failure })
  | (AboutEntry & { readonly type: 'rejected' | 'parked' | 'expired'; readonly failure: Failure })
  /** The storage could not read the entry back and took it out of its lane: it is quarantined or parked. */
  | { readonly type: 'set-aside'; readonly sequence: number }
  | (AboutEntry & {
      readonly type: 'unknown' | 'retried'
      readonly failure: Failure
      readonly delayMs: number
      readonly spent: boolean
    })
  | {
      readonly type: 'decided'
      readonly sequence: number
      readonly decision: 'redrive' | 'discard' | 'assume-delivered' | 'withdraw'
    }
  | { readonly type: 'wiped'; readonly record: WipeRecord }
  | { readonly type: 'gate-closed'; readonly gate: GateStatus }
  | { readonly type: 'gate-opened'; readonly gate: string }
  /** A delivery ended by throwing, or told about entries it was not given. */
  | {
      readonly type: 'transport-failed'
      readonly lane: string
      readonly gate: string
      readonly failure: Failure
    }
  /** Nothing more can be delivered now. */
  | { readonly type: 'drained' }
  | { readonly type: 'storage-failed'; readonly failure: Failure }

/** The entry became a dead letter. */
export function isDeadLetter({ type }: OutboxEvent): boolean {
  return type === 'rejected' || type === 'parked' || type === 'expired'
}

export interface Emitter {
  emit(event: OutboxEvent): void
  subscribe(listener: (event: OutboxEvent) => void): () => void
}

export function createEmitter(): Emitter {
  // Never changed but replaced: whoever subscribes or leaves while an event is told changes nothing for it.
  let listeners: readonly { readonly call: (event: OutboxEvent) => void }[] = []
  return {
    emit(event) {
      for (const { call } of listeners) {
        try {
          call(event)
        } catch (error) {
          // The listener's fault must be seen, but must not stop a delivery half-way.
          queueMicrotask(() => {
            throw error
          })
        }
      }
    },
    subscribe(listener) {
      const entry = { call: listener }
      listeners = [...listeners, entry]
      return () => {
        listeners = listeners.filter((one) => one !== entry)
      }
    },
  }
}
