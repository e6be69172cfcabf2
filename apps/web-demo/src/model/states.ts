import type { DeadReason, EntrySummary } from '@fhir-outbox/queue-core'

/** Where an entry is, in the words of the screens. */
export type DisplayState =
  'waiting' | 'sending' | 'unknown' | 'held' | 'delivered' | 'dead' | 'discarded' | 'quarantined'

export function displayState(entry: EntrySummary): DisplayState {
  const { state } = entry
  if (state !== 'waiting' && state !== 'unknown') return state
  if (entry.leased) return 'sending'
  if (state === 'waiting' && entry.heldBy !== undefined) return 'held'
  return state
}

export const stateNames: Readonly<Record<DisplayState, string>> = {
  waiting: 'Waiting',
  sending: 'Sending',
  unknown: 'Unknown',
  held: 'Held',
  delivered: 'Delivered',
  dead: 'Dead letter',
  discarded: 'Discarded',
  quarantined: 'Damaged',
}

/** What a person may decide about an entry. */
export type Decision = 'redrive' | 'discard' | 'withdraw' | 'assumeDelivered'

/** What is under way, or may have arrived, is not taken back. */
export function decisionsFor(state: DisplayState, deadReason?: DeadReason): readonly Decision[] {
  if (state === 'dead') {
    return deadReason === 'parked' ? ['redrive', 'assumeDelivered', 'discard'] : ['redrive', 'discard']
  }
  return state === 'waiting' || state === 'held' ? ['withdraw'] : []
}

/** Whether the entry still has a way to go, or waits for a decision. */
export function isOpen(state: DisplayState): boolean {
  return state !== 'delivered' && state !== 'discarded'
}
