import { parseNote, type EntryState, type EntrySummary } from '@fhir-outbox/queue-core'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'
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
  const { sequence, key, lane, gate, attempts, ageMs, payloadBytes, heldBy } = entry
  const write = describeHeader(entry.header)
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
    {
      sequence,
      key,
      state: entry.state,
      lane,
      gate,
      ...write,
      attempts,
      ageMs,
      payloadBytes,
      ...(heldBy === undefined ? {} : { heldBy }),
      ...(note === undefined ? {} : { note: note.kind === 'failure' ? note.failure : note }),
    },
    [
      sequence,
      entry.state.padEnd(9),
      `${write.method} ${write.path}`.padEnd(28),
      age(ageMs).padStart(6),
      detail,
    ].join('  '),
  )
}

/** The stored header is JSON of the data queue; what cannot be read is shown as such. */
function describeHeader(header: Uint8Array): { readonly method: string; readonly path: string } {
  try {
    const { method, path } = JSON.parse(new TextDecoder().decode(header)) as {
      method?: unknown
      path?: unknown
    }
    return { method: String(method), path: `/${String(path)}` }
  } catch {
    return { method: '?', path: '?' }
  }
}

function age(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
