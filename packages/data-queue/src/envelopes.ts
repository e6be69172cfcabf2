import type { FhirResponse } from '@fhir-outbox/fhir-client'
import type { Failure, Outcome } from '@fhir-outbox/queue-core'
import { classify, failureOf, namesContent, outcomeOf, type Verdict } from './classify.js'
import type { Destination, Item } from './destination.js'
import { envelopeOf } from './encryption.js'
import { isObject } from './json.js'

// What is different at an endpoint that takes envelopes: nobody between here and the receiver can read what is sent, so
// a refusal is rarely about one of them.

/** The envelope of an entry, as it was stored or sealed now; or what stands in the way. */
export async function envelopeToSend(
  { entry, header }: Item,
  body: Uint8Array,
  { endpoint, gate }: Destination,
): Promise<Uint8Array | Outcome> {
  if (header.seal !== true) return body
  const { sequence, key, state } = entry
  const stays = state === 'unknown' ? 'unknown' : 'not-sent'
  if (endpoint.takes !== 'envelopes' || endpoint.sealer === undefined) {
    // It never leaves in clear.
    const failure = {
      code: 'ERR_CANNOT_ENCRYPT',
      message: 'The entry is to be sealed when it leaves, and this queue has no sealer for its endpoint.',
    }
    return { sequence, kind: stays, failure, closesGate: { failure, needsPerson: true } }
  }
  try {
    return await envelopeOf(endpoint.sealer, body, { key, destination: gate })
  } catch (error) {
    const failure = failureOf(error)
    // The one failure that is about this resource; all others are about the key and will pass.
    if (failure.code === 'ERR_TOO_LARGE') return { sequence, kind: 'rejected', failure }
    const needsPerson = failure.code !== 'ERR_KEYS_UNREACHABLE' && failure.code !== 'ERR_KEY_LOCKED'
    return { sequence, kind: stays, failure, closesGate: { failure, needsPerson } }
  }
}

/** What a failed request with an envelope means for its entry. */
export function envelopeRefusal(error: unknown, entry: Item['entry'], wasUnknown: boolean): Outcome {
  const verdict = envelopeVerdict(error)
  return verdict.kind === 'applied'
    ? { sequence: entry.sequence, kind: 'delivered', receipt: verdict.receipt }
    : outcomeOf(verdict, entry, wasUnknown)
}

function envelopeVerdict(error: unknown): Verdict {
  const verdict = classify(error)
  const failure = failureOf(error)
  const { status = 0 } = failure
  if (namesKey(failure)) {
    const closure = { failure: unknownKey(failure), needsPerson: true }
    return status >= 400
      ? { kind: 'closed', closure }
      : { kind: 'unknown', failure: closure.failure, closure }
  }
  if (status < 400 || status === 413 || status === 422 || namesContent(failure)) return verdict
  // Every envelope is as well-formed as the next: what refuses one for no reason would refuse them all.
  const blamesEntry = verdict.kind === 'rejected' || (verdict.kind === 'not-applied' && status === 400)
  return blamesEntry ? { kind: 'closed', closure: { failure, needsPerson: true } } : verdict
}

function unknownKey(failure: Failure): Failure {
  const message = 'The receiver does not know the key that the envelope was sealed for.'
  return { ...failure, code: 'ERR_UNKNOWN_KEY', message }
}

const keyWords =
  /unknown[\s_-]*(?:encryption[\s_-]*)?key|key(?:[\s_-]*id)?[\s_-]*(?:is[\s_-]*)?(?:not[\s_-]*(?:found|known|recogni[sz]ed)|unknown|invalid|revoked|retired|expired)|(?:no|invalid|unsupported|expired|revoked)[\s_-]*(?:such[\s_-]*)?(?:private[\s_-]*)?key(?:[\s_-]*id)?\b/i

/** Whether the answer is about the key. A wrong guess costs a closed gate, which a person opens again. */
function namesKey({ status, code, issues = [] }: Failure): boolean {
  if (status === undefined || status === 401 || status === 429 || code === 'ERR_UNAUTHORIZED') return false
  return issues.some(({ code: word, text = '' }) => keyWords.test(word) || keyWords.test(text))
}

/** The failure that a success tells in its body, as relays do that have flushed the status already. */
export function errorUnderSuccess({ status, body, outcome }: FhirResponse): Failure | undefined {
  const failure = { code: 'ERR_NOT_FHIR', message: 'The answer is a success that carries an error.', status }
  const issues: readonly unknown[] = Array.isArray(outcome?.issue) ? outcome.issue : []
  const severe = (issue: unknown): boolean =>
    isObject(issue) && (issue['severity'] === 'error' || issue['severity'] === 'fatal')
  if (issues.some(severe)) return failure
  // What a receiver made of a transaction that it ran.
  const answer: unknown = body.kind === 'resource' ? body.resource : undefined
  const parts: readonly unknown[] = isObject(answer) && Array.isArray(answer['entry']) ? answer['entry'] : []
  if (parts.some(isRefused)) return failure
  if (body.kind !== 'json' || !isObject(body.value)) return undefined
  const { error, errors } = body.value
  const tells = (value: unknown): boolean => value !== undefined && value !== null && value !== false
  return tells(error) || (Array.isArray(errors) && errors.length > 0) ? failure : undefined
}

function isRefused(entry: unknown): boolean {
  const response = isObject(entry) ? entry['response'] : undefined
  return isObject(response) && Number.parseInt(String(response['status']), 10) >= 400
}
