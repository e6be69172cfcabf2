import { rowFor } from './entries.js'
import { forgetRow } from './lanes.js'
import type { IndexState } from './state.js'
import { isPending } from './states.js'
import type { Retention } from './types.js'

/** An entry may be forgotten unless somebody is still held by it. */
function holdsNobody(state: IndexState, sequence: number): boolean {
  return !(state.dependants.get(sequence) ?? []).some((dependant) => {
    const row = rowFor(state, dependant)
    return row !== undefined && isPending(state.rows.state(row))
  })
}

/** Forgets what is older than it need be, and returns the sequences. */
export function retireSettled(state: IndexState, retention: Retention, now: number): number[] {
  const { settled } = state
  const forgotten: number[] = []
  const kept: { readonly sequence: number; readonly at: number }[] = []
  for (let oldest = settled.first(); oldest !== undefined; oldest = settled.first()) {
    if (settled.size + kept.length <= retention.maxCount && now - oldest.at <= retention.maxAgeMs) break
    settled.shift()
    const row = rowFor(state, oldest.sequence)
    if (row === undefined) continue
    if (holdsNobody(state, oldest.sequence)) {
      forgetRow(state, row)
      forgotten.push(oldest.sequence)
    } else kept.push(oldest)
  }
  if (kept.length > 0) settled.unshift(kept)
  return forgotten
}
