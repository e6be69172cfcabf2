import { QueueError } from './errors.js'

/*
 * What every storage refuses in the same words. For adapters, so that none of them has to repeat it.
 */

/** `ERR_STORAGE_CLOSED`: used after `close`. */
export function storageClosed(): QueueError {
  return new QueueError('ERR_STORAGE_CLOSED', 'the storage is closed', { hint: 'Open it again.' })
}

/** `ERR_LEASE_LOST`: the lease expired or ended, or somebody else drains. */
export function leaseLost(message = 'this handle does not hold the lease any more'): QueueError {
  return new QueueError('ERR_LEASE_LOST', message, {
    hint: 'Drop the result: whoever holds the lane now will find out about these entries.',
  })
}

/** `ERR_WRONG_STATE`: the decision does not fit. `wanted` says what the entry is not, e.g. `not dead`. */
export function wrongState(sequence: number, state: string, wanted: string): QueueError {
  return new QueueError('ERR_WRONG_STATE', `entry ${sequence} is ${state}, ${wanted}`, {
    hint: 'Read the entry again and decide on what it is now.',
  })
}

/** `ERR_NOTE_CONFLICT`: somebody else has put the note. */
export function noteConflict(version: number, expected: number): QueueError {
  return new QueueError('ERR_NOTE_CONFLICT', `the note has version ${version}, not ${expected}`, {
    hint: 'Read the note again, apply the change to what it says now, and put it with that version.',
  })
}

/** `ERR_QUEUE_FULL`: a limit would be passed, or there is no room. */
export function queueFull(message: string, cause?: unknown): QueueError {
  return new QueueError('ERR_QUEUE_FULL', message, {
    hint: 'Nothing was stored. Deliver or discard entries, free space, or raise the limits.',
    cause,
  })
}
