import type { Failure } from '@fhir-outbox/queue-core'
import { exitCodeFor } from '../agent-error.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import type { Delivery } from '../queue/deliver.js'
import { adviceFor } from './advice.js'
import { remark, report, type Console } from './console.js'

/** Prints what became of the entries and says so with the exit code. */
export function reportDelivery(console: Console, delivery: Delivery): ExitCode {
  const { delivered, waiting, rejected, blockedBy } = delivery
  for (const { sequence, failure } of rejected) {
    const words = failure.issues?.flatMap(({ text: said }) => (said === undefined ? [] : [said])) ?? []
    report(
      console,
      'rejected',
      { sequence, failure },
      `entry ${sequence} was refused: ${[failure.message, ...words].join(' ')}`,
    )
  }
  report(
    console,
    'summary',
    { delivered, waiting, rejected: rejected.length, ...(blockedBy === undefined ? {} : { blockedBy }) },
    [
      `${delivered} delivered`,
      ...(waiting > 0 ? [`${waiting} waiting`] : []),
      ...(rejected.length > 0 ? [`${rejected.length} refused and kept as dead letters`] : []),
    ].join(', '),
  )
  if (waiting > 0) remark(console, whyWaiting(blockedBy))
  if (rejected.length > 0) return exitCodes.rejected
  if (waiting > 0 && exitCodeFor(blockedBy?.code) === exitCodes.credentials) return exitCodes.credentials
  return exitCodes.ok
}

function whyWaiting(failure: Failure | undefined): string {
  if (failure === undefined)
    return 'Waiting because: it takes longer; it goes on with the next flush, send or run.'
  const { code, message } = failure
  const what = adviceFor(code)
  return `Waiting because: ${message} (${code})${what === undefined ? '' : `\n  ${what}`}`
}
