import { parseNote, type EntryState, type EntrySummary } from '@fhir-outbox/queue-core'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'
import { age, describeWrite, entryFacts } from '../output/entry.js'
import { entriesOf, withPicture } from '../queue/look.js'

export interface ListOptions {
  readonly state?: EntryState
  readonly limit: number
}

/** The entries of the queue, oldest first. Never their content. */
export async function list(home: Home, options: ListOptions, console: Console): Promise<ExitCode> {
  const { state, limit } = options
  return withPicture(home, async (outbox) => {
    const entries = await entriesOf(outbox, state, limit)
    for (const entry of entries) reportEntry(console, entry)
    if (entries.length === 0) remark(console, 'No entries.')
    return exitCodes.ok
  })
}

function reportEntry(console: Console, entry: EntrySummary): void {
  const { method, path } = describeWrite(entry.header)
  const note = parseNote(entry.note)
  const detail =
    note?.kind === 'failure'
      ? note.failure.failure.code
      : note?.kind === 'receipt' && note.receipt.id !== undefined
        ? note.receipt.id
        : ''
  report(
    console,
    'entry',
    entryFacts(entry),
    [
      entry.sequence,
      entry.state.padEnd(9),
      `${method} ${path}`.padEnd(28),
      age(entry.ageMs).padStart(6),
      detail,
    ].join('  '),
  )
}
