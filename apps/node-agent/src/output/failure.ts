import type { Failure, GateStatus } from '@fhir-outbox/queue-core'
import { adviceFor } from './advice.js'
import { age } from './entry.js'

/** What the server said about it, a text each. It may quote the entry. */
export function wordsOfServer({ issues = [] }: Pick<Failure, 'issues'>): readonly string[] {
  return issues.flatMap(({ text }) => (text === undefined || text === '' ? [] : [text]))
}

/** A sentence that an outbox may have begun in lower case. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}

/** That a destination is closed, for whoever reads the log of a daemon: no word of the server's, no path. */
export function closedWords(
  { gate, failure, nextTrialInMs }: Omit<GateStatus, 'state'>,
  waiting: number,
): string {
  const { code = 'unknown reason', status } = failure ?? {}
  const advice = failure === undefined ? undefined : adviceFor(failure)
  const again = nextTrialInMs === undefined ? '' : ` It is tried again in ${age(nextTrialInMs)}.`
  return [
    `${gate} cannot be delivered to now (${code}${status === undefined ? '' : `, status ${status}`}); ${waiting} waiting.${again}`,
    ...(advice === undefined ? [] : [advice]),
  ].join('\n  ')
}
