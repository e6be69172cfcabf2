import { describe, expect, it } from 'vitest'
import type { QueueError } from '@fhir-outbox/queue-core'
import { type FsFile, type FsPort, type FsStorage, openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, take, testClock } from './support/tools.js'

const directory = '/q'

interface SmallDisk {
  readonly fs: FsPort
  /** Bytes taken by other programs. */
  others: number
  used(): number
}

/** A disk of so many bytes. What does not fit any more is written as far as it does, then refused. */
function smallDisk(capacity: number): SmallDisk {
  const disk = simulatedDisk()
  const port = disk.port()
  const used = (): number => {
    // Two names of one file take its space once.
    const contents = new Set(disk.files().values())
    return [...contents].reduce((sum, { length }) => sum + length, small.others)
  }
  const bounded = (file: FsFile): FsFile => {
    const fitting = async (data: Uint8Array, position: number): Promise<Uint8Array> => {
      const grows = Math.max(0, position + data.length - (await file.size()))
      const missing = Math.max(0, grows - (capacity - used()))
      if (missing === 0) return data
      if (missing >= data.length) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      return data.subarray(0, data.length - missing)
    }
    const { writeSynced } = file
    return {
      ...file,
      write: async (data, position) => await file.write(await fitting(data, position), position),
      ...(writeSynced === undefined
        ? {}
        : { writeSynced: async (data, at) => await writeSynced(await fitting(data, at), at) }),
    }
  }
  const small: SmallDisk = {
    others: 0,
    used,
    fs: {
      ...port,
      open: async (path, mode) => bounded(await port.open(path, mode)),
      create: async (path) => bounded(await port.create(path)),
      freeBytes: async () => Math.max(0, capacity - used()),
    },
  }
  return small
}

/** Appends until the queue says that it is full. */
async function fill(storage: FsStorage, round: string, between: () => void): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await add(storage, `${round}-${count}`, { payload: new Uint8Array(1000).fill(1) })
      between()
    } catch (error) {
      expect((error as QueueError).code, `${round}-${count}: ${String(error)}`).toBe('ERR_QUEUE_FULL')
      return count
    }
  }
}

describe('a disk that fills up', () => {
  it.each([4, 16])(
    'never fails the storage as long as %i KiB are kept free: it is drained and takes new entries',
    async (kept) => {
      const clock = testClock()
      const disk = smallDisk(256 * 1024)
      const storage = await openFsStorage({
        directory,
        fs: disk.fs,
        now: clock.now,
        segmentBytes: 32 * 1024,
        limits: { freeDiskBytes: kept * 1024 },
        receipts: { maxCount: 0 },
      })
      // So long that the free space is looked at anew each time.
      const between = (): void => clock.advance(61_000)
      for (const round of ['first', 'second', 'third']) {
        const count = await fill(storage, round, between)
        expect(count, round).toBeGreaterThan(100)
        for (let left = count; left > 0;) {
          const lease = await take(storage, { limit: 10 })
          await storage.mark(
            lease,
            lease.entries.map(({ sequence }) => ({ sequence, group: `g${sequence}` })),
          )
          await storage.settle(
            lease,
            lease.entries.map(({ sequence, key }) => ({ sequence, outcome: 'delivered', note: bytes(key) })),
          )
          left -= lease.entries.length
        }
      }
      await storage.close()
    },
  )

  it('takes what fits, though nothing can be prepared any more', async () => {
    const disk = smallDisk(200 * 1024)
    const storage = await openFsStorage({ directory, fs: disk.fs, limits: { freeDiskBytes: 0 } })
    await add(storage, 'large', { payload: new Uint8Array(64 * 1024) })
    disk.others = 200 * 1024 - disk.used() - 3000
    await add(storage, 'small', { payload: new Uint8Array(1000) })
    await add(storage, 'another', { payload: new Uint8Array(1000) })
    expect(await deliver(storage)).toEqual([1, 2, 3])
    await storage.close()
  })

  it('is opened in spite of many small segments, as long as there is no room to bring them together', async () => {
    const disk = smallDisk(32 * 1024 ** 2)
    const options = { directory, fs: disk.fs, segmentBytes: 4 * 1024 ** 2, limits: { freeDiskBytes: 0 } }
    const live = async (key: string, size: number): Promise<void> => {
      const storage = await openFsStorage(options)
      await add(storage, key, { payload: new Uint8Array(size) })
      await storage.close()
    }
    for (let life = 0; life < 66; life++) await live(`k${life}`, 20_000)
    // Room for one more small life, not for a copy of an entry.
    disk.others = ((await disk.fs.freeBytes(directory)) ?? 0) - 3000
    await live('small', 1)
    disk.others = 0
    const storage = await openFsStorage(options)
    expect(await storage.stats()).toMatchObject({ accepted: 67, waiting: 67, quarantined: 0 })
    await storage.close()
  })

  it('says that opening needs space, and what is not safe yet is not built on', async () => {
    const disk = simulatedDisk()
    const storage = await openFsStorage({ directory, fs: disk.port() })
    await add(storage, 'a')
    disk.crash('process')
    const port = disk.port()
    // Copy-on-write file systems need space for what is written once more, too.
    const fs: FsPort = {
      ...port,
      open: async (path, mode) => {
        const file = await port.open(path, mode)
        if (!path.endsWith('.log')) return file
        const full = (): Promise<number> =>
          Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
        return { ...file, write: full }
      },
    }
    await expect(openFsStorage({ directory, fs })).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
      message: expect.stringMatching(/opening needs free space.*ENOSPC/),
      hint: expect.stringContaining('Free disk space'),
    })
    const again = await openFsStorage({ directory, fs: port })
    expect(await again.stats()).toMatchObject({ accepted: 1, waiting: 1 })
    await again.close()
    expect(await storage.close().catch(() => 'dead')).toBe('dead')
  })
})
