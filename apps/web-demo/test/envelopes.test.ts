import { memoryStorage } from '@fhir-outbox/queue-core'
import { describe, expect, it } from 'vitest'
import { sealedFor } from '../src/model/envelope.js'
import { parseTroubles } from '../src/platform/troubles.js'
import {
  chosenEndpoint,
  envelopeSettingsText,
  keepEnvelopeNote,
  parseEnvelopeSettings,
  readEnvelopeNote,
  refusalOf,
  saferOf,
  type EnvelopesOn,
} from '../src/queue/envelope-settings.js'
import { fittingKey } from '../src/queue/envelope-work.js'
import { contentOf } from '../src/queue/readings.js'
import { keepServerNote, parseServerNote, readServerNote } from '../src/queue/server-note.js'
import { heads } from '../src/queue/view.js'
import { entry } from './entry.js'

describe('what the address said of a server', () => {
  const receiver = { endpoint: 'https://fhir.example/sealed', keysUrl: 'https://fhir.example/jwks' }

  it('is kept for whoever delivers without a page; a receiver also when it is left out later', async () => {
    const storage = memoryStorage()
    expect(await readServerNote(storage)).toEqual({})
    await keepServerNote(storage, { searchLagMs: 0, receiver })
    expect(await readServerNote(storage)).toEqual({ searchLagMs: 0, receiver: receiver.endpoint })
    expect(await keepServerNote(storage, {})).toEqual({ receiver: receiver.endpoint })
    expect(await readServerNote(storage)).toEqual({ receiver: receiver.endpoint })
  })

  it('keeps a receiver that something may wait for', async () => {
    const storage = memoryStorage()
    const other = { ...receiver, endpoint: 'https://fhir.example/other' }
    await keepServerNote(storage, { receiver })
    const waits = { notes: storage.notes, stats: async () => ({ ...(await storage.stats()), dead: 1 }) }
    expect(await keepServerNote(waits, { receiver: other })).toEqual({ receiver: receiver.endpoint })
    expect(await keepServerNote(storage, { receiver: other })).toEqual({ receiver: other.endpoint })
    expect(await readServerNote(storage)).toEqual({ receiver: other.endpoint })
  })

  it('is nothing when it cannot be read', () => {
    for (const text of ['', 'null', '7', '{"searchLagMs":"0","receiver":1}'])
      expect(parseServerNote(new TextEncoder().encode(text))).toEqual({})
  })
})

describe('an envelope', () => {
  const protectedBy = (header: string): string => btoa(header).replaceAll('+', '-').replaceAll('/', '_')

  it('says for which key it is sealed, in both suites, and shows nothing else', () => {
    const c3pro = { key_id: 'k-1', symmetric_key: '', message: '', version: '4.0.1' }
    expect(sealedFor(JSON.stringify(c3pro))).toEqual({ suite: 'c3-pro', keyId: 'k-1' })
    const jwe = { protected: protectedBy('{"kid":"k-2"}'), ciphertext: 'AAAA' }
    expect(sealedFor(JSON.stringify(jwe))).toEqual({ suite: 'jwe', keyId: 'k-2' })
    expect(contentOf(new TextEncoder().encode(JSON.stringify(jwe)))).toEqual({
      points: [],
      sealed: { suite: 'jwe', keyId: 'k-2' },
    })
    for (const head of ['!', protectedBy('[]'), protectedBy('{"kid":1}')])
      expect(sealedFor(JSON.stringify({ ...jwe, protected: head }))?.keyId).toBe('unknown')
  })

  it.each(['', 'null', '[]', '{"resourceType":"Bundle"}', '{"protected":1,"ciphertext":"A"}'])(
    'is not taken for one: %s',
    (text) => {
      expect(sealedFor(text)).toBeUndefined()
    },
  )

  describe('its settings', () => {
    const key = { keyId: 'k', jwk: '{}', fingerprint: 'f' }
    const on: EnvelopesOn = { suite: 'jwe', endpoint: 'https://fhir.example/sealed', key }
    const off = { suite: 'off' } as const

    it('are taken whole, or are in doubt', () => {
      const kept = { v: 1, suite: 'jwe', endpoint: on.endpoint, ...key }
      expect(JSON.parse(envelopeSettingsText(on))).toEqual(kept)
      for (const one of [on, off]) expect(parseEnvelopeSettings(envelopeSettingsText(one))).toEqual(one)
      expect(parseEnvelopeSettings(undefined)).toBeUndefined()
      const bad = [
        { ...kept, v: 2 },
        { ...kept, suite: 'rot13' },
        { ...kept, jwk: '' },
        { ...kept, keyId: 7 },
        { ...kept, endpoint: undefined },
        { suite: 'off' },
        [],
        null,
      ]
      for (const text of ['', '{', ...bad.map((one) => JSON.stringify(one))])
        expect(parseEnvelopeSettings(text)).toBe('unreadable')
    })

    it('are the safer of what two places say', () => {
      expect(saferOf(undefined, undefined)).toBeUndefined()
      expect(saferOf(off, undefined)).toBe(off)
      for (const [note, copy] of [
        [on, off],
        [on, undefined],
        [off, on],
        [undefined, on],
      ] as const)
        expect(saferOf(note, copy)).toBe(on)
      for (const other of [on, off, undefined]) {
        expect(saferOf('unreadable', other)).toBe('unreadable')
        expect(saferOf(other, 'unreadable')).toBe('unreadable')
      }
    })

    it('let nothing be stored while they are in doubt or for another receiver', () => {
      expect(refusalOf(undefined, undefined)).toBeUndefined()
      expect(refusalOf(off, on.endpoint)).toBeUndefined()
      expect(refusalOf(on, on.endpoint)).toBeUndefined()
      for (const [settings, endpoint] of [
        ['unreadable', on.endpoint],
        [on, 'https://fhir.example/other'],
        [on, undefined],
      ] as const)
        expect(refusalOf(settings, endpoint)?.code).toBe('ERR_CHOOSE_AGAIN')
    })

    it('are kept beside the queue', async () => {
      const storage = memoryStorage()
      expect(await readEnvelopeNote(storage)).toBeUndefined()
      await keepEnvelopeNote(storage, envelopeSettingsText(on))
      expect(await readEnvelopeNote(storage)).toEqual(on)
      expect(await chosenEndpoint(storage)).toBe(on.endpoint)
      await keepEnvelopeNote(storage, envelopeSettingsText(off))
      expect(await readEnvelopeNote(storage)).toEqual(off)
      expect(await chosenEndpoint(storage)).toBeUndefined()
    })
  })

  it('is sealed for a key that is made for it', () => {
    const [signing, elliptic, any, encrypting] = [
      { kty: 'RSA', use: 'sig' },
      { kty: 'EC', use: 'enc' },
      { kty: 'RSA' },
      { kty: 'RSA', use: 'enc' },
    ]
    expect(fittingKey([encrypting, any, elliptic, signing], 'jwe')).toBe(encrypting)
    expect(fittingKey([any, elliptic, signing], 'c3-pro')).toBe(any)
    const sha1 = { ...encrypting, alg: 'RSA-OAEP' }
    expect(fittingKey([sha1], 'c3-pro')).toBe(sha1)
    for (const keys of [[sha1], [signing, elliptic], [null, 7], [], undefined])
      expect(fittingKey(keys, 'jwe')).toBeUndefined()
  })
})

it('troubles are read from anything', () => {
  expect(parseTroubles(['down', 'flood', 3])).toEqual(['down'])
  expect(parseTroubles({ down: true })).toEqual([])
})

it('the head of a lane is its first entry that moves', () => {
  const entries = [
    entry({ sequence: 4, lane: 'b' }),
    entry({ sequence: 3 }),
    entry({ sequence: 2, state: 'unknown' }),
    entry({ sequence: 1, state: 'dead' }),
  ]
  expect(heads(entries).map(({ sequence }) => sequence)).toEqual([4, 2])
})
