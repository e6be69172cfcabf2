import { randomBytes, randomUUID } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EnvelopeError } from '../errors.js'
import { decodeBase64 } from '../internal/base64.js'

const keyLength = 32
const mostFileBytes = 1024

/**
 * A key source for `createRecordCipher`: a file with 32 bytes as Base64, readable by its owner alone (mode 0600), who is
 * the user of this process or root.
 * It protects copies of the storage (backups, a disk that is sold), not against whoever can read the file too: keep it
 * on another volume, or out of the backup.
 * The cipher shows a missing, open or damaged file as ERR_KEY_LOCKED, with the reason as its cause.
 */
export function keyFromFile(path: string): () => Promise<Uint8Array> {
  return async () => {
    const file = await open(path, 'r')
    try {
      // Of the file that is read, whatever takes its name meanwhile.
      const size = await requirePrivate(file)
      return readKey(size > mostFileBytes ? '' : await file.readFile('utf8'), 'The key file')
    } finally {
      await file.close()
    }
  }
}

/** Returns the length of the file in bytes. */
async function requirePrivate(file: FileHandle): Promise<number> {
  const { mode, uid, size } = await file.stat()
  // Windows has no such bits; its access lists are the administrator's business.
  if (process.getuid === undefined) return size
  if ((mode & 0o077) !== 0) {
    throw new EnvelopeError('ERR_KEY_FILE_OPEN', 'The key file can be read by others than its owner.', {
      hint: 'Run chmod 600 on it; if others may have read it, rotate the key.',
    })
  }
  // What root owns, root may read anyway.
  if (uid !== process.getuid() && uid !== 0) {
    throw new EnvelopeError('ERR_KEY_FILE_OPEN', 'The key file belongs to another user, who can read it.', {
      hint: 'Run chown on it, to the user of this process; if the other user may not know the key, rotate it.',
    })
  }
  return size
}

/**
 * Makes a key file with a new random key (mode 0600). It is there whole or not at all, also after a power cut. Resolves
 * to false, and changes nothing, when the file is there already.
 */
export async function createKeyFile(path: string): Promise<boolean> {
  const written = `${path}.${randomUUID()}.tmp`
  const file = await open(written, 'wx', 0o600)
  try {
    try {
      await file.writeFile(`${randomBytes(keyLength).toString('base64')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    // Unlike a rename, a link never takes the place of a file that is there.
    await link(written, path)
    return true
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'EEXIST') return false
    throw error
  } finally {
    await unlink(written)
    await syncDirectory(dirname(path))
  }
}

/**
 * A key source for `createRecordCipher`: 32 bytes as Base64 in an environment variable. Other processes of the same
 * user can read it; it protects against nobody who runs as that user.
 */
export function keyFromEnvironment(name: string): () => Promise<Uint8Array | undefined> {
  return () =>
    new Promise((resolve) => {
      const text = process.env[name]
      resolve(text === undefined ? undefined : readKey(text, `The variable ${name}`))
    })
}

function readKey(text: string, what: string): Uint8Array {
  const key = decodeBase64(text)
  if (key?.length === keyLength) return key
  throw new EnvelopeError(
    'ERR_INVALID_OPTION',
    `${what} does not hold a key of ${keyLength} bytes in Base64.`,
    {
      hint: 'Make one with `openssl rand -base64 32`.',
    },
  )
}

/** A new name survives a power cut only when its directory was synced; Windows cannot, and need not. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
