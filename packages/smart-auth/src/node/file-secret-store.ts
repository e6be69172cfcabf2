import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CryptoKey } from 'jose'
import { AuthError } from '../errors.js'
import { parseJsonObject } from '../internal/json.js'
import {
  importSealingKey,
  openRecord,
  sealedFromText,
  sealedToText,
  sealRecord,
} from '../internal/sealed-record.js'
import { createTurns, type SecretStore } from '../secret-store.js'
import {
  isCode,
  makePrivateFolder,
  readPrivateFile,
  removeAbandoned,
  removePrivateFile,
  unreadable,
  writePrivateFile,
} from './durable-file.js'
import { withFileLock } from './file-lock.js'
import { fileNameFor, type SecretKeySource } from './secret-key.js'

export interface FileSecretStoreOptions {
  /** A folder for this store alone; made with mode 0700. */
  readonly directory: string
  /** `keyFromFile(path)`, `keyFromEnvironment(name)`, or a function that gets 32 bytes from anywhere. */
  readonly key: SecretKeySource
  /** A lock whose holder has shown no sign of life for so long is taken over, in milliseconds. Default 15,000. */
  readonly staleLockMs?: number
}

/**
 * Keeps each secret in a file of its own: AES-256-GCM, bound to its name, mode 0600, replaced atomically and synced.
 * Locks hold between processes.
 *
 * Rejects with `ERR_CREDENTIALS_UNREADABLE` when a file is damaged, was moved, is a link, is readable by group or
 * others (not checked on Windows), or was sealed with another key; with `ERR_CREDENTIALS_UNWRITABLE` when the folder
 * cannot be written; with `ERR_INVALID_KEY` when the key is not 32 bytes.
 *
 * @example
 * const store = fileSecretStore({ directory: '/var/lib/gateway/secrets', key: keyFromEnvironment('GATEWAY_KEY') })
 */
export function fileSecretStore(options: FileSecretStoreOptions): SecretStore {
  const { directory } = options
  const inTurn = createTurns()
  const writing = createTurns()
  const locking = options.staleLockMs === undefined ? {} : { staleMs: options.staleLockMs }
  let importing: Promise<CryptoKey> | undefined
  let tidied: Promise<void> | undefined
  const path = (id: string): string => join(directory, `${fileNameFor(id)}.secret`)

  function sealingKey(): Promise<CryptoKey> {
    importing ??= readKey(options.key)
    // A key that could not be had is asked for again.
    importing.catch(() => {
      importing = undefined
    })
    return importing
  }

  async function read(
    file: string,
    id?: string,
  ): Promise<{ id: string; data: Readonly<Record<string, unknown>> } | undefined> {
    const bytes = await readPrivateFile(file)
    if (bytes === undefined) return undefined
    const text = new TextDecoder().decode(bytes)
    const named = id ?? nameIn(text)
    return { id: named, data: await openRecord(named, sealedFromText(text), await sealingKey()) }
  }

  return {
    supports: { cryptoKeys: false },
    async get(id) {
      const found = await read(path(id), id)
      return found === undefined ? undefined : { data: found.data }
    },
    async set(id, record) {
      if (record.key !== undefined) {
        throw new AuthError('ERR_INVALID_KEY', 'A file cannot keep a Web Crypto key', {
          hint: 'Keep the key as JWK in the data of the record.',
        })
      }
      const sealed = sealedToText(await sealRecord(id, record.data, await sealingKey()))
      const text = JSON.stringify({ ...parseJsonObject(sealed), name: id })
      tidied ??= removeAbandoned(directory).catch(() => undefined)
      await tidied
      await writing(id, () => writePrivateFile(path(id), `${text}\n`))
    },
    delete: (id) => writing(id, () => removePrivateFile(path(id))),
    async ids() {
      const names = await readdir(directory).catch((error: unknown) => {
        if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return []
        throw unreadable(directory, 'could not be listed', 'Let the user of this process read it.', error)
      })
      const ids: string[] = []
      for (const name of names.filter((each) => each.endsWith('.secret'))) {
        const bytes = await readPrivateFile(join(directory, name))
        // A file under the wrong name was moved there: it is no record of this store.
        const id = bytes === undefined ? '' : nameIn(new TextDecoder().decode(bytes))
        if (`${fileNameFor(id)}.secret` === name) ids.push(id)
      }
      return ids
    },
    lock: (id, work, signal) =>
      inTurn(
        id,
        async () => {
          await makePrivateFolder(directory)
          return withFileLock(join(directory, `${fileNameFor(id)}.lock`), work, signal, locking)
        },
        signal,
      ),
  }
}

/** The name lies beside the sealed part, and is bound to it. */
function nameIn(text: string): string {
  const name = parseJsonObject(text)?.['name']
  return typeof name === 'string' ? name : ''
}

async function readKey(source: SecretKeySource): Promise<CryptoKey> {
  const bytes = await source()
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32) {
    throw new AuthError('ERR_INVALID_KEY', 'The key of the secret store is not 32 bytes', {
      hint: 'Make one: openssl rand -base64 32.',
    })
  }
  return importSealingKey(bytes)
}
