import { AuthError } from '../errors.js'
import { safeCause } from '../internal/redact.js'

const table = 'secrets'

export interface Database {
  /** Opens it again if it was closed meanwhile. */
  ready(): Promise<void>
  get(name: string): Promise<unknown>
  put(name: string, value: unknown): Promise<void>
  delete(name: string): Promise<void>
  names(): Promise<readonly string[]>
  close(): void
}

/** Puts unless there is a value; resolves with what is there then. */
export type PutFirst = (name: string, value: unknown) => Promise<unknown>

type Step<T> = (store: IDBObjectStore, give: (value: T) => void) => void

/** What the browser does not let this page or worker use. */
export function storageRefused(what: string, error: unknown): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNREADABLE', `${what} could not be used`, {
    hint: 'Allow this site to store data; private windows and embedded pages may not.',
    cause: safeCause(error),
  })
}

export function unwritable(what: string, error: unknown): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNWRITABLE', `${what} could not be written`, {
    hint: 'Allow this site to store data, or free some space for it.',
    cause: safeCause(error),
  })
}

/**
 * One table of an IndexedDB database, each call one committed transaction. Browsers close databases: when the person
 * clears the data of the site, or while a page sleeps. Then it is opened and prepared again, since a page or a worker
 * may live for days.
 */
export async function openDatabase(
  name: string,
  prepare: (putFirst: PutFirst) => Promise<void>,
): Promise<Database> {
  const what = `The database ${name}`
  const refused = (error?: unknown): AuthError => storageRefused(what, error)
  let connection: Promise<IDBDatabase> | undefined
  let closed = false

  function connect(): Promise<IDBDatabase> {
    if (closed) return Promise.reject(refused())
    const current = connection ?? connectAnew()
    connection = current
    return current
  }

  function connectAnew(): Promise<IDBDatabase> {
    const forget = (): void => {
      if (connection === made) connection = undefined
    }
    const made = open(name, forget)
      .then(async (database) => {
        await prepare((key, value) => transact(database, 'readwrite', putFirst(key, value))).catch(
          (error: unknown) => {
            database.close()
            throw error
          },
        )
        return database
      })
      .catch((error: unknown) => {
        forget()
        throw error instanceof AuthError ? error : refused(error)
      })
    return made
  }

  async function run<T>(mode: IDBTransactionMode, step: Step<T>): Promise<T> {
    const database = await connect()
    try {
      return await transact(database, mode, step)
    } catch (error) {
      throw mode === 'readonly' ? refused(error) : unwritable(what, error)
    }
  }

  await connect()
  return {
    async ready() {
      await connect()
    },
    get: (key) =>
      run('readonly', (store, give) => {
        const request: IDBRequest<unknown> = store.get(key)
        request.onsuccess = () => give(request.result)
      }),
    put: (key, value) => run('readwrite', (store) => void store.put(value, key)),
    delete: (key) => run('readwrite', (store) => void store.delete(key)),
    names: () =>
      run('readonly', (store, give) => {
        const request = store.getAllKeys()
        request.onsuccess = () => give(request.result.filter((key): key is string => typeof key === 'string'))
      }),
    close() {
      closed = true
      connection?.then((database) => database.close()).catch(() => undefined)
    },
  }
}

function open(name: string, onClose: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(table)
    request.onsuccess = () => {
      const database = request.result
      database.onversionchange = () => {
        onClose()
        database.close()
      }
      database.onclose = onClose
      resolve(database)
    }
    request.onerror = () => reject(request.error ?? new Error('not opened'))
    request.onblocked = () => reject(new Error('blocked'))
  })
}

function putFirst(key: string, value: unknown): Step<unknown> {
  return (store, give) => {
    const request: IDBRequest<unknown> = store.get(key)
    request.onsuccess = () => {
      if (request.result === undefined) store.put(value, key)
      give(request.result ?? value)
    }
  }
}

function transact<T>(database: IDBDatabase, mode: IDBTransactionMode, step: Step<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let value: T | undefined
    // Strict: a rotated refresh token must be on the disk before anybody uses what came with it.
    const transaction = database.transaction(table, mode, { durability: 'strict' })
    transaction.oncomplete = () => resolve(value as T)
    transaction.onabort = () => reject(transaction.error ?? new Error('aborted'))
    step(transaction.objectStore(table), (given) => {
      value = given
    })
  })
}
