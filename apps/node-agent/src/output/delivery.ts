import { exitCodeFor } from '../agent-error.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import type { Delivery } from '../queue/deliver.js'
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
  if (waiting > 0 && blockedBy !== undefined) remark(console, `Waiting because: ${blockedBy.message}`)
  if (rejected.length > 0) return exitCodes.rejected
  if (waiting > 0 && exitCodeFor(blockedBy?.code) === exitCodes.credentials) return exitCodes.credentials
  return exitCodes.ok
}
