import type { CredentialStore, StoredClient } from '../credential-store.js'
import { AuthError } from '../errors.js'
import { safeCause } from './redact.js'
import { parseStoredClient } from './stored-client.js'

export interface ClientKeeperOptions {
  readonly store: CredentialStore
  /** Identity of the server the credentials are for. */
  readonly server: string
  readonly register: (replacements: number) => Promise<StoredClient>
  readonly now: () => number
}

export interface ClientKeeper {
  /** The stored client; registers one when there is none. */
  current(): Promise<StoredClient>
  /**
   * Another client in place of one that the server does not know: the one stored meanwhile by another process,
   * else a new registration. Undefined when a replacement has just been made and was refused as well: then
   * the fault is elsewhere (a wrong clock, say), and registering again would only pile up clients.
   */
  replace(refused: StoredClient): Promise<StoredClient | undefined>
  /** Notes that the server issues tokens to this client. */
  confirm(client: StoredClient): Promise<void>
  /** The stored client, registered or not; registers none. */
  stored(): Promise<StoredClient | undefined>
  forget(): Promise<void>
}

/** A secret that ends within this time is replaced before it is used. */
const secretMarginSeconds = 60

/** Guards the one stored client: saved before its first use, registered by one caller at a time. */
export function createClientKeeper(options: ClientKeeperOptions): ClientKeeper {
  const { store, server, register, now } = options
  let known: StoredClient | undefined
  /** Given by the server, but not stored yet: saving is tried again before anything is registered. */
  let unsaved: StoredClient | undefined
  let tail: Promise<unknown> = Promise.resolve()

  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = tail.then(step)
    tail = turn.catch(() => undefined)
    return turn
  }

  /** The whole of "look, and register if there is nothing" belongs to one process at a time. */
  function alone<T>(step: () => Promise<T>): Promise<T> {
    return inTurn(() => (store.exclusive === undefined ? step() : store.exclusive(step)))
  }

  function hasExpired({ clientSecretExpiresAt = 0 }: StoredClient): boolean {
    return clientSecretExpiresAt !== 0 && now() / 1000 > clientSecretExpiresAt - secretMarginSeconds
  }

  async function load(): Promise<StoredClient | undefined> {
    let value: unknown
    try {
      value = await store.load()
    } catch (error) {
      if (error instanceof AuthError) throw error
      throw new AuthError('ERR_CREDENTIALS_UNREADABLE', 'The credential store could not be read', {
        hint: 'Repair the store, or clear it to have a new client registered.',
        cause: safeCause(error),
      })
    }
    if (value === undefined || value === null) return undefined
    const client = parseStoredClient(value)
    if (client.server !== server) {
      throw new AuthError('ERR_CREDENTIALS_UNREADABLE', 'The stored credentials belong to another server', {
        hint: 'Use one credential store per server.',
      })
    }
    return client
  }

  async function save(client: StoredClient): Promise<void> {
    try {
      await store.save(client)
    } catch (error) {
      if (error instanceof AuthError) throw error
      throw new AuthError('ERR_CREDENTIALS_UNWRITABLE', 'The credential store could not be written', {
        hint: 'Make room or grant access; the credentials are kept in memory and saved on the next try.',
        cause: safeCause(error),
      })
    }
  }

  async function keep(client: StoredClient): Promise<StoredClient> {
    unsaved = client
    await save(client)
    unsaved = undefined
    known = client
    return client
  }

  return {
    async current() {
      // Reading needs no lock, and a store may be for reading only.
      if (unsaved === undefined) known ??= await inTurn(load)
      if (unsaved === undefined && known !== undefined && !hasExpired(known)) return known
      return alone(async () => {
        if (unsaved !== undefined) return keep(unsaved)
        // Another process may have registered, or replaced an expired secret.
        known = await load()
        if (known === undefined) return keep(await register(0))
        return hasExpired(known) ? keep(await register(known.replacements)) : known
      })
    },

    replace: (refused) =>
      alone(async () => {
        if (unsaved !== undefined) return keep(unsaved)
        const stored = await load()
        if (stored !== undefined && stored.clientId !== refused.clientId) {
          known = stored
          return stored
        }
        if (!refused.confirmed && refused.replacements > 0) return undefined
        return keep(await register(refused.confirmed ? 1 : refused.replacements + 1))
      }),

    async confirm(client) {
      if (client.confirmed) return
      await alone(async () => {
        const confirmed = { ...client, confirmed: true, replacements: 0 }
        const stored = await load()
        if (stored === undefined || stored.clientId !== client.clientId) return
        await save(confirmed)
        known = confirmed
      })
    },

    stored: () => inTurn(async () => unsaved ?? (await load())),

    forget: () =>
      alone(async () => {
        await store.clear()
        known = undefined
        unsaved = undefined
      }),
  }
}
