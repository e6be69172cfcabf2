import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nodeFs } from '../src/index.js'
import { bytes } from './support/tools.js'

const synced = vi.hoisted((): { files: number[]; directories: string[] } => ({ files: [], directories: [] }))

// The only place where the real calls are watched: everything else is tested on a disk that forgets.
vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs')>()
  return {
    ...real,
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      synced.files.push(fd)
      real.fdatasync(fd, done)
    },
    promises: {
      ...real.promises,
      open: async (path: string, flags: string) => {
        const handle = await real.promises.open(path, flags)
        const sync = handle.sync.bind(handle)
        handle.sync = async () => {
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
})
