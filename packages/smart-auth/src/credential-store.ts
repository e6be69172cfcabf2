import type { JWK } from 'jose'

/** A registered client as it is kept between runs. Holds a secret or a private key in clear. */
export interface StoredClient {
  readonly version: 1
  /** What it was registered for; credentials are never used at another server. */
  readonly server: string
  readonly clientId: string
  readonly authMethod: 'private_key_jwt' | 'client_secret_basic' | 'client_secret_post'
  readonly clientSecret?: string
  /** Seconds since 1970, 0 for never. */
  readonly clientSecretExpiresAt?: number
  readonly key?: { readonly alg: 'ES384'; readonly kid: string; readonly privateJwk: JWK }
  /** The scope the server registered, when it said so. */
  readonly scope?: string
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
