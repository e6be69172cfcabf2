import type { KeptNote } from '@fhir-outbox/queue-core'
import type { Commit } from './commits.js'
import { clear, put } from './requests.js'
import { emptyMeta } from './schema.js'

/** Nobody's index or lease is right after this: the generation is over. */
export function wipeAll({ transaction, records, meta }: Commit, keep: readonly KeptNote[]): void {
  const { accepted, delivered } = meta.counts
  // Also what whoever shares this commit was going to write at its end.
  for (const store of Object.values(records)) store.clear(transaction)
  for (const store of ['leases', 'news', 'notes'] as const) clear(transaction, store)
  for (const { name, bytes } of keep) put(transaction, 'notes', { bytes, version: 1 }, name)
  meta.generation++
  meta.lanes = []
  meta.spilled = false
  meta.counts = { ...emptyMeta.counts, accepted, delivered, discarded: accepted - delivered }
}
