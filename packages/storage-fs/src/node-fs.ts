import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { hostname, uptime } from 'node:os'
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
    close: async () => {
      if (syncedFd !== undefined) await closeFd(syncedFd)
      await closeFd(fd)
    },
  }
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
  try {
    return wrap(fd, await openFd(path, fs.constants.O_WRONLY | fs.constants.O_DSYNC))
  } catch (error) {
    await closeFd(fd)
    throw error
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

async function bootId(): Promise<string> {
  try {
    return (await fs.promises.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch {
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
  } catch {
    if (pid === process.pid) return String(Math.round(performance.timeOrigin / 1000))
    if (process.platform === 'linux') return undefined
    try {
      process.kill(pid, 0)
      return ''
    } catch (error) {
      return systemCode(error) === 'EPERM' ? '' : undefined
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
    mkdir: async (path) => {
      await fs.promises.mkdir(path, { recursive: true, mode: 0o700 })
    },
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
