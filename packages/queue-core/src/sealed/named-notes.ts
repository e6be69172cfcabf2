import { QueueError } from '../errors.js'
import type { InOrder } from '../internal/in-order.js'
import type { KeptNote, NoteStore, QueueStorage } from '../storage-port.js'
import { checkNote, checkNoteName, storageLimits } from '../validate.js'
import { sealedNoteName, isPlainName, type Foundation } from './foundation.js'
import { packNamed, unpackNamed } from './record.js'
import type { RecordSealer } from './sealer.js'

export interface SealedNotesWorld {
  /** The one below. */
  readonly storage: QueueStorage
  readonly foundation: () => Promise<Foundation>
  readonly inOrder: InOrder
  /** Throws when the sealed storage is closed. */
  readonly open: () => void
}

async function openNote(sealer: RecordSealer, label: string, bytes: Uint8Array): Promise<Uint8Array> {
  const packed = await sealer.open('named-note', label, bytes)
  if (packed !== undefined) return packed
  throw new QueueError('ERR_STORAGE_FAILED', 'a sealed note does not open', {
    hint: 'It is damaged, or the cipher has lost its key. The note was left as it is.',
  })
}

export function sealedNotes({ storage, foundation, inOrder, open }: SealedNotesWorld): NoteStore {
  const notes: NoteStore = {
    async get(name) {
      open()
      checkNoteName(name, storageLimits)
      const { sealer, labels } = await foundation()
      const label = labels.of('note', name)
      const stored = await storage.notes.get(label)
      if (stored === undefined) return undefined
      const packed = await openNote(sealer, label, stored.bytes)
      return { bytes: unpackNamed(packed).bytes, version: stored.version }
    },
    async put(name, bytes, expectedVersion) {
      open()
      checkNoteName(name, storageLimits)
      checkNote(bytes, storageLimits)
      const packed = packNamed(name, bytes)
      const prepared = (async () => {
        const { sealer, labels } = await foundation()
        const label = labels.of('note', name)
        return { label, sealed: await sealer.seal('named-note', label, packed) }
      })()
      return await inOrder.run(prepared, ({ label, sealed }) =>
        storage.notes.put(label, sealed, expectedVersion),
      )
    },
  }
  if (storage.notes.names === undefined) return notes
  return {
    ...notes,
    async names() {
      open()
      const { sealer } = await foundation()
      const labels = (await storage.notes.names?.()) ?? []
      const names = labels.map(async (label) => {
        const stored = isPlainName(label) ? undefined : await storage.notes.get(label)
        return stored === undefined ? [] : [unpackNamed(await openNote(sealer, label, stored.bytes)).name]
      })
      return (await Promise.all(names)).flat()
    },
  }
}

/**
 * What a wipe of the storage below leaves: the notes to keep, sealed, and those that are not sealed. Other handles
 * may stand on the foundation, and a passphrase needs its salt.
 */
export async function sealKept(
  storage: QueueStorage,
  foundation: () => Promise<Foundation>,
  keep: readonly KeptNote[],
): Promise<KeptNote[]> {
  const copies = keep.map(({ name, bytes }) => ({ name, packed: packNamed(name, bytes) }))
  const { sealer, labels } = await foundation()
  const known = (await storage.notes.names?.()) ?? [sealedNoteName]
  const plain = known.filter(isPlainName).map(async (name) => {
    const note = await storage.notes.get(name)
    return note === undefined ? [] : [{ name, bytes: note.bytes }]
  })
  const sealed = copies.map(async ({ name, packed }) => {
    const label = labels.of('note', name)
    return { name: label, bytes: await sealer.seal('named-note', label, packed) }
  })
  return [...(await Promise.all(plain)).flat(), ...(await Promise.all(sealed))]
}
