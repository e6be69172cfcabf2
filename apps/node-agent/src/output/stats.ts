import type { QueueStats } from '@fhir-outbox/queue-core'

/** The audit in words, a line each. */
export function statsLines(stats: QueueStats): readonly string[] {
  const { accepted, waiting, unknown, held, delivered, dead, discarded, quarantined } = stats
  return [
    `${accepted} accepted`,
    `  ${waiting} waiting${unknown > 0 ? `, ${unknown} of them with unknown outcome` : ''}${held > 0 ? `, ${held} held` : ''}`,
    `  ${delivered} delivered`,
    `  ${dead} dead letters`,
    `  ${discarded} discarded`,
    ...(quarantined > 0 ? [`  ${quarantined} quarantined: their records are damaged`] : []),
  ]
}
