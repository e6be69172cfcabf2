import { describe, expect, it } from 'vitest'
import { type FsPort, openFsStorage, type FsStorage, type FsStorageOptions } from '../src/index.js'
import { images, simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take, testClock, text } from './support/tools.js'

const directory = '/q'
const DAY = 24 * 60 * 60 * 1000

function open(disk: SimulatedDisk, more: Partial<FsStorageOptions> = {}): Promise<FsStorage> {
  return openFsStorage({ directory, fs: disk.port(), segmentBytes: 2048, ...more })
}

function segments(disk: SimulatedDisk): number[] {
  const found: number[] = []
  for (const name of disk.files().keys()) {
    const number = /segment-(\d+)\.log$/.exec(name)?.[1]
    if (number !== undefined) found.push(Number(number))
  }
  return found.sort((a, b) => a - b)
}

function size(disk: SimulatedDisk): number {
  let sum = 0
  for (const [name, data] of disk.files()) if (name.includes('segment-')) sum += data.length
  return sum
}

/** Lets entries flow through one lane until many segments have come and gone. */
async function flow(storage: FsStorage, rounds: number, prefix = 'flow'): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const drafts = [0, 1, 2, 3].map((at) =>
      draft(`${prefix}-${round}-${at}`, { lane: 'flow', gate: 'flow', payload: new Uint8Array(300) }),
    )
    await storage.append(drafts)
    const lease = await take(storage, { onlyGate: 'flow' })
    await storage.settle(
      lease,
      lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
    )
  }
}

describe('drained segments', () => {
  it('are removed, and the disk stays small however much flows through', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk, { receipts: { maxCount: 10 } })
    await flow(storage, 100)
    await storage.sync()
    await storage.close()
    expect(segments(disk)[0]).toBeGreaterThan(30)
    expect(segments(disk).length).toBeLessThan(12)
    expect(size(disk)).toBeLessThan(24 * 1024)
    const again = await open(disk, { receipts: { maxCount: 10 } })
    expect(await again.stats()).toMatchObject({ accepted: 400, delivered: 400, waiting: 0 })
    expect(await again.list({ limit: 100 })).toHaveLength(10)
    expect(await add(again, 'next')).toBe(401)
    await again.close()
  })
})

describe('long-lived records', () => {
  it('pin no segment: dead letters, a stuck lane, receipts, notes, chains and marks move on unchanged', async () => {
    const disk = simulatedDisk()
    const clock = testClock()
    const options = { receipts: { maxCount: 5 }, now: clock.now }
    let storage = await open(disk, options)
    const hash = new Uint8Array(32).fill(7)
    // One entry in each state, all of them in the first segment.
    await storage.append([
      draft('dead', { lane: 'a' }),
      draft('chained', { lane: 'a' }),
      draft('behind', { lane: 'a' }),
    ])
    await storage.settle(await take(storage, { limit: 1 }), [
      { sequence: 1, outcome: 'parked', note: bytes('nobody knows') },
    ])
    await storage.settle(await take(storage, { limit: 1 }), [
      { sequence: 2, outcome: 'delivered', note: bytes('receipt'), receiptHash: hash },
    ])
    await storage.settle(await take(storage, { limit: 1 }), [
      { sequence: 3, outcome: 'waiting', delayMs: 1000 * DAY, spent: true, note: bytes('503') },
    ])
    const unknown = await add(storage, 'unknown', { lane: 'u', gate: 'u' })
    const lease = await take(storage, { onlyGate: 'u', ttlMs: 10 })
    await storage.mark(lease, [{ sequence: unknown, group: 'g', info: bytes('info') }])
    clock.advance(11)
    const corrected = await add(storage, 'corrected', { lane: 'c', gate: 'c' })
    await storage.settle(await take(storage, { onlyGate: 'c' }), [
      { sequence: corrected, outcome: 'rejected', note: bytes('bad') },
    ])
    await storage.decide(corrected, {
      kind: 'redrive',
      note: bytes('fixed'),
      payload: bytes('better'),
      header: bytes('new'),
    })
    const held = await add(storage, 'held', { lane: 'h', after: [1] })
    await storage.notes.put('evidence', bytes('old'), 0)
    await storage.notes.put('evidence', bytes('known'), 1)
    const before = await Promise.all(
      [1, 3, unknown, corrected, held].map((sequence) => storage.read(sequence)),
    )

    await flow(storage, 60)
    expect(segments(disk)[0]).toBeGreaterThan(1)
    const check = async (): Promise<void> => {
      const after = await Promise.all(
        [1, 3, unknown, corrected, held].map((sequence) => storage.read(sequence)),
      )
      expect(after).toEqual(before)
      expect(await storage.notes.get('evidence')).toEqual({ bytes: bytes('known'), version: 2 })
    }
    await check()
    for (const level of ['process', 'power'] as const) {
      await storage.sync()
      disk.crash(level)
      storage = await open(disk, options)
      expect(storage.recovery).toMatchObject({ quarantined: [], doubtful: [] })
      await check()
      await flow(storage, 60, level)
      await check()
    }
    const probe = await take(storage, { onlyGate: 'u' })
    expect(probe.entries[0]).toMatchObject({
      key: 'unknown',
      state: 'unknown',
      mark: { group: 'g', info: bytes('info') },
    })
    const redriven = await take(storage, { onlyGate: 'c' })
    expect(text(redriven.entries[0]?.payload)).toBe('better')
    await storage.decide(1, { kind: 'discard', note: bytes('enough') })
    clock.advance(2000 * DAY)
    expect((await take(storage, { limit: 1 })).lastReceiptHash).toEqual(hash)
    expect(await storage.stats()).toMatchObject({ accepted: 6 + 3 * 240, dead: 0, discarded: 1, waiting: 4 })
    await storage.close()
  })

  it('are durable in their new place before the old one goes', async () => {
    const disk = simulatedDisk()
    const port = disk.port()
    let removed: (() => void) | undefined
    const removal = new Promise<void>((resolve) => {
      removed = resolve
    })
    let unlinked = false
    const fs = {
      ...port,
      rename: async (from: string, to: string) => {
        await port.rename(from, to)
        unlinked ||= from.includes('segment-')
      },
      syncDirectory: async (path: string) => {
        await port.syncDirectory(path)
        // The power goes at the first moment at which the old segment is gone for good.
        if (!unlinked) return
        disk.crash('power')
        removed?.()
      },
    }
    const storage = await openFsStorage({ directory, fs, segmentBytes: 2048 })
    await storage.append([
      draft('stuck', { lane: 'stuck', gate: 'stuck' }),
      ...Array.from({ length: 8 }, (_, at) =>
        draft(`f${at}`, { gate: 'flow', payload: new Uint8Array(1000) }),
      ),
    ])
    await add(storage, 'in the next segment', { lane: 'other' })
    // Nothing but settlements from here, which sync nothing by themselves.
    const lease = await take(storage, { onlyGate: 'flow' })
    await storage.settle(
      lease,
      lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
    )
    await removal
    const again = await open(disk)
    expect(again.recovery).toMatchObject({ cutBytes: expect.any(Number), quarantined: [], doubtful: [] })
    expect(Object.keys(await states(again))).toHaveLength(10)
    expect(text((await again.read(1))?.payload)).toBe('payload of stuck')
    await again.close()
  })

  it.each(['none', 'staleRecycled'])(
    'survive a crash at every call of the compaction, image %s',
    async (image) => {
      // Makes a store whose first segments are ripe, then crashes it at the nth call from there.
      for (let nth = 1; ; nth++) {
        const disk = simulatedDisk()
        let storage = await open(disk, { receipts: { maxCount: 3 } })
        await add(storage, 'stuck', { lane: 'stuck', gate: 'stuck' })
        await flow(storage, 4)
        disk.fail({ nth, code: 'EIO', forever: true })
        await flow(storage, 3, 'more').catch(() => undefined)
        await storage.close().catch(() => undefined)
        const { struck } = disk
        disk.fail(undefined)
        disk.crash('power', images[image])
        storage = await open(disk, { receipts: { maxCount: 3 } })
        expect(storage.recovery).toMatchObject({ quarantined: [], doubtful: [] })
        expect((await states(storage))['stuck'], `crash at ${nth}`).toBe('waiting')
        expect(text((await storage.read(1))?.payload)).toBe('payload of stuck')
        const { accepted, delivered, waiting } = await storage.stats()
        expect(accepted, `crash at ${nth}`).toBe(delivered + waiting)
        expect(accepted, `crash at ${nth}`).toBeGreaterThanOrEqual(17)
        await storage.close()
        if (!struck) break
      }
    },
  )
})

describe('retention', () => {
  it('by age forgets receipts and their keys, but keeps the counts', async () => {
    const disk = simulatedDisk()
    const clock = testClock()
    const options = { receipts: { maxAgeMs: 10 * DAY }, now: clock.now }
    const storage = await open(disk, options)
    await add(storage, 'old')
    await deliver(storage)
    clock.advance(9 * DAY)
    await add(storage, 'young')
    await deliver(storage)
    expect(await storage.append([draft('old', { once: true })])).toEqual([{ sequence: 1, duplicate: true }])
    clock.advance(2 * DAY)
    expect(await storage.append([draft('old', { once: true })])).toEqual([{ sequence: 3, duplicate: false }])
    expect(await states(storage)).toEqual({ young: 'delivered', old: 'waiting' })
    await storage.close()
    const again = await open(disk, options)
    expect(await states(again)).toEqual({ young: 'delivered', old: 'waiting' })
    expect(await again.stats()).toMatchObject({ accepted: 3, delivered: 2, waiting: 1 })
    await again.close()
  })

  it('keeps header and receipt of what was delivered, not its payload', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    await deliver(storage)
    const entry = await storage.read(1)
    expect(entry).toMatchObject({ state: 'delivered', header: bytes('h-a'), note: bytes('receipt a') })
    expect(entry).not.toHaveProperty('payload')
    await storage.close()
  })
})

describe('many short lives', () => {
  it('of one entry each leave few segments, and every entry', async () => {
    const disk = simulatedDisk()
    const keys: string[] = []
    let most = 0
    let written = 0
    disk.watch((operation) => {
      if (operation === 'write') written++
    })
    for (let life = 0; life < 200; life++) {
      // Closed properly or killed; either way there is no time to tidy up.
      const storage = await open(disk, { segmentBytes: 64 * 1024 })
      keys.push(`k${life}`)
      await add(storage, `k${life}`)
      if (life % 5 === 0) disk.crash('process')
      else await storage.close()
      most = Math.max(most, segments(disk).length)
    }
    expect(most).toBeLessThan(80)
    const storage = await open(disk)
    expect(storage.recovery).toMatchObject({ quarantined: [], doubtful: [], cutBytes: 0 })
    const read = await Promise.all(keys.map((_, at) => storage.read(at + 1)))
    expect(read.map((entry) => text(entry?.payload))).toEqual(keys.map((key) => `payload of ${key}`))
    const lease = await take(storage, { limit: 200 })
    expect(lease.entries.map(({ key }) => key)).toEqual(keys)
    await storage.close()
    // What was overwritten was not made larger first.
    expect(disk.removed.length).toBeGreaterThan(100)
    expect(disk.removed.filter(({ length }) => length > 32 * 1024).length).toBeLessThan(5)
    expect(written / keys.length).toBeLessThan(20)
  })

  it('are opened all the same when an old segment cannot be read any more', async () => {
    const disk = simulatedDisk()
    let refused = 0
    const port = disk.port()
    const fs: FsPort = {
      ...port,
      open: async (path, mode) => {
        const file = await port.open(path, mode)
        if (!path.endsWith('segment-00000003.log')) return file
        return {
          ...file,
          read: async (into, position) => {
            if (position < 128) return await file.read(into, position)
            refused++
            throw Object.assign(new Error('bad block'), { code: 'EIO' })
          },
        }
      },
    }
    for (let life = 1; refused < 3; life++) {
      expect(life).toBeLessThan(100)
      const storage = await openFsStorage({ directory, segmentBytes: 64 * 1024, fs })
      expect(await add(storage, `k${life}`)).toBe(life)
      await storage.close()
    }
  })
})
