import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { age, describeWrite, entryFacts, historyLines } from '../output/entry.js'
import { readEntry, withOutbox } from '../queue/look.js'

export interface ShowOptions {
  readonly sequence: number
  /** Print the content too: it is health data. */
  readonly content: boolean
}

/** Everything about one entry. */
export async function show(
  home: Home,
  { sequence, content }: ShowOptions,
  console: Console,
): Promise<ExitCode> {
  return withOutbox(home, async (outbox) => {
    const entry = await readEntry(outbox, sequence)
    const { method, path } = describeWrite(entry.header)
    const text = content && entry.payload !== undefined ? new TextDecoder().decode(entry.payload) : undefined
    report(
      console,
      'entry',
      { ...entryFacts(entry), ...(text === undefined ? {} : { content: text }) },
      [
        `${entry.sequence}  ${entry.state}${entry.deadReason === undefined ? '' : ` (${entry.deadReason})`}`,
        `  ${method} ${path} to ${entry.gate}`,
        `  lane ${entry.lane}, key ${entry.key}`,
        `  accepted ${age(entry.ageMs)} ago, ${entry.attempts} attempts, ${entry.payloadBytes} bytes`,
        ...historyLines(entry).map((line) => `  ${line}`),
        ...(text === undefined ? [] : [text]),
        ...(content && text === undefined ? ['  Its content is gone: it went when that was settled.'] : []),
      ].join('\n'),
    )
    return exitCodes.ok
  })
}
