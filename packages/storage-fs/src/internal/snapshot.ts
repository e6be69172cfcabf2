import type { IndexedEntry } from '@fhir-outbox/queue-core'
import type { Extra } from './catalog.js'
import type { SnapshotState } from './records.js'

/** The state of an entry as its copy will have it. */
export function snapshotOf(
  entry: IndexedEntry,
  extra: Extra | undefined,
  note: Uint8Array | undefined,
  now: number,
): SnapshotState {
  const { deadReason, dueInMs, troubledForMs, mark } = entry
  return {
    state: entry.state,
    attempts: entry.attempts,
    payloadBytes: entry.payloadBytes,
    // A waiting entry keeps its mark only while the request may be under way.
    markOpen: entry.state === 'waiting' && mark !== undefined,
    ...(deadReason === undefined ? {} : { deadReason }),
    ...(dueInMs === undefined ? {} : { dueAt: now + dueInMs }),
    ...(troubledForMs === undefined ? {} : { troubledSince: now - troubledForMs }),
    ...(extra?.settled === undefined ? {} : { settledAt: extra.settled.at }),
    ...(mark === undefined ? {} : { mark }),
    ...(note === undefined ? {} : { note }),
  }
}
