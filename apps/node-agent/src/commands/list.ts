import { parseNote, type EntryState, type EntrySummary } from '@fhir-outbox/queue-core'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'
import { age, describeWrite, entryFacts } from '../output/entry.js'
import { openStorage } from '../queue/open.js'

export interface ListOptions {
  readonly state?: EntryState
  readonly limit: number
}

/** The entries of the queue, oldest first. Never their content. */
export async function list(
  home: Pick<Settings, 'directory'>,
  options: ListOptions,
  console: Console,
): Promise<ExitCode> {
  const storage = await openStorage(home)
  const { state, limit } = options
  try {
    let after = 0
    let left = limit
    while (left > 0) {
      const page = await storage.list({
        ...(state === undefined ? {} : { state }),
        after,
        limit: Math.min(left, 500),
      })
      for (const entry of page) reportEntry(console, entry)
      const last = page.at(-1)
      if (last === undefined) break
      after = last.sequence
      left -= page.length
    }
    if (left === limit) remark(console, 'No entries.')
    return exitCodes.ok
  } finally {
    await storage.close()
  }
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
