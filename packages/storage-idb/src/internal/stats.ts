import type { QueueStats } from '@fhir-outbox/queue-core'
import { lapsed, type Snapshot } from './summary.js'

/** The counters, and what follows from the few leases there are. */
export function statsOf(snapshot: Snapshot): QueueStats {
  const { meta, leases, now } = snapshot
  const leased = leases
    .filter(({ expiresAt }) => expiresAt > now)
    .reduce((sum, { sequences }) => sum + sequences.length, 0)
  return { ...meta.counts, leased, unknown: meta.counts.unknown + lapsed(snapshot).length }
}
