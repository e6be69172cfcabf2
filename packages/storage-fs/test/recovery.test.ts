import { describe, expect, it } from 'vitest'
import { type FsFile, openFsStorage } from '../src/index.js'
import type { FsStorage, FsStorageOptions } from '../src/index.js'
import { images, simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take, testClock, text } from './support/tools.js'

const directory = '/q'
const firstSegment = '/q/segment-00000001.log'

function open(disk: SimulatedDisk, more: Partial<FsStorageOptions> = {}): Promise<FsStorage> {
  return openFsStorage({ directory, fs: disk.port(), now: testClock().now, ...more })
}

function content(disk: SimulatedDisk, path: string): Uint8Array {
  const found = disk.files().get(path)
  if (found === undefined) throw new Error(`${path} is not there`)
  return found
}

function indexOf(haystack: Uint8Array, needle: Uint8Array, from = 0): number {
  for (let at = from; at + needle.length <= haystack.length; at++) {
    if (needle.every((byte, index) => haystack[at + index] === byte)) return at
  }
  throw new Error('not found')
}

function flipped(data: Uint8Array, at: number): Uint8Array {
  const copy = data.slice()
  copy[at] = (copy[at] ?? 0) ^ 0x40
  return copy
}

describe('a torn tail', () => {
  it('is cut at every byte, and everything before it is kept', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    const ends: number[] = []
    for (const key of ['a', 'b', 'c']) {
      await add(storage, key)
      ends.push(content(disk, firstSegment).length)
    }
    const whole = content(disk, firstSegment)
    disk.crash('process')
    for (let length = 0; length <= whole.length; length++) {
      const torn = simulatedDisk()
      torn.put(firstSegment, whole.slice(0, length))
      const again = await open(torn)
      const expected = ends.filter((end) => end <= length).length
      expect(Object.keys(await states(again)), `cut at ${length}`).toEqual(['a', 'b', 'c'].slice(0, expected))
      expect(again.recovery.quarantined).toEqual([])
      // The store goes on: the sequence follows, and the next opening finds no damage.
      expect(await add(again, 'next')).toBe(expected + 1)
      await again.close()
      const third = await open(torn)
      expect(third.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
      expect(Object.keys(await states(third))).toHaveLength(expected + 1)
      await third.close()
    }
  })

  it('takes an append of several with it as a whole', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'alone')
    const before = content(disk, firstSegment).length
    await storage.append([draft('x'), draft('y'), draft('z')])
    const whole = content(disk, firstSegment)
    disk.crash('process')
    for (let length = before; length < whole.length; length++) {
      const torn = simulatedDisk()
      torn.put(firstSegment, whole.slice(0, length))
      const again = await open(torn)
      expect(Object.keys(await states(again)), `cut at ${length}`).toEqual(['alone'])
      await again.close()
    }
  })

  it('of zeros or noise is cut too', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    const whole = content(disk, firstSegment)
    disk.crash('process')
    for (const fill of [0, 0x46, 0xff]) {
      const torn = simulatedDisk()
      const padded = new Uint8Array(whole.length + 5000).fill(fill)
      padded.set(whole)
      torn.put(firstSegment, padded)
      const again = await open(torn)
      // Zeros are what a prepared segment ends in; nobody wrote them.
      expect(again.recovery.cutBytes).toBe(fill === 0 ? 0 : 5000)
      expect(await states(again)).toEqual({ a: 'waiting' })
      await again.close()
    }
  })
})

describe('damage in the middle', () => {
  it('of a payload quarantines that entry, keeps its bytes and serves the rest', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b', 'c']) await add(storage, key, { lane: key })
    await storage.close()
    const whole = content(disk, firstSegment)
    disk.put(firstSegment, flipped(whole, indexOf(whole, bytes('payload of b')) + 3))

    const again = await open(disk, { verify: true })
    expect(again.recovery).toMatchObject({ cutBytes: 0, quarantined: [2], doubtful: [] })
    expect(await states(again)).toEqual({ a: 'waiting', b: 'quarantined', c: 'waiting' })
    const lost = await again.read(2)
    expect(lost).toMatchObject({ lane: 'b', gate: 'gate', state: 'quarantined' })
    expect(lost?.payload).toBeUndefined()
    const kept = [...disk.files()].filter(([name]) => name.includes('quarantine-'))
    expect(kept).toHaveLength(1)
    expect(text(kept[0]?.[1])).toContain('oad of b')
    expect([...(await deliver(again)), ...(await deliver(again))]).toEqual([1, 3])
    expect(await again.stats()).toMatchObject({ accepted: 3, delivered: 2, quarantined: 1, waiting: 0 })
    await again.close()

    const third = await open(disk, { verify: true })
    expect(third.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
    expect(await states(third)).toEqual({ a: 'delivered', b: 'quarantined', c: 'delivered' })
    await third.close()
  })

  it('of the last record is not taken for a torn tail when the store was closed properly', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b']) await add(storage, key)
    await storage.close()
    const whole = content(disk, firstSegment)
    disk.put(firstSegment, flipped(whole, indexOf(whole, bytes('payload of b'))))
    const again = await open(disk, { verify: true })
    expect(again.recovery).toMatchObject({ cutBytes: 0, quarantined: [2], doubtful: [] })
    expect(await states(again)).toEqual({ a: 'waiting', b: 'quarantined' })
    await again.close()
  })

  it('of a record head quarantines the missing sequence', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b', 'c']) await add(storage, key)
    await storage.close()
    const whole = content(disk, firstSegment)
    disk.put(firstSegment, flipped(whole, indexOf(whole, bytes('h-b'))))
    const again = await open(disk, { verify: true })
    expect(again.recovery).toMatchObject({ cutBytes: 0, quarantined: [2], doubtful: [] })
    expect(await deliver(again)).toEqual([1, 3])
    expect(await again.stats()).toMatchObject({ accepted: 3, delivered: 2, quarantined: 1 })
    expect(await add(again, 'd')).toBe(4)
    await again.close()
    const third = await open(disk, { verify: true })
    expect(third.recovery.quarantined).toEqual([])
    expect(await third.stats()).toMatchObject({ accepted: 4, delivered: 2, quarantined: 1, waiting: 1 })
    await third.close()
  })

  it('of a record head that later records speak of does not keep the store shut', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b', 'c']) await add(storage, key, { lane: key })
    const lease = await take(storage)
    await storage.mark(lease, [{ sequence: 1, group: 'request' }])
    await storage.settle(lease, [{ sequence: 1, outcome: 'waiting', spent: true, delayMs: 60_000 }])
    expect(await deliver(storage)).toEqual([2])
    await storage.close()
    disk.put('/q/checkpoint.bin', new Uint8Array(0))
    const whole = content(disk, firstSegment)
    const damaged = flipped(flipped(whole, indexOf(whole, bytes('h-a'))), indexOf(whole, bytes('h-b')))
    disk.put(firstSegment, damaged)

    const again = await open(disk, { verify: true })
    expect(again.recovery).toMatchObject({ quarantined: [1, 2] })
    expect(await deliver(again)).toEqual([3])
    await again.close()
    disk.put('/q/checkpoint.bin', new Uint8Array(0))
    const third = await open(disk, { verify: true })
    expect(await third.stats()).toMatchObject({ accepted: 3, delivered: 1, quarantined: 2 })
    await third.close()
  })

  it('that may have been a mark makes what waited unknown, never simply sent again', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    const start = content(disk, firstSegment).length
    await storage.mark(await take(storage), [{ sequence: 1, group: 'request' }])
    await add(storage, 'later')
    await storage.close()
    disk.put(firstSegment, flipped(content(disk, firstSegment), start + 60))
    const again = await open(disk, { verify: true })
    expect(again.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [1] })
    expect(await states(again)).toEqual({ a: 'unknown', later: 'waiting' })
    await again.close()
    const third = await open(disk, { verify: true })
    expect(third.recovery.doubtful).toEqual([])
    expect(await states(third)).toEqual({ a: 'unknown', later: 'waiting' })
    await third.close()
  })

  it.each([0, 1, 8, 9, 24, 40, 60])('of byte %i of the segment header is survived', async (at) => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    await storage.close()
    disk.put(firstSegment, flipped(content(disk, firstSegment), at))
    const again = await open(disk, { verify: true })
    expect(await states(again)).toEqual({ a: 'waiting' })
    await again.close()
  })

  it('of both headers keeps the file aside and never reuses a sequence', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b']) await add(storage, key)
    await storage.close()
    const second = await open(disk)
    await add(second, 'c')
    await second.close()
    disk.put(firstSegment, flipped(flipped(content(disk, firstSegment), 20), 84))
    const again = await open(disk, { verify: true })
    expect(again.recovery.quarantined).toEqual([1, 2])
    expect(await again.stats()).toMatchObject({ accepted: 3, quarantined: 2, waiting: 1 })
    expect(await add(again, 'd')).toBe(4)
    await again.close()
    expect([...disk.files().keys()].filter((name) => name.includes('quarantine'))).toHaveLength(1)
    const third = await open(disk, { verify: true })
    expect(third.recovery.quarantined).toEqual([])
    expect(await third.stats()).toMatchObject({ accepted: 4, quarantined: 2, waiting: 2 })
    await third.close()
  })

  it('while the store is in use is found by the lease', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b', 'c']) await add(storage, key)
    const whole = content(disk, firstSegment)
    disk.put(firstSegment, flipped(whole, indexOf(whole, bytes('payload of a'))))
    expect((await take(storage)).entries.map(({ key }) => key)).toEqual(['b', 'c'])
    expect(await storage.stats()).toMatchObject({ accepted: 3, quarantined: 1, waiting: 2, leased: 2 })
    await storage.close()
    const again = await open(disk, { verify: true })
    expect(await again.stats()).toMatchObject({ accepted: 3, quarantined: 1, waiting: 2 })
    expect((await again.read(1))?.state).toBe('quarantined')
    await again.close()
  })

  it('is not mistaken for a record that a payload imitates', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    // The bytes of a whole segment, frames and all, as the payload of an entry.
    await add(storage, 'imitation', { payload: content(disk, firstSegment) })
    await add(storage, 'c')
    await storage.close()
    const whole = content(disk, firstSegment)
    disk.put(firstSegment, flipped(whole, indexOf(whole, bytes('h-imitation'))))
    const again = await open(disk, { verify: true })
    expect(again.recovery.quarantined).toEqual([2])
    expect(await again.stats()).toMatchObject({ accepted: 3, waiting: 2, quarantined: 1 })
    await again.close()
  })
})

describe('sequences', () => {
  it('are never reused, even after everything was delivered and forgotten', async () => {
    const disk = simulatedDisk()
    const options = { receipts: { maxCount: 0 }, segmentBytes: 1024 }
    const storage = await open(disk, options)
    for (let round = 0; round < 20; round++) await add(storage, `k${round}`)
    await deliver(storage)
    await storage.sync()
    expect(await storage.list({ limit: 10 })).toEqual([])
    await storage.close()
    const again = await open(disk, options)
    expect(await again.stats()).toMatchObject({ accepted: 20, delivered: 20, waiting: 0 })
    expect(await add(again, 'next')).toBe(21)
    await again.close()
  })
})

describe('a power cut', () => {
  it.each(Object.keys(images))('leaves every acknowledged entry, image %s', async (image) => {
    const disk = simulatedDisk()
    let storage = await open(disk, { segmentBytes: 600 })
    const acknowledged: string[] = []
    for (let round = 0; round < 6; round++) {
      for (const key of [`${round}a`, `${round}b`, `${round}c`]) {
        await add(storage, key)
        acknowledged.push(key)
      }
      const lease = await take(storage, { limit: 1 })
      await storage.mark(lease, [{ sequence: lease.entries[0]?.sequence ?? 0, group: 'g' }])
      // Under way when the power goes: these may be there or not, but whole.
      const open3 = storage.append([draft(`${round}x`), draft(`${round}y`)])
      open3.catch(() => undefined)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      disk.crash('power', images[image])
      storage = await open(disk, { segmentBytes: 600 })
      expect(storage.recovery.quarantined).toEqual([])
      const found = await states(storage)
      for (const key of acknowledged) expect(Object.keys(found), `${key} of ${image}`).toContain(key)
      expect(Object.hasOwn(found, `${round}x`)).toBe(Object.hasOwn(found, `${round}y`))
    }
    await storage.close()
  })

  it('after a rotation finds the segment before it whole, settlements that nobody synced included', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk, { segmentBytes: 900 })
    await add(storage, 'a')
    const written = (): number => content(disk, firstSegment).findLastIndex((byte) => byte !== 0)
    const before = written()
    await deliver(storage)
    // The settlement is written by itself; it must not share a group with the next append.
    await expect.poll(written).toBeGreaterThan(before)
    await add(storage, 'b', { payload: new Uint8Array(1000) })
    expect([...disk.files().keys()].filter((name) => name.includes('segment-'))).toHaveLength(2)
    disk.crash('power')
    const again = await open(disk)
    expect(again.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
    expect(await states(again)).toEqual({ a: 'delivered', b: 'waiting' })
    await again.close()
  })

  it('is noticed by these tests: without data syncs, entries are lost', async () => {
    const disk = simulatedDisk()
    const careless = disk.port()
    const carelessly = (file: FsFile): FsFile => ({
      ...file,
      datasync: async () => undefined,
      writeSynced: file.write,
    })
    const fs: typeof careless = {
      ...careless,
      open: async (path, mode) => carelessly(await careless.open(path, mode)),
      create: async (path) => carelessly(await careless.create(path)),
    }
    const storage = await openFsStorage({ directory, fs })
    await add(storage, 'acknowledged')
    disk.crash('power')
    const again = await open(disk)
    expect(await states(again)).toEqual({})
    await again.close()
  })

  it('is noticed by these tests: without directory syncs, whole segments are lost', async () => {
    const disk = simulatedDisk()
    const fs = { ...disk.port(), syncDirectory: async () => undefined }
    const storage = await openFsStorage({ directory, fs })
    await add(storage, 'acknowledged')
    disk.crash('power')
    const again = await open(disk)
    expect(await states(again)).toEqual({})
    await again.close()
  })

  it('after a kill does not take what was recovered from unsynced writes', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    const lease = await take(storage)
    await storage.settle(lease, [{ sequence: 1, outcome: 'delivered', note: bytes('receipt') }])
    await new Promise((resolve) => {
      setImmediate(() => setImmediate(resolve))
    })
    disk.crash('process')
    const second = await open(disk)
    expect(await states(second)).toEqual({ a: 'delivered' })
    disk.crash('power')
    const third = await open(disk)
    expect(await states(third)).toEqual({ a: 'delivered' })
    await third.close()
  })
})

describe('formats', () => {
  it('newer than this one are refused and left untouched', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    await storage.close()
    const newer = content(disk, firstSegment).slice()
    newer[8] = 3
    newer[72] = 3
    disk.put(firstSegment, newer)
    const before = disk.files()
    await expect(open(disk)).rejects.toMatchObject({ code: 'ERR_STORAGE_FORMAT' })
    expect(disk.files()).toEqual(before)
  })
})
