import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type FsPort, type FsStorage, openFsStorage, salvageFsStorage } from '../src/index.js'
import { simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take, testClock } from './support/tools.js'

const clock = testClock()
const { now } = clock

function open(disk: SimulatedDisk, directory = '/q'): Promise<FsStorage> {
  return openFsStorage({ directory, fs: disk.port(), now, segmentBytes: 2048 })
}

function salvage(disk: SimulatedDisk, fs: FsPort = disk.port()): ReturnType<typeof salvageFsStorage> {
  return salvageFsStorage('/q', '/new', { fs, now, segmentBytes: 2048 })
}

function content(disk: SimulatedDisk, path: string): Uint8Array {
  const found = disk.files().get(path)
  if (found === undefined) throw new Error(`${path} is not there`)
  return found
}

function damaged(disk: SimulatedDisk, path: string, needle: string): void {
  const copy = content(disk, path).slice()
  const at = Buffer.from(copy).indexOf(needle)
  if (at < 0) throw new Error(`${needle} is not in ${path}`)
  copy[at] = (copy[at] ?? 0) ^ 0x40
  disk.put(path, copy)
}

function holderOf(disk: SimulatedDisk, needle: string): string {
  for (const [path, data] of disk.files()) {
    if (path.includes('/q/segment-') && Buffer.from(data).includes(needle)) return path
  }
  throw new Error(`${needle} is nowhere`)
}

async function seen(storage: FsStorage): Promise<unknown> {
  const summaries = await storage.list({ limit: 10_000 })
  return {
    stats: await storage.stats(),
    entries: await Promise.all(summaries.map(({ sequence }) => storage.read(sequence))),
    note: await storage.notes.get('n'),
  }
}

/** Entries in most states, over several segments. */
async function filled(disk: SimulatedDisk): Promise<void> {
  const storage = await open(disk)
  await storage.append(['delivered', 'dead', 'discarded'].map((key) => draft(key)))
  await storage.settle(await take(storage, { limit: 1 }), [
    { sequence: 1, outcome: 'delivered', note: bytes('receipt'), receiptHash: new Uint8Array(32).fill(5) },
  ])
  for (const sequence of [2, 3]) {
    const lease = await take(storage, { limit: 1 })
    await storage.settle(lease, [{ sequence, outcome: 'rejected', note: bytes('no') }])
  }
  await storage.decide(3, { kind: 'discard', note: bytes('enough') })
  await add(storage, 'unknown', { lane: 'u', gate: 'u' })
  await storage.mark(await take(storage, { onlyGate: 'u' }), [{ sequence: 4, group: 'g', info: bytes('i') }])
  await add(storage, 'held', { lane: 'held', after: [2] })
  await storage.notes.put('n', bytes('note content'), 0)
  for (let more = 0; more < 30; more++) await add(storage, `more-${more}`)
  await storage.close()
}

describe('salvage', () => {
  it('of an undamaged store makes an equal one, and only reads the old one', async () => {
    const disk = simulatedDisk()
    await filled(disk)
    const before = [...disk.files()]
    const report = await salvage(disk)
    expect(report).toMatchObject({
      saved: 35,
      lost: [],
      doubtful: [],
      lostNotes: [],
      damagedBytes: 0,
      keptAside: [],
      unreadableBytes: 0,
    })
    expect([...disk.files()].filter(([path]) => path.startsWith('/q/'))).toEqual(before)
    const old = await open(disk)
    const saved = await open(disk, '/new')
    expect(saved.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
    expect(await seen(saved)).toEqual(await seen(old))
    expect(await saved.stats()).toEqual(report.stats)
    // Sequences go on, and the chain of receipts too.
    expect(await add(saved, 'next')).toBe(36)
    expect((await take(saved, { limit: 1, onlyGate: 'gate' })).lastReceiptHash).toEqual(
      new Uint8Array(32).fill(5),
    )
    await old.close()
    await saved.close()
  })

  it('saves all but what is damaged, and says what that is', async () => {
    const disk = simulatedDisk()
    await filled(disk)
    damaged(disk, holderOf(disk, 'payload of more-3'), 'payload of more-3')
    damaged(disk, holderOf(disk, 'h-more-7'), 'h-more-7')
    damaged(disk, holderOf(disk, 'note content'), 'note content')
    const lost = [9, 13]
    const report = await salvage(disk)
    expect(report).toMatchObject({ saved: 33, lost, lostNotes: ['n'], unreadableBytes: 0 })
    expect(report.damagedBytes).toBeGreaterThan(100)
    expect(report.keptAside.length).toBe(2)
    const kept = report.keptAside.map((name) => Buffer.from(content(disk, `/new/${name}`)))
    expect(kept.some((data) => data.includes('ayload of more-3'))).toBe(true)
    expect(kept.some((data) => data.includes('payload of more-7'))).toBe(true)
    const saved = await open(disk, '/new')
    expect(await saved.stats()).toEqual(report.stats)
    expect(report.stats).toMatchObject({ accepted: 35, quarantined: 2, delivered: 1, dead: 1, discarded: 1 })
    const found = await states(saved)
    expect(found).toMatchObject({ delivered: 'delivered', dead: 'dead', unknown: 'unknown', held: 'waiting' })
    expect((await saved.read(9))?.state).toBe('quarantined')
    expect(await saved.read(9)).toMatchObject({ key: 'more-3', header: bytes('h-more-3') })
    let delivered = 0
    for (let rounds = 0; rounds < 100 && delivered < 28; rounds++) delivered += (await deliver(saved)).length
    expect(delivered).toBe(28 + 1)
    await saved.close()
  })

  it('goes around blocks that the disk refuses to read', async () => {
    const disk = simulatedDisk()
    const storage = await openFsStorage({ directory: '/q', fs: disk.port(), now })
    for (let at = 0; at < 20; at++) await add(storage, `k${at}`, { payload: new Uint8Array(2000).fill(at) })
    await storage.close()
    const port = disk.port()
    const bad = 3 * 4096
    const fs: FsPort = {
      ...port,
      open: async (path, mode) => {
        const file = await port.open(path, mode)
        if (!path.includes('/q/segment')) return file
        return {
          ...file,
          read: async (into, position) => {
            if (position < bad + 4096 && position + into.length > bad) {
              throw Object.assign(new Error('bad block'), { code: 'EIO' })
            }
            return await file.read(into, position)
          },
        }
      },
    }
    await expect(openFsStorage({ directory: '/q', fs, now, verify: true })).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
    })
    const report = await salvage(disk, fs)
    expect(report.unreadableBytes).toBe(4096)
    expect(report.lost.length).toBeGreaterThanOrEqual(2)
    expect(report.lost.length).toBeLessThanOrEqual(4)
    expect(report.saved).toBe(20 - report.lost.length)
    const saved = await open(disk, '/new')
    expect(await saved.stats()).toMatchObject({ accepted: 20, quarantined: report.lost.length })
    await saved.close()
  })

  it('that is interrupted anywhere leaves nothing that could be taken for a whole store', async () => {
    const disk = simulatedDisk()
    await filled(disk)
    const original = [...disk.files()].filter(([path]) => !path.includes('owner.'))
    for (let nth = 1; ; nth++) {
      const copy = simulatedDisk()
      for (const [path, data] of original) copy.put(path, data.slice())
      copy.fail({ nth, code: 'EIO', forever: true })
      const done = await salvage(copy).then(
        () => true,
        () => false,
      )
      const { struck } = copy
      copy.fail(undefined)
      copy.crash('power')
      const began = [...copy.files().keys()].some((path) => path.startsWith('/new/'))
      if (began || done) {
        const outcome = await open(copy, '/new').then(
          async (storage) => await storage.stats(),
          (error: { code: string }) => error.code,
        )
        if (done) expect(outcome, `crash at ${nth}`).toMatchObject({ accepted: 35 })
        else if (typeof outcome === 'object') {
          // Only before anything was written, or after everything was.
          expect([0, 35], `crash at ${nth}`).toContain(outcome.accepted)
        } else expect(outcome).toBe('ERR_STORAGE_FAILED')
      }
      if (!struck) break
    }
  })

  it('refuses a store in use, a directory in use, and a newer format', async () => {
    const disk = simulatedDisk()
    await filled(disk)
    const storage = await open(disk)
    await expect(salvage(disk)).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
    await storage.close()
    disk.put('/new/something', bytes('else'))
    await expect(salvage(disk)).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    expect([...disk.files().keys()].filter((path) => path.startsWith('/new/'))).toEqual(['/new/something'])
    await expect(salvageFsStorage('/q', '/q', { fs: disk.port() })).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
    })
    const newer = content(disk, '/q/segment-00000001.log').slice()
    newer[8] = 3
    newer[72] = 3
    disk.put('/q/segment-00000001.log', newer)
    await expect(salvage(disk)).rejects.toMatchObject({ code: 'ERR_STORAGE_FORMAT' })
  })

  it('works on real files', async () => {
    const home = await mkdtemp(join(tmpdir(), 'storage-fs-salvage-'))
    try {
      const storage = await openFsStorage({ directory: join(home, 'old') })
      for (const key of ['a', 'b']) await add(storage, key)
      await storage.close()
      const report = await salvageFsStorage(join(home, 'old'), join(home, 'new'))
      expect(report).toMatchObject({ saved: 2, lost: [] })
      const saved = await openFsStorage({ directory: join(home, 'new') })
      expect(await states(saved)).toEqual({ a: 'waiting', b: 'waiting' })
      await saved.close()
      await expect(salvageFsStorage(join(home, 'missing'), join(home, 'new2'))).rejects.toMatchObject({
        code: 'ERR_STORAGE_FAILED',
      })
    } finally {
      await rm(home, { recursive: true })
    }
  })
})
