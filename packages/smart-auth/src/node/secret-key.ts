import { createHash, randomBytes } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AuthError } from '../errors.js'
import { isCode, makePrivateFolder, readPrivateFile, syncDirectory, unwritable } from './durable-file.js'

/** Gives the 32 bytes that seal a store, whenever it is opened. */
export type SecretKeySource = () => Promise<Uint8Array>

function invalid(message: string, hint: string): AuthError {
  return new AuthError('ERR_INVALID_KEY', message, { hint })
}

const makeHint = 'Make one: openssl rand -base64 32.'

/** 32 bytes in base64 or base64url, or 64 hexadecimal digits. */
function parseKey(text: string, where: string): Uint8Array {
  const trimmed = text.trim()
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)
      ? Buffer.from(trimmed, 'base64url')
      : undefined
  if (bytes?.length !== 32) throw invalid(`${where} does not hold a key of 32 bytes`, makeHint)
  return bytes
}

/**
 * The key from an environment variable: base64 or hexadecimal, 32 bytes. Rejects with `ERR_INVALID_KEY` when it is
 * not set.
 */
export function keyFromEnvironment(name: string): SecretKeySource {
  return async () => {
    const text = process.env[name]
    if (text === undefined || text === '') throw invalid(`${name} is not set`, makeHint)
    return parseKey(text, name)
  }
}

/**
 * The key from a file of mode 0600, made on first use. Rejects with `ERR_CREDENTIALS_UNREADABLE` when others can
 * read it, with `ERR_INVALID_KEY` when it holds no key.
 */
export function keyFromFile(path: string): SecretKeySource {
  return async () => {
    const present = await readPrivateFile(path)
    if (present !== undefined) return parseKey(new TextDecoder().decode(present), path)
    await createKeyFile(path)
    const made = await readPrivateFile(path)
    if (made === undefined) throw invalid(`${path} disappeared`, 'Keep the key file.')
    return parseKey(new TextDecoder().decode(made), path)
  }
}

/** Complete before it has its name, and never in the place of another: two starts agree on one key. */
async function createKeyFile(path: string): Promise<void> {
  await makePrivateFolder(dirname(path))
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(32).toString('base64')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path).catch((error: unknown) => {
      if (!isCode(error, 'EEXIST')) throw error
    })
    // Before anything is sealed with it: records that outlive their key are lost.
    await syncDirectory(dirname(path))
  } catch (error) {
    throw unwritable(path, 'written', error)
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
}

/** A file name that says nothing and holds for any record name. */
export function fileNameFor(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, 32)
}
