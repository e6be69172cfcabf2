import { describe, expect, it } from 'vitest'
import type { QueueStorage } from '@fhir-outbox/queue-core'
import { openFsStorage } from '../src/index.js'
import { type Fault, images, simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take } from './support/tools.js'

const directory = '/q'

interface Told {
  /** Keys of appends that resolved. */
  readonly accepted: Set<string>
  /** Keys whose settlement was made durable. */
  readonly delivered: Set<string>
  readonly marked: Set<string>
}

/** A short life of a store: appends of one and several, a mark, settlements, a decision, a rotation. */
async function work(storage: QueueStorage, told: Told): Promise<void> {
  for (const key of ['a', 'b']) {
    await add(storage, key)
    told.accepted.add(key)
  }
  await storage.append([draft('c'), draft('d', { payload: new Uint8Array(700) })])
  told.accepted.add('c').add('d')
  const lease = await take(storage, { limit: 1 })
  await storage.mark(lease, [{ sequence: 1, group: 'g' }])
  told.marked.add('a')
  await storage.settle(lease, [{ sequence: 1, outcome: 'delivered', note: bytes('r') }])
  await storage.sync()
  told.delivered.add('a')
  const reject = await take(storage, { limit: 1 })
  await storage.settle(reject, [{ sequence: 2, outcome: 'rejected', note: bytes('no') }])
  await storage.decide(2, { kind: 'redrive', note: bytes('again'), payload: bytes('corrected') })
  await storage.notes.put('n', bytes('note'), 0)
  await deliver(storage)
  await storage.close()
  for (const key of ['b', 'c', 'd']) told.delivered.add(key)
}

async function verify(disk: SimulatedDisk, told: Told, what: string): Promise<void> {
  const storage = await openFsStorage({ directory, fs: disk.port(), segmentBytes: 1024 })
  expect(storage.recovery, what).toMatchObject({ quarantined: [], doubtful: [] })
  const found = await states(storage)
  for (const key of told.accepted) expect(Object.keys(found), `${what}: ${key}`).toContain(key)
  expect(Object.hasOwn(found, 'c'), `${what}: all or none`).toBe(Object.hasOwn(found, 'd'))
  for (const key of told.delivered) expect(found[key], what).toBe('delivered')
  for (const key of told.marked) expect(['unknown', 'delivered'], what).toContain(found[key])
  // Everything that is left can be delivered, whole.
  for (;;) {
    const answer = await storage.lease({ limit: 10, maxBytes: 1e9, ttlMs: 60_000, closedGates: [] })
    if (!('entries' in answer)) break
    for (const entry of answer.entries) expect(entry.payload.length, what).toBeGreaterThan(0)
    await storage.settle(
      answer,
      answer.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
    )
  }
  const stats = await storage.stats()
  expect(stats.waiting, what).toBe(stats.dead === 0 ? 0 : stats.waiting)
  await storage.close()
}

const codes: readonly Fault['code'][] = ['ENOSPC', 'EIO', 'EMFILE', 'EACCES', 'EROFS', 'short']

describe('a failing file system', () => {
  for (const code of codes) {
    // The code makes no difference to what is tried, so two of them go through everything.
    const thorough = code === 'ENOSPC' || code === 'EIO' || code === 'short'
    for (const forever of thorough ? [false, true] : [false]) {
      for (const level of thorough ? (['process', 'power'] as const) : (['power'] as const)) {
        it(`${code}${forever ? ' from then on' : ' once'}, then a ${level} crash: nothing acknowledged is lost`, async () => {
          let struck = 0
          for (let nth = 1; ; nth++) {
            const disk = simulatedDisk()
            const told: Told = { accepted: new Set(), delivered: new Set(), marked: new Set() }
            // Counted among the writes; of the others, every call in turn.
            disk.fail({ nth, code, forever, ...(code === 'short' ? { operation: 'write' } : {}) })
            let failed: unknown
            try {
              const storage = await openFsStorage({ directory, fs: disk.port(), segmentBytes: 1024 })
              await work(storage, told)
            } catch (error) {
              failed = error
            }
            const hit = disk.struck
            if (hit) struck++
            if (failed !== undefined) {
              expect(failed, `${code} at call ${nth}`).toHaveProperty(
                'code',
                expect.stringMatching(/^ERR_STORAGE_/),
              )
            }
            disk.fail(undefined)
            disk.crash(level)
            await verify(disk, told, `${code} at call ${nth}`)
            if (!hit) break
          }
          expect(struck, 'the faults really happened').toBeGreaterThan(code === 'short' ? 5 : 20)
        })
      }
    }
  }

  it.each(Object.keys(images))(
    'that stops at any call and loses power with image %s shows no damage',
    async (image) => {
      for (let nth = 1; ; nth++) {
        const disk = simulatedDisk()
        const told: Told = { accepted: new Set(), delivered: new Set(), marked: new Set() }
        disk.fail({ nth, code: 'EIO', forever: true })
        try {
          const storage = await openFsStorage({ directory, fs: disk.port(), segmentBytes: 1024 })
          await work(storage, told)
        } catch {
          // The power went.
        }
        const { struck } = disk
        disk.fail(undefined)
        disk.crash('power', images[image])
        await verify(disk, told, `${image} at call ${nth}`)
        if (!struck) break
      }
    },
  )

  it('that fails a sync is never trusted again: every later call is refused until reopened', async () => {
    const disk = simulatedDisk()
    const storage = await openFsStorage({ directory, fs: disk.port() })
    await add(storage, 'a')
    disk.fail({ operation: 'datasync', nth: 1, code: 'EIO' })
    await expect(add(storage, 'b')).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    disk.fail(undefined)
    const request = { limit: 1, maxBytes: 1, ttlMs: 1, closedGates: [] }
    for (const call of [
      () => add(storage, 'c'),
      () => storage.lease(request),
      () => storage.read(1),
      () => storage.list({ limit: 1 }),
      () => storage.stats(),
      () => storage.sync(),
      () => storage.notes.get('n'),
      () => storage.notes.put('n', bytes('x'), 0),
      () => storage.decide(1, { kind: 'withdraw', note: bytes('n') }),
      () => storage.close(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    }
    // The lock was let go of, and what was acknowledged is there.
    const again = await openFsStorage({ directory, fs: disk.port() })
    expect((await states(again))['a']).toBe('waiting')
    await again.close()
  })

  it.each(['EACCES', 'EROFS', 'ENOSPC'] as const)('%s at the start is one clear error', async (code) => {
    const disk = simulatedDisk()
    disk.fail({ operation: 'mkdir', nth: 1, code })
    await expect(openFsStorage({ directory, fs: disk.port() })).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
      message: expect.stringContaining(directory),
      hint: expect.stringMatching(/\w/),
    })
  })
})

describe('limits', () => {
  it.each([
    { segmentBytes: Number.NaN },
    { segmentBytes: 0 },
    { segmentBytes: -1 },
    { segmentBytes: 1024.5 },
    // Beyond it, places in a segment would no longer fit their numbers.
    { segmentBytes: 2 ** 32 },
    { segmentBytes: Infinity },
    { limits: { entries: Number.NaN } },
    { limits: { bytes: -1 } },
    { limits: { freeDiskBytes: Number.NaN } },
    { receipts: { maxAgeMs: Number.NaN } },
    { receipts: { maxCount: -1 } },
  ])('that make no sense are refused before anything is touched: %o', async (options) => {
    const disk = simulatedDisk()
    const opening = openFsStorage({ directory, fs: disk.port(), ...options })
    await expect(opening).rejects.toBeInstanceOf(RangeError)
    expect(disk.calls).toEqual([])
  })

  it('of entries and bytes refuse with the numbers and store nothing', async () => {
    const disk = simulatedDisk()
    const storage = await openFsStorage({ directory, fs: disk.port(), limits: { entries: 3, bytes: 100 } })
    await storage.append([
      draft('a', { payload: new Uint8Array(40) }),
      draft('b', { payload: new Uint8Array(40) }),
    ])
    await expect(storage.append([draft('c'), draft('d')])).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
      message: expect.stringMatching(/4 of 3 entries/),
    })
    await expect(storage.append([draft('e', { payload: new Uint8Array(21) })])).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
      message: expect.stringMatching(/101 of 100 bytes/),
    })
    // Appends that are under way count too.
    const answers = await Promise.allSettled(
      [1, 2, 3].map((key) => add(storage, `k${key}`, { payload: new Uint8Array(1) })),
    )
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(await storage.stats()).toMatchObject({ accepted: 3, bytes: 81 })
    await deliver(storage, 1)
    await add(storage, 'room again', { payload: new Uint8Array(1) })
    await storage.close()
  })

  it('of free disk refuse new entries but let the queue drain', async () => {
    const disk = simulatedDisk()
    let time = 0
    const limits = { freeDiskBytes: 1_000_000 }
    const storage = await openFsStorage({ directory, fs: disk.port(), limits, now: () => time })
    await add(storage, 'a')
    disk.free = 1_000_100
    time += 120_000
    await expect(add(storage, 'b')).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
      message: expect.stringMatching(/1000100 bytes free/),
    })
    expect(await deliver(storage)).toEqual([1])
    disk.free = 10_000_000
    expect(await add(storage, 'c')).toBe(2)
    await storage.close()
  })
})
