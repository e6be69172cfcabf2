import { createDossier, type Evidence } from '@fhir-outbox/data-queue'
import type { FhirClient } from '@fhir-outbox/fhir-client'
import {
  memoryStorage,
  noteConflict,
  sealedNoteName,
  sealStorage,
  type NoteStore,
} from '@fhir-outbox/queue-core'
import { inspectFsStorage } from '@fhir-outbox/storage-fs'
import type { Home } from '../config/load.js'
import { isMissing, queueFolder } from './open.js'
import { cipherOf } from './sealing.js'

/** What the stored queue knows of a server. */
export interface Knowledge {
  /** `none`: there is no queue yet. `sealed`: the settings have no key for it. */
  readonly state: 'read' | 'none' | 'sealed' | 'unreadable'
  /** Why it could not be read. */
  readonly error?: unknown
  /** Absent when it has never asked that server. */
  readonly evidence?: Evidence
}

/**
 * Reads what the queue knows of the client's server, also beside the process that uses it. Changes nothing, makes no
 * queue, takes no lock, and asks no server.
 */
export async function knowledgeOf(home: Home, client: FhirClient): Promise<Knowledge> {
  if (await isMissing(home)) return { state: 'none' }
  try {
    const notes = await notesOf(home)
    if (notes === 'sealed') return { state: 'sealed' }
    const evidence = await createDossier({ client, notes, now: Date.now, changed: () => undefined }).load()
    return { state: 'read', ...(evidence.at === '' ? {} : { evidence }) }
  } catch (error) {
    return { state: 'unreadable', error }
  }
}

/** Opens what stands in the notes, or says that it cannot without the key. Nothing below is ever written. */
async function notesOf(home: Home): Promise<NoteStore | 'sealed'> {
  const { notes, stats } = await inspectFsStorage(queueFolder(home))
  const isSealed = notes.has(sealedNoteName)
  if (home.sealing === undefined) return isSealed ? 'sealed' : picture(notes)
  const cipher = await cipherOf(home.sealing)
  // Nothing is in it yet, and sealing would begin with a note.
  if (!isSealed && stats.accepted === 0) return picture(notes)
  const below = { ...memoryStorage(), notes: picture(notes), stats: async () => stats }
  return sealStorage(below, cipher).notes
}

/** The notes of that moment. Whoever puts one learns that somebody else was faster. */
function picture(notes: ReadonlyMap<string, Uint8Array>): NoteStore {
  return {
    get: async (name) => {
      const bytes = notes.get(name)
      return bytes === undefined ? undefined : { bytes, version: 1 }
    },
    put: async (_name, _bytes, expected) => {
      throw noteConflict(1, expected)
    },
    names: async () => [...notes.keys()],
  }
}
