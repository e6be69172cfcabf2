import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type FsPort, inspectFsStorage, openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, take } from './support/tools.js'

it('inspection shows a storage that is in use, and changes nothing', async () => {
  const disk = simulatedDisk()
  const fs = disk.port()
  const storage = await openFsStorage({ directory: '/q', fs })
  for (const key of ['a', 'b', 'c']) await add(storage, key)
  await deliver(storage, 1)
  await storage.notes.put('learned', new Uint8Array([1]), 0)
  await storage.notes.put('learned', new Uint8Array([2, 3]), 1)
  await storage.sync()
  const before = disk.files()
  const seen = await inspectFsStorage('/q', { fs: disk.port() })
  expect(disk.files()).toEqual(before)
  expect(seen).toMatchObject({ segments: 1, unfinishedBytes: 0, unreadable: [], nextSequence: 4 })
  expect(seen.owner?.pid).toBe((await fs.self()).pid)
  expect(seen.stats).toMatchObject({ accepted: 3, waiting: 2, delivered: 1 })
  expect([...seen.notes]).toEqual([['learned', new Uint8Array([2, 3])]])
  await storage.close()
  expect(await inspectFsStorage('/q', { fs: disk.port() })).not.toHaveProperty('owner')
})

it.each([
  { what: 'stays', closes: false },
  { what: 'closes', closes: true },
])('inspection beside a process that tidies up meanwhile and $what reports no damage', async ({ closes }) => {
  const disk = simulatedDisk()
  const options = { directory: '/q', segmentBytes: 8192, receipts: { maxCount: 0 } }
  const storage = await openFsStorage({ ...options, fs: disk.port() })
  const payload = new Uint8Array(300)
  await add(storage, 'stuck', { lane: 'stuck', gate: 'stuck', payload: new Uint8Array(1) })
  for (let at = 0; at < 40; at++) await add(storage, `k${at}`, { payload })
  const port = disk.port()
  let opened = 0
  let delivered = 0
  const fs: FsPort = {
    ...port,
    open: async (path, mode) => {
      const file = await port.open(path, mode)
      if (!path.endsWith('segment-00000001.log') || ++opened !== 2) return file
      // It is open already; before anything is read from it, it is drained and overwritten.
      await add(storage, 'large', { payload: new Uint8Array(8000) })
      while (disk.files().has(path)) {
        const lease = await take(storage, { closedGates: ['stuck'], limit: 1 })
        delivered += lease.entries.length
        await storage.settle(
          lease,
          lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
        )
        await storage.sync()
      }
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      if (closes) await storage.close()
      return file
    },
  }
  const seen = await inspectFsStorage('/q', { fs })
  expect(delivered).toBeGreaterThan(0)
  expect(seen.unreadable).toEqual([])
  const { accepted, waiting, quarantined, unknown } = seen.stats
  expect({ accepted, quarantined, unknown }).toEqual({ accepted: 42, quarantined: 0, unknown: 0 })
  expect(waiting).toBeLessThan(30)
  await storage.close()
})

it('inspection while the owner closes misses nothing and reports no damage', async () => {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ directory: '/q', fs: disk.port() })
  await add(storage, 'a')
  const port = disk.port()
  let closed = false
  const fs: FsPort = {
    ...port,
    stat: async (name) => {
      if (name === '/q/checkpoint.bin' && !closed) {
        closed = true
        await add(storage, 'b')
        await storage.close()
      }
      return await port.stat(name)
    },
  }
  const seen = await inspectFsStorage('/q', { fs })
  expect(closed).toBe(true)
  expect(seen.unreadable).toEqual([])
  expect(seen.stats).toMatchObject({ accepted: 2, waiting: 2, unknown: 0, quarantined: 0 })
})

it('inspection of a damaged storage in use names what is damaged', async () => {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ directory: '/q', fs: disk.port() })
  for (const key of ['a', 'b', 'c']) await add(storage, key)
  const path = '/q/segment-00000001.log'
  const data = disk.files().get(path)?.slice() ?? new Uint8Array(0)
  const at = Buffer.from(data).indexOf('payload of b')
  data.set([0xff], at)
  disk.put(path, data)
  const port = disk.port()
  let looks = 0
  const fs: FsPort = {
    ...port,
    stat: async (name) => {
      if (name === '/q/checkpoint.bin') looks++
      return await port.stat(name)
    },
  }
  const seen = await inspectFsStorage('/q', { fs })
  expect(seen.owner).toBeDefined()
  expect(seen.unreadable).toEqual([2])
  // The second look has found the same.
  expect(looks).toBe(2)
  await storage.close()
})

it('inspection of nothing is one clear error', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'storage-fs-inspect-'))
  try {
    await expect(inspectFsStorage(join(parent, 'missing'))).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
    })
  } finally {
    await rm(parent, { recursive: true })
  }
})
