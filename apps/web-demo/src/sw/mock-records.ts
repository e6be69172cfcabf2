const name = 'fhir-outbox-demo-server'
const store = 'records'

function completed<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
  })
}

function open(): Promise<IDBDatabase> {
  const opening = indexedDB.open(name, 1)
  opening.addEventListener('upgradeneeded', () => opening.result.createObjectStore(store))
  return completed(opening)
}

/** Where the mock server keeps its state while no service worker runs. */
export function mockRecords(): {
  load(): Promise<{ readonly state: string | undefined; readonly troubles: unknown }>
  saveState(state: string): Promise<void>
  saveTroubles(troubles: readonly string[]): Promise<void>
} {
  let database: Promise<IDBDatabase> | undefined

  async function put(key: string, value: unknown): Promise<void> {
    database ??= open()
    const transaction = (await database).transaction(store, 'readwrite')
    transaction.objectStore(store).put(value, key)
    await new Promise<void>((resolve, reject) => {
      transaction.addEventListener('complete', () => resolve())
      transaction.addEventListener('abort', () => reject(transaction.error))
    })
  }

  return {
    async load() {
      database ??= open()
      const records = (await database).transaction(store).objectStore(store)
      const [state, troubles]: unknown[] = await Promise.all([
        completed(records.get('state')),
        completed(records.get('troubles')),
      ])
      return { state: typeof state === 'string' ? state : undefined, troubles }
    },
    saveState: (state) => put('state', state),
    saveTroubles: (troubles) => put('troubles', troubles),
  }
}
