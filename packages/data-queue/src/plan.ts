/**
 * How a write is made safe to repeat.
 * - `conditional-create`: POST with `If-None-Exist` on our own key. Once in effect, provided that the server
 *   honours the header; only one request per lane is ever in flight, so the server's own race needs a second
 *   sender.
 * - `put-client-id`: PUT to a fixed id. Once in effect; a replay may overwrite what somebody else wrote there
 *   in the meantime.
 * - `receiver-deduplicates`: the key travels inside the envelope and the receiver drops what it has.
 * - `at-least-once`: nothing on the other side tells a repetition from a second write. May duplicate.
 */
export type PlanName = 'conditional-create' | 'put-client-id' | 'receiver-deduplicates' | 'at-least-once'

/** A plan with the reason it was chosen, in words for a person. */
export interface Plan {
  readonly name: PlanName
  readonly guarantee: 'once' | 'may-duplicate'
  readonly reason: string
}

/** How a queue marks what it creates. `client-id` leaves content otherwise unchanged. */
export type KeyMode = 'identifier' | 'client-id'

/** What the encrypted endpoint does with a second envelope of the same resource. */
export type Receiver = 'deduplicates' | 'keeps-everything'

/** The plan of one write. */
export function choosePlan(write: {
  readonly interaction: 'create' | 'update' | 'transaction'
  readonly keyMode: KeyMode
  readonly encryptedFor?: Receiver
  /** Index of a transaction's entry whose own `ifNoneExist` does not protect it. */
  readonly doubtfulEntry?: number
}): Plan {
  if (write.encryptedFor === 'deduplicates') {
    return {
      name: 'receiver-deduplicates',
      guarantee: 'once',
      reason: 'The receiver behind the encrypted endpoint drops a second resource with the same key.',
    }
  }
  if (write.encryptedFor === 'keeps-everything') {
    return {
      name: 'at-least-once',
      guarantee: 'may-duplicate',
      reason: 'The receiver behind the encrypted endpoint keeps every envelope it gets.',
    }
  }
  if (write.doubtfulEntry !== undefined) {
    return {
      name: 'at-least-once',
      guarantee: 'may-duplicate',
      reason: `The resource of entry ${write.doubtfulEntry} does not meet its own ifNoneExist: repeating the transaction creates it again.`,
    }
  }
  if (write.interaction === 'update') {
    return {
      name: 'put-client-id',
      guarantee: 'once',
      reason: 'The resource has an id: repeating the same PUT leaves the same content.',
    }
  }
  if (write.keyMode === 'client-id') {
    return {
      name: 'put-client-id',
      guarantee: 'once',
      reason: 'The key is the id: repeating the same PUT leaves the same content.',
    }
  }
  return {
    name: 'conditional-create',
    guarantee: 'once',
    reason:
      'The key is written into the resource and the server creates it only if it has none with that key.',
  }
}
