import type { Entry, QueueStorage } from '../storage-port.js'
import { sealedNoteName, isPlainName, sealedHashKeyIn } from './foundation.js'
import { recordsOf } from './record.js'

const pageLength = 100

function recordsOfEntry({ header, payload, note, mark }: Entry): Uint8Array[] {
  const rest = [note, mark?.info].filter((bytes) => bytes !== undefined)
  try {
    const [head, content] = recordsOf({ header, payload: payload ?? new Uint8Array(0) })
    // Of a settled entry only the head is left.
    return payload === undefined ? [head, ...rest] : [head, content, ...rest]
  } catch {
    // Damaged: no key opens it, so it needs none.
    return rest
  }
}

/**
 * Every record of a sealed storage as the cipher made it, read page by page from the storage below: what to count
 * before a key is deleted after a rotation. Marks of entries that are being delivered are missing, because no
 * storage shows them: ask while nothing is under way. Named notes are missing where the storage cannot list them.
 *
 * @example
 * const counts = await keysInUse(sealedRecords(await openFsStorage({ directory })))
 */
export async function* sealedRecords(storage: QueueStorage): AsyncGenerator<Uint8Array> {
  for (const name of (await storage.notes.names?.()) ?? [sealedNoteName]) {
    if (isPlainName(name) && name !== sealedNoteName) continue
    const note = await storage.notes.get(name)
    if (note !== undefined) yield name === sealedNoteName ? sealedHashKeyIn(note.bytes) : note.bytes
  }
  for (let after = 0; ;) {
    const page = await storage.list({ after, limit: pageLength })
    for (const { sequence } of page) {
      const entry = await storage.read(sequence)
      if (entry !== undefined) yield* recordsOfEntry(entry)
    }
    const last = page.at(-1)
    if (last === undefined) return
    after = last.sequence
  }
}
