import type { CryptoKey, JWK } from 'jose'
import { parseStoredClient } from './internal/stored-client.js'
import type { SecretStore } from './secret-store.js'
import type { AuthProfile } from './types.js'

/** The signing key of a registered client, in one of two forms. */
export interface StoredKey {
  readonly alg: 'ES384'
  readonly kid: string
  readonly privateJwk?: JWK
  /** In stores that keep keys which cannot be exported. */
  readonly handle?: CryptoKey
}

/** A registered client as it is kept between runs. Holds a secret or a private key in clear. */
export interface StoredClient {
  readonly version: 1
  /** What it was registered for; credentials are never used at another server. */
  readonly server: string
  readonly clientId: string
  /** `none`: a public client, or one whose assertion is the grant itself. */
  readonly authMethod: 'private_key_jwt' | 'client_secret_basic' | 'client_secret_post' | 'none'
  readonly clientSecret?: string
  /** Seconds since 1970, 0 for never. */
  readonly clientSecretExpiresAt?: number
  readonly key?: StoredKey
  /** The scope the server registered, when it said so. */
  readonly scope?: string
  /** The habits of the server, when the way it was registered says so. */
  readonly profile?: AuthProfile
  /** Redirect addresses of a client that people log in with. */
  readonly redirectUris?: readonly string[]
  readonly registrationClientUri?: string
  readonly registrationAccessToken?: string
  /** Milliseconds since 1970. */
  readonly registeredAt: number
  /** Whether the server has issued a token to it. */
  readonly confirmed: boolean
  /** Registrations in a row that replaced an unknown client and got no token yet. */
  readonly replacements: number
}

/** Keeps the credentials of one dynamic client. */
export interface CredentialStore {
  /** The stored client, or undefined when there is none. Rejects when there is one that cannot be read. */
  load(): Promise<StoredClient | undefined>
  /** Replaces what is stored; once it resolves, the new client must survive a restart. */
  save(client: StoredClient): Promise<void>
  /** Removes what is stored; nothing stored is not an error. */
  clear(): Promise<void>
  /**
   * Runs `work` while no other user of the same credentials does. Without it two processes that start at the same
   * moment may both register.
   */
  exclusive?<T>(work: () => Promise<T>): Promise<T>
  /** Whether `key.handle` is kept; then no private key is ever made that could be taken out. */
  readonly keepsKeyHandles?: boolean
}

/** A store that forgets at the end of the process: for tests, and for clients that may register every time. */
export function memoryCredentialStore(): CredentialStore {
  let stored: StoredClient | undefined
  return {
    load: async () => (stored === undefined ? undefined : structuredClone(stored)),
    async save(client) {
      stored = structuredClone(client)
    },
    async clear() {
      stored = undefined
    },
  }
}

/**
 * The credentials of one client in a secret store that holds more. Give each server, user and registration a name
 * of its own.
 *
 * @example
 * const credentials = credentialsIn(fileSecretStore({ directory, key }), 'gateway at ward 3')
 */
export function credentialsIn(store: SecretStore, name: string): CredentialStore {
  const id = `client:${name}`
  return {
    keepsKeyHandles: store.supports.cryptoKeys,
    async load() {
      const record = await store.get(id)
      if (record === undefined) return undefined
      const { data, key: handle } = record
      const { key } = data
      const whole = handle === undefined ? data : { ...data, key: { ...(key as object), handle } }
      return parseStoredClient(whole)
    },
    async save(client) {
      const { key, ...data } = client
      if (key === undefined) return store.set(id, { data })
      const { handle, ...plain } = key
      return store.set(id, {
        data: { ...data, key: plain },
        ...(handle === undefined ? {} : { key: handle }),
      })
    },
    clear: () => store.delete(id),
    exclusive: (work) => store.lock(id, work),
  }
}
