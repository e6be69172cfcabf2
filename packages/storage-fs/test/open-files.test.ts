import { expect, it } from 'vitest'
import { type FsFile, type FsPort, openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, states } from './support/tools.js'

/**
 * Descriptors are numbers: a read that begins after its file was closed goes to whatever file got the number since.
 * Reads take a moment here, so that there is time for that.
 */
function withNumbers(port: FsPort): { readonly fs: FsPort; mostOpen(): number } {
  let open = 0
  let most = 0
  return {
    mostOpen: () => most,
    fs: {
      ...port,
      open: async (path, mode) => {
        const file: FsFile = await port.open(path, mode)
        let closed = false
        most = Math.max(most, ++open)
        return {
          ...file,
          read: async (into, position) => {
            for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
            if (!closed) return await file.read(into, position)
            into.fill(0x55)
            return into.length
          },
          close: async () => {
            closed = true
            open--
            await file.close()
          },
        }
      },
    },
  }
}

it('many readers of many files never read from a descriptor that was given away', async () => {
  const disk = simulatedDisk()
  const { fs, mostOpen } = withNumbers(disk.port())
  const storage = await openFsStorage({ directory: '/q', fs, segmentBytes: 1024 })
  const keys = Array.from({ length: 60 }, (_, at) => `k${at}`)
  for (const key of keys) await add(storage, key, { payload: new Uint8Array(700).fill(3) })
  const read = await Promise.all(keys.map((_, at) => storage.read(at + 1)))
  expect(read.map((entry) => entry?.state)).toEqual(keys.map(() => 'waiting'))
  expect(Object.values(await states(storage))).toEqual(keys.map(() => 'waiting'))
  // They are still few afterwards.
  for (let at = 1; at <= keys.length; at++) await storage.read(at)
  await storage.close()
  expect(mostOpen()).toBeGreaterThan(16)
})
