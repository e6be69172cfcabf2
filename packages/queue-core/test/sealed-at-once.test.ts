import { describe, expect, it } from 'vitest'
import { memoryStorage, sealStorage, type EntryDraft, type RecordCipher } from '@fhir-outbox/queue-core'
import { aesCipher, atOnceCipher } from './aes-cipher.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function draft(key: string): EntryDraft {
  return { lane: `lane of ${key}`, gate: 'g', key, header: text(`head ${key}`), payload: text(`body ${key}`) }
}

/** Answers at once, but every third time by a promise, and reads what it was given late. */
function moody(overrides: Partial<RecordCipher> = {}): RecordCipher {
  const cipher = atOnceCipher()
  let calls = 0
  return {
    encrypt(record, associatedData) {
      calls += 1
      if (calls % 3 !== 0) return cipher.encrypt(record, associatedData)
      return new Promise((resolve) => setImmediate(resolve)).then(() =>
        cipher.encrypt(record, associatedData),
      )
    },
    decrypt: (record, associatedData) => cipher.decrypt(record, associatedData),
    ...overrides,
  }
}

/** Whatever has a `then` is a promise to `await`. */
function foreign(): RecordCipher {
  const cipher = atOnceCipher()
  const later = async (bytes: Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> => bytes
  const promiseOf = (bytes: Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> => {
    const own = later(bytes)
    // oxlint-disable-next-line unicorn/no-thenable -- what a library hands out is the point
    return { then: own.then.bind(own) } as Promise<Uint8Array>
  }
  return {
    encrypt: (record, about) => promiseOf(cipher.encrypt(record, about)),
    decrypt: (record, about) => promiseOf(cipher.decrypt(record, about)),
  }
}

/** Reads at once and answers later, as WebCrypto does. */
const delaying = atOnceCipher()
async function delayed(record: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
  const sealed = await delaying.encrypt(record.slice(), associatedData.slice())
  await new Promise((resolve) => setImmediate(resolve))
  return sealed
}

describe('a cipher that answers at once', () => {
  it.each([
    ['by promises of a library', foreign],
    ['always', atOnceCipher],
    ['mostly', moody],
    ['never', aesCipher],
  ])('%s: order, names and content are those of the calls', async (_, cipher) => {
    const storage = sealStorage(memoryStorage(), cipher())
    const keys = Array.from({ length: 50 }, (_, n) => `key ${n} ${'é'.repeat(n * 4)}`)
    const appended = await Promise.all(keys.map((key) => storage.append([draft(key)])))
    expect(appended.flat().map(({ sequence }) => sequence)).toEqual(keys.map((_, n) => n + 1))
    const entries = await Promise.all(keys.map((_, n) => storage.read(n + 1)))
    for (const [n, key] of keys.entries()) expect(entries[n]).toMatchObject(draft(key))
  })

  it('the caller may give its bytes away at once', async () => {
    const later: RecordCipher = { ...atOnceCipher(), readsAtOnce: true, encrypt: delayed }
    const storage = sealStorage(memoryStorage(), later)
    for (const size of [20, 3000]) {
      const payload = new Uint8Array(size).fill(7)
      const appending = storage.append([{ ...draft(`given away ${size}`), payload }])
      structuredClone(payload.buffer, { transfer: [payload.buffer] })
      expect(payload).toHaveLength(0)
      const [appended] = await appending
      const entry = await storage.read(appended?.sequence ?? 0)
      expect(entry?.payload).toEqual(new Uint8Array(size).fill(7))
    }
  })

  it.each([
    ['that has read its bytes', atOnceCipher()],
    ['that may read them later', moody()],
    ['of WebCrypto', aesCipher()],
  ])('the caller may use its bytes again at once, with a cipher %s', async (_, cipher) => {
    const storage = sealStorage(memoryStorage(), cipher)
    await storage.append([draft('first')])
    const drafts = ['a', 'b', 'c'].map((key) => ({ ...draft(key), after: [1] }))
    const appending = drafts.map((one) => storage.append([one]))
    for (const { header, payload, after } of drafts) {
      header.fill(0)
      payload.fill(0)
      after[0] = 2
    }
    await Promise.all(appending)
    for (const [n, key] of ['a', 'b', 'c'].entries()) {
      expect(await storage.read(n + 2)).toMatchObject({ ...draft(key), after: [1] })
    }
  })

  it('fails like one that answers later: by rejecting, and the next append works', async () => {
    let failing = false
    const cipher = atOnceCipher()
    const storage = sealStorage(memoryStorage(), {
      ...cipher,
      encrypt(record, associatedData) {
        if (failing) throw Object.assign(new Error('no key'), { code: 'ERR_KEY_LOCKED' })
        return cipher.encrypt(record, associatedData)
      },
    })
    await storage.append([draft('a')])
    failing = true
    const rejected = storage.append([draft('b'), draft('c')])
    await expect(rejected).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    failing = false
    expect(await storage.append([draft('d')])).toEqual([{ sequence: 2, duplicate: false }])
  })
})
