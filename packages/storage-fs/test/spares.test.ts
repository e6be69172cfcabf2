import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type FsPort, type FsStorage, nodeFs, openFsStorage } from '../src/index.js'
import { simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, states } from './support/tools.js'

const directory = '/q'
const marker = 'PATIENT-0815'

function open(disk: SimulatedDisk, fs: FsPort = disk.port()): Promise<FsStorage> {
  return openFsStorage({ directory, fs, segmentBytes: 2048, receipts: { maxCount: 0 } })
}

function names(disk: SimulatedDisk, part: string): string[] {
  return [...disk.files().keys()].filter((name) => name.includes(part))
}

function holding(disk: SimulatedDisk): string[] {
  return [...disk.files()].filter(([, data]) => Buffer.from(data).includes(marker)).map(([name]) => name)
}

async function flow(storage: FsStorage, rounds: number, text = 'flow'): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await add(storage, `${text}-${round}`, { payload: bytes(`${text} ${'.'.repeat(300)}`) })
    await deliver(storage)
  }
}

describe('prepared segments', () => {
  it('are overwritten, not grown, and each write is one step', async () => {
    const disk = simulatedDisk()
    const port = disk.port()
    let atOnce = 0
    let grown = 0
    const fs: FsPort = {
      ...port,
      create: async (path) => {
        const file = await port.create(path)
        return {
          ...file,
          writeSynced: async (data, position) => {
            atOnce++
            if (position + data.length > (await file.size())) grown++
            return (await file.writeSynced?.(data, position)) ?? 0
          },
        }
      },
    }
    const storage = await open(disk, fs)
    for (let round = 0; round < 40; round++) await add(storage, `k${round}`)
    expect(atOnce).toBeGreaterThan(20)
    expect(grown).toBe(0)
    disk.crash('power')
    const again = await open(disk)
    expect(Object.keys(await states(again))).toHaveLength(40)
    await again.close()
  })

  it('are used under a name of their own only: nothing but the log is left after close', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await flow(storage, 60)
    expect(disk.calls).toContain('link')
    await storage.close()
    expect(names(disk, 'spare')).toEqual([])
    expect(names(disk, 'drained')).toEqual([])
    const last = names(disk, 'segment').at(-1) ?? ''
    // What was prepared and not needed was given back.
    expect([...(disk.files().get(last)?.slice(-8) ?? [])].some((byte) => byte !== 0)).toBe(true)
  })

  it('are not used where the file system has no hard links', async () => {
    for (const code of ['absent', 'EPERM', 'ENOTSUP']) {
      const disk = simulatedDisk()
      const { link, ...port } = disk.port()
      const failing = async (): Promise<void> => {
        throw Object.assign(new Error(code), { code })
      }
      const storage = await open(disk, code === 'absent' ? port : { ...port, link: failing })
      await flow(storage, 40)
      await storage.sync()
      expect(link).toBeTypeOf('function')
      await storage.close()
      const again = await open(disk)
      expect(await again.stats()).toMatchObject({ accepted: 40, delivered: 40 })
      await again.close()
      expect(names(disk, 'spare')).toEqual([])
    }
  })

  it('of an earlier owner are never used again, and one that became a segment is not touched', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (let round = 0; round < 4; round++) await add(storage, `k${round}`)
    disk.crash('process')
    // As left by a crash between giving the second name and taking away the first.
    await disk.port().link?.('/q/segment-00000001.log', '/q/spare-1-7.log')
    disk.put('/q/spare-1-8.log', new Uint8Array(2048))
    disk.put('/q/drained-1.log', bytes(marker))
    const again = await open(disk)
    expect(Object.keys(await states(again))).toEqual(['k0', 'k1', 'k2', 'k3'])
    await again.close()
    expect(names(disk, 'spare')).toEqual([])
    expect(names(disk, 'drained')).toEqual([])
    expect(disk.removed.some((data) => Buffer.from(data).includes(marker))).toBe(false)
  })

  it('and blocks used again never lend an old header to a new segment', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (let round = 0; round < 20; round++) await add(storage, `k${round}`, { payload: new Uint8Array(200) })
    await storage.close()
    const segments = names(disk, 'segment-').sort()
    const next = `${directory}/segment-${String(segments.length + 1).padStart(8, '0')}.log`
    // The name and the size of the next segment arrived, its header did not.
    disk.put(
      next,
      disk
        .files()
        .get(segments[1] ?? '')
        ?.slice(0, 128) ?? new Uint8Array(0),
    )
    const again = await open(disk)
    expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [], cutBytes: 0 })
    expect(Object.values(await states(again))).toEqual(Array.from({ length: 20 }, () => 'waiting'))
    expect(await add(again, 'next')).toBe(21)
    await again.close()
  })

  it('never take the name of a segment that somebody else made', async () => {
    const disk = simulatedDisk()
    const port = disk.port()
    const foreign = bytes('made by a process that took over')
    const fs: FsPort = {
      ...port,
      link: async (from, to) => {
        disk.put(to, foreign)
        await port.link?.(from, to)
      },
    }
    const storage = await open(disk, fs)
    const written = (async () => {
      for (let round = 0; round < 60; round++) await add(storage, `k${round}`)
    })()
    await expect(written).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    expect([...disk.files().values()]).toContainEqual(foreign)
    await storage.close().catch(() => undefined)
  })
})

describe('what was delivered', () => {
  it('is overwritten before its segment is used again or removed', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'marked', { payload: bytes(marker) })
    // The control: it is there as long as it is needed.
    expect(holding(disk)).toHaveLength(1)
    await deliver(storage)
    await flow(storage, 80)
    await storage.close()
    expect(holding(disk)).toEqual([])
    expect(disk.removed.length).toBeGreaterThan(3)
    expect(disk.removed.some((data) => Buffer.from(data).includes(marker))).toBe(false)
    expect(disk.removed.some((data) => Buffer.from(data).includes('flow'))).toBe(false)
  })

  it('is overwritten after a crash too', async () => {
    for (let nth = 1; nth < 60; nth += 3) {
      const disk = simulatedDisk()
      let storage = await open(disk)
      await add(storage, 'marked', { payload: bytes(marker) })
      await deliver(storage)
      await flow(storage, 3)
      disk.fail({ nth, code: 'EIO', forever: true })
      await flow(storage, 3, 'more').catch(() => undefined)
      await storage.close().catch(() => undefined)
      disk.fail(undefined)
      disk.crash('power')
      storage = await open(disk)
      await deliver(storage, 1000).catch(() => undefined)
      await flow(storage, 60, 'after')
      await storage.close()
      expect(holding(disk), `crash at ${nth}`).toEqual([])
      expect(
        disk.removed.some((data) => Buffer.from(data).includes(marker)),
        `crash at ${nth}`,
      ).toBe(false)
    }
  })
})

describe('on real files', () => {
  it('a long life leaves a small directory, and every entry where it belongs', async () => {
    const home = await mkdtemp(join(tmpdir(), 'storage-fs-spares-'))
    try {
      const options = {
        directory: home,
        fs: nodeFs(),
        segmentBytes: 64 * 1024,
        receipts: { maxCount: 50 },
      }
      const storage = await openFsStorage(options)
      await add(storage, 'stuck', { lane: 'stuck', gate: 'stuck', after: [] })
      for (let round = 0; round < 150; round++) {
        await storage.append(
          Array.from({ length: 10 }, (_, at) => ({
            lane: 'flow',
            gate: 'flow',
            key: `${round}-${at}`,
            header: bytes('h'),
            payload: new Uint8Array(1000).fill(round),
          })),
        )
        const lease = await storage.lease({
          limit: 10,
          maxBytes: 1e9,
          ttlMs: 60_000,
          closedGates: [],
          onlyGate: 'flow',
        })
        if (!('entries' in lease)) throw new Error('nothing was ready')
        for (const { payload } of lease.entries) expect(payload).toEqual(new Uint8Array(1000).fill(round))
        await storage.settle(
          lease,
          lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
        )
      }
      await storage.close()
      const left = await readdir(home)
      expect(left.filter((name) => !/^(segment-|owner\.|checkpoint\.bin$)/.test(name))).toEqual([])
      let total = 0
      for (const name of left) total += (await stat(join(home, name))).size
      expect(total).toBeLessThan(12 * 64 * 1024)
      const again = await openFsStorage({ ...options, verify: true })
      expect(again.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
      expect(await again.stats()).toMatchObject({ accepted: 1501, delivered: 1500, waiting: 1 })
      await again.close()
    } finally {
      await rm(home, { recursive: true })
    }
  })
})
