import { allStores, type Meta, type Schema, type StoreName } from './schema.js'

export type Reading = IDBTransaction
export type Writing = IDBTransaction & { readonly mode: 'readwrite' }

type Key<Name extends StoreName> = Schema[Name]['key']
type Value<Name extends StoreName> = Schema[Name]['value']

/** The answer to a request. Inside a transaction nothing else may be awaited, or it commits by itself. */
export function answer<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

export function reading(database: IDBDatabase): Reading {
  return database.transaction([...allStores])
}

export function writing(database: IDBDatabase, durability: 'strict' | 'relaxed'): Writing {
  return database.transaction([...allStores], 'readwrite', { durability }) as Writing
}

/** Resolves at the end of a transaction: to `undefined` when it has committed, else to the reason. */
export function ended(transaction: IDBTransaction): Promise<unknown> {
  return new Promise((resolve) => {
    transaction.oncomplete = () => resolve(undefined)
    transaction.onabort = () =>
      resolve(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'))
  })
}

export function get<Name extends StoreName>(
  transaction: Reading,
  store: Name,
  key: Key<Name>,
): Promise<Value<Name> | undefined> {
  return answer<Value<Name> | undefined>(transaction.objectStore(store).get(key))
}

export function getAll<Name extends StoreName>(
  transaction: Reading,
  store: Name,
  range?: IDBKeyRange,
  count?: number,
): Promise<Value<Name>[]> {
  return answer<Value<Name>[]>(transaction.objectStore(store).getAll(range, count))
}

/** Keys of records in their order: of a store, or of what an index has in the range. */
export function getKeys<Name extends StoreName>(
  transaction: Reading,
  store: Name,
  range?: IDBKeyRange | IDBValidKey,
  count?: number,
  index?: string,
): Promise<Key<Name>[]> {
  const whole = transaction.objectStore(store)
  const source = index === undefined ? whole : whole.index(index)
  return answer(source.getAllKeys(range, count)) as Promise<Key<Name>[]>
}

const metaKey = 1

/** The counters. */
export function getMeta(transaction: Reading): Promise<Meta | undefined> {
  return get(transaction, 'meta', metaKey)
}

export function putMeta(transaction: Writing, meta: Meta): void {
  put(transaction, 'meta', meta, metaKey)
}

/** A write whose answer nobody awaits: if it fails, the transaction does. */
export function put<Name extends StoreName>(
  transaction: Writing,
  store: Name,
  value: Value<Name>,
  key?: Key<Name>,
): void {
  transaction.objectStore(store).put(value, key)
}

export function remove(transaction: Writing, store: StoreName, key: IDBValidKey | IDBKeyRange): void {
  transaction.objectStore(store).delete(key)
}

export function clear(transaction: Writing, store: StoreName): void {
  transaction.objectStore(store).clear()
}
