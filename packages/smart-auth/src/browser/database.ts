import { AuthError } from '../errors.js'
import { safeCause } from '../internal/redact.js'

const table = 'secrets'

export interface Database {
  get(name: string): Promise<unknown>
  put(name: string, value: unknown): Promise<void>
  /** Puts unless there is a value; resolves with what is there then. */
  putFirst(name: string, value: unknown): Promise<unknown>
  delete(name: string): Promise<void>
  names(): Promise<readonly string[]>
  close(): void
}

function unreadable(name: string, error: unknown): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNREADABLE', `The database ${name} could not be used`, {
    hint: 'Allow this site to store data; private windows and embedded pages may not.',
    cause: safeCause(error),
  })
}

/** One table of an IndexedDB database, each call one committed transaction. */
export async function openDatabase(name: string): Promise<Database> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(table)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(unreadable(name, request.error))
    request.onblocked = () => reject(unreadable(name, undefined))
  }).catch((error: unknown) => {
    throw error instanceof AuthError ? error : unreadable(name, error)
  })
  database.onversionchange = () => database.close()

  function run<T>(
    mode: IDBTransactionMode,
    step: (store: IDBObjectStore, give: (value: T) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let value: T | undefined
      const fail = (error: unknown): void =>
        reject(
          mode === 'readonly'
            ? unreadable(name, error)
            : new AuthError('ERR_CREDENTIALS_UNWRITABLE', `The database ${name} could not be written`, {
                hint: 'Free some space for this site.',
                cause: safeCause(error),
              }),
        )
      try {
        // Strict: a rotated refresh token must be on the disk before anybody uses what came with it.
        const transaction = database.transaction(table, mode, { durability: 'strict' })
        transaction.oncomplete = () => resolve(value as T)
        transaction.onabort = () => fail(transaction.error)
        step(transaction.objectStore(table), (given) => {
          value = given
        })
      } catch (error) {
        fail(error)
      }
    })
  }

  return {
    get: (key) =>
      run('readonly', (store, give) => {
        const request: IDBRequest<unknown> = store.get(key)
        request.onsuccess = () => give(request.result)
      }),
    put: (key, value) => run('readwrite', (store) => void store.put(value, key)),
    putFirst: (key, value) =>
      run('readwrite', (store, give) => {
        const request: IDBRequest<unknown> = store.get(key)
        request.onsuccess = () => {
          if (request.result === undefined) store.put(value, key)
          give(request.result ?? value)
        }
      }),
    delete: (key) => run('readwrite', (store) => void store.delete(key)),
    names: () =>
      run('readonly', (store, give) => {
        const request = store.getAllKeys()
        request.onsuccess = () => give(request.result.filter((key): key is string => typeof key === 'string'))
      }),
    close: () => database.close(),
  }
}
