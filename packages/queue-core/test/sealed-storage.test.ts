import { describe, expect, it } from 'vitest'
import {
  isLease,
  memoryStorage,
  parseNote,
  sealStorage,
  type EntryDraft,
  type Lease,
  type QueueStorage,
  type RecordCipher,
} from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle, type MemoryData } from '../src/memory-storage.js'
import { aesCipher } from './aes-cipher.js'
import { deliverAll, fakeTime, world } from './world.js'

const supports = memoryStorage().supports
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const request = { limit: 10, maxBytes: 1e6, ttlMs: 1000, closedGates: [] }

function draft(overrides: Partial<EntryDraft> = {}): EntryDraft {
  return { lane: 'l', key: 'k', gate: 'g', header: text('h'), payload: text('p'), ...overrides }
}

async function taken(storage: QueueStorage): Promise<Lease> {
  const lease = await storage.lease(request)
  if (!isLease(lease)) throw new Error('nothing ready')
  return lease
}

/** Everything a storage was ever told or asked, and everything the memory below holds in the end. */
function spy(storage: QueueStorage): { storage: QueueStorage; told: unknown[] } {
  const told: unknown[] = []
  const listening = new Proxy(storage, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver)
      if (name === 'notes') {
        return {
          get: (noteName: string) => target.notes.get(noteName),
          put(noteName: string, bytes: Uint8Array, version: number) {
            told.push([noteName, bytes.slice()])
            return target.notes.put(noteName, bytes, version)
          },
        }
      }
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        told.push(structuredClone(args.filter((argument) => typeof argument !== 'function')))
        return Reflect.apply(value, target, args)
      }
    },
  })
  return { storage: listening, told }
}

/** All bytes that a value is made of, texts as UTF-8, with separators. */
function bytesIn(value: unknown): string {
  if (value instanceof Uint8Array) return `${new TextDecoder('latin1').decode(value)}|`
  if (typeof value === 'string') return `${new TextDecoder('latin1').decode(text(value))}|`
  if (value instanceof Map) return bytesIn([...value])
  if (Array.isArray(value)) return value.map(bytesIn).join('')
  if (typeof value === 'object' && value !== null) return bytesIn(Object.entries(value))
  return ''
}

const markers = [
  'lane',
  'gate',
  'key',
  'header',
  'payload',
  'receipt',
  'failure',
  'decision',
  'info',
  'named',
]
const marker = (name: string): string => `MARKER-${name}-é`

/** Uses everything that takes content. */
async function liveALife(storage: QueueStorage): Promise<void> {
  const names = { lane: marker('lane'), gate: marker('gate'), key: marker('key') }
  const content = { header: text(marker('header')), payload: text(marker('payload')) }
  await storage.append([draft({ ...names, ...content }), draft({ ...names, ...content, key: 'k2' })])
  await storage.notes.put(marker('named'), text(marker('named')), 0)
  const lease = await taken(storage)
  await storage.mark(lease, [{ sequence: 1, group: 'g', info: text(marker('info')) }])
  await storage.settle(lease, [
    { sequence: 1, outcome: 'delivered', note: text(marker('receipt')) },
    { sequence: 2, outcome: 'rejected', note: text(marker('failure')) },
  ])
  await storage.decide(2, {
    kind: 'redrive',
    note: text(marker('decision')),
    payload: text(marker('payload')),
  })
  await storage.lease({ ...request, closedGates: [marker('gate')] })
  await storage.lease({ ...request, onlyGate: marker('gate') })
  await storage.list({ limit: 10, lane: marker('lane') })
}

function found(data: MemoryData, told: readonly unknown[]): string[] {
  const image = bytesIn([
    told,
    data.records,
    data.notes,
    data.index.list({ limit: 10 }, 0).map((sequence) => data.index.entry(sequence, 0)),
  ])
  return markers.filter((name) => image.includes(new TextDecoder('latin1').decode(text(marker(name)))))
}

describe('sealStorage', () => {
  it('tells the storage below nothing it could read', async () => {
    const data = memoryData({ now: () => 0 })
    const below = spy(memoryHandle(data, supports))
    await liveALife(sealStorage(below.storage, aesCipher()))
    expect(below.told.length).toBeGreaterThan(8)
    expect(found(data, below.told)).toEqual([])

    // The control: the same life without sealing shows every marker.
    const open = memoryData({ now: () => 0 })
    const plain = spy(memoryHandle(open, supports))
    await liveALife(plain.storage)
    expect(found(open, plain.told)).toEqual(markers)
  })

  it('a lane and a gate of the same name do not look the same, and two stores have nothing in common', async () => {
    const seen = new Set<string>()
    for (let store = 0; store < 2; store++) {
      const below = memoryStorage()
      const storage = sealStorage(below, aesCipher())
      await storage.append([draft({ lane: 'same', gate: 'same', key: 'same' })])
      const entry = await below.read(1)
      for (const label of [entry?.lane, entry?.gate, entry?.key]) seen.add(label ?? '')
    }
    expect(seen.size).toBe(6)
  })

  it('a locked key: append rejects and nothing is stored, leases wait without spending', async () => {
    let clock = 0
    const below = memoryStorage({ now: () => clock })
    const cipher = aesCipher()
    const storage = sealStorage(below, cipher)
    cipher.locked = true
    await expect(storage.append([draft()])).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    expect(await below.stats()).toMatchObject({ accepted: 0 })
    cipher.locked = false
    await storage.append([draft(), draft({ key: 'k2' })])
    cipher.locked = true
    await expect(storage.append([draft({ key: 'k3' })])).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    await expect(storage.lease(request)).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    await expect(storage.read(1)).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    await expect(storage.list({ limit: 1 })).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    expect(await storage.stats()).toMatchObject({ accepted: 2, waiting: 2, leased: 0, dead: 0 })
    clock += 10_000
    cipher.locked = false
    const lease = await taken(storage)
    expect(lease.entries.map(({ sequence, attempts, key }) => [sequence, attempts, key])).toEqual([
      [1, 0, 'k'],
      [2, 0, 'k2'],
    ])
    expect((await storage.append([draft({ key: 'k3' })]))[0]?.sequence).toBe(3)
  })

  it('a key locked in the middle of a delivery leaves the entry unknown, and its group intact', async () => {
    let clock = 0
    const cipher = aesCipher()
    const storage = sealStorage(memoryStorage({ now: () => clock }), cipher)
    await storage.append([draft()])
    const lease = await taken(storage)
    await storage.mark(lease, [{ sequence: 1, group: 'request', info: text('what') }])
    cipher.locked = true
    const settling = storage.settle(lease, [{ sequence: 1, outcome: 'delivered', note: text('receipt') }])
    await expect(settling).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    clock += 1001
    await expect(storage.lease(request)).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    cipher.locked = false
    expect((await taken(storage)).entries[0]).toMatchObject({
      state: 'unknown',
      attempts: 0,
      mark: { group: 'request', info: text('what') },
    })
  })

  it('the outbox waits for the key and goes on by itself', async () => {
    const cipher = aesCipher()
    const time = fakeTime()
    const w = world({ time, storage: sealStorage(memoryStorage({ now: time.now }), cipher) })
    await w.add()
    cipher.locked = true
    await expect(w.outbox.flush()).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    w.outbox.start()
    await time.advance(10_000)
    expect(w.calls).toEqual([])
    expect(w.events).toContainEqual(
      expect.objectContaining({
        type: 'storage-failed',
        failure: expect.objectContaining({ code: 'ERR_KEY_LOCKED' }),
      }),
    )
    cipher.locked = false
    await time.advance(1_000_000)
    expect(await w.outbox.stats()).toMatchObject({ delivered: 1 })
    await w.outbox.close()
  })

  /** Three entries, of which the second was damaged. */
  async function damaged(part: 'header' | 'payload'): Promise<{ data: MemoryData; repair(): void }> {
    const data = memoryData({ now: () => 0 })
    const storage = sealStorage(memoryHandle(data, supports), aesCipher())
    await storage.append([
      draft({ key: 'a' }),
      draft({ key: 'b', payload: text('precious') }),
      draft({ key: 'c' }),
    ])
    const record = data.records.get(2)
    const bytes = record?.[part]
    if (bytes === undefined) throw new Error('no record')
    const flip = (): void => {
      // Past the length of the sealed head, before what the payload keeps in the header.
      const at = part === 'header' ? 10 : 0
      bytes[at] = (bytes[at] ?? 0) ^ 1
    }
    flip()
    return { data, repair: flip }
  }

  it.each(['header', 'payload'] as const)(
    'parks an entry whose %s does not open; its lane goes on, its bytes stay',
    async (part) => {
      const { data, repair } = await damaged(part)
      const time = fakeTime()
      const storage = sealStorage(memoryHandle(data, supports), aesCipher(), { wallClock: () => 0 })
      const w = world({ time, storage, answer: deliverAll })
      const ended = w.outbox.settled(2)
      expect(await w.outbox.flush()).toMatchObject({ delivered: 2, waiting: 0 })
      expect(w.sent()).toEqual([1, 3])
      expect(await ended).toMatchObject({
        state: 'dead',
        reason: 'parked',
        at: '1970-01-01T00:00:00.000Z',
        failure: { code: 'ERR_RECORD_UNREADABLE' },
      })
      expect(w.events).toContainEqual({ type: 'set-aside', sequence: 2 })
      const shown = await w.outbox.read(2)
      expect(shown).toMatchObject({ state: 'dead', payloadBytes: 8 })
      if (part === 'header') expect(shown).toMatchObject({ header: new Uint8Array(0) })
      repair()
      await w.outbox.redrive(2, { actor: 'anna', reason: 'the disk was restored' })
      expect(await w.outbox.flush()).toMatchObject({ delivered: 1 })
      expect(await w.outbox.settled(2)).toMatchObject({ state: 'delivered', key: 'b' })
      await w.outbox.close()
    },
  )

  it('a receipt on the word of somebody does not vouch for content that nobody could read', async () => {
    const { data } = await damaged('payload')
    const w = world({ storage: sealStorage(memoryHandle(data, supports), aesCipher()), answer: deliverAll })
    await w.outbox.flush()
    await w.outbox.assumeDelivered(2, { actor: 'anna', reason: 'seen at the hospital' })
    expect(await w.outbox.settled(2)).toMatchObject({
      state: 'delivered',
      key: 'b',
      contentSha256: '',
      assumed: { actor: 'anna', reason: 'seen at the hospital' },
    })
    await w.outbox.close()
  })

  it('an entry that somebody moved to another lane or gate does not open', async () => {
    for (const what of ['lane', 'gate'] as const) {
      const below = memoryStorage()
      const moving: QueueStorage = {
        ...below,
        append: (drafts) => below.append(drafts.map((one) => ({ ...one, [what]: `${one[what]}x` }))),
      }
      const storage = sealStorage(moving, aesCipher())
      await storage.append([draft()])
      expect(await storage.lease(request)).toEqual({ setAside: [1] })
      expect(await storage.read(1)).toMatchObject({ state: 'dead', deadReason: 'parked' })
    }
  })

  it('a note cannot be passed off as a payload, nor one entry’s as another’s', async () => {
    const data = memoryData({ now: () => 0 })
    const storage = sealStorage(memoryHandle(data, supports), aesCipher())
    await storage.append([draft({ key: 'a', lane: 'a' }), draft({ key: 'b', lane: 'b' })])
    const first = data.records.get(1)
    const second = data.records.get(2)
    if (first === undefined || second === undefined) throw new Error('no records')
    const { header, payload } = first
    Object.assign(first, { header: second.header, payload: second.payload })
    Object.assign(second, { header, payload })
    expect(await storage.lease(request)).toMatchObject({ setAside: [1, 2] })
  })

  it('appends in the order of the calls, however long the cipher takes', async () => {
    const aes = aesCipher()
    let turn = 8
    const slow: RecordCipher = {
      ...aes,
      async encrypt(record, associatedData) {
        for (let rest = turn--; rest > 0; rest--) await new Promise((resolve) => setImmediate(resolve))
        return await aes.encrypt(record, associatedData)
      },
    }
    const storage = sealStorage(memoryStorage(), slow)
    const appended = await Promise.all(['a', 'b', 'c'].map((key) => storage.append([draft({ key })])))
    expect(appended.flat().map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect((await storage.list({ limit: 3 })).map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  })

  it('takes ciphers that compress, and refuses those that add too much', async () => {
    const header = text('header')
    const shrinking: RecordCipher = {
      encrypt: async (record) => (record.length > 100 ? new Uint8Array([record[0] ?? 0]) : record.slice()),
      decrypt: async (record) =>
        record.length === 1 ? new Uint8Array(1000).fill(record[0] ?? 0) : record.slice(),
    }
    const storage = sealStorage(memoryStorage(), shrinking)
    await storage.append([draft({ header, payload: new Uint8Array(1000).fill(9) })])
    expect(await storage.read(1)).toMatchObject({
      header,
      payload: new Uint8Array(1000).fill(9),
      payloadBytes: 1000,
    })

    const fat: RecordCipher = {
      encrypt: async (record) => new Uint8Array(record.length + 513),
      decrypt: async (record) => record,
    }
    const below = memoryStorage()
    await expect(sealStorage(below, fat).append([draft()])).rejects.toMatchObject({
      code: 'ERR_STORAGE_FAILED',
    })
    expect(await below.stats()).toMatchObject({ accepted: 0 })
  })

  it('a damaged named note rejects and stays', async () => {
    const data = memoryData()
    const storage = sealStorage(memoryHandle(data, supports), aesCipher())
    await storage.notes.put('n', text('x'), 0)
    for (const [name, { bytes }] of data.notes)
      if (name !== 'fhir-outbox-sealed') bytes[20] = (bytes[20] ?? 0) ^ 1
    await expect(storage.notes.get('n')).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
  })

  it('shows the entry without a note that does not open', async () => {
    const data = memoryData({ now: () => 0 })
    const storage = sealStorage(memoryHandle(data, supports), aesCipher())
    await storage.append([draft()])
    await storage.settle(await taken(storage), [
      { sequence: 1, outcome: 'waiting', delayMs: 0, spent: true, note: text('{"v":1}') },
    ])
    const record = data.records.get(1)
    if (record !== undefined) record.note = new Uint8Array(5)
    expect(await storage.read(1)).not.toHaveProperty('note')
    const lease = await taken(storage)
    expect(lease.entries[0]).not.toHaveProperty('note')
    expect(parseNote(lease.entries[0]?.note)).toBeUndefined()
  })
})
