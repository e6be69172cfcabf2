import { QueueError } from '../errors.js'
import { codeOf } from '../outbox/failures.js'
import type { QueueStorage } from '../storage-port.js'
import { createLabels, type Labels } from './labels.js'
import type { RecordCipher } from './record-cipher.js'
import { createSealer, formatVersion, type RecordSealer } from './sealer.js'

/** Name of the note in which a sealed storage keeps its id and its sealed hash key. */
export const foundationName = 'fhir-outbox-sealed'

const idBytes = 16
const hashKeyBytes = 32

/** What every call of a sealed storage needs. */
export interface Foundation {
  readonly sealer: RecordSealer
  readonly labels: Labels
}

function formatError(message: string, hint: string): QueueError {
  return new QueueError('ERR_STORAGE_FORMAT', message, { hint })
}

/** A new store id and hash key, and the note that keeps them: version, id, sealed hash key. */
export async function newFoundation(
  cipher: RecordCipher,
): Promise<{ readonly foundation: Foundation; readonly note: Uint8Array }> {
  const id = crypto.getRandomValues(new Uint8Array(idBytes))
  const hashKey = crypto.getRandomValues(new Uint8Array(hashKeyBytes))
  const sealer = createSealer(cipher, id)
  const sealed = await sealer.seal('hash-key', '', hashKey)
  const note = new Uint8Array(1 + idBytes + sealed.length)
  note[0] = formatVersion
  note.set(id, 1)
  note.set(sealed, 1 + idBytes)
  return { note, foundation: { sealer, labels: await createLabels(hashKey) } }
}

async function readFoundation(cipher: RecordCipher, note: Uint8Array): Promise<Foundation> {
  if (note[0] !== formatVersion) {
    throw formatError(
      'the storage was sealed in a format that this version does not know',
      'Use a newer version.',
    )
  }
  const sealer = createSealer(cipher, note.slice(1, 1 + idBytes))
  const hashKey = await sealer.open('hash-key', '', note.slice(1 + idBytes))
  if (hashKey === undefined) {
    throw new QueueError('ERR_STORAGE_FAILED', 'the hash key of the sealed storage does not open', {
      hint: 'Give the cipher the key that the storage was sealed with. Nothing was changed.',
    })
  }
  return { sealer, labels: await createLabels(hashKey) }
}

/** Reads the foundation, or lays it when the storage is new. */
export async function layFoundation(storage: QueueStorage, cipher: RecordCipher): Promise<Foundation> {
  const found = await storage.notes.get(foundationName)
  if (found !== undefined) return await readFoundation(cipher, found.bytes)
  if ((await storage.stats()).accepted > 0) {
    throw formatError(
      'the storage holds entries that are not sealed',
      'Open it without sealStorage, or copy it into a new sealed storage with copyStorage.',
    )
  }
  const { foundation, note } = await newFoundation(cipher)
  try {
    await storage.notes.put(foundationName, note, 0)
    return foundation
  } catch (error) {
    // Another handle was faster: its key is the one that counts.
    if (codeOf(error) !== 'ERR_NOTE_CONFLICT') throw error
    return await layFoundation(storage, cipher)
  }
}
