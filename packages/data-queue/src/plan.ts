import { askable, noEvidence, readable, scopeAllows, type Evidence } from './evidence.js'
import type { KeyPlace } from './key.js'

/**
 * How a write is made safe to repeat.
 * - `put-if-none-match`: PUT to the key as id with `If-None-Match: *`: the server refuses a second one
 * - `put-client-id`: PUT to a fixed id; a replay leaves the same content
 * - `conditional-create`: POST with `If-None-Exist` on our own key
 * - `probe`: plain POST; after a lost answer the server is asked for our key before anything is sent again
 * - `receiver-deduplicates`: the key travels inside the envelope and the receiver drops what it has
 * - `at-least-once`: nothing on the other side tells a repetition from a second write
 * - `unsupported`: the server or the granted scopes exclude it; the entry waits
 */
export type PlanName =
  | 'put-if-none-match'
  | 'put-client-id'
  | 'conditional-create'
  | 'probe'
  | 'receiver-deduplicates'
  | 'at-least-once'
  | 'unsupported'

/** Plans that a caller may force. */
export type ForcedPlan = Exclude<PlanName, 'receiver-deduplicates' | 'unsupported'>

/** A plan with the reason it was chosen, in words for a person. */
export interface Plan {
  readonly name: PlanName
  /**
   * `once`: in effect once. `once-or-parked`: once, but an answer that gets lost may need a person.
   * `may-duplicate`: twice when an answer gets lost. `nothing`: it is not sent.
   */
  readonly guarantee: 'once' | 'once-or-parked' | 'may-duplicate' | 'nothing'
  /** What happens when an answer got lost: sent again, asked about first, or left to a person. */
  readonly unknown: 'replay' | 'ask' | 'park'
  readonly reason: string
}

/** How a queue marks what it creates. `client-id` leaves content otherwise unchanged. */
export type KeyMode = 'identifier' | 'client-id'

/** What the encrypted endpoint does with a second envelope of the same resource. */
export type Receiver = 'deduplicates' | 'keeps-everything'

/** What a plan is wanted for. */
export interface PlanRequest {
  readonly interaction: 'create' | 'update' | 'delete' | 'transaction'
  /** Resource type; needed for what evidence says of types. */
  readonly type?: string
  /** Where the key is. `id` with `client-id`; absent for bytes that have no room for it. */
  readonly place?: KeyPlace | 'id'
  readonly encryptedFor?: Receiver
  /** Index of a transaction's entry whose own `ifNoneExist` does not protect it. */
  readonly doubtfulEntry?: number
  readonly forced?: ForcedPlan
}

const once = (name: PlanName, unknown: Plan['unknown'], reason: string): Plan => ({
  name,
  guarantee: 'once',
  unknown,
  reason,
})

/** The plan of one write on a server, by what is known of it. */
export function choosePlan(request: PlanRequest, evidence: Evidence = noEvidence): Plan {
  if (request.encryptedFor === 'deduplicates') {
    return once(
      'receiver-deduplicates',
      'replay',
      'The receiver behind the encrypted endpoint drops a second resource with the same key.',
    )
  }
  if (request.encryptedFor === 'keeps-everything') {
    return {
      name: 'at-least-once',
      guarantee: 'may-duplicate',
      unknown: 'replay',
      reason: 'The receiver behind the encrypted endpoint keeps every envelope it gets.',
    }
  }
  const excluded = exclusion(request, evidence)
  if (excluded !== undefined) {
    return { name: 'unsupported', guarantee: 'nothing', unknown: 'ask', reason: excluded }
  }
  switch (request.interaction) {
    case 'transaction':
      return transactionPlan(request, evidence)
    case 'update':
      return once(
        'put-client-id',
        'replay',
        'The resource has an id: repeating the same PUT leaves the same content.',
      )
    case 'delete':
      return once('put-client-id', 'replay', 'What is deleted stays deleted when it is deleted again.')
    case 'create':
      return request.forced === undefined
        ? createPlan(request, evidence)
        : forcedPlan(request.forced, request, evidence)
  }
}

/** Why the server will not take it, in words; `undefined` when nothing is known against it. */
function exclusion({ interaction, type, place }: PlanRequest, evidence: Evidence): string | undefined {
  if (type === undefined || interaction === 'transaction') return undefined
  const letter = interaction === 'create' ? 'c' : interaction === 'update' ? 'u' : 'd'
  // A create may also travel as an update to an id of ours.
  const byScope = (one: string): boolean => scopeAllows(evidence.scopes, type, one) === false
  if (byScope(letter) && !(interaction === 'create' && !byScope('u'))) {
    return `The granted scopes do not allow to ${interaction} ${type}.`
  }
  if (evidence.types === undefined) return undefined
  const known = evidence.types[type]
  if (known === undefined) return `The server's CapabilityStatement does not list ${type}.`
  if (interaction === 'create' && known.create === false && known.updateCreate !== true) {
    return `The server's CapabilityStatement does not let anybody create a ${type}.`
  }
  if ((interaction === 'update' || place === 'id') && known.update === false) {
    return `The server's CapabilityStatement does not let anybody update a ${type}.`
  }
  return undefined
}

function createPlan(request: PlanRequest, evidence: Evidence): Plan {
  const { type = '', place } = request
  const { canaries, learned } = evidence
  const known = evidence.types?.[type]
  const tried = learned.types?.[type]
  const mayCreate = known?.create !== false && scopeAllows(evidence.scopes, type, 'c') !== false
  const mayPut =
    tried?.clientIds !== false && known?.update !== false && scopeAllows(evidence.scopes, type, 'u') !== false
  const again = readable(evidence, type) ? 'ask' : 'replay'
  if (mayPut && canaries?.clientIds === true) {
    return canaries.ifNoneMatch === true
      ? once(
          'put-if-none-match',
          'replay',
          'Tried out: the server takes ids of ours and refuses a second PUT with If-None-Match.',
        )
      : once(
          'put-client-id',
          again,
          'Tried out: the server takes ids of ours; repeating the same PUT leaves the same content.',
        )
  }
  if (place === 'id' || place === undefined || !mayCreate) {
    if (mayPut && (place === 'id' || known?.updateCreate === true || !mayCreate)) {
      return once(
        'put-client-id',
        again,
        'The key is the id: repeating the same PUT leaves the same content.',
      )
    }
    return parked('There is no room for a key in it, and the server is not known to take ids of ours.')
  }
  const ask = askable(evidence, type, place)
  if (tried?.conditionalCreate !== false && canaries?.conditionalCreate !== false) {
    if (canaries?.conditionalCreate === true) {
      return once(
        'conditional-create',
        'replay',
        'Tried out: creating twice under one condition creates once.',
      )
    }
    if (known?.conditionalCreate === true) {
      return once(
        'conditional-create',
        ask === 'no' ? 'replay' : 'ask',
        ask === 'no'
          ? 'The server says that it honours If-None-Exist; it cannot be asked, so its word is all there is.'
          : 'The server says that it honours If-None-Exist; it is asked for our key before anything is sent again.',
      )
    }
    if (known?.conditionalCreate === undefined && evidence.statement === 'unreadable') {
      return {
        name: 'conditional-create',
        guarantee: ask === 'proven' ? 'once' : 'once-or-parked',
        unknown: ask === 'no' ? 'park' : 'ask',
        reason:
          'Nothing is known of the server. It gets a condition, and is asked for our key before anything is sent again.',
      }
    }
  }
  if (mayPut && known?.updateCreate === true && canaries?.clientIds !== false) {
    return once(
      'put-client-id',
      again,
      'The server says that it takes ids of ours; repeating the same PUT leaves the same content.',
    )
  }
  if (ask !== 'no') {
    return ask === 'proven'
      ? once(
          'probe',
          'ask',
          'The server honours no condition; it is asked for our key before anything is sent again.',
        )
      : {
          name: 'probe',
          guarantee: 'once-or-parked',
          unknown: 'ask',
          reason:
            'The server honours no condition. It is asked for our key, but an empty answer proves nothing yet.',
        }
  }
  return parked('The server honours no condition and cannot be asked for our key.')
}

function parked(why: string): Plan {
  return {
    name: 'at-least-once',
    guarantee: 'once-or-parked',
    unknown: 'park',
    reason: `${why} When an answer gets lost, a person decides.`,
  }
}

function forcedPlan(name: ForcedPlan, { type = '', place }: PlanRequest, evidence: Evidence): Plan {
  const reason = 'This plan was asked for by option.'
  if (name === 'at-least-once') return { name, guarantee: 'may-duplicate', unknown: 'replay', reason }
  if (name === 'probe' || name === 'conditional-create') {
    if (place === undefined || place === 'id') return parked('There is no room for a key in it.')
    const ask = askable(evidence, type, place)
    if (name === 'conditional-create') return once(name, ask === 'no' ? 'replay' : 'ask', reason)
    return ask === 'no' ? parked('The server cannot be asked for our key.') : once(name, 'ask', reason)
  }
  return once(name, name === 'put-if-none-match' || !readable(evidence, type) ? 'replay' : 'ask', reason)
}

function transactionPlan({ place, doubtfulEntry }: PlanRequest, evidence: Evidence): Plan {
  const atomic = runsAtomically(evidence, false)
  if (doubtfulEntry !== undefined) {
    return {
      name: 'at-least-once',
      guarantee: 'once-or-parked',
      unknown: 'park',
      reason: `The resource of entry ${doubtfulEntry} does not meet its own ifNoneExist: repeating the transaction creates it again. When an answer gets lost, a person decides.`,
    }
  }
  if (place === 'id')
    return once(
      'put-client-id',
      'replay',
      'Every entry has an id: repeating the transaction leaves the same content.',
    )
  return atomic
    ? once('conditional-create', 'ask', 'The server runs it as one; one of its resources tells about all.')
    : once('conditional-create', 'replay', 'Every entry is created only if the server has none with its key.')
}

/** Whether a transaction is known to be all or nothing; `trusted` takes the server's word for it. */
export function runsAtomically({ canaries, learned, transaction }: Evidence, trusted: boolean): boolean {
  if (learned.notAtomic === true || learned.noBundles === true || canaries?.transaction === false)
    return false
  return canaries?.transaction === true || (trusted && transaction === true)
}
