import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { hostname, uptime } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type FsFile, type FsPort, systemCode } from './fs-port.js'
import { publishWith } from './internal/publish.js'

// The callback calls are faster than fs.promises on the hot path, and a promise costs nothing extra here.
function settle<T>(resolve: (value: T) => void, reject: (error: unknown) => void) {
  return (error: Error | null, value: T): void => {
    if (error === null) resolve(value)
    else reject(error)
  }
}

function done(resolve: () => void, reject: (error: unknown) => void) {
  return (error: Error | null): void => {
    if (error === null) resolve()
    else reject(error)
  }
}

/** `syncedFd`: the same file, opened so that every write is durable when it is done. */
function wrap(fd: number, syncedFd?: number): FsFile {
  // Once, also when it fails: the number may belong to another file by then.
  let closing: Promise<void> | undefined
  return {
    ...(syncedFd === undefined
      ? {}
      : {
          writeSynced: (bytes: Uint8Array, position: number) =>
            new Promise<number>((resolve, reject) => {
              fs.write(syncedFd, bytes, 0, bytes.length, position, settle(resolve, reject))
            }),
        }),
    read: (into, position) =>
      new Promise((resolve, reject) => {
        fs.read(fd, into, 0, into.length, position, settle(resolve, reject))
      }),
    write: (bytes, position) =>
      new Promise((resolve, reject) => {
        fs.write(fd, bytes, 0, bytes.length, position, settle(resolve, reject))
      }),
    datasync: () =>
      new Promise((resolve, reject) => {
        fs.fdatasync(fd, done(resolve, reject))
      }),
    truncate: (length) =>
      new Promise((resolve, reject) => {
        fs.ftruncate(fd, length, done(resolve, reject))
      }),
    size: () =>
      new Promise<fs.Stats>((resolve, reject) => {
        fs.fstat(fd, settle(resolve, reject))
      }).then((stats) => stats.size),
    close: () => (closing ??= closeAll(syncedFd === undefined ? [fd] : [syncedFd, fd])),
  }
}

async function closeAll(fds: readonly number[]): Promise<void> {
  const results = await Promise.allSettled(fds.map(closeFd))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

function closeFd(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(fd, done(resolve, reject))
  })
}

function openFd(path: string, flags: string | number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o600, settle(resolve, reject))
  })
}

async function create(path: string): Promise<FsFile> {
  const fd = await openFd(path, 'wx+')
  // Elsewhere a synced write may stay in a cache of the disk.
  if (process.platform !== 'linux') return wrap(fd)
  const syncedFd = await openFd(path, fs.constants.O_WRONLY | fs.constants.O_DSYNC).catch(() => undefined)
  // File systems that do not know the flag, or no descriptor left: writing and syncing in two steps does the same.
  return wrap(fd, syncedFd)
}

/** Creates a directory, and makes its name and those of new parents durable. */
async function makeDirectory(directory: string): Promise<void> {
  const whole = resolve(directory)
  const first = (await fs.promises.mkdir(whole, { recursive: true, mode: 0o700 })) ?? whole
  // The directory may be there and its name not yet durable, when who made it was killed right after.
  for (let made = whole; made.length >= first.length && dirname(made) !== made; made = dirname(made)) {
    try {
      await syncDirectory(dirname(made))
    } catch (error) {
      // A parent that may be entered but not listed, or one on a file system that is never written to.
      if (!['EACCES', 'EPERM', 'EINVAL', 'EROFS', 'ENOTSUP'].includes(systemCode(error) ?? '')) throw error
    }
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory; there NTFS journals names by itself.
  if (process.platform === 'win32') return
  const handle = await fs.promises.open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Nobody was asked: that is not an answer. A guess could take the directory from a process that lives. */
function throwIfNotAsked(error: unknown): void {
  const code = systemCode(error) ?? ''
  if (['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EIO'].includes(code)) throw error
}

async function bootId(): Promise<string> {
  try {
    return (await fs.promises.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch (error) {
    throwIfNotAsked(error)
    // Without a boot id: host name and boot time to the minute, which survives small clock corrections.
    return `${hostname()}/${Math.round((Date.now() / 1000 - uptime()) / 60)}`
  }
}

async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await fs.promises.readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may hold anything; start time is the 22nd field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie holds nothing any more: its files are closed.
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return fields[19] ?? ''
  } catch (error) {
    throwIfNotAsked(error)
    if (pid === process.pid) return String(Math.round(performance.timeOrigin / 1000))
    // Also on Linux: /proc may be missing, or hide the processes of others.
    try {
      process.kill(pid, 0)
      return ''
    } catch (refusal) {
      return systemCode(refusal) === 'EPERM' ? '' : undefined
    }
  }
}

/** The file system of Node.js. */
export function nodeFs(): FsPort {
  const port: FsPort = {
    // macOS and Windows disks may keep synced data in a volatile cache; no claim is made there.
    powerSafe: process.platform === 'linux',
    open: async (path, mode) => wrap(await openFd(path, mode === 'read' ? 'r' : 'r+')),
    create,
    publish: (path, content) =>
      publishWith(port, path, `${path}.${randomBytes(6).toString('hex')}.tmp`, content),
    link: (from, to) => fs.promises.link(from, to),
    rename: (from, to) => fs.promises.rename(from, to),
    unlink: (path) => fs.promises.unlink(path),
    readdir: (path) => fs.promises.readdir(path),
    mkdir: makeDirectory,
    syncDirectory,
    stat: (path) =>
      new Promise((resolve, reject) => {
        fs.stat(path, (error, stats) => {
          if (error === null) resolve({ size: stats.size })
          else if (error.code === 'ENOENT') resolve(undefined)
          else reject(error)
        })
      }),
    existsNow: (path) => fs.statSync(path, { throwIfNoEntry: false }) !== undefined,
    freeBytes: async (path) => {
      const stats = await fs.promises.statfs(path)
      return stats.bavail * stats.bsize
    },
    self: async () => ({
      pid: process.pid,
      boot: await bootId(),
      started: (await startOf(process.pid)) ?? '',
    }),
    processStarted: startOf,
  }
  return port
}
