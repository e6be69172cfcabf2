import type { QueueError } from '@fhir-outbox/queue-core'
import { describe, expect, it } from 'vitest'
import { type FsPort, openFsStorage, type FsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, states } from './support/tools.js'

const directory = '/q'

function asProcess(port: FsPort, pid: number, started: string, living: Map<number, string>): FsPort {
  living.set(pid, started)
  return {
    ...port,
    self: async () => ({ pid, boot: 'boot', started }),
    processStarted: async (other) => living.get(other),
  }
}

describe('the lock', () => {
  let slow: Promise<FsStorage> | undefined

  it('refuses a second owner and names the first', async () => {
    const disk = simulatedDisk()
    const living = new Map<number, string>()
    const first = await openFsStorage({ directory, fs: asProcess(disk.port(), 41, 's', living) })
    await expect(
      openFsStorage({ directory, fs: asProcess(disk.port(), 42, 's', living) }),
    ).rejects.toMatchObject({
      code: 'ERR_STORAGE_LOCKED',
      message: expect.stringContaining('pid 41'),
    })
    // And it did no harm.
    await add(first, 'a')
    await first.close()
  })

  it('refuses the same process a second time', async () => {
    const disk = simulatedDisk()
    const fs = disk.port()
    const first = await openFsStorage({ directory, fs })
    await expect(openFsStorage({ directory, fs })).rejects.toMatchObject({
      code: 'ERR_STORAGE_LOCKED',
      message: expect.stringContaining('this process'),
    })
    await first.close()
    const second = await openFsStorage({ directory, fs })
    await second.close()
  })

  it('left by a dead process is taken over', async () => {
    const disk = simulatedDisk()
    const living = new Map<number, string>()
    const first = await openFsStorage({ directory, fs: asProcess(disk.port(), 41, 's', living) })
    await add(first, 'a')
    living.delete(41)
    const second = await openFsStorage({ directory, fs: asProcess(disk.port(), 42, 's', living) })
    expect(await states(second)).toEqual({ a: 'waiting' })
    await second.close()
  })

  it('left by a process whose pid was given to another is taken over, also by that one', async () => {
    const disk = simulatedDisk()
    const living = new Map<number, string>()
    const first = await openFsStorage({ directory, fs: asProcess(disk.port(), 1, 'monday', living) })
    await add(first, 'a')
    const second = await openFsStorage({ directory, fs: asProcess(disk.port(), 1, 'tuesday', living) })
    expect(await states(second)).toEqual({ a: 'waiting' })
    await second.close()
  })

  it('left before the machine was started again is taken over', async () => {
    const disk = simulatedDisk()
    const first = await openFsStorage({ directory, fs: disk.port() })
    await add(first, 'a')
    disk.crash('power')
    const second = await openFsStorage({ directory, fs: disk.port() })
    expect(await states(second)).toEqual({ a: 'waiting' })
    await second.close()
  })

  it.each([2, 5])('goes to exactly one of %i takers', async (count) => {
    for (const stale of [false, true]) {
      const disk = simulatedDisk()
      const living = new Map<number, string>()
      if (stale) {
        await openFsStorage({ directory, fs: asProcess(disk.port(), 9, 's', living) })
        living.delete(9)
      }
      const takers = Array.from({ length: count }, (_, at) => asProcess(disk.port(), 100 + at, 's', living))
      const answers = await Promise.allSettled(takers.map((fs) => openFsStorage({ directory, fs })))
      const winners = answers.filter((answer) => answer.status === 'fulfilled')
      expect(winners).toHaveLength(1)
      for (const answer of answers) {
        if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
      }
      for (const winner of winners) {
        await add(winner.value, 'a')
        await winner.value.close()
      }
    }
  })

  it('is not taken by one who looked long ago and wakes up with a number that is old by now', async () => {
    const disk = simulatedDisk()
    const living = new Map<number, string>()
    const first = await openFsStorage({ directory, fs: asProcess(disk.port(), 41, 's', living) })
    await first.close()
    let wake: (() => void) | undefined
    const asleep = new Promise<void>((fellAsleep) => {
      const port = asProcess(disk.port(), 50, 's', living)
      const sleeper: FsPort = {
        ...port,
        publish: async (path, content) => {
          if (wake === undefined) {
            await new Promise<void>((resolve) => {
              wake = resolve
              fellAsleep()
            })
          }
          await port.publish(path, content)
        },
      }
      slow = openFsStorage({ directory, fs: sleeper })
    })
    await asleep
    const second = await openFsStorage({ directory, fs: asProcess(disk.port(), 42, 's', living) })
    await second.close()
    const third = await openFsStorage({ directory, fs: asProcess(disk.port(), 43, 's', living) })
    // owner.2 is free again, but owner.3 lives.
    wake?.()
    await expect(slow).rejects.toMatchObject({
      code: 'ERR_STORAGE_LOCKED',
      message: expect.stringContaining('43'),
    })
    await add(third, 'a')
    await third.close()
  })

  it.each([
    { where: 'at the end of its file', segmentBytes: 16 * 1024 ** 2, synced: 0 },
    { where: 'into prepared space', segmentBytes: 2048, synced: 1 },
  ])('fences out a process taken for dead: its next write $where fails', async ({ segmentBytes, synced }) => {
    const disk = simulatedDisk()
    const living = new Map<number, string>()
    const port = asProcess(disk.port(), 41, 's', living)
    let syncedWrites = 0
    const fs: FsPort = {
      ...port,
      create: async (path) => {
        const file = await port.create(path)
        return {
          ...file,
          writeSynced: (data, position) => {
            syncedWrites++
            return file.writeSynced?.(data, position) ?? Promise.resolve(0)
          },
        }
      },
    }
    const first = await openFsStorage({ directory, fs, segmentBytes })
    await add(first, 'a', { payload: new Uint8Array(150) })
    // A frozen process whose lock somebody broke.
    living.delete(41)
    const second = await openFsStorage({ directory, fs: asProcess(disk.port(), 42, 's', living) })
    await add(second, 'b')
    await expect(add(first, 'late')).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
    expect(syncedWrites).toBe(synced)
    await expect(first.stats()).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
    await expect(first.close()).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
    expect(await add(second, 'c')).toBe(3)
    await second.close()
    const third: FsStorage = await openFsStorage({ directory, fs: asProcess(disk.port(), 43, 's', living) })
    expect(await states(third)).toEqual({ a: 'waiting', b: 'waiting', c: 'waiting' })
    expect(third.recovery).toMatchObject({ cutBytes: 0, quarantined: [], doubtful: [] })
    await third.close()
  })

  it.each([
    { now: 'gateway/1001', taken: false },
    { now: 'gateway/999', taken: false },
    { now: 'gateway/1010', taken: true },
    { now: 'gateway-2/1000', taken: true },
    { now: '5f0c', taken: true },
  ])('of a boot in minute 1000 is taken over by one of $now: $taken', async ({ now, taken }) => {
    const disk = simulatedDisk()
    const bootedAs = (boot: string): FsPort => ({
      ...disk.port(),
      self: async () => ({ pid: 41, boot, started: '' }),
      processStarted: async () => '',
    })
    await openFsStorage({ directory, fs: bootedAs('gateway/1000') })
    const answer = await openFsStorage({ directory, fs: bootedAs(now) }).then(
      () => true,
      (error: QueueError) => error.code !== 'ERR_STORAGE_LOCKED',
    )
    expect(answer).toBe(taken)
  })

  it('that leads nowhere is one clear error, not an endless search', async () => {
    const disk = simulatedDisk()
    const port = disk.port()
    // As of a symbolic link without a target: it is listed, and there is no such file.
    const fs: FsPort = { ...port, readdir: async (path) => [...(await port.readdir(path)), 'owner.7'] }
    await expect(openFsStorage({ directory, fs })).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
  })

  it('never gives a number out again after a takeover that failed', async () => {
    const disk = simulatedDisk()
    const living = new Map<number, string>()
    const first = await openFsStorage({ directory, fs: asProcess(disk.port(), 41, 's', living) })
    // Frozen, not dead.
    living.delete(41)
    const fs = asProcess(disk.port(), 42, 's', living)
    disk.fail({ operation: 'syncDirectory', nth: 1, code: 'EIO' })
    await expect(openFsStorage({ directory, fs })).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    expect(disk.struck).toBe(true)
    disk.fail(undefined)
    const third = await openFsStorage({ directory, fs: asProcess(disk.port(), 43, 's', living) })
    expect([...disk.files().keys()].filter((name) => name.includes('owner.'))).toEqual(['/q/owner.3'])
    await expect(add(first, 'late')).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
    await third.close()
    await expect(first.close()).rejects.toMatchObject({ code: 'ERR_STORAGE_LOCKED' })
  })

  it('of a process that nobody can ask about is not taken over', async () => {
    const disk = simulatedDisk()
    const first = await openFsStorage({ directory, fs: disk.port() })
    const fs: FsPort = {
      ...disk.port(),
      processStarted: () => Promise.reject(Object.assign(new Error('too many'), { code: 'EMFILE' })),
    }
    await expect(openFsStorage({ directory, fs })).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    await add(first, 'a')
    await first.close()
  })

  it('numbers owners without ever going back, even when the lock files are gone', async () => {
    const disk = simulatedDisk()
    const fs = disk.port()
    const numbers: string[] = []
    for (let round = 0; round < 3; round++) {
      const storage = await openFsStorage({ directory, fs })
      await add(storage, `k${round}`)
      const owners = [...disk.files().keys()].filter((name) => name.includes('owner.'))
      expect(owners).toHaveLength(1)
      numbers.push(...owners)
      await storage.close()
      if (round === 1) await fs.unlink(owners[0] ?? '')
    }
    expect(numbers).toEqual(['/q/owner.1', '/q/owner.2', '/q/owner.3'])
  })
})
