import { createOpener, createSealer, keyRing } from '@fhir-outbox/envelope-crypto'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeBase64 } from '../src/internal/base64.js'
import { c3ProKey, failure, newParty, text, utf8 } from './support.js'
import type { Party } from './support.js'

const dayMs = 24 * 60 * 60 * 1000

describe('sealing and opening', () => {
  // Read-only for every test; making a key pair for each would only cost time.
  let party: Party
  beforeAll(async () => {
    party = await newParty({ bits: 2048, keyId: '0d9f6a52-5d0c-4a6e-9d5f-0b7a4d0c8f11' })
  })

  it('makes exactly the four members, all strings, Base64 without line breaks', async () => {
    const envelope = await createSealer({ suite: 'c3-pro', recipient: party.recipient }).seal(
      utf8('x'.repeat(1000)),
    )
    expect(Object.keys(envelope).sort()).toEqual(['key_id', 'message', 'symmetric_key', 'version'])
    expect(envelope.key_id).toBe('0d9f6a52-5d0c-4a6e-9d5f-0b7a4d0c8f11')
    expect(envelope.version).toBe('1.0.2')
    expect(envelope.symmetric_key).toMatch(/^[A-Za-z0-9+/]{342}==$/)
    expect(envelope.message).toMatch(/^[A-Za-z0-9+/]+={0,2}$/)
    expect(decodeBase64(envelope.message)).toHaveLength(1008)
  })

  it('returns any bytes as they were, for every key length', async () => {
    const sealers = ([128, 192, 256] as const).map((keyBits) =>
      createSealer({ suite: 'c3-pro', recipient: party.recipient, keyBits }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(...sealers),
        async (bytes, sealer) => {
          const opened = await party.opener.open(await sealer.seal(bytes))
          expect([...opened]).toEqual([...bytes])
        },
      ),
      { numRuns: 40 },
    )
  })

  it('carries the length of the AES key it was told to use, 256 bits by default', async () => {
    const privateKey = c3ProKey(party.openingKey)
    for (const [keyBits, bytes] of [
      [undefined, 32],
      [256, 32],
      [192, 24],
      [128, 16],
    ] as const) {
      const sealer = createSealer({
        suite: 'c3-pro',
        recipient: party.recipient,
        ...(keyBits && { keyBits }),
      })
      const { symmetric_key } = await sealer.seal(utf8('a'))
      const wrapped = decodeBase64(symmetric_key) ?? new Uint8Array()
      const key = await crypto.subtle.decrypt({ name: 'RSA-OAEP' }, privateKey, wrapped)
      expect(key.byteLength).toBe(bytes)
    }
  })

  it('shares no block between two encryptions of one plaintext', async () => {
    const sealer = createSealer({ suite: 'c3-pro', recipient: party.recipient })
    const plaintext = utf8('{"resourceType":"Observation","status":"final"}'.repeat(20))
    const envelopes = await Promise.all(Array.from({ length: 5 }, () => sealer.seal(plaintext)))
    const blocks = envelopes.flatMap(({ message, symmetric_key }) => [
      ...blocksOf(message),
      ...blocksOf(symmetric_key),
    ])
    expect(blocks.length).toBeGreaterThan(300)
    expect(new Set(blocks).size).toBe(blocks.length)
  })

  it('keeps non-ASCII text', async () => {
    const sealer = createSealer({ suite: 'c3-pro', recipient: party.recipient, version: 'dstu 3' })
    const opened = await party.opener.openDetailed(await sealer.seal(utf8('Zoë 😀 «µg/dL»')))
    expect(text(opened.plaintext)).toBe('Zoë 😀 «µg/dL»')
    expect(opened).toMatchObject({ keyId: party.recipient.keyId, version: 'dstu 3', suite: 'c3-pro' })
  })

  it('copies the plaintext at once and leaves the caller its bytes', async () => {
    const plaintext = utf8('before')
    const sealing = createSealer({ suite: 'c3-pro', recipient: party.recipient }).seal(plaintext)
    plaintext.set(utf8('after!'))
    expect(text(await party.opener.open(await sealing))).toBe('before')
    expect(text(plaintext)).toBe('after!')
  })

  it('opens with the key the envelope names while two keys are in use', async () => {
    const next = await newParty()
    const opener = createOpener({ keys: keyRing([party.openingKey, next.openingKey]) })
    for (const { recipient } of [party, next]) {
      const envelope = await createSealer({ suite: 'c3-pro', recipient }).seal(utf8(recipient.keyId))
      const opened = await opener.openDetailed(envelope)
      expect(opened.keyId).toBe(recipient.keyId)
      expect(text(opened.plaintext)).toBe(recipient.keyId)
    }
  })

  it('refuses an empty key id, one with path characters and one longer than receivers keep', async () => {
    const withKeyId = (keyId: string) => () =>
      createSealer({ suite: 'c3-pro', recipient: { ...party.recipient, keyId } })
    expect(await failure(withKeyId(''))).toMatchObject({ name: 'EnvelopeError', code: 'ERR_EMPTY_KEY_ID' })
    expect(await failure(withKeyId('../x'))).toMatchObject({ code: 'ERR_INVALID_KEY_ID' })
    expect(await failure(withKeyId('k'.repeat(41)))).toMatchObject({ code: 'ERR_INVALID_KEY_ID' })
    expect((await withKeyId('k'.repeat(40))().seal(utf8('a'))).key_id).toHaveLength(40)
  })

  it('refuses options that are not allowed', async () => {
    const base = { suite: 'c3-pro', recipient: party.recipient } as const
    const wrong = [
      { version: '' },
      { version: '../1' },
      { version: '1'.repeat(41) },
      { maxBytes: -1 },
      { maxBytes: 1.5 },
      { keyBits: 64 },
      { suite: 'rot13' },
    ]
    for (const options of wrong) {
      const create = createSealer as (options: unknown) => unknown
      expect(await failure(() => create({ ...base, ...options }))).toMatchObject({
        code: 'ERR_INVALID_OPTION',
      })
    }
  })

  it('refuses plaintext above the limit and accepts it at the limit', async () => {
    const sealer = createSealer({ suite: 'c3-pro', recipient: party.recipient, maxBytes: 32 })
    expect(await failure(sealer.seal(new Uint8Array(33)))).toMatchObject({ code: 'ERR_TOO_LARGE' })
    expect(await party.opener.open(await sealer.seal(new Uint8Array(32)))).toHaveLength(32)
    const usual = createSealer({ suite: 'c3-pro', recipient: party.recipient })
    expect(await failure(usual.seal(new Uint8Array(64 * 1024 * 1024)))).toMatchObject({
      code: 'ERR_TOO_LARGE',
    })
  })

  it('refuses a plaintext that is not bytes', async () => {
    const seal = createSealer({ suite: 'c3-pro', recipient: party.recipient }).seal as (
      x: unknown,
    ) => Promise<unknown>
    expect(await failure(seal('text'))).toMatchObject({ code: 'ERR_INVALID_OPTION' })
  })

  it('stops sealing when the certificate runs out while the process lives', async () => {
    let now = Date.now()
    const sealer = createSealer({ suite: 'c3-pro', recipient: party.recipient, now: () => now })
    await sealer.seal(utf8('a'))
    now += 800 * dayMs
    expect(await failure(sealer.seal(utf8('a')))).toMatchObject({ code: 'ERR_CERTIFICATE_EXPIRED' })
  })

  it('aborts with AbortError', async () => {
    const signal = AbortSignal.abort(new Error('mine'))
    const sealer = createSealer({ suite: 'c3-pro', recipient: party.recipient })
    expect(await failure(sealer.seal(utf8('a'), { signal }))).toMatchObject({ name: 'AbortError' })
    const envelope = await sealer.seal(utf8('a'))
    expect(await failure(party.opener.open(envelope, { signal }))).toMatchObject({ name: 'AbortError' })
  })

  it('aborts between the steps of sealing', async () => {
    const controller = new AbortController()
    const sealing = createSealer({ suite: 'c3-pro', recipient: party.recipient }).seal(utf8('a'), controller)
    controller.abort()
    expect(await failure(sealing)).toMatchObject({ name: 'AbortError' })
  })
})

function blocksOf(base64: string): string[] {
  const bytes = decodeBase64(base64) ?? new Uint8Array()
  return Array.from({ length: bytes.length / 16 }, (_, index) =>
    bytes.slice(index * 16, index * 16 + 16).join(),
  )
}
