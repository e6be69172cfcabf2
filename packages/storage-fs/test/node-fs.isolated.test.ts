import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nodeFs } from '../src/index.js'
import { bytes } from './support/tools.js'

const synced = vi.hoisted((): { files: number[]; directories: string[] } => ({ files: [], directories: [] }))
/** Files that cannot be opened any more, and why. */
const refused = vi.hoisted(() => new Map<string, string>())
const closed = vi.hoisted((): number[] => [])

// The only place where the real calls are watched: everything else is tested on a disk that forgets.
vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs')>()
  return {
    ...real,
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      synced.files.push(fd)
      real.fdatasync(fd, done)
    },
    open: (path: string, flags: string | number, mode: number, done: (error: Error | null) => void) => {
      const code = typeof flags === 'number' ? refused.get('O_DSYNC') : undefined
      if (code === undefined) real.open(path, flags, mode, done)
      else done(Object.assign(new Error(code), { code }))
    },
    close: (fd: number, done: (error: Error | null) => void) => {
      closed.push(fd)
      real.close(fd, (error) => {
        const code = refused.get('close')
        done(code === undefined ? error : Object.assign(new Error(code), { code }))
      })
    },
    promises: {
      ...real.promises,
      readFile: async (path: string, encoding: BufferEncoding) => {
        const code = refused.get(path)
        if (code !== undefined) throw Object.assign(new Error(code), { code })
        return await real.promises.readFile(path, encoding)
      },
      open: async (path: string, flags: string) => {
        const handle = await real.promises.open(path, flags)
        const sync = handle.sync.bind(handle)
        handle.sync = async () => {
          const code = refused.get(`sync ${path}`)
          if (code !== undefined) throw Object.assign(new Error(code), { code })
          synced.directories.push(path)
          await sync()
        }
        return handle
      },
    },
  }
})

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'storage-fs-node-'))
  synced.files.length = 0
  synced.directories.length = 0
  closed.length = 0
  refused.clear()
})
afterEach(() => rm(home, { recursive: true, force: true }))

/** Flags of the open descriptors of a file, as the kernel tells them. */
async function flagsOf(path: string): Promise<number[]> {
  const flags: number[] = []
  for (const fd of await readdir('/proc/self/fd')) {
    const target = await readlink(`/proc/self/fd/${fd}`).catch(() => '')
    if (target !== path) continue
    const info = await readFile(`/proc/self/fdinfo/${fd}`, 'utf8')
    flags.push(Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? '0', 8))
  }
  return flags
}

describe('the file system of Node.js', () => {
  it('syncs data and directories when it is asked to', async () => {
    const port = nodeFs()
    const file = await port.create(join(home, 'a'))
    await file.write(bytes('text'), 0)
    expect(synced.files).toEqual([])
    await file.datasync()
    expect(synced.files).toHaveLength(1)
    await port.syncDirectory(home)
    expect(synced.directories).toEqual(process.platform === 'win32' ? [] : [home])
    await file.close()
  })

  it('publishes a file only with synced content', async () => {
    await nodeFs().publish(join(home, 'lock'), bytes('whole'))
    expect(synced.files).toHaveLength(1)
    expect(await readdir(home)).toEqual(['lock'])
    await expect(nodeFs().publish(join(home, 'lock'), bytes('other'))).rejects.toMatchObject({
      code: 'EEXIST',
    })
    expect(await readFile(join(home, 'lock'), 'utf8')).toBe('whole')
    expect(await readdir(home)).toEqual(['lock'])
  })

  it.runIf(process.platform === 'linux')('writes in one synced step where the kernel does both', async () => {
    const path = join(home, 'log')
    const file = await nodeFs().create(path)
    expect(await file.writeSynced?.(bytes('durable'), 0)).toBe(7)
    const dataSync = 0o10000
    expect((await flagsOf(path)).filter((flags) => (flags & dataSync) !== 0)).toHaveLength(1)
    expect(await readFile(path, 'utf8')).toBe('durable')
    await file.close()
    expect(await flagsOf(path)).toEqual([])
  })

  it('tells what is not there from what cannot be told', async () => {
    const port = nodeFs()
    expect(await port.stat(join(home, 'nothing'))).toBeUndefined()
    expect(port.existsNow?.(join(home, 'nothing'))).toBe(false)
    await expect(port.stat(join(home, '\0'))).rejects.toThrow()
    const self = await port.self()
    expect(await port.processStarted(self.pid)).toBe(self.started)
    expect(await port.processStarted(2 ** 22 + 1)).toBeUndefined()
  })

  it('makes the names of new directories durable, each in its parent', async () => {
    await nodeFs().mkdir(join(home, 'a', 'b', 'outbox'))
    expect(synced.directories).toEqual([join(home, 'a', 'b'), join(home, 'a'), home])
    expect((await stat(join(home, 'a', 'b', 'outbox'))).mode & 0o777).toBe(0o700)
    synced.directories.length = 0
    // It is there, but perhaps only since a moment ago, made by somebody who was killed.
    await nodeFs().mkdir(`${join(home, 'a', 'b', 'outbox')}/`)
    expect(synced.directories).toEqual([join(home, 'a', 'b')])
  })

  it('opens a directory below one that cannot be synced, but not below one that fails', async () => {
    await nodeFs().mkdir(join(home, 'mounted'))
    // As on a gateway: a writable file system below a root of squashfs.
    for (const code of ['EINVAL', 'EROFS', 'EACCES']) {
      refused.set(`sync ${home}`, code)
      await nodeFs().mkdir(join(home, 'mounted'))
    }
    refused.set(`sync ${home}`, 'EIO')
    await expect(nodeFs().mkdir(join(home, 'mounted'))).rejects.toMatchObject({ code: 'EIO' })
  })

  it('writes in two steps where a file cannot be opened for synced writing', async () => {
    for (const code of ['EINVAL', 'EMFILE']) {
      refused.set('O_DSYNC', code)
      const file = await nodeFs().create(join(home, code))
      expect(file.writeSynced).toBeUndefined()
      expect(await file.write(bytes('text'), 0)).toBe(4)
      await file.close()
      expect(await flagsOf(join(home, code))).toEqual([])
    }
  })

  it('closes each descriptor once, also when the system says that it failed', async () => {
    const path = join(home, 'log')
    const file = await nodeFs().create(path)
    refused.set('close', 'EIO')
    await expect(file.close()).rejects.toMatchObject({ code: 'EIO' })
    expect(await flagsOf(path)).toEqual([])
    const { length } = closed
    await expect(file.close()).rejects.toMatchObject({ code: 'EIO' })
    expect(closed).toHaveLength(length)
    expect(new Set(closed).size).toBe(length)
  })

  it('never takes a process for dead because it could not ask', async () => {
    const port = nodeFs()
    const parent = process.ppid
    const started = await port.processStarted(parent)
    for (const code of ['EMFILE', 'ENFILE', 'EIO']) {
      refused.set(`/proc/${parent}/stat`, code)
      await expect(port.processStarted(parent), code).rejects.toMatchObject({ code })
    }
    // No /proc, or one that hides the processes of others: whether it runs can still be found out.
    for (const code of ['ENOENT', 'EACCES']) {
      refused.set(`/proc/${parent}/stat`, code)
      expect(await port.processStarted(parent), code).toBe('')
    }
    refused.clear()
    expect(await port.processStarted(parent)).toBe(started)
    refused.set('/proc/sys/kernel/random/boot_id', 'EMFILE')
    await expect(port.self()).rejects.toMatchObject({ code: 'EMFILE' })
  })
})
