import { describe, expect, it } from 'vitest'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { runStorageContract } from '@fhir-outbox/queue-core/storage-contract'
import type { QueueStorage } from '../src/index.js'
import { memoryData, memoryHandle, type MemoryData } from '../src/memory-storage.js'

let clock = 1_000_000_000
const now = (): number => clock
const elapse = (ms: number): void => {
  clock += ms
}
const setBack = (ms: number): void => elapse(-ms)

runStorageContract({
  name: 'memoryStorage',
  runner: { describe, it },
  create: async () => memoryStorage({ now }),
  elapse,
  setBack,
})

// Memory that outlives its handles stands in for a durable, shared store, so that the hooks of the suite
// are exercised here too.
const dataOf = new WeakMap<QueueStorage, MemoryData>()
function handle(data: MemoryData): QueueStorage {
  const storage = memoryHandle(data, {
    durability: 'power-loss',
    appenders: 'many',
    drainers: 'many',
    evictable: false,
  })
  dataOf.set(storage, data)
  return storage
}
function dataBehind(storage: QueueStorage): MemoryData {
  const data = dataOf.get(storage)
  if (data === undefined) throw new Error('not one of ours')
  return data
}
async function reopen(storage: QueueStorage): Promise<QueueStorage> {
  const data = dataBehind(storage)
  data.index.abandonLeases(data.now())
  return handle(data)
}

runStorageContract({
  name: 'memory that survives',
  runner: { describe, it },
  create: async () => handle(memoryData({ now })),
  elapse,
  setBack,
  reopen,
  second: async (storage) => handle(dataBehind(storage)),
  crash: reopen,
})

describe('memoryStorage', () => {
  const bytes = new Uint8Array(10)
  const draft = (key: string) => ({ lane: 'l', key, gate: 'g', header: bytes, payload: bytes })

  it('refuses what goes over its limits, stores none of it, and says the numbers', async () => {
    const storage = memoryStorage({ now, limits: { entries: 2, bytes: 1000 } })
    await storage.append([draft('a')])
    await expect(storage.append([draft('b'), draft('c')])).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
      message: expect.stringContaining('3 of 2 entries'),
    })
    expect((await storage.stats()).accepted).toBe(1)
    await storage.append([draft('b')])
    // A key that is known needs no room.
    expect(await storage.append([{ ...draft('a'), once: true }])).toEqual([{ sequence: 1, duplicate: true }])
  })

  it('counts bytes against its limit', async () => {
    const storage = memoryStorage({ now, limits: { bytes: 15 } })
    await storage.append([draft('a')])
    await expect(storage.append([draft('b')])).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
  })

  it('forgets settled entries after the retention, but still counts them', async () => {
    const storage = memoryStorage({ now, receipts: { maxAgeMs: 1000, maxCount: 10 } })
    await storage.append([draft('a')])
    await storage.decide(1, { kind: 'withdraw', note: bytes })
    elapse(1001)
    expect((await storage.append([{ ...draft('a'), once: true }]))[0]).toEqual({
      sequence: 2,
      duplicate: false,
    })
    expect(await storage.read(1)).toBeUndefined()
    expect(await storage.stats()).toMatchObject({ accepted: 2, discarded: 1, waiting: 1 })
  })
})
