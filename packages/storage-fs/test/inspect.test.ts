import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inspectFsStorage, openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, deliver } from './support/tools.js'

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
