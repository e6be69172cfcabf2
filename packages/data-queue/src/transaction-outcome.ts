import type { FhirResponse } from '@fhir-outbox/fhir-client'
import type { LeasedEntry, Outcome } from '@fhir-outbox/queue-core'
import { answersOf } from './answers.js'
import type { PlanName } from './plan.js'

/**
 * What the answer to one transaction of the caller shows. A transaction that was applied answers every entry with a
 * status below 400, in the order of the request. Some servers run it as a batch and hide failed entries in a 200:
 * then the rest is applied and the failed ones are the reason of a dead letter (replaying is harmless).
 */
export function transactionOutcome(
  entry: LeasedEntry,
  entries: number,
  response: FhirResponse,
  plan: PlanName,
): Outcome {
  const { sequence } = entry
  const answers = answersOf(response)
  if (answers === undefined || answers.length !== entries) {
    return {
      sequence,
      kind: 'unknown',
      spent: true,
      failure: {
        code: 'ERR_NOT_FHIR',
        message: `The answer to the transaction does not have its ${entries} entries.`,
        status: response.status,
      },
    }
  }
  const failed = answers.flatMap(({ status }, index) =>
    status < 200 || status >= 400 ? [{ status, index }] : [],
  )
  if (failed.length > 0 && failed.every(({ status }) => status === 429 || status === 503)) {
    // Run as a batch and throttled half-way: the rest goes when it may, and what is there stays as it is.
    const message = 'The server ran the transaction as a batch and throttled a part of it.'
    const failure = { code: 'ERR_NOT_ATOMIC', message, status: failed[0]?.status ?? 429 }
    return { sequence, kind: 'unknown', failure, closesGate: { failure } }
  }
  if (failed.length > 0) {
    return {
      sequence,
      kind: 'rejected',
      failure: {
        code: 'ERR_NOT_ATOMIC',
        message: `The server ran the transaction as a batch: ${failed.length} of ${entries} entries failed.`,
        status: response.status,
        issues: failed
          .slice(0, 10)
          .map(({ status, index }) => ({ code: `http-${status}`, path: `Bundle.entry[${index}]` })),
      },
    }
  }
  const existing = answers.filter(({ status }) => status === 200).length
  return {
    sequence,
    kind: 'delivered',
    receipt: {
      status: response.status,
      plan,
      entries,
      ...(existing === entries ? { alreadyThere: true } : {}),
      ids: answers.map(({ id }) => id ?? ''),
    },
  }
}
