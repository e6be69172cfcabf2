import { QueueError } from '../errors.js'
import { codeOf } from '../outbox/failures.js'
import type { QueueStorage, StoredNote } from '../storage-port.js'
import { createLabels, type Labels } from './labels.js'
import type { RecordCipher } from './record-cipher.js'
import { createSealer, formatVersion, type RecordSealer } from './sealer.js'

/**
 * Names of notes in the storage below that are written as they are: what must be read before anything can be opened.
 * All others there are keyed hashes, which do not begin like this.
 */
const plainPrefix = 'fhir-outbox-'

export function isPlainName(name: string): boolean {
  return name.startsWith(plainPrefix)
}

/**
 * Name of the note in which a sealed storage keeps its id and its sealed hash key: a storage below that has it is sealed,
 * and what is appended without the cipher stands in it in clear.
 */
export const sealedNoteName = 'fhir-outbox-sealed'

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
  const note = packFoundation(id, await sealer.seal('hash-key', '', hashKey))
  return { note, foundation: { sealer, labels: createLabels(hashKey) } }
}

function packFoundation(id: Uint8Array, sealedHashKey: Uint8Array): Uint8Array {
  const note = new Uint8Array(1 + idBytes + sealedHashKey.length)
  note[0] = formatVersion
  note.set(id, 1)
  note.set(sealedHashKey, 1 + idBytes)
  return note
}

/** What of the foundation's note the cipher has made. */
export function sealedHashKeyIn(note: Uint8Array): Uint8Array {
  return note.slice(1 + idBytes)
}

async function readFoundation(
  storage: QueueStorage,
  cipher: RecordCipher,
  { bytes: note, version }: StoredNote,
): Promise<Foundation> {
  if (note[0] !== formatVersion) {
    throw formatError(
      'the storage was sealed in a format that this version does not know',
      'Use a newer version.',
    )
  }
  const id = note.slice(1, 1 + idBytes)
  const sealer = createSealer(cipher, id)
  const sealed = sealedHashKeyIn(note)
  const hashKey = await sealer.open('hash-key', '', sealed)
  if (hashKey === undefined) {
    throw new QueueError('ERR_STORAGE_FAILED', 'the hash key of the sealed storage does not open', {
      hint: 'Give the cipher the key that the storage was sealed with. Nothing was changed.',
    })
  }
  if (cipher.isCurrent?.(sealed) === false) {
    await unlessBeaten(async () => {
      await sealNotesAnew(storage, cipher, sealer)
      // Last: an old hash key says that the notes may be old, too.
      const fresh = packFoundation(id, await sealer.seal('hash-key', '', hashKey))
      await storage.notes.put(sealedNoteName, fresh, version)
    })
  }
  return { sealer, labels: createLabels(hashKey) }
}

/** After a rotation; the next to open the store goes on where this stops. */
async function sealNotesAnew(
  storage: QueueStorage,
  cipher: RecordCipher,
  sealer: RecordSealer,
): Promise<void> {
  for (const label of (await storage.notes.names?.()) ?? []) {
    const stored = isPlainName(label) ? undefined : await storage.notes.get(label)
    if (stored === undefined || cipher.isCurrent?.(stored.bytes) !== false) continue
    const plain = await sealer.open('named-note', label, stored.bytes)
    // One that does not open is left as it is.
    if (plain === undefined) continue
    const fresh = await sealer.seal('named-note', label, plain)
    await unlessBeaten(() => storage.notes.put(label, fresh, stored.version))
  }
}

/** Somebody else has written meanwhile, or the new key is locked: there is a next time. */
async function unlessBeaten(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'ERR_NOTE_CONFLICT' && code !== 'ERR_KEY_LOCKED') throw error
  }
}

/** Reads the foundation, or lays it when the storage is new. */
export async function layFoundation(storage: QueueStorage, cipher: RecordCipher): Promise<Foundation> {
  const found = await storage.notes.get(sealedNoteName)
  if (found !== undefined) return await readFoundation(storage, cipher, found)
  if ((await storage.stats()).accepted > 0) {
    // Another handle may have laid it in between, and sealed the first entry.
    const late = await storage.notes.get(sealedNoteName)
    if (late !== undefined) return await readFoundation(storage, cipher, late)
    throw formatError(
      'the storage holds entries that are not sealed',
      'Open it without sealStorage, or copy it into a new sealed storage with copyStorage.',
    )
  }
  const { foundation, note } = await newFoundation(cipher)
  try {
    await storage.notes.put(sealedNoteName, note, 0)
    return foundation
  } catch (error) {
    // Another handle was faster: its key is the one that counts.
    if (codeOf(error) !== 'ERR_NOTE_CONFLICT') throw error
    return await layFoundation(storage, cipher)
  }
}
