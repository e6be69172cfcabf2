import { createRecordCipher } from '@fhir-outbox/envelope-crypto'

/** Where the keys of this browser live: apart from what they seal, so that deleting them makes that unreadable. */
const databaseName = 'fhir-outbox-demo-key'
const store = 'keys'
/** The first key was stored under a name of its own. */
const firstName = 'record-key'
const firstId = 'browser-1'

/** A key that seals records. No script can read it out, not even this app's: it can only be used here. */
export interface DeviceKey {
  readonly keyId: string
  readonly key: CryptoKey
}

function completed<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
  })
}

async function withDatabase<T>(work: (database: IDBDatabase) => Promise<T>): Promise<T> {
  const opening = indexedDB.open(databaseName, 1)
  opening.addEventListener('upgradeneeded', () => opening.result.createObjectStore(store))
  const database = await completed(opening)
  try {
    return await work(database)
  } finally {
    database.close()
  }
}

function numberOf(keyId: string): number {
  return Number(keyId.split('-').at(-1))
}

const nameOf = (keyId: string): string => (keyId === firstId ? firstName : keyId)

async function readKeys(database: IDBDatabase): Promise<readonly DeviceKey[]> {
  const records = database.transaction(store).objectStore(store)
  const [names, values] = await Promise.all([completed(records.getAllKeys()), completed(records.getAll())])
  return names
    .flatMap((name, index): DeviceKey[] => {
      const key: unknown = values[index]
      const keyId = name === firstName ? firstId : String(name)
      return key instanceof CryptoKey ? [{ keyId, key }] : []
    })
    .sort((a, b) => numberOf(b.keyId) - numberOf(a.keyId))
}

async function write(database: IDBDatabase, change: (records: IDBObjectStore) => void): Promise<void> {
  const transaction = database.transaction(store, 'readwrite', { durability: 'strict' })
  change(transaction.objectStore(store))
  await new Promise<void>((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve())
    transaction.addEventListener('abort', () => reject(transaction.error))
  })
}

function freshKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

/** The keys of this browser, newest first. The first is made on first use; tabs that start together end up with one. */
export function deviceKeys(): Promise<readonly DeviceKey[]> {
  return withDatabase(async (database) => {
    const known = await readKeys(database)
    if (known.length > 0) return known
    const key = await freshKey()
    await write(database, (records) => {
      const adding = records.add(key, firstName)
      // Another tab was first: its key is the one.
      adding.addEventListener('error', (event) => {
        if (adding.error?.name === 'ConstraintError') event.preventDefault()
      })
    })
    return await readKeys(database)
  })
}

/** Makes another key, which seals from now on. With `only`, the others are deleted: what they sealed is gone for ever. */
export function newDeviceKey({ only }: { readonly only: boolean }): Promise<void> {
  return withDatabase(async (database) => {
    const known = await readKeys(database)
    // A name is never used for two keys.
    const keyId = `browser-${Math.max(0, ...known.map((each) => numberOf(each.keyId))) + 1}`
    const key = await freshKey()
    await write(database, (records) => {
      if (only) for (const old of known) records.delete(nameOf(old.keyId))
      records.add(key, nameOf(keyId))
    })
  })
}

export function deleteDeviceKey(keyId: string): Promise<void> {
  return withDatabase((database) => write(database, (records) => records.delete(nameOf(keyId))))
}

/** Seals with the newest key and opens with all of them. */
export async function deviceCipher(): Promise<ReturnType<typeof createRecordCipher>> {
  const [newest, ...older] = await deviceKeys()
  if (newest === undefined) throw new Error('This browser keeps no keys.')
  return createRecordCipher({ ...newest, older })
}
