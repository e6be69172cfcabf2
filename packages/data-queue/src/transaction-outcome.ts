import type { LeasedEntry, Outcome } from '@fhir-outbox/queue-core'
import type { FhirResponse } from '@fhir-outbox/fhir-client'
import { isObject } from './json.js'

/**
 * What the answer to one transaction shows. A transaction that was applied answers every entry with a status
 * below 400, in the order of the request. Some servers run it as a batch and hide failed entries in a 200:
 * then the rest is applied and the failed ones are the reason of a dead letter (replaying is harmless).
 */
export function transactionOutcome(entry: LeasedEntry, entries: number, response: FhirResponse): Outcome {
  const { sequence } = entry
  const answers = answersOf(response.resource)
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
      entries,
      ...(existing === entries ? { alreadyThere: true } : {}),
      ids: answers.map(({ location }) => location ?? ''),
    },
  }
}

function answersOf(resource: unknown): readonly { status: number; location?: string }[] | undefined {
  if (!isObject(resource) || !Array.isArray(resource['entry'])) return undefined
  return resource['entry'].map((one: unknown) => {
    const response = isObject(one) ? one['response'] : undefined
    if (!isObject(response)) return { status: 0 }
    const location = response['location']
    return {
      // "201" and "201 Created" are both in the field.
      status: Number.parseInt(String(response['status']), 10) || 0,
      ...(typeof location === 'string' ? { location } : {}),
    }
  })
}
