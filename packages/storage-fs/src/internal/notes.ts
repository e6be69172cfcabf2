import { checkNote, checkNoteName, noteConflict, type NoteStore } from '@fhir-outbox/queue-core'
import { NOTE } from './records.js'
import { requireOpen, type Store } from './store.js'

/** Queues the record of a note; the catalog follows when it is in the file. Resolves when it is durable. */
export function writeNote(
  store: Store,
  name: string,
  version: number,
  bytes: Uint8Array,
  replaces: number | undefined,
): Promise<void> {
  const { catalog, writer } = store
  writer.push({
    type: NOTE,
    sequence: 0,
    at: store.clock(),
    meta: (into) => {
      into.text(name)
      into.u64(version)
    },
    data: bytes,
    written: (location) => {
      // A copy made by compaction must not hide a newer note.
      if (replaces !== undefined && catalog.notes.get(name)?.location !== replaces) return
      catalog.notes.set(name, { version, location })
    },
  })
  return writer.sync()
}

export function createNotes(store: Store): Required<NoteStore> {
  const { catalog } = store
  let queue: Promise<unknown> = Promise.resolve()

  async function put(name: string, bytes: Uint8Array, expectedVersion: number): Promise<number> {
    store.writer.check()
    const version = catalog.notes.get(name)?.version ?? 0
    if (version !== expectedVersion) throw noteConflict(version, expectedVersion)
    await writeNote(store, name, version + 1, bytes, undefined)
    return version + 1
  }

  return {
    get: async (name) => {
      requireOpen(store)
      checkNoteName(name)
      for (;;) {
        const note = catalog.notes.get(name)
        if (note === undefined) return undefined
        try {
          const { data } = await store.files.reader().frame(note.location, 4096)
          return { bytes: data.slice(), version: note.version }
        } catch (error) {
          // Compaction moved it while we were reading.
          if (catalog.notes.get(name) === note) throw error
        }
      }
    },
    names: async () => {
      requireOpen(store)
      return [...catalog.notes.keys()]
    },
    put: async (name, bytes, expectedVersion) => {
      requireOpen(store)
      checkNoteName(name)
      checkNote(bytes)
      const copy = bytes.slice()
      const turn = queue.then(() => put(name, copy, expectedVersion))
      queue = turn.catch(() => undefined)
      return await turn
    },
  }
}
