import { blockedByOldTab, foreignDatabase, newerFormat, translated, unsupported } from '../errors.js'
import { putMeta, reading, type Writing } from './requests.js'
import { allStores, emptyMeta, keyPaths } from './schema.js'

/** One step to the next format. It runs in the upgrade's own transaction: all of it happens, or nothing. */
export type Migration = (database: IDBDatabase, transaction: IDBTransaction) => void | Promise<void>

/** The format of a database is the number of steps it has taken. A step that was released never changes. */
const migrations: readonly Migration[] = [
  (database, transaction) => {
    const heads = database.createObjectStore('heads', { keyPath: 'first' })
    heads.createIndex('keys', 'keys', { multiEntry: true })
    heads.createIndex('after', 'after', { multiEntry: true })
    const states = database.createObjectStore('states', { keyPath: 'first' })
    states.createIndex('listed', 'listed', { multiEntry: true })
    database.createObjectStore('payloads', { keyPath: 'first' })
    database.createObjectStore('leases', { keyPath: 'id' })
    database.createObjectStore('lanes', { keyPath: 'name' })
    for (const name of ['news', 'notes', 'meta']) database.createObjectStore(name)
    putMeta(transaction as Writing, emptyMeta)
  },
]

export interface DatabaseOptions {
  readonly name: string
  readonly onBlocked: (() => void) | undefined
  readonly signal: AbortSignal | undefined
  /** A newer version wants to upgrade. */
  readonly onWanted: () => void
  /** The browser took it away, or somebody wants to delete it. */
  readonly onGone: () => void
  readonly steps?: readonly Migration[]
}

/** Touching `indexedDB` throws where site data is forbidden. */
function available(): boolean {
  try {
    return globalThis.indexedDB !== undefined
  } catch {
    return false
  }
}

/** Whether all stores are there with the keys they should have. */
function isOutbox(database: IDBDatabase): boolean {
  if (allStores.some((store) => !database.objectStoreNames.contains(store))) return false
  const transaction = reading(database)
  return allStores.every((store) => transaction.objectStore(store).keyPath === keyPaths[store])
}

/** Rejects with `ERR_UNSUPPORTED`, `ERR_STORAGE_LOCKED`, `ERR_STORAGE_FORMAT`, `ERR_STORAGE_FAILED`, AbortError. */
export async function openDatabase(options: DatabaseOptions): Promise<IDBDatabase> {
  const { name, onBlocked, signal, steps = migrations } = options
  if (!available()) throw unsupported()
  let failure: unknown
  let giveUp: (error: unknown) => void = () => undefined
  const givenUp = new Promise<never>((_resolve, reject) => {
    giveUp = reject
  })
  const abort = (): void => giveUp(new DOMException('The operation was aborted.', 'AbortError'))
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort)

  async function take(from: number, database: IDBDatabase, transaction: IDBTransaction): Promise<void> {
    try {
      for (const step of steps.slice(from)) await step(database, transaction)
    } catch (error) {
      failure = error
      transaction.abort()
    }
  }

  function begin(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      // It may also throw at once.
      const request = indexedDB.open(name, steps.length)
      request.addEventListener('upgradeneeded', ({ oldVersion }) => {
        const { result, transaction } = request
        if (transaction !== null) void take(oldVersion, result, transaction)
      })
      request.addEventListener('blocked', () => {
        if (onBlocked === undefined) giveUp(blockedByOldTab(name))
        else onBlocked()
      })
      request.addEventListener('error', () => reject(request.error))
      request.addEventListener('success', () => {
        request.result.addEventListener('versionchange', ({ newVersion }) =>
          newVersion === null ? options.onGone() : options.onWanted(),
        )
        request.result.addEventListener('close', options.onGone)
        resolve(request.result)
      })
    })
  }

  const opening = begin()
  try {
    const database = await Promise.race([opening, givenUp])
    if (!isOutbox(database)) {
      database.close()
      throw foreignDatabase(name)
    }
    return database
  } catch (error) {
    // Whoever gave up does not want it any more when it comes after all.
    void opening.then(
      (late) => late.close(),
      () => undefined,
    )
    const cause = failure ?? error
    const called = cause instanceof Error ? cause.name : ''
    if (called === 'VersionError') throw newerFormat(name, cause)
    if (called === 'SecurityError') throw unsupported(cause)
    throw called === 'AbortError' && signal?.aborted === true ? cause : translated(cause)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
