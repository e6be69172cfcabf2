import type { CryptoKey } from 'jose'
import { AuthError } from './errors.js'
import { untilAborted } from './internal/abort.js'

/** One secret: a JSON object, and beside it a key that only Web Crypto can use. */
export interface SecretRecord {
  readonly data: Readonly<Record<string, unknown>>
  /** Only in stores that say `supports.cryptoKeys`. */
  readonly key?: CryptoKey
}

/** The right to change a record, while it lasts. */
export interface SecretLease {
  /** False when another process had reason to believe that this one is gone, and took over. */
  stillHeld(): Promise<boolean>
}

/**
 * Keeps secrets by name: clients, sessions, logins under way. Names are not secret. One store may serve several
 * servers, users and registrations.
 */
export interface SecretStore {
  readonly supports: {
    /** Whether a `CryptoKey` that cannot be exported can be kept. */
    readonly cryptoKeys: boolean
  }
  /**
   * The record, or undefined when there is none. Rejects with `ERR_CREDENTIALS_UNREADABLE` when there is one
   * that is damaged, exposed, of another name, or sealed with another key.
   */
  get(id: string): Promise<SecretRecord | undefined>
  /**
   * Replaces the record as a whole; once it resolves the record survives a restart, as far as the store lasts.
   * Rejects with `ERR_CREDENTIALS_UNWRITABLE`.
   */
  set(id: string, record: SecretRecord): Promise<void>
  /** Removes the record; none is not an error. */
  delete(id: string): Promise<void>
  /** The names of all records. */
  ids(): Promise<readonly string[]>
  /**
   * Runs `work` while no other user of the same store, in this process or another, runs one for this name.
   * Not reentrant. Aborting `signal` ends the waiting, never the work.
   */
  lock<T>(id: string, work: (lease: SecretLease) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Where logins under way are kept, when not in the store itself. */
  readonly transactions?: LoginTransactions
}

/** Keeps logins between the way out and the way back. */
export interface LoginTransactions {
  put(id: string, record: SecretRecord): Promise<void>
  /** Gives the record out once: a second call for the same name finds nothing. */
  take(id: string): Promise<SecretRecord | undefined>
}

/** Runs pieces of work one after the other for each name. */
export function createTurns(): <T>(id: string, work: () => Promise<T>, signal?: AbortSignal) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>()
  return async (id, work, signal) => {
    const before = tails.get(id) ?? Promise.resolve()
    let release: () => void = () => undefined
    const turn = new Promise<void>((resolve) => {
      release = resolve
    })
    const tail = before.then(() => turn)
    tails.set(id, tail)
    void tail.then(() => {
      if (tails.get(id) === tail) tails.delete(id)
    })
    try {
      await untilAborted(before, signal)
      return await work()
    } finally {
      release()
    }
  }
}

/** A store that forgets at the end of the process: for tests, and for what may be lost. */
export function memorySecretStore(): SecretStore {
  const records = new Map<string, SecretRecord>()
  const inTurn = createTurns()
  const copy = ({ data, key }: SecretRecord): SecretRecord => ({
    data: structuredClone(data),
    ...(key === undefined ? {} : { key }),
  })
  return {
    supports: { cryptoKeys: true },
    async get(id) {
      const record = records.get(id)
      return record === undefined ? undefined : copy(record)
    },
    async set(id, record) {
      records.set(id, copy(record))
    },
    async delete(id) {
      records.delete(id)
    },
    ids: async () => [...records.keys()],
    lock: (id, work, signal) => inTurn(id, () => work({ stillHeld: async () => true }), signal),
  }
}

/** Checks what a caller gives as a store: a wrong one would lose secrets late, not fail early. */
export function checkStore(store: SecretStore): void {
  if (typeof store?.lock !== 'function' || typeof store.get !== 'function') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'store is not a secret store', {
      hint: 'Give memorySecretStore(), fileSecretStore(…) or openBrowserStore(…).',
    })
  }
}
