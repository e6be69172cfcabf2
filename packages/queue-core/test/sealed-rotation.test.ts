import { describe, expect, it } from 'vitest'
import {
  isLease,
  sealedRecords,
  sealStorage,
  type QueueStorage,
  type RecordCipher,
} from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle, type MemoryData } from '../src/memory-storage.js'
import { createLabels } from '../src/sealed/labels.js'
import { aesCipher, type TestCipher } from './aes-cipher.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const draft = { lane: 'l', gate: 'g', header: text('h'), payload: text('p') }

/** The first byte of a record says which key opens it; the last of `keys` seals. */
function rotating(keys: Readonly<Record<number, TestCipher>>): RecordCipher {
  const current = Math.max(...Object.keys(keys).map(Number))
  return {
    async encrypt(record, associatedData) {
      const sealed = (await keys[current]?.encrypt(record, associatedData)) ?? new Uint8Array(0)
      const named = new Uint8Array(1 + sealed.length)
      named[0] = current
      named.set(sealed, 1)
      return named
    },
    async decrypt(record, associatedData) {
      const cipher = keys[record[0] ?? 0]
      if (cipher === undefined) throw new Error('no such key')
      return await cipher.decrypt(record.slice(1), associatedData)
    },
    isCurrent: (record) => record[0] === current,
  }
}

function below(data: MemoryData): QueueStorage {
  return memoryHandle(data, { durability: 'memory', appenders: 'many', drainers: 'many', evictable: true })
}

async function keysIn(data: MemoryData): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  for await (const record of sealedRecords(below(data))) {
    const key = record[0] ?? -1
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

async function oldStore(): Promise<{ readonly data: MemoryData; readonly first: TestCipher }> {
  const data = memoryData()
  const first = aesCipher(1)
  const storage = sealStorage(below(data), rotating({ 1: first }))
  await storage.append([
    { ...draft, key: 'a' },
    { ...draft, key: 'b', lane: 'm' },
  ])
  await storage.notes.put('evidence', text('known'), 0)
  await below(data).notes.put('fhir-outbox-salt', text('salt'), 0)
  const lease = await storage.lease({ limit: 1, maxBytes: 1, ttlMs: 1e6, closedGates: [] })
  if (!isLease(lease)) throw new Error('nothing ready')
  await storage.settle(lease, [{ sequence: 1, outcome: 'delivered', note: text('receipt') }])
  return { data, first }
}

describe('a new key for a sealed storage', () => {
  it('seals the hash key and the named notes when the store is opened, and entries as they come', async () => {
    const { data, first } = await oldStore()
    // Hash key and evidence; head and receipt of the first entry; head and payload of the second.
    expect(await keysIn(data)).toEqual({ 1: 6 })
    const second = aesCipher(2)
    const storage = sealStorage(below(data), rotating({ 1: first, 2: second }))
    expect(await storage.notes.get('evidence')).toMatchObject({ bytes: text('known') })
    expect(await keysIn(data)).toEqual({ 1: 4, 2: 2 })
    await storage.append([{ ...draft, key: 'c' }])
    expect(await keysIn(data)).toEqual({ 1: 4, 2: 4 })
    // The names by which the storage below finds things stay.
    expect(await storage.append([{ ...draft, key: 'b', once: true }])).toEqual([
      { sequence: 2, duplicate: true },
    ])
    await storage.wipe?.([])
    expect(await keysIn(data)).toEqual({ 2: 1 })
    const later = sealStorage(below(data), rotating({ 2: second }))
    await later.append([{ ...draft, key: 'd' }])
    expect(await later.read(4)).toMatchObject({ key: 'd', payload: text('p') })
  })

  it('does nothing while the new key is locked, or when somebody else was faster', async () => {
    const { data, first } = await oldStore()
    const second = aesCipher(2)
    second.locked = true
    const early = sealStorage(below(data), rotating({ 1: first, 2: second }))
    expect(await early.notes.get('evidence')).toMatchObject({ bytes: text('known') })
    expect(await keysIn(data)).toEqual({ 1: 6 })
    second.locked = false
    const handles = Array.from({ length: 4 }, () =>
      sealStorage(below(data), rotating({ 1: first, 2: second })),
    )
    const read = await Promise.all(handles.map((storage) => storage.read(2)))
    expect(read.map((entry) => entry?.key)).toEqual(['b', 'b', 'b', 'b'])
    expect(await keysIn(data)).toEqual({ 1: 4, 2: 2 })
  })

  it('leaves what others keep in plain notes below, also when it is wiped', async () => {
    const { data, first } = await oldStore()
    const storage = sealStorage(below(data), rotating({ 1: first }))
    expect(await storage.notes.names?.()).toEqual(['evidence'])
    await storage.wipe?.([{ name: 'kept', bytes: text('why') }])
    expect(await storage.notes.names?.()).toEqual(['kept'])
    expect((await below(data).notes.get('fhir-outbox-salt'))?.bytes).toEqual(text('salt'))
    expect(await storage.notes.get('fhir-outbox-salt')).toBeUndefined()
  })
})

describe('labels', () => {
  it('are HMAC-SHA-256 in base64url, of kind and name', async () => {
    const secret = Uint8Array.from({ length: 32 }, (_, at) => at)
    const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
    ])
    const labels = createLabels(secret)
    for (const [kind, name] of [
      ['lane', ''],
      ['key', 'é'.repeat(200)],
      ['gate', 'https://fhir.example.org'],
      ['note', '測'],
    ] as const) {
      const expected = await crypto.subtle.sign('HMAC', key, text(`${kind}\u0000${name}`).slice())
      expect(labels.of(kind, name)).toBe(Buffer.from(expected).toString('base64url'))
      expect(labels.of(kind, name)).toBe(labels.of(kind, name))
    }
  })
})
