import { isAbsolute } from 'node:path'
import { expect, it } from 'vitest'
import { type FsPort, inspectFsStorage, openFsStorage, salvageFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, states } from './support/tools.js'

/** Remembers every path that the file system is asked about. */
function watched(port: FsPort): { readonly fs: FsPort; readonly paths: Set<string> } {
  const paths = new Set<string>()
  const note = <T extends readonly unknown[], R>(call: (...values: T) => R) => {
    return (...values: T): R => {
      for (const value of values) {
        if (typeof value === 'string' && value !== 'read' && value !== 'write') paths.add(value)
      }
      return call(...values)
    }
  }
  const { existsNow, link } = port
  return {
    paths,
    fs: {
      ...port,
      open: note(port.open),
      create: note(port.create),
      publish: note(port.publish),
      rename: note(port.rename),
      unlink: note(port.unlink),
      readdir: note(port.readdir),
      mkdir: note(port.mkdir),
      syncDirectory: note(port.syncDirectory),
      stat: note(port.stat),
      freeBytes: note(port.freeBytes),
      ...(existsNow === undefined ? {} : { existsNow: note(existsNow) }),
      ...(link === undefined ? {} : { link: note(link) }),
    },
  }
}

it('a relative directory is the one it was at the start, wherever the process goes later', async () => {
  const disk = simulatedDisk()
  const { fs, paths } = watched(disk.port())
  const storage = await openFsStorage({ directory: './outbox', fs, segmentBytes: 1024 })
  for (const key of ['a', 'b', 'c']) await add(storage, key, { payload: new Uint8Array(400) })
  await storage.close()
  await inspectFsStorage('outbox/', { fs })
  await salvageFsStorage('outbox', '../saved', { fs })
  const saved = await openFsStorage({ directory: '../saved', fs })
  expect(await states(saved)).toEqual({ a: 'waiting', b: 'waiting', c: 'waiting' })
  await saved.close()
  expect(paths.size).toBeGreaterThan(10)
  expect([...paths].filter((path) => !isAbsolute(path))).toEqual([])
})
