import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createRecordCipher, keysInUse } from '../src/index.js'
import type { RecordKeySource } from '../src/index.js'
import { sameBytes } from '../src/internal/bytes.js'
import { nodeCrypto } from '../src/internal/node-crypto.js'
import { codeOf } from './support.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const about = text('store 1, entry 7')

/** Bytes where a record keeps its parts: see record-format. */
function offsets(keyId: string): { wrapped: number; nonce: number; sealed: number } {
  const wrapped = 2 + keyId.length
  return { wrapped, nonce: wrapped + 60, sealed: wrapped + 72 }
}

async function browserKey(extractable = false): Promise<CryptoKey> {
  return await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, extractable, [
    'encrypt',
    'decrypt',
  ])
}

describe('a record cipher', () => {
  it('opens what it sealed, whatever the bytes, by a cipher made anew', async () => {
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const later = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 40 }),
        async (plain, data) => {
          const record = await cipher.encrypt(plain, data)
          expect(record.length).toBe(plain.length + 90 + 'k1'.length)
          expect(await later.decrypt(record, data)).toEqual(plain)
        },
      ),
    )
  })

  it.each([0, 1, 32 * 1024, 32 * 1024 + 1, 300_000])('takes %i bytes', async (length) => {
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const plain = new Uint8Array(length).fill(9)
    const opened = await cipher.decrypt(await cipher.encrypt(plain, about), about)
    expect(sameBytes(opened, plain)).toBe(true)
  })

  it('works with a key that cannot be taken out of the browser', async () => {
    const key = await browserKey()
    const record = await createRecordCipher({ keyId: 'k1', key }).encrypt(text('a'), about)
    expect(await createRecordCipher({ keyId: 'k1', key }).decrypt(record, about)).toEqual(text('a'))
  })

  it('refuses a record in which any byte was changed', async () => {
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const record = await cipher.encrypt(text('a reading'), about)
    for (let at = 0; at < record.length; at++) {
      const changed = record.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(['ERR_OPEN_FAILED', 'ERR_UNKNOWN_KEY']).toContain(
        await codeOf(() => cipher.decrypt(changed, about)),
      )
    }
  })

  it('refuses a record that is cut off, or that stands in another place', async () => {
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const record = await cipher.encrypt(text('a reading'), about)
    for (let length = 0; length < record.length; length++) {
      expect(await codeOf(() => cipher.decrypt(record.subarray(0, length), about))).toBe('ERR_OPEN_FAILED')
    }
    expect(await codeOf(() => cipher.decrypt(record, text('store 1, entry 8')))).toBe('ERR_OPEN_FAILED')
  })

  it('refuses another key of the same name', async () => {
    const record = await createRecordCipher({ keyId: 'k1', key: keyOf(1) }).encrypt(text('a'), about)
    const other = createRecordCipher({ keyId: 'k1', key: keyOf(2) })
    expect(await codeOf(() => other.decrypt(record, about))).toBe('ERR_OPEN_FAILED')
  })

  it('shares a data key among 100 records and never a nonce', async () => {
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const same = text('0123456789abcdef0123456789abcdef')
    const records = await Promise.all(Array.from({ length: 250 }, () => cipher.encrypt(same, about)))
    const { wrapped, nonce, sealed } = offsets('k1')
    const parts = (from: number, to?: number): string[] =>
      records.map((record) => record.subarray(from, to).join())
    const perDataKey = new Map<string, number>()
    for (const part of parts(wrapped, nonce)) perDataKey.set(part, (perDataKey.get(part) ?? 0) + 1)
    expect([...perDataKey.values()]).toEqual([100, 100, 50])
    expect(new Set(parts(nonce, sealed)).size).toBe(250)
    const blocks = records.flatMap((record) => [
      record.subarray(sealed, sealed + 16),
      record.subarray(sealed + 16, sealed + 32),
    ])
    expect(new Set(blocks.map((block) => block.join())).size).toBe(500)
  })

  it.each<[string, () => RecordKeySource | Promise<RecordKeySource>]>([
    ['bytes', () => keyOf(1)],
    ['a key of WebCrypto', () => browserKey()],
    ['a function', () => () => Promise.resolve(keyOf(1))],
  ])('does not see what the caller writes into its bytes afterwards, with %s', async (_, keyFor) => {
    const cipher = createRecordCipher({ keyId: 'k1', key: await keyFor() })
    expect(cipher.readsAtOnce).toBe(true)
    // The first may wait for a data key, the others do not; large ones go through WebCrypto everywhere.
    for (const length of [6, 6, 300, 300_000, 300_001]) {
      const before = new Uint8Array(length).fill(7)
      const [plain, data] = [before.slice(), about.slice()]
      const sealing = cipher.encrypt(plain, data)
      plain.fill(0)
      data.fill(0)
      const record = await sealing
      const given = record.slice()
      const opening = cipher.decrypt(given, about)
      given.fill(0)
      expect(sameBytes(await opening, before)).toBe(true)
    }
  })

  it('answers at once in Node, and as well when others wait for a key', async () => {
    const inNode = nodeCrypto() !== undefined
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const record = cipher.encrypt(text('a'), about)
    expect(record instanceof Promise).toBe(!inNode)
    expect(cipher.decrypt(await record, about) instanceof Promise).toBe(!inNode)

    const asked = createRecordCipher({ keyId: 'k1', key: () => Promise.resolve(keyOf(1)) })
    const early = [asked.encrypt(text('b'), about), asked.encrypt(text('c'), about)]
    expect(early.every((answer) => answer instanceof Promise)).toBe(true)
    for (const [at, sealed] of (await Promise.all(early)).entries()) {
      expect(await cipher.decrypt(sealed, about)).toEqual(text(at === 0 ? 'b' : 'c'))
    }
    expect(asked.encrypt(text('d'), about) instanceof Promise).toBe(!inNode)
  })

  it('unwraps a data key once for all records that are opened together', async () => {
    const key = await browserKey()
    const before = createRecordCipher({ keyId: 'k1', key })
    const records = await Promise.all(
      Array.from({ length: 150 }, async (_, at) => before.encrypt(text(`record ${at}`), about)),
    )
    const cipher = createRecordCipher({ keyId: 'k1', key })
    const decrypt = vi.spyOn(crypto.subtle, 'decrypt')
    try {
      const opened = await Promise.all(records.map(async (record) => cipher.decrypt(record, about)))
      expect(opened).toEqual(records.map((_, at) => text(`record ${at}`)))
      expect(decrypt.mock.calls.filter(([, by]) => by === key)).toHaveLength(2)
    } finally {
      decrypt.mockRestore()
    }
  })

  it('opens a record while a forged one with the same data key is refused', async () => {
    const [one, other] = [await browserKey(), await browserKey()]
    const options = { keyId: 'k1', key: one, older: [{ keyId: 'k2', key: other }] }
    const record = await createRecordCipher(options).encrypt(text('a'), about)
    const forged = record.slice()
    forged[3] = '2'.charCodeAt(0)
    const cipher = createRecordCipher(options)
    const [refused, opened, again] = await Promise.all([
      codeOf(() => cipher.decrypt(forged, about)),
      cipher.decrypt(record, about),
      codeOf(() => cipher.decrypt(forged, about)),
    ])
    expect([refused, again]).toEqual(['ERR_OPEN_FAILED', 'ERR_OPEN_FAILED'])
    expect(opened).toEqual(text('a'))
  })

  it('takes associated data of any length', async () => {
    const cipher = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    for (const length of [0, 255, 256, 257, 5000]) {
      const data = new Uint8Array(length).fill(length)
      const record = await cipher.encrypt(text('a'), data)
      expect(await cipher.decrypt(record, data)).toEqual(text('a'))
      const longer = new Uint8Array([...data, 0])
      expect(await codeOf(() => cipher.decrypt(record, longer))).toBe('ERR_OPEN_FAILED')
    }
  })
})

describe('rotation of record keys', () => {
  it('seals with the new key, opens with the old one, and says which are in use', async () => {
    const before = createRecordCipher({ keyId: '2026', key: keyOf(1) })
    const old = await before.encrypt(text('old'), about)
    const cipher = createRecordCipher({
      keyId: '2027',
      key: keyOf(2),
      older: [{ keyId: '2026', key: keyOf(1) }],
    })
    const fresh = await cipher.encrypt(text('new'), about)

    expect(await cipher.decrypt(old, about)).toEqual(text('old'))
    expect([cipher.isCurrent(old), cipher.isCurrent(fresh)]).toEqual([false, true])
    expect(await keysInUse([old, fresh, fresh, text('foreign')])).toEqual(
      new Map([
        ['2026', 1],
        ['2027', 2],
        [undefined, 1],
      ]),
    )
  })

  it('cannot read a record whose key was deleted', async () => {
    const old = await createRecordCipher({ keyId: '2026', key: keyOf(1) }).encrypt(text('old'), about)
    const cipher = createRecordCipher({ keyId: '2027', key: keyOf(2) })
    expect(await codeOf(() => cipher.decrypt(old, about))).toBe('ERR_UNKNOWN_KEY')
  })
})

describe('a locked key', () => {
  it('refuses to seal and to open until the key is there', async () => {
    let key: Uint8Array | undefined
    const cipher = createRecordCipher({ keyId: 'k1', key: () => Promise.resolve(key) })
    const open = createRecordCipher({ keyId: 'k1', key: keyOf(1) })
    const record = await open.encrypt(text('a'), about)
    expect(await codeOf(() => cipher.encrypt(text('a'), about))).toBe('ERR_KEY_LOCKED')
    expect(await codeOf(() => cipher.decrypt(record, about))).toBe('ERR_KEY_LOCKED')
    key = keyOf(1)
    expect(await cipher.decrypt(record, about)).toEqual(text('a'))
    key = undefined
    cipher.lock()
    expect(await codeOf(() => cipher.decrypt(record, about))).toBe('ERR_KEY_LOCKED')
    expect(await codeOf(() => cipher.encrypt(text('b'), about))).toBe('ERR_KEY_LOCKED')
  })

  it('keeps the reason why there is no key', async () => {
    const reason = new Error('the key service is away')
    const cipher = createRecordCipher({ keyId: 'k1', key: () => Promise.reject(reason) })
    await expect(cipher.encrypt(text('a'), about)).rejects.toMatchObject({
      code: 'ERR_KEY_LOCKED',
      cause: reason,
    })
  })

  it('asks for the key once, however many records wait for it', async () => {
    let asked = 0
    const cipher = createRecordCipher({
      keyId: 'k1',
      key: () => {
        asked++
        return Promise.resolve(keyOf(1))
      },
    })
    await Promise.all(Array.from({ length: 300 }, () => cipher.encrypt(text('a'), about)))
    expect(asked).toBe(1)
  })
})

describe('bad keys', () => {
  it.each([
    ['no key id', { keyId: '', key: keyOf(1) }, 'ERR_EMPTY_KEY_ID'],
    ['a key id with a path in it', { keyId: '../k', key: keyOf(1) }, 'ERR_INVALID_KEY_ID'],
    ['a short key', { keyId: 'k1', key: new Uint8Array(16) }, 'ERR_INVALID_OPTION'],
    [
      'two keys of one name',
      { keyId: 'k1', key: keyOf(1), older: [{ keyId: 'k1', key: keyOf(2) }] },
      'ERR_DUPLICATE_KEY_ID',
    ],
  ])('%s', async (_, options, code) => {
    expect(await codeOf(() => createRecordCipher(options))).toBe(code)
  })

  it('a key of WebCrypto for something else, also when it comes late', async () => {
    const key = await crypto.subtle.generateKey({ name: 'AES-CBC', length: 256 }, false, [
      'encrypt',
      'decrypt',
    ])
    expect(await codeOf(() => createRecordCipher({ keyId: 'k1', key }))).toBe('ERR_INVALID_OPTION')
    const late = createRecordCipher({ keyId: 'k1', key: () => Promise.resolve(key) })
    expect(await codeOf(() => late.encrypt(text('a'), about))).toBe('ERR_INVALID_OPTION')
  })
})
