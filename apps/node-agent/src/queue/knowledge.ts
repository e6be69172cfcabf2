import { createDossier, type Evidence } from '@fhir-outbox/data-queue'
import type { FhirClient } from '@fhir-outbox/fhir-client'
import type { Home } from '../config/load.js'
import { describeError } from '../output/console.js'
import { isMissing, openStorage } from './open.js'

/** What the stored queue knows of a server. */
export interface Knowledge {
  /** `none`: there is no queue yet. `in-use`: another process has it, and notes cannot be read beside that. */
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
    const storage = await openStorage(home)
    try {
      const dossier = createDossier({
        client,
        notes: storage.notes,
        now: Date.now,
        changed: () => undefined,
      })
      const evidence = await dossier.load()
      return { state: 'read', ...(evidence.at === '' ? {} : { evidence }) }
    } finally {
      await storage.close()
    }
  } catch (error) {
    const inUse = describeError(error).code === 'ERR_STORAGE_LOCKED'
    return { state: inUse ? 'in-use' : 'unreadable', error }
  }
}
