import type { DeadReason, EntryState } from '../storage-port.js'

/** State of a row; 0 marks a row whose entry was forgotten. */
export const FORGOTTEN = 0
export const WAITING = 1
export const UNKNOWN = 2
export const REJECTED = 3
export const PARKED = 4
export const EXPIRED = 5
export const DELIVERED = 6
export const DISCARDED = 7
export const QUARANTINED = 8

/** How many codes there are. */
export const stateCodes = 9

const stateNames: readonly (EntryState | undefined)[] = [
  undefined,
  'waiting',
  'unknown',
  'dead',
  'dead',
  'dead',
  'delivered',
  'discarded',
  'quarantined',
]
const deadReasons: readonly DeadReason[] = ['rejected', 'parked', 'expired']

export function stateName(code: number): EntryState | undefined {
  return stateNames[code]
}

export function deadReasonOf(code: number): DeadReason | undefined {
  return deadReasons[code - REJECTED]
}

export function stateCode(state: EntryState, reason: DeadReason | undefined): number {
  if (state === 'dead') return REJECTED + deadReasons.indexOf(reason ?? 'rejected')
  return stateNames.indexOf(state)
}

export function isDead(code: number): boolean {
  return code >= REJECTED && code <= EXPIRED
}

/** Waiting in the sense of the audit: still to be delivered. */
export function isPending(code: number): boolean {
  return code === WAITING || code === UNKNOWN
}

/** Entries in these states stop whatever is `after` them. */
export function stops(code: number): boolean {
  return isDead(code) || code === DISCARDED || code === QUARANTINED
}
