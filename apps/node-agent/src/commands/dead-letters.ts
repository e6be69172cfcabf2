import { parseNote } from '@fhir-outbox/queue-core'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'
import { wordsOfServer } from '../output/failure.js'
import { age, describeWrite, entryFacts } from '../output/entry.js'
import { entriesOf, withPicture } from '../queue/look.js'

/** The dead letters with what the server said. */
export async function listDeadLetters(
  home: Home,
  { limit }: { limit: number },
  console: Console,
): Promise<ExitCode> {
  return withPicture(home, async (outbox) => {
    const entries = await entriesOf(outbox, 'dead', limit)
    for (const entry of entries) {
      const { method, path } = describeWrite(entry.header)
      const note = parseNote(entry.note)
      const failure = note?.kind === 'failure' ? note.failure.failure : undefined
      report(
        console,
        'dead-letter',
        entryFacts(entry),
        [
          `${entry.sequence}  ${method} ${path}  ${age(entry.ageMs)}  ${failure?.message ?? entry.deadReason ?? ''}`,
          ...wordsOfServer(failure ?? {}),
        ].join('\n    '),
      )
    }
    if (entries.length === 0) remark(console, 'No dead letters.')
    return exitCodes.ok
  })
}
