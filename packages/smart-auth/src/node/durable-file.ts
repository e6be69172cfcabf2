import { randomBytes } from 'node:crypto'
import { constants, mkdir, open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AuthError } from '../errors.js'

const maxBytes = 1_048_576

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

export function unreadable(path: string, reason: string, hint: string, cause?: unknown): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNREADABLE', `${path} ${reason}`, { hint, cause })
}

/**
 * The bytes of a file that only its owner can read; undefined when there is none. Follows no link, refuses what
 * is open to others (not checked on Windows) or larger than any secret.
 */
export async function readPrivateFile(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    // A file in the place of a directory above it: there is no such secret either.
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined
    const link = isCode(error, 'ELOOP')
    throw unreadable(
      path,
      link ? 'is a symbolic link' : 'could not be opened',
      link ? 'Give the path of the file itself.' : 'Let the user of this process read the file.',
      error,
    )
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw unreadable(path, 'is not a file', 'Give the path of a file.')
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw unreadable(path, 'is open to group or others', 'Check who could read it, then: chmod 600.')
    }
    if (stat.size > maxBytes) throw unreadable(path, 'is too large', 'It is not a file of this package.')
    return await file.readFile()
  } finally {
    await file.close()
  }
}

export function unwritable(path: string, what: string, cause: unknown): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNWRITABLE', `${path} could not be ${what}`, {
    hint: 'Make room or grant access to the folder.',
    cause,
  })
}

/** Puts a synced new file, mode 0600, in the place of the old one: after a crash there is the old or the new. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  if (Buffer.byteLength(text) > maxBytes) {
    throw new AuthError('ERR_CREDENTIALS_UNWRITABLE', `${path} would be larger than any secret`, {
      hint: 'Keep less in one record.',
    })
  }
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  await makePrivateFolder(dirname(path))
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw unwritable(path, 'written', error)
  }
}

/** Removes a file for good; none is not an error. */
export async function removePrivateFile(path: string): Promise<void> {
  try {
    await unlink(path)
    await syncDirectory(dirname(path))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw unwritable(path, 'removed', error)
  }
}

const abandonedMs = 3_600_000

/** Removes the temporary files of writers that died: no write takes an hour. Sealed or not, they hold old secrets. */
export async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!/\.secret\.[0-9a-f]{16}\.tmp$/.test(name)) continue
    const path = join(directory, name)
    if (Date.now() - (await stat(path)).mtimeMs > abandonedMs) await unlink(path)
  }
}

/** Makes a folder for its owner alone, and what is missing above it; after a crash the new names are still there. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 })
    if (made === undefined) return
    const top = dirname(resolve(made))
    for (let at = resolve(path); at !== top && at !== dirname(at); at = dirname(at)) {
      await syncDirectory(dirname(at))
    }
  } catch (error) {
    throw unwritable(path, 'made', error)
  }
}

export async function syncDirectory(directory: string): Promise<void> {
  // Windows cannot open a folder for syncing, and does not need it for a rename to last.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
