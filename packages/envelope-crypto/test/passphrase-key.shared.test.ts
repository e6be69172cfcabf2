import { describe, expect, it } from 'vitest'
import { createRecordCipher, passphraseKey } from '../src/index.js'
import type { KeyNotes } from '../src/index.js'
import { codeOf } from './support.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const about = text('entry 7')

interface Notes extends KeyNotes {
  readonly kept: Map<string, Uint8Array>
}

function notesInMemory(): Notes {
  const kept = new Map<string, Uint8Array>()
  return {
    kept,
    get(name) {
      const bytes = kept.get(name)
      return Promise.resolve(bytes && { bytes })
    },
    put(name, bytes, expectedVersion) {
      if (kept.has(name) && expectedVersion === 0) {
        return Promise.reject(Object.assign(new Error('conflict'), { code: 'ERR_NOTE_CONFLICT' }))
      }
      kept.set(name, bytes)
      return Promise.resolve()
    },
  }
}

describe('a key from a passphrase', () => {
  it('opens in another process what it sealed, and keeps no secret in the note', async () => {
    const notes = notesInMemory()
    const make = (passphrase: string): ReturnType<typeof createRecordCipher> =>
      createRecordCipher({ keyId: 'k1', key: passphraseKey({ passphrase, notes, keyId: 'k1' }) })
    const record = await make('correct horse').encrypt(text('a'), about)
    expect(await make('correct horse').decrypt(record, about)).toEqual(text('a'))

    const note = new TextDecoder().decode(notes.kept.get('fhir-outbox-passphrase-k1'))
    expect(JSON.parse(note)).toMatchObject({ v: 1, kdf: 'PBKDF2-HMAC-SHA-256', iterations: 600_000 })
    expect(note).not.toContain('horse')
    await expect(make('wrong horse').decrypt(record, about)).rejects.toMatchObject({
      code: 'ERR_KEY_LOCKED',
      cause: { code: 'ERR_WRONG_PASSPHRASE' },
    })
  })

  it('is the same however the accents were typed', async () => {
    const notes = notesInMemory()
    const source = (passphrase: string): Promise<Uint8Array | undefined> =>
      passphraseKey({ passphrase, notes, keyId: 'k1' })()
    expect(await source('caf\u00e9')).toEqual(await source('cafe\u0301'))
  })

  it('is locked until somebody tells the passphrase', async () => {
    let told: string | undefined
    const key = passphraseKey({
      passphrase: () => Promise.resolve(told),
      notes: notesInMemory(),
      keyId: 'k1',
    })
    const cipher = createRecordCipher({ keyId: 'k1', key })
    expect(await codeOf(() => cipher.encrypt(text('a'), about))).toBe('ERR_KEY_LOCKED')
    told = 'correct horse'
    expect(await codeOf(() => cipher.encrypt(text('a'), about))).toBe(undefined)
  })

  it('takes the salt of the process that was faster', async () => {
    const notes = notesInMemory()
    const source = passphraseKey({ passphrase: 'correct horse', notes, keyId: 'k1' })
    const [one, other] = await Promise.all([source(), source()])
    expect(one).toEqual(other)
  })

  it.each([
    ['damaged', '{"v":1'],
    [
      'of a newer version',
      '{"v":2,"kdf":"PBKDF2-HMAC-SHA-256","iterations":600000,"salt":"AAAA","check":"AAAA"}',
    ],
    [
      'with too few rounds',
      '{"v":1,"kdf":"PBKDF2-HMAC-SHA-256","iterations":1,"salt":"AAAA","check":"AAAA"}',
    ],
    [
      'with rounds for a year',
      '{"v":1,"kdf":"PBKDF2-HMAC-SHA-256","iterations":1e12,"salt":"AAAA","check":"AAAA"}',
    ],
    [
      'without salt',
      '{"v":1,"kdf":"PBKDF2-HMAC-SHA-256","iterations":600000,"salt":"","check":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}',
    ],
    [
      'with a check of another length',
      '{"v":1,"kdf":"PBKDF2-HMAC-SHA-256","iterations":600000,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","check":"AAAA"}',
    ],
  ])('leaves a note alone that is %s', async (_, note) => {
    const notes = notesInMemory()
    notes.kept.set('fhir-outbox-passphrase-k1', text(note))
    const source = passphraseKey({ passphrase: 'correct horse', notes, keyId: 'k1' })
    expect(await codeOf(source)).toBe('ERR_INVALID_OPTION')
    expect(notes.kept.get('fhir-outbox-passphrase-k1')).toEqual(text(note))
  })

  it('refuses an empty passphrase and few rounds', async () => {
    const notes = notesInMemory()
    expect(await codeOf(() => passphraseKey({ passphrase: '', notes, keyId: 'k1' }))).toBe(
      'ERR_INVALID_OPTION',
    )
    expect(await codeOf(() => passphraseKey({ passphrase: 'a', notes, keyId: 'k1', iterations: 1000 }))).toBe(
      'ERR_INVALID_OPTION',
    )
  })
})
