import type { EntryView } from '../src/queue/view.js'

/** A waiting entry, but for what is said of it. */
export function entry(changes: Partial<EntryView>): EntryView {
  return {
    sequence: 1,
    state: 'waiting',
    lane: 'a',
    gate: 'g',
    acceptedAt: 0,
    attempts: 0,
    payloadBytes: 1,
    ...changes,
  }
}
