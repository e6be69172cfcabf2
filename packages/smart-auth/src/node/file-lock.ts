import { randomBytes } from 'node:crypto'
import { open, readFile, readlink, stat, unlink, utimes, type FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { abortError } from '../internal/abort.js'
import type { SecretLease } from '../secret-store.js'
import { isCode, unwritable } from './durable-file.js'

export interface FileLockOptions {
  /** A lock whose holder has shown no sign of life for so long is taken over. Default 15,000. */
  readonly staleMs?: number
}

const pollMs = 25

/**
 * Runs work while the file exists with our mark in it; other processes wait. The holder touches the file; one
 * that was killed is recognised by its process number, and on another machine by its silence.
 */
export async function withFileLock<T>(
  path: string,
  work: (lease: SecretLease) => Promise<T>,
  signal: AbortSignal | undefined,
  { staleMs = 15_000 }: FileLockOptions,
): Promise<T> {
  const here = await whereabouts()
  const mark = `${process.pid} ${here} ${randomBytes(12).toString('hex')}\n`
  await acquire(path, mark, here, signal, staleMs)
  const heart = setInterval(() => {
    const now = new Date()
    void utimes(path, now, now).catch(() => undefined)
  }, staleMs / 3)
  heart.unref()
  // What cannot be looked at is not known to be ours; the work is done or not all the same.
  const stillHeld = async (): Promise<boolean> => (await contentOf(path).catch(() => undefined)) === mark
  try {
    return await work({ stillHeld })
  } finally {
    clearInterval(heart)
    if (await stillHeld()) await unlink(path).catch(() => undefined)
  }
}

/**
 * Where a process number means what it means here. Containers may have the host's name and number their processes for
 * themselves: then one must not take the other's for dead.
 */
async function whereabouts(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return namespace === '' ? hostname() : `${hostname()}/${namespace}`
}

async function acquire(
  path: string,
  mark: string,
  here: string,
  signal: AbortSignal | undefined,
  staleMs: number,
): Promise<void> {
  const silence = silenceMeter()
  const silenceOfTaker = silenceMeter()
  for (;;) {
    if (signal?.aborted === true) throw abortError()
    if (await create(path, mark)) return
    const sign = await signOfLife(path, here)
    const silentMs = silence(sign?.text)
    if (sign === undefined) continue
    if (sign.dead || silentMs > staleMs) {
      await remove(path, sign.text, here, async (guard) => silenceOfTaker(await timesOf(guard)) > staleMs)
      continue
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs * (0.5 + Math.random())))
  }
}

/**
 * For how long, in milliseconds, the same sign has been seen. Measured by our own steady clock: file times of another
 * machine may be anything.
 */
function silenceMeter(): (sign: string | undefined) => number {
  let seen: { readonly sign: string | undefined; readonly since: number } | undefined
  return (sign) => {
    if (sign === undefined || seen?.sign !== sign) seen = { sign, since: performance.now() }
    return performance.now() - seen.since
  }
}

/** Tells a file from one that was made later in its place; undefined when there is none. */
async function timesOf(path: string): Promise<string | undefined> {
  return stat(path).then(
    ({ mtimeMs, ino }) => `${mtimeMs} ${ino}`,
    () => undefined,
  )
}

async function create(path: string, mark: string): Promise<boolean> {
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw unwritable(path, 'made', error)
  }
  try {
    await file.writeFile(mark)
    return true
  } catch (error) {
    // Without a mark nobody could tell whose it is.
    await unlink(path).catch(() => undefined)
    throw unwritable(path, 'written', error)
  } finally {
    await file.close()
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw unwritable(path, 'read', error)
  }
}

async function signOfLife(path: string, here: string): Promise<{ text: string; dead: boolean } | undefined> {
  const mark = await contentOf(path)
  if (mark === undefined) return undefined
  try {
    const { mtimeMs, ino } = await stat(path)
    const [pid, place] = mark.split(' ')
    const dead = place === here && /^\d+$/.test(pid ?? '') && !isAlive(Number(pid))
    return { text: `${mark} ${mtimeMs} ${ino}`, dead }
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isCode(error, 'ESRCH')
  }
}

/** Removes the lock if it is still the one that was judged: only one taker at a time may look and remove. */
async function remove(
  path: string,
  sign: string,
  here: string,
  isLeftBehind: (guard: string) => Promise<boolean>,
): Promise<void> {
  const guard = `${path}.take`
  if (!(await create(guard, ''))) {
    // A taker that died in this short stretch leaves the guard behind.
    if (await isLeftBehind(guard)) await unlink(guard).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
    return
  }
  try {
    if ((await signOfLife(path, here))?.text === sign) await unlink(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  } finally {
    await unlink(guard).catch(() => undefined)
  }
}
