import { parseNote, type Entry } from '@fhir-outbox/queue-core'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { wordsOfServer } from '../output/failure.js'
import { age, describeWrite, entryFacts, historyLines } from '../output/entry.js'
import { readEntry, withPicture } from '../queue/look.js'

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
  return withPicture(home, async (outbox) => {
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
        `  accepted ${age(entry.ageMs)} ago, ${entry.attempts} failed ${entry.attempts === 1 ? 'attempt' : 'attempts'}, ${entry.payloadBytes} bytes`,
        ...historyLines(entry).map((line) => `  ${line}`),
        ...saidOf(entry).map((said) => `  It said: ${said}`),
        ...(text === undefined ? [] : [text]),
        ...(content && text === undefined ? ['  Its content is gone: it went when that was settled.'] : []),
      ].join('\n'),
    )
    return exitCodes.ok
  })
}

function saidOf({ note: bytes }: Entry): readonly string[] {
  const note = parseNote(bytes)
  return note?.kind === 'failure' ? wordsOfServer(note.failure.failure) : []
}
