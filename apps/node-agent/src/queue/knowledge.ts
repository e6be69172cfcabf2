import { createDossier, type Evidence } from '@fhir-outbox/data-queue'
import type { FhirClient } from '@fhir-outbox/fhir-client'
import type { NoteStore } from '@fhir-outbox/queue-core'
import { inspectFsStorage } from '@fhir-outbox/storage-fs'
import type { Home } from '../config/load.js'
import { describeError } from '../output/console.js'
import { isMissing, openStorage, queueFolder } from './open.js'

/** What the stored queue knows of a server. */
export interface Knowledge {
  /** `none`: there is no queue yet. `in-use`: it is sealed, and another process has it. */
  readonly state: 'read' | 'none' | 'in-use' | 'unreadable'
  /** Why it could not be read. */
  readonly error?: unknown
  /** Absent when it has never asked that server. */
  readonly evidence?: Evidence
}

/** Reads what the queue knows of the client's server. Changes nothing, makes no queue, and asks no server. */
export async function knowledgeOf(home: Home, client: FhirClient): Promise<Knowledge> {
  if (await isMissing(home)) return { state: 'none' }
  try {
    const evidence = await withNotes(home, (notes) =>
      createDossier({ client, notes, now: Date.now, changed: () => undefined }).load(),
    )
    return { state: 'read', ...(evidence.at === '' ? {} : { evidence }) }
  } catch (error) {
    const inUse = describeError(error).code === 'ERR_STORAGE_LOCKED'
    return { state: inUse ? 'in-use' : 'unreadable', error }
  }
}

/** Notes are read beside the process that uses the queue; sealed ones need the queue, whose keys are among them. */
async function withNotes<T>(home: Home, read: (notes: NoteStore) => Promise<T>): Promise<T> {
  if (home.sealing === undefined) {
    const { notes } = await inspectFsStorage(queueFolder(home))
    return await read({
      get: async (name) => {
        const bytes = notes.get(name)
        return bytes === undefined ? undefined : { bytes, version: 1 }
      },
      put: async () => 1,
    })
  }
  const storage = await openStorage(home)
  try {
    return await read(storage.notes)
  } finally {
    await storage.close()
  }
}
