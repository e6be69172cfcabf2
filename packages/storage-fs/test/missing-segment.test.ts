import { describe, expect, it } from 'vitest'
import { type FsFile, type FsStorage, openFsStorage } from '../src/index.js'
import { simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, deliver, draft, states } from './support/tools.js'

const directory = '/q'

function open(disk: SimulatedDisk): Promise<FsStorage> {
  return openFsStorage({ directory, fs: disk.port(), segmentBytes: 1024, receipts: { maxCount: 0 } })
}

function segments(disk: SimulatedDisk): string[] {
  return [...disk.files().keys()].filter((name) => name.includes('segment-')).sort()
}

/** Nine entries in several segments, closed properly. */
async function stored(): Promise<SimulatedDisk> {
  const disk = simulatedDisk()
  const storage = await open(disk)
  for (let at = 1; at <= 9; at++) await add(storage, `k${at}`, { payload: new Uint8Array(300) })
  await storage.close()
  expect(segments(disk).length).toBeGreaterThan(3)
  return disk
}

describe('a log file that is gone', () => {
  it.each([0, 1])('is noticed: what was in it is quarantined, once (file %i)', async (which) => {
    const disk = await stored()
    await disk.port().unlink(segments(disk)[which] ?? '')
    const storage = await open(disk)
    const { quarantined } = storage.recovery
    expect(quarantined.length).toBeGreaterThan(0)
    expect(quarantined[0]).toBe(which === 0 ? 1 : quarantined[0])
    const left = await storage.stats()
    expect(left).toMatchObject({ accepted: 9, quarantined: quarantined.length })
    expect(await add(storage, 'next')).toBe(10)
    await storage.close()
    for (const path of [`${directory}/checkpoint.bin`, undefined]) {
      if (path !== undefined) await disk.port().unlink(path)
      const again = await open(disk)
      expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [] })
      expect(await again.stats()).toMatchObject({ accepted: 10, quarantined: quarantined.length })
      await again.close()
    }
  })

  it('is not imagined where the oldest were removed because nothing of them was needed', async () => {
    const disk = await stored()
    const storage = await open(disk)
    for (let round = 0; round < 12; round++) {
      await add(storage, `more${round}`, { payload: new Uint8Array(300) })
      await deliver(storage, 2)
    }
    await storage.close()
    expect(segments(disk)[0]).not.toContain('00000001')
    await disk.port().unlink(`${directory}/checkpoint.bin`)
    const again = await open(disk)
    expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [] })
    expect(Object.values(await states(again)).every((state) => state === 'waiting')).toBe(true)
    await again.close()
  })
})

describe('the oldest log file is gone, and', () => {
  it('so is the record of the wipe that removed it: nothing that was wiped comes back', async () => {
    const disk = simulatedDisk()
    const storage = await openFsStorage({ directory, fs: disk.port() })
    for (let at = 1; at <= 50; at++) await add(storage, `k${at}`)
    await storage.wipe?.([])
    await add(storage, 'after')
    await storage.close()
    const [second = ''] = segments(disk)
    expect(second).toContain('segment-00000002')
    const data = disk.files().get(second)?.slice() ?? new Uint8Array(0)
    data[128 + 50] = (data[128 + 50] ?? 0) ^ 0xff
    disk.put(second, data)
    const again = await openFsStorage({ directory, fs: disk.port(), verify: true })
    expect(again.recovery).toMatchObject({ quarantined: [], cutBytes: 0 })
    expect(await states(again)).toEqual({ after: 'waiting' })
    expect(await add(again, 'next')).toBe(52)
    await again.close()
  })

  it('it held so much that it is written down in portions', async () => {
    const disk = simulatedDisk()
    const storage = await openFsStorage({ directory, fs: disk.port() })
    const drafts = Array.from({ length: 12_000 }, (_, at) => draft(`k${at}`, { payload: new Uint8Array(1) }))
    await storage.append(drafts)
    await storage.close()
    const later = await openFsStorage({ directory, fs: disk.port() })
    await add(later, 'later')
    await later.close()
    await disk.port().unlink(segments(disk)[0] ?? '')
    const port = disk.port()
    let most = 0
    const measured = (file: FsFile): FsFile => ({
      ...file,
      write: async (data, position) => {
        most = Math.max(most, data.length)
        return await file.write(data, position)
      },
    })
    const fs = { ...port, create: async (path: string) => measured(await port.create(path)) }
    const again = await openFsStorage({ directory, fs })
    expect(again.recovery.quarantined).toHaveLength(12_000)
    expect(await again.stats()).toMatchObject({ accepted: 12_001, quarantined: 12_000 })
    await again.close()
    expect(most).toBeGreaterThan(1024 * 1024)
    expect(most).toBeLessThan(1.2 * 1024 * 1024)
  })
})

describe('a log that is shorter than when it was closed', () => {
  it.each([
    { what: 'the last file is gone', left: undefined },
    { what: 'of the last file only a part of the header is left', left: 60 },
    { what: 'of the last file only the header is left', left: 128 },
    { what: 'the last file ends in the middle of a record', left: 300 },
    { what: 'the last file has lost its last byte', left: -1 },
  ])('is noticed when $what', async ({ left }) => {
    const disk = await stored()
    const last = segments(disk).at(-1) ?? ''
    const data = disk.files().get(last) ?? new Uint8Array(0)
    if (left === undefined) await disk.port().unlink(last)
    else disk.put(last, data.slice(0, left))
    const storage = await open(disk)
    const { quarantined } = storage.recovery
    if (left !== -1) expect(quarantined.at(-1)).toBe(9)
    // What was lost may have said that a request was on its way, so nothing is simply sent again.
    const found = Object.values(await states(storage))
    expect(found).toHaveLength(9)
    expect(found.filter((state) => state === 'quarantined')).toHaveLength(quarantined.length)
    expect(found.filter((state) => state === 'unknown')).toHaveLength(9 - quarantined.length)
    // No sequence is given out twice.
    expect(await add(storage, 'next')).toBe(10)
    const after = await states(storage)
    await storage.close()
    for (const path of [`${directory}/checkpoint.bin`, undefined]) {
      if (path !== undefined) await disk.port().unlink(path)
      const again = await open(disk)
      expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [] })
      expect(await states(again)).toEqual(after)
      await again.close()
    }
  })

  it('is not imagined where the log went on after the checkpoint', async () => {
    const disk = await stored()
    const old = disk.files().get(`${directory}/checkpoint.bin`) ?? new Uint8Array(0)
    const storage = await open(disk)
    await add(storage, 'later')
    disk.crash('process')
    // Its removal did not reach the disk.
    disk.put(`${directory}/checkpoint.bin`, old)
    const again = await open(disk)
    expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [] })
    expect(await add(again, 'next')).toBe(11)
    await again.close()
    expect(await storage.close().catch(() => 'dead')).toBe('dead')
  })
})
