import { describe, expect, it } from 'vitest'
import { memoryStorage, sealStorage, type EntryDraft } from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle } from '../src/memory-storage.js'
import { aesCipher } from './aes-cipher.js'

const supports = memoryStorage().supports
const request = { limit: 10, maxBytes: 1e6, ttlMs: 1000, closedGates: [] }
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function draft(overrides: Partial<EntryDraft> = {}): EntryDraft {
  return { lane: 'l', key: 'k', gate: 'g', header: text('h'), payload: text('p'), ...overrides }
}

describe('what a sealed storage stands on', () => {
  it('two handles that open a new store at the same time stand on one foundation', async () => {
    const data = memoryData({ now: () => 0 })
    const fast = sealStorage(memoryHandle(data, supports), aesCipher())
    const below = memoryHandle(data, supports)
    const slow = sealStorage(
      {
        ...below,
        async stats() {
          // Between the two looks of this handle the other one seals its first entry.
          if (data.records.size === 0) await fast.append([draft({ key: 'fast' })])
          return await below.stats()
        },
      },
      aesCipher(),
    )
    await slow.append([draft({ key: 'slow' })])
    expect((await slow.list({ limit: 10 })).map(({ key }) => key)).toEqual(['fast', 'slow'])
  })

  it('another key opens nothing, changes nothing, and says so', async () => {
    const below = memoryStorage()
    await sealStorage(below, aesCipher(1)).append([draft()])
    const wrong = sealStorage(below, aesCipher(2))
    await expect(wrong.lease(request)).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    await expect(wrong.append([draft()])).rejects.toMatchObject({ code: 'ERR_STORAGE_FAILED' })
    expect(await below.stats()).toMatchObject({ accepted: 1, waiting: 1, leased: 0 })
    expect((await sealStorage(below, aesCipher(1)).read(1))?.payload).toEqual(text('p'))
  })

  it('refuses a storage with entries that are not sealed, or sealed in a newer format', async () => {
    const plain = memoryStorage()
    await plain.append([draft()])
    await expect(sealStorage(plain, aesCipher()).append([draft()])).rejects.toMatchObject({
      code: 'ERR_STORAGE_FORMAT',
    })
    const newer = memoryStorage()
    await newer.notes.put('fhir-outbox-sealed', new Uint8Array([2]), 0)
    await expect(sealStorage(newer, aesCipher()).read(1)).resolves.toBeUndefined()
    await expect(sealStorage(newer, aesCipher()).append([draft()])).rejects.toMatchObject({
      code: 'ERR_STORAGE_FORMAT',
    })
  })
})
