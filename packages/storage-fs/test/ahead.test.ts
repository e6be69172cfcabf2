import type { LeasedEntry, QueueStorage } from '@fhir-outbox/queue-core'
import { expect, it } from 'vitest'
import { type FsPort, openFsStorage } from '../src/index.js'
import { simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, draft, take, text } from './support/tools.js'

const directory = '/q'
const count = 120
const run = 40

/** Long enough that a run of them is worth reading ahead. */
function payload(at: number): Uint8Array {
  return bytes(`payload of k${at} ${'.'.repeat(3000)}`)
}

async function filled(): Promise<{ disk: SimulatedDisk; storage: QueueStorage }> {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ directory, fs: disk.port() })
  await storage.append(Array.from({ length: count }, (_, at) => draft(`k${at}`, { payload: payload(at) })))
  return { disk, storage }
}

async function settle(storage: QueueStorage, lease: Awaited<ReturnType<typeof take>>): Promise<void> {
  await storage.settle(
    lease,
    lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
  )
}

/** What is done while a run is on its way. */
async function meanwhile(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

function expectEntries(entries: readonly LeasedEntry[], first: number): void {
  expect(entries.map(({ key }) => key)).toEqual(entries.map((_, at) => `k${first + at}`))
  for (const [at, entry] of entries.entries()) {
    expect(text(entry.payload)).toBe(text(payload(first + at)))
    expect(text(entry.header)).toBe(`h-k${first + at}`)
  }
}

it('the run after a large one is read and checked while that is on its way', async () => {
  const { disk, storage } = await filled()
  const first = await take(storage, { limit: run })
  expectEntries(first.entries, 0)
  await meanwhile()
  await settle(storage, first)
  // Nothing can be read any more, and nothing has to be.
  disk.fail({ operation: 'read', nth: 1, code: 'EIO', forever: true })
  const second = await take(storage, { limit: run })
  expect(second.entries).toHaveLength(run)
  expectEntries(second.entries, run)
  await meanwhile()
  // What could not be read ahead is read when it is asked for.
  disk.fail(undefined)
  await settle(storage, second)
  const third = await take(storage, { limit: run })
  expect(third.entries).toHaveLength(run)
  expectEntries(third.entries, 2 * run)
  await settle(storage, third)
  await storage.close()
})

it('what was read ahead is not handed out when it is something else by then', async () => {
  const { storage } = await filled()
  const first = await take(storage, { limit: run })
  await meanwhile()
  await storage.decide(run + 1, { kind: 'withdraw', note: bytes('n') })
  await settle(storage, first)
  const second = await take(storage, { limit: run })
  expectEntries(second.entries, run + 1)
  // Given back: the same again, and untouched by what was done to what was handed out.
  for (const entry of second.entries) entry.payload.fill(0)
  await storage.settle(
    second,
    second.entries.map(({ sequence }) => ({ sequence, outcome: 'waiting', delayMs: 0, spent: false })),
  )
  await meanwhile()
  const again = await take(storage, { limit: run })
  expectEntries(again.entries, run + 1)
  await settle(storage, again)
  await storage.close()
})

it('what was damaged before it was read ahead is quarantined, and the rest is leased', async () => {
  const { disk, storage } = await filled()
  const path = `${directory}/segment-00000001.log`
  const data = disk.files().get(path)?.slice() ?? new Uint8Array(0)
  data[Buffer.from(data).indexOf(`payload of k${run + 5} `)] = 0xff
  disk.put(path, data)
  const first = await take(storage, { limit: run })
  await meanwhile()
  await settle(storage, first)
  const second = await take(storage, { limit: run })
  expect(second.setAside).toEqual([run + 6])
  expect(second.entries).toHaveLength(run - 1)
  expect((await storage.stats()).quarantined).toBe(1)
  await storage.close()
})

it('nothing of it outlives a wipe', async () => {
  const { storage } = await filled()
  await take(storage, { limit: run })
  await meanwhile()
  await storage.wipe?.([])
  await add(storage, 'new')
  expect((await take(storage)).entries.map(({ key }) => key)).toEqual(['new'])
  await storage.close()
})

it.each([
  { size: 1024, limit: 100, entries: 600 },
  { size: 10 * 1024, limit: 20, entries: 120 },
  { size: 100 * 1024, limit: 40, entries: 120 },
  { size: 200 * 1024, limit: 1, entries: 12 },
])('draining records of $size bytes, $limit at a time, reads each once', async ({ size, limit, entries }) => {
  const disk = simulatedDisk()
  const port = disk.port()
  let read = 0
  const fs: FsPort = {
    ...port,
    open: async (path, mode) => {
      const file = await port.open(path, mode)
      return {
        ...file,
        read: async (into, position) => {
          const count = await file.read(into, position)
          read += count
          return count
        },
      }
    },
  }
  const storage = await openFsStorage({ directory, fs })
  for (let from = 0; from < entries; from += 20) {
    const some = Array.from({ length: Math.min(20, entries - from) }, (_, at) => `k${from + at}`)
    await storage.append(some.map((key) => draft(key, { payload: new Uint8Array(size) })))
  }
  read = 0
  for (let left = entries; left > 0;) {
    const lease = await take(storage, { limit })
    await meanwhile()
    left -= lease.entries.length
    for (const { payload: found } of lease.entries) {
      expect(found).toHaveLength(size)
      // Nobody gets to see, or keeps, the bytes of what was not leased.
      expect(found.buffer.byteLength).toBeLessThan(2 * limit * size + 1024)
    }
    await settle(storage, lease)
  }
  expect(read / (entries * size)).toBeLessThan(1.3)
  await storage.close()
})

it('what is handed out is a copy: the bytes of another lane are not behind it', async () => {
  const { storage } = await filled()
  const first = await take(storage, { limit: run })
  await meanwhile()
  await settle(storage, first)
  const [entry] = (await take(storage, { limit: 1 })).entries
  expect(entry?.payload.buffer.byteLength).toBeLessThan(2 * payload(0).length)
  await storage.close()
})
