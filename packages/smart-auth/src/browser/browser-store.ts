import type { CryptoKey } from 'jose'
import { AuthError } from '../errors.js'
import { isRecord } from '../internal/json.js'
import { transactionsIn } from '../internal/login-transaction.js'
import { openRecord, sealedFromText, sealedToText, sealRecord } from '../internal/sealed-record.js'
import type { LoginTransactions, SecretStore } from '../secret-store.js'
import { openDatabase, storageRefused, unwritable } from './database.js'

export interface BrowserStoreOptions {
  /** Name of the IndexedDB database. Default `fhir-outbox-auth`. */
  readonly name?: string
  /**
   * Where logins under way lie, sealed. Default: the `sessionStorage` of this tab; in a worker, which belongs to no tab,
   * the database.
   */
  readonly tabStorage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
}

export interface BrowserStore extends SecretStore {
  readonly transactions: LoginTransactions
  close(): void
}

const keyName = 'key:sealing'
const recordPrefix = 'record:'
const loginPrefix = 'fhir-outbox-login:'

/**
 * Keeps secrets in IndexedDB, sealed with a key that no script can take out of the browser; private keys of clients
 * lie there as non-extractable keys. Locks hold between tabs and workers. Logins under way belong to one tab, or to the
 * workers of this site.
 *
 * This protects what lies on the disk. Script that an attacker gets into the page can use the store as the page can.
 *
 * Errors: `ERR_CREDENTIALS_UNREADABLE` (storage is not allowed here, or a record is damaged),
 * `ERR_CREDENTIALS_UNWRITABLE`, `ERR_INVALID_OPTIONS` (not a secure context).
 */
export async function openBrowserStore(options: BrowserStoreOptions = {}): Promise<BrowserStore> {
  const name = options.name ?? 'fhir-outbox-auth'
  if (globalThis.isSecureContext !== true || navigator.locks === undefined) {
    throw new AuthError('ERR_INVALID_OPTIONS', 'Secrets can be kept in a secure context only', {
      hint: 'Serve the page by https, or from 127.0.0.1.',
    })
  }
  const tab = options.tabStorage ?? storageOfTab()
  const algorithm = { name: 'AES-GCM', length: 256 }
  let key = await crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt'])
  const database = await openDatabase(name, async (putFirst) => {
    const kept = await putFirst(keyName, key)
    if (!isCryptoKey(kept)) {
      throw new AuthError('ERR_CREDENTIALS_UNREADABLE', `The database ${name} holds no usable key`, {
        hint: 'Delete the data of this site, and log in again.',
      })
    }
    key = kept
  })

  const store: SecretStore = {
    supports: { cryptoKeys: true },
    async get(id) {
      const value = await database.get(recordPrefix + id)
      if (value === undefined) return undefined
      const data = await openRecord(id, isRecord(value) ? value['sealed'] : undefined, key)
      const own = isRecord(value) ? value['key'] : undefined
      return { data, ...(isCryptoKey(own) ? { key: own } : {}) }
    },
    async set(id, record) {
      const own = record.key === undefined ? {} : { key: record.key }
      let used: CryptoKey
      do {
        // The database may have been opened anew, with the key of another tab.
        await database.ready()
        used = key
        await database.put(recordPrefix + id, { sealed: await sealRecord(id, record.data, used), ...own })
      } while (used !== key)
    },
    delete: (id) => database.delete(recordPrefix + id),
    async ids() {
      const names = await database.names()
      return names
        .filter((each) => each.startsWith(recordPrefix))
        .map((each) => each.slice(recordPrefix.length))
    },
    async lock<T>(
      id: string,
      work: (lease: { stillHeld(): Promise<boolean> }) => Promise<T>,
      signal?: AbortSignal,
    ): Promise<T> {
      const held = { stillHeld: async () => true }
      // The type of the platform's function forgets what the callback gives.
      const done: unknown = await navigator.locks.request(
        `${name} ${id}`,
        signal === undefined ? {} : { signal },
        async () => ({ value: await work(held) }),
      )
      return (done as { value: T }).value
    },
  }
  const transactions = tab === undefined ? transactionsIn(store, Date.now) : tabTransactions(tab, () => key)
  return { ...store, transactions, close: () => database.close() }
}

/** Undefined in workers. A page that is shut in may have one that it must not touch. */
function storageOfTab(): Storage | undefined {
  try {
    return typeof sessionStorage === 'undefined' ? undefined : sessionStorage
  } catch (error) {
    throw storageRefused('The storage of this tab', error)
  }
}

function isCryptoKey(value: unknown): value is CryptoKey {
  return value instanceof CryptoKey
}

/** Another tab has no login of this one: its web storage is its own. */
function tabTransactions(
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>,
  key: () => CryptoKey,
): LoginTransactions {
  return {
    async put(id, { data }) {
      try {
        storage.setItem(loginPrefix + id, sealedToText(await sealRecord(id, data, key())))
      } catch (error) {
        throw unwritable('The storage of this tab', error)
      }
    },
    async take(id) {
      const text = storage.getItem(loginPrefix + id)
      storage.removeItem(loginPrefix + id)
      return text === null ? undefined : { data: await openRecord(id, sealedFromText(text), key()) }
    },
  }
}
