import { describe, expect, it } from 'vitest'
import { type FsStorage, type FsStorageOptions, openFsStorage } from '../src/index.js'
import { simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take, testClock } from './support/tools.js'
import { versionOne } from './support/version-one.js'

const directory = '/q'
const checkpoint = '/q/checkpoint.bin'
const clock = testClock()

function open(disk: SimulatedDisk, more: Partial<FsStorageOptions> = {}): Promise<FsStorage> {
  return openFsStorage({ directory, fs: disk.port(), now: clock.now, segmentBytes: 2048, ...more })
}

function content(disk: SimulatedDisk, path: string): Uint8Array {
  const found = disk.files().get(path)
  if (found === undefined) throw new Error(`${path} is not there`)
  return found
}

function copyOf(disk: SimulatedDisk, without: (path: string) => boolean = () => false): SimulatedDisk {
  const copy = simulatedDisk()
  for (const [path, data] of disk.files()) {
    // Every disk numbers its processes from the same number.
    if (!path.includes('owner.') && !without(path)) copy.put(path, data.slice())
  }
  return copy
}

/** Everything a caller can see. */
async function seen(storage: FsStorage): Promise<unknown> {
  const summaries = await storage.list({ limit: 10_000 })
  return {
    stats: await storage.stats(),
    entries: await Promise.all(summaries.map(({ sequence }) => storage.read(sequence))),
    notes: await Promise.all(['n', 'other', 'absent'].map((name) => storage.notes.get(name))),
    again: await storage.append([draft('delivered', { once: true }), draft('fifth', { once: true })]),
  }
}

/** Entries in every state, over several segments. */
async function variety(storage: FsStorage): Promise<void> {
  await storage.append(['delivered', 'rejected', 'redriven', 'discarded'].map((key) => draft(key)))
  const first = await take(storage, { limit: 1 })
  await storage.mark(first, [{ sequence: 1, group: 'g' }])
  await storage.settle(first, [
    { sequence: 1, outcome: 'delivered', note: bytes('receipt'), receiptHash: new Uint8Array(32).fill(9) },
  ])
  for (const sequence of [2, 3, 4]) {
    const lease = await take(storage, { limit: 1 })
    await storage.settle(lease, [{ sequence, outcome: 'rejected', note: bytes(`no ${sequence}`) }])
  }
  await storage.decide(3, { kind: 'redrive', note: bytes('fixed'), payload: bytes('better') })
  await storage.decide(4, { kind: 'discard', note: bytes('enough') })
  for (const key of ['fifth', 'sixth', 'seventh']) await add(storage, key, { lane: key, gate: key })
  await add(storage, 'held', { lane: 'held', gate: 'held', after: [2, 5] })
  const fifth = await take(storage, { onlyGate: 'fifth' })
  await storage.mark(fifth, [{ sequence: 5, group: 'lost', info: bytes('i') }])
  const sixth = await take(storage, { onlyGate: 'sixth' })
  await storage.settle(sixth, [
    { sequence: 6, outcome: 'waiting', delayMs: 1e9, spent: true, note: bytes('503') },
  ])
  await storage.notes.put('n', bytes('one'), 0)
  await storage.notes.put('n', bytes('two'), 1)
  await storage.notes.put('other', bytes('x'), 0)
  for (let more = 0; more < 30; more++) await add(storage, `more-${more}`, { lane: `lane ${more % 7}` })
}

describe('a clean close', () => {
  it('leaves a checkpoint that says exactly what the log says', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await variety(storage)
    await storage.close()
    const other = copyOf(disk)
    const fast = await open(disk)
    const slow = await open(other, { verify: true })
    expect(fast.recovery.source).toEqual({ checkpoint: true, footers: 0, scanned: 0 })
    expect(slow.recovery.source).toMatchObject({ checkpoint: false, footers: 0 })
    expect(slow.recovery.source.scanned).toBeGreaterThan(3)
    expect(await seen(fast)).toEqual(await seen(slow))
    const unknown = await take(fast, { onlyGate: 'fifth' })
    expect(unknown).toEqual({ ...(await take(slow, { onlyGate: 'fifth' })), id: unknown.id })
    expect(unknown.entries[0]).toMatchObject({ state: 'unknown', mark: { group: 'lost', info: bytes('i') } })
    // Only the checkpoint remembers whose turn it is.
    const chains = async (storage_: FsStorage): Promise<Record<string, Uint8Array | undefined>> => {
      const ends: Record<string, Uint8Array | undefined> = {}
      for (let lanes = 0; lanes < 8; lanes++) {
        const lease = await take(storage_, { limit: 1, onlyGate: 'gate' })
        ends[lease.lane] = lease.lastReceiptHash
      }
      return ends
    }
    expect(await chains(fast)).toEqual({ ...(await chains(slow)), lane: new Uint8Array(32).fill(9) })
    await fast.close()
    await slow.close()
  })

  it('and nothing done after it leaves the checkpoint as it is', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    await storage.close()
    const before = content(disk, checkpoint)
    for (let round = 0; round < 3; round++) {
      const again = await open(disk)
      expect(again.recovery.source.checkpoint).toBe(true)
      expect(await states(again)).toEqual({ a: 'waiting' })
      await again.close()
    }
    expect(content(disk, checkpoint)).toEqual(before)
  })

  it('is durable: the checkpoint serves after a power cut too', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await variety(storage)
    await storage.close()
    disk.crash('power')
    const again = await open(disk)
    expect(again.recovery.source.checkpoint).toBe(true)
    await again.close()
  })

  it('survives a crash at every call of it', async () => {
    for (const level of ['process', 'power'] as const) {
      for (let nth = 1; ; nth++) {
        const disk = simulatedDisk()
        const storage = await open(disk)
        for (const key of ['a', 'b', 'c']) await add(storage, key)
        await deliver(storage, 1)
        await storage.sync()
        disk.fail({ nth, code: 'EIO', forever: true })
        await storage.close().catch(() => undefined)
        const { struck } = disk
        disk.fail(undefined)
        disk.crash(level)
        const again = await open(disk)
        expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [] })
        expect(await states(again), `crash at ${nth}`).toEqual({ a: 'delivered', b: 'waiting', c: 'waiting' })
        expect(await add(again, 'd')).toBe(4)
        await again.close()
        expect([...disk.files().keys()].filter((name) => name.endsWith('.tmp'))).toEqual([])
        if (!struck) break
      }
    }
  })
})

describe('a checkpoint', () => {
  it('that is damaged anywhere is ignored, and the log is read', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await variety(storage)
    await storage.close()
    const whole = content(disk, checkpoint)
    const reference = await open(copyOf(disk))
    const expected = await states(reference)
    await reference.close()
    for (let at = 0; at < whole.length; at += at < 64 ? 1 : 97) {
      const damaged = copyOf(disk)
      damaged.put(checkpoint, at % 2 === 0 ? flipped(whole, at) : whole.slice(0, at))
      const again = await open(damaged)
      expect(again.recovery.source.checkpoint, `byte ${at}`).toBe(false)
      expect(again.recovery).toMatchObject({ quarantined: [], doubtful: [] })
      expect(await states(again)).toEqual(expected)
      await again.close()
    }
  })

  it('of an earlier life never hides what came after it', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'a')
    await storage.close()
    const old = content(disk, checkpoint)
    const second = await open(disk)
    await add(second, 'b')
    disk.crash('process')
    disk.put(checkpoint, old)
    const third = await open(disk)
    expect(third.recovery.source.checkpoint).toBe(false)
    expect(await states(third)).toEqual({ a: 'waiting', b: 'waiting' })
    await third.close()
  })

  it('does not stand in for a segment that is gone or was cut short', async () => {
    for (const damage of ['gone', 'short', 'other'] as const) {
      const disk = simulatedDisk()
      const storage = await open(disk)
      for (let round = 0; round < 40; round++) await add(storage, `k${round}`)
      await storage.close()
      const segment = '/q/segment-00000002.log'
      const harmed = copyOf(disk, (path) => damage === 'gone' && path === segment)
      if (damage === 'short') harmed.put(segment, content(disk, segment).slice(0, 600))
      // The right name and size, but not the file that was there.
      if (damage === 'other') harmed.put(segment, flipped(flipped(content(disk, segment), 41), 105))
      const again = await open(harmed)
      expect(again.recovery.source.checkpoint, damage).toBe(false)
      expect(again.recovery.quarantined.length, damage).toBeGreaterThan(0)
      expect(await again.stats(), damage).toMatchObject({ accepted: 40 })
      await again.close()
    }
  })

  it('leaves damage in a record to whoever reads it', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    for (const key of ['a', 'b', 'c']) await add(storage, key)
    await storage.close()
    const segment = '/q/segment-00000001.log'
    disk.put(segment, flipped(content(disk, segment), indexOf(content(disk, segment), 'payload of b')))
    const again = await open(disk)
    expect(again.recovery).toMatchObject({ quarantined: [], source: { checkpoint: true } })
    expect((await take(again)).entries.map(({ key }) => key)).toEqual(['a', 'c'])
    expect(await again.stats()).toMatchObject({ accepted: 3, quarantined: 1, waiting: 2 })
    await again.close()
  })
})

describe('a footer', () => {
  it('spares an unclean opening all segments but the last', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await variety(storage)
    await storage.sync()
    disk.crash('power')
    const other = copyOf(disk)
    const fast = await open(disk)
    const slow = await open(other, { verify: true })
    expect(fast.recovery.source).toEqual({
      checkpoint: false,
      footers: slow.recovery.source.scanned - 1,
      scanned: 1,
    })
    expect(fast.recovery.source.footers).toBeGreaterThan(3)
    expect(await seen(fast)).toEqual(await seen(slow))
    await fast.close()
    await slow.close()
  })

  it('that is damaged makes its segment be read, and casts no doubt on anything', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await variety(storage)
    await storage.sync()
    const expected = await states(storage)
    disk.crash('process')
    const segment = '/q/segment-00000002.log'
    const whole = content(disk, segment)
    const end = whole.findLastIndex((byte) => byte !== 0)
    for (let at = end - 300; at <= end; at++) {
      const damaged = copyOf(disk)
      damaged.put(segment, flipped(whole, at))
      const again = await open(damaged)
      expect(again.recovery.quarantined, `byte ${at}`).toEqual([])
      const found = await states(again)
      expect(Object.keys(found)).toEqual(Object.keys(expected))
      if (at > end - 200) expect(again.recovery.source.scanned, `byte ${at}`).toBeGreaterThan(1)
      disk.crash('process')
    }
  })
})

describe('a store of format version 1', () => {
  it('is read, continued, and needs nothing of the old format in the end', async () => {
    const disk = simulatedDisk()
    for (const [name, base64] of Object.entries(versionOne)) {
      disk.put(`${directory}/${name}`, new Uint8Array(Buffer.from(base64, 'base64')))
    }
    const storage = await open(disk, { receipts: { maxCount: 0 } })
    expect(storage.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
    expect(await states(storage)).toEqual({ b: 'dead', c: 'unknown', held: 'waiting', e: 'waiting' })
    expect(await storage.notes.get('n')).toEqual({ bytes: bytes('note'), version: 1 })
    expect((await take(storage, { onlyGate: 'other' })).entries[0]?.mark).toEqual({
      sequence: 3,
      group: 'g2',
      info: bytes('i'),
    })
    expect(await add(storage, 'new')).toBe(6)
    for (let round = 0; round < 60; round++) {
      await add(storage, `flow-${round}`, { lane: 'flow', gate: 'flow', payload: new Uint8Array(500) })
      const lease = await take(storage, { onlyGate: 'flow' })
      await storage.settle(
        lease,
        lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
      )
    }
    await storage.close()
    for (const name of Object.keys(versionOne)) expect(disk.files().has(`${directory}/${name}`)).toBe(false)
    const again = await open(disk, { verify: true })
    expect(await states(again)).toMatchObject({ b: 'dead', held: 'waiting', e: 'waiting', new: 'waiting' })
    await again.close()
  })
})

function flipped(data: Uint8Array, at: number): Uint8Array {
  const copy = data.slice()
  copy[at] = (copy[at] ?? 0) ^ 0x40
  return copy
}

function indexOf(haystack: Uint8Array, needle: string): number {
  return Buffer.from(haystack).indexOf(needle)
}
