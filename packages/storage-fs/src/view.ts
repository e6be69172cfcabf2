import { resolve } from 'node:path'
import { QueueError, type QueueStorage, storageClosed } from '@fhir-outbox/queue-core'
import { coded } from './errors.js'
import type { FsPort } from './fs-port.js'
import { MOST_LOOKS, takePicture } from './internal/picture.js'
import { readEntry, readPage } from './internal/read.js'
import type { Readable } from './internal/store.js'
import { supportsOf } from './internal/supports.js'
import { nodeFs } from './node-fs.js'

/** Options of `viewFsStorage`. */
export interface ViewFsStorageOptions {
  /** Default: the file system of Node.js. */
  readonly fs?: FsPort
}

/**
 * A storage to look at: `read`, `list`, `stats` and `notes` of a directory, without its lock and without changing
 * anything, also beside the process that uses it. It shows one moment; open another view for a later one. Entries
 * of which a request is on its way then are `unknown`. What would change something rejects with `ERR_UNSUPPORTED`;
 * `lease` answers that somebody else drains. `sealStorage` over it opens what was sealed.
 *
 * Rejects with `ERR_STORAGE_FAILED` when the directory cannot be read, and with `ERR_STORAGE_FORMAT`.
 *
 * @example
 * const view = await viewFsStorage('/var/lib/gateway/outbox')
 * const dead = await view.list({ state: 'dead', limit: 100 })
 * await view.close()
 */
export async function viewFsStorage(
  directory: string,
  options: ViewFsStorageOptions = {},
): Promise<QueueStorage> {
  const fs = options.fs ?? nodeFs()
  const where = resolve(directory)
  let picture = await takePicture(fs, where, false)
  let closed = false
  /** One reading at a time, so that no other picture is taken under one. */
  let turn: Promise<unknown> = Promise.resolve()

  function readable(): Readable {
    const { files, clock, recovered } = picture
    const { catalog } = recovered
    const damaged = async (sequence: number): Promise<void> => catalog.index.quarantine(sequence, clock())
    return { directory: where, catalog, files, clock, damaged }
  }

  /** Whether the owner has moved what was to be read; then it is read from where it is now. */
  async function hasMoved(): Promise<boolean> {
    if (await picture.isWhole()) return false
    await picture.files.close()
    picture = await takePicture(fs, where, false)
    return true
  }

  async function steadily<T>(read: (from: Readable) => Promise<T>): Promise<T> {
    if (closed) throw storageClosed()
    for (let look = 1; ; look++) {
      try {
        const answer = await read(readable())
        if (look === MOST_LOOKS || !(await hasMoved())) return answer
      } catch (error) {
        if (look === MOST_LOOKS || !(await hasMoved())) throw error
      }
    }
  }

  function reading<T>(read: (from: Readable) => Promise<T>): Promise<T> {
    const mine = turn.then(() => coded(where, () => steadily(read)))
    turn = mine.catch(() => undefined)
    return mine
  }

  const refuse = async (): Promise<never> => {
    throw new QueueError('ERR_UNSUPPORTED', `${where} is open for looking only`, {
      hint: 'Nothing was changed. Ask the process that uses the storage, or stop it and open the storage.',
    })
  }

  return {
    supports: supportsOf(fs),
    read: (sequence) => reading((from) => readEntry(from, sequence)),
    list: (query) => reading((from) => readPage(from, query)),
    stats: () => reading(async ({ catalog, clock }) => catalog.index.stats(clock())),
    notes: {
      get: (name) =>
        reading(async ({ catalog, files }) => {
          const note = catalog.notes.get(name)
          if (note === undefined) return undefined
          const { data } = await files.reader().frame(note.location, 4096)
          return { bytes: data.slice(), version: note.version }
        }),
      names: () => reading(async ({ catalog }) => [...catalog.notes.keys()]),
      put: refuse,
    },
    append: refuse,
    lease: async () => ({ elsewhere: true }),
    mark: refuse,
    renew: refuse,
    settle: refuse,
    decide: refuse,
    watch: () => () => undefined,
    sync: async () => undefined,
    close: async () => {
      closed = true
      await turn
      await picture.files.close()
    },
  }
}
