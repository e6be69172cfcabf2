import { exitCodeFor } from '../agent-error.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import type { Delivery } from '../queue/deliver.js'
import { adviceFor } from './advice.js'
import { remark, report, type Console } from './console.js'
import { sentence, wordsOfServer } from './failure.js'

/** Prints what became of the entries and says so with the exit code. */
export function reportDelivery(console: Console, delivery: Delivery): ExitCode {
  const { delivered, waiting, rejected, blockedBy } = delivery
  for (const { sequence, failure } of rejected) {
    report(
      console,
      'rejected',
      { sequence, failure },
      `entry ${sequence} was refused: ${[failure.message, ...wordsOfServer(failure)].join(' ')}`,
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
  if (waiting > 0) remark(console, whyWaiting(delivery))
  if (rejected.length > 0) return exitCodes.rejected
  if (waiting > 0 && exitCodeFor(blockedBy?.code) === exitCodes.credentials) return exitCodes.credentials
  return exitCodes.ok
}

function whyWaiting({ delivered, rejected, blockedBy }: Delivery): string {
  if (blockedBy === undefined) {
    const heard = delivered + rejected.length > 0
    return `Waiting because: ${heard ? 'the time was over' : 'the server had not answered when the time was over'}.\n  It goes on with the next flush, send or run.`
  }
  const advice = adviceFor(blockedBy)
  return [
    `Waiting because: ${sentence(blockedBy.message)} (${blockedBy.code})`,
    ...wordsOfServer(blockedBy).map((said) => `It says: ${said}`),
    ...(advice === undefined ? [] : [advice]),
  ].join('\n  ')
}
