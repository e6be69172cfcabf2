import { randomBytes } from 'node:crypto'
import { constants, mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CredentialStore, StoredClient } from '../credential-store.js'
import { AuthError } from '../errors.js'
import { parseStoredClient } from '../internal/stored-client.js'

const maxBytes = 65_536

function unreadable(path: string, reason: string, hint: string, cause?: unknown): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNREADABLE', `${path} ${reason}`, { hint, cause })
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/**
 * Keeps one client's credentials in a JSON file, in clear, readable by its owner only (mode 0600). Each save
 * is a new file, synced, that takes the place of the old one: after a crash the file holds the old or the new
 * credentials, never a mixture.
 *
 * `load` rejects with `ERR_CREDENTIALS_UNREADABLE` when the file is a link, is readable by group or others
 * (not checked on Windows), or does not hold credentials. `save` rejects with `ERR_CREDENTIALS_UNWRITABLE`.
 *
 * @example
 * const credentials = fileCredentialStore('/var/lib/scale-gateway/client.json')
 */
export function fileCredentialStore(path: string): CredentialStore {
  let tail: Promise<unknown> = Promise.resolve()
  // One change at a time, in the order of the calls.
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = tail.then(step)
    tail = turn.catch(() => undefined)
    return turn
  }
  return {
    load: () => inTurn(() => load(path)),
    save: (client) => inTurn(() => save(path, client)),
    clear: () => inTurn(() => clear(path)),
  }
}

async function load(path: string): Promise<StoredClient | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    const link = isCode(error, 'ELOOP')
    throw unreadable(
      path,
      link ? 'is a symbolic link' : 'could not be opened',
      link ? 'Give the path of the file itself.' : 'Let the user of this process read the file.',
      error,
    )
  }
  try {
    const { size, mode } = await checkedStat(file, path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw unreadable(path, 'is open to group or others', 'Check who could read it, then: chmod 600.')
    }
    if (size > maxBytes) throw unreadable(path, 'is too large', 'Give the path of a credential file.')
    return parseStoredClient(parse(await file.readFile('utf8'), path))
  } finally {
    await file.close()
  }
}

async function checkedStat(file: FileHandle, path: string): Promise<{ size: number; mode: number }> {
  const stat = await file.stat()
  if (!stat.isFile()) throw unreadable(path, 'is not a file', 'Give the path of a credential file.')
  return stat
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, so it is not passed on.
    throw unreadable(path, 'does not hold JSON', 'Restore it, or remove it to have a new client registered.')
  }
}

async function save(path: string, client: StoredClient): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(client)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw new AuthError('ERR_CREDENTIALS_UNWRITABLE', `${path} could not be written`, {
      hint: 'Make room or grant access; the credentials are kept in memory and saved on the next try.',
      cause: error,
    })
  }
}

async function clear(path: string): Promise<void> {
  try {
    await unlink(path)
    await syncDirectory(dirname(path))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw new AuthError('ERR_CREDENTIALS_UNWRITABLE', `${path} could not be removed`, {
      hint: 'Grant access to the folder.',
      cause: error,
    })
  }
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows cannot open a folder for syncing, and does not need it for a rename to last.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
