import type { EntryState } from '@fhir-outbox/queue-core'
import type { Commit } from './commits.js'
import { find, type Records } from './records.js'
import { getKeys, type Reading } from './requests.js'

/** Still to be delivered. */
export function isPending(state: EntryState): boolean {
  return state === 'waiting' || state === 'unknown'
}

/** Entries in these states stop whatever is `after` them. */
function stops(state: EntryState | undefined): boolean {
  return state === 'dead' || state === 'discarded' || state === 'quarantined'
}

/** Those of `after` that keep an entry from moving. */
export async function stoppersOf(
  { transaction, records }: { readonly transaction: Reading; readonly records: Records },
  after: readonly number[],
): Promise<readonly number[]> {
  const found = await Promise.all(after.map((sequence) => find(transaction, records, sequence)))
  return after.filter((_, at) => stops(found[at]?.state?.state))
}

/** The entry begins (1) or ceases (-1) to stop whatever is after it: counts who is held by it alone. */
export async function countHeld(commit: Commit, sequence: number, change: 1 | -1): Promise<void> {
  const { transaction, records, meta } = commit
  for (const first of await getKeys(transaction, 'heads', sequence, undefined, 'after')) {
    const [heads, states] = await Promise.all([records.heads.get(first), records.states.get(first)])
    for (const [at, head] of (heads?.rows ?? []).entries()) {
      if (head?.after?.includes(sequence) !== true) continue
      if (!isPending(states?.rows[at]?.state ?? 'waiting')) continue
      const others = head.after.filter((one) => one !== sequence)
      if ((await stoppersOf(commit, others)).length === 0) meta.counts.held += change
    }
  }
}
