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

  function isOver(at: number): boolean {
    return settled.size > retention.maxCount || now - at > retention.maxAgeMs
  }

  function forget(sequence: number): void {
    const row = rowFor(state, sequence)
    if (row === undefined) return
    forgetRow(state, row)
    forgotten.push(sequence)
  }

  // Few, and never copied with the others: this is asked with every append.
  for (const { sequence, at } of settled.aside()) {
    if (!isOver(at) || !holdsNobody(state, sequence)) continue
    settled.dropAside(sequence)
    forget(sequence)
  }
  for (let oldest = settled.first(); oldest !== undefined && isOver(oldest.at); oldest = settled.first()) {
    if (holdsNobody(state, oldest.sequence)) {
      settled.shift()
      forget(oldest.sequence)
    } else settled.setAside()
  }
  return forgotten
}
