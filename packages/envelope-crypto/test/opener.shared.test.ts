import { createOpener, createSealer, keyRing } from '@fhir-outbox/envelope-crypto'
import type { Envelope, JweSealerOptions } from '@fhir-outbox/envelope-crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeBase64, encodeBase64 } from '../src/internal/base64.js'
import { encryptMessage } from '../src/suites/c3-pro.js'
import { failure, foreignEnvelope, foreignSealed, newParty, text, utf8, without } from './support.js'
import type { Party } from './support.js'

const key = Uint8Array.from({ length: 32 }, (_, index) => 255 - index)

describe('what a reader tolerates', () => {
  let party: Party
  let envelope: Envelope
  beforeAll(async () => {
    party = await newParty()
    envelope = await createSealer({ suite: 'c3-pro', recipient: party.recipient, version: '3.0.0' }).seal(
      utf8('{"resourceType":"Patient","id":"a"}'.repeat(5)),
    )
  })

  const opens: readonly (readonly [string, (envelope: Envelope) => unknown])[] = [
    [
      'line breaks of 76 columns',
      (e) => ({ ...e, message: folded(e.message), symmetric_key: folded(e.symmetric_key) }),
    ],
    [
      'tabs and spaces in the Base64',
      (e) => ({ ...e, message: ` \t${e.message.slice(0, 5)} ${e.message.slice(5)}\n` }),
    ],
    ['Base64 without its padding', (e) => ({ ...e, symmetric_key: e.symmetric_key.replace(/=+$/, '') })],
    ['a key id with white space around it', (e) => ({ ...e, key_id: ` ${e.key_id}\n` })],
    ['unknown members', (e) => ({ ...e, id: '7', extension: [{ deep: true }] })],
    ['JSON that went over the wire', (e) => JSON.parse(JSON.stringify(e)) as unknown],
    ['an object without prototype', (e) => Object.assign(Object.create(null), e) as unknown],
  ]
  for (const [what, change] of opens) {
    it(`opens with ${what}`, async () => {
      const opened = await party.opener.openDetailed(change(envelope))
      expect(text(opened.plaintext)).toBe('{"resourceType":"Patient","id":"a"}'.repeat(5))
      expect(opened).toMatchObject({ suite: 'c3-pro', version: '3.0.0' })
    })
  }

  it('assumes 1.0.2 when the version is missing', async () => {
    expect(await party.opener.openDetailed(without(envelope, 'version'))).toMatchObject({ version: '1.0.2' })
  })

  it('takes keys of 16, 24 and 32 bytes', async () => {
    for (const length of [16, 24, 32]) {
      const sealed = await foreignSealed(party.recipient, key.slice(0, length), `with ${length}`)
      expect(text(await party.opener.open(sealed))).toBe(`with ${length}`)
    }
  })

  it('finds keys through a function and hands it the trimmed id and the signal', async () => {
    const { signal } = new AbortController()
    const asked: unknown[] = []
    const opener = createOpener({
      keys: async (keyId, context) => {
        asked.push([keyId, context.signal])
        return party.openingKey
      },
    })
    await opener.open({ ...envelope, key_id: `${envelope.key_id} ` }, { signal })
    expect(asked).toEqual([[party.recipient.keyId, signal]])
  })

  const malformed: readonly (readonly [string, (envelope: Envelope) => unknown])[] = [
    ['undefined', () => undefined],
    ['null', () => null],
    ['a string', (e) => JSON.stringify(e)],
    ['an array', (e) => [e]],
    ['no key_id', (e) => without(e, 'key_id')],
    ['no message', (e) => without(e, 'message')],
    ['no symmetric_key', (e) => without(e, 'symmetric_key')],
    ['inherited members only', (e) => Object.create(e) as unknown],
    ['a number as key_id', (e) => ({ ...e, key_id: 7 })],
    ['an empty key_id', (e) => ({ ...e, key_id: '' })],
    ['a key_id of spaces', (e) => ({ ...e, key_id: ' \n' })],
    ['a key_id that climbs', (e) => ({ ...e, key_id: '../../etc/passwd' })],
    ['a key_id with a slash', (e) => ({ ...e, key_id: 'a/b' })],
    ['a key_id with a backslash', (e) => ({ ...e, key_id: String.raw`a\b` })],
    ['a key_id with a NUL', (e) => ({ ...e, key_id: 'a\0b' })],
    ['a key_id of dots', (e) => ({ ...e, key_id: '..' })],
    ['a key_id without end', (e) => ({ ...e, key_id: 'a'.repeat(129) })],
    ['a version that climbs', (e) => ({ ...e, version: '../admin' })],
    ['a version that is a number', (e) => ({ ...e, version: 3 })],
    ['an empty message', (e) => ({ ...e, message: '' })],
    ['an empty key', (e) => ({ ...e, symmetric_key: '  ' })],
    [
      'Base64 with a foreign character',
      (e) => ({ ...e, message: `${e.message.slice(0, 8)}*${e.message.slice(9)}` }),
    ],
    ['Base64 of the URL alphabet', (e) => ({ ...e, message: '-_-_' })],
    ['Base64 cut by one character', (e) => ({ ...e, message: 'AAAAA' })],
    ['text after the padding', (e) => ({ ...e, message: `${e.message.replace(/=+$/, '')}==AAAA` })],
    ['a key of megabytes', (e) => ({ ...e, symmetric_key: 'A'.repeat(3_000_000) })],
  ]
  for (const [what, change] of malformed) {
    it(`refuses ${what} before any key is looked up`, async () => {
      let asked = 0
      const opener = createOpener({
        keys: () => {
          asked++
          return party.openingKey
        },
      })
      expect(await failure(opener.open(change(envelope)))).toMatchObject({ code: 'ERR_INVALID_ENVELOPE' })
      expect(asked).toBe(0)
    })
  }

  it('refuses a message above the limit and opens one at the limit', async () => {
    const keys = keyRing([party.openingKey])
    const sealer = createSealer({ suite: 'c3-pro', recipient: party.recipient })
    const atLimit = await sealer.seal(new Uint8Array(100))
    const above = await sealer.seal(new Uint8Array(112))
    const opener = createOpener({ keys, maxBytes: 100 })
    expect(await opener.open({ ...atLimit, message: folded(atLimit.message) })).toHaveLength(100)
    expect(await failure(opener.open(above))).toMatchObject({ code: 'ERR_TOO_LARGE' })
    expect(await failure(opener.open({ ...above, message: ' '.repeat(10_000) }))).toMatchObject({
      code: 'ERR_TOO_LARGE',
    })
    expect(await failure(() => createOpener({ keys, maxBytes: Number.NaN }))).toMatchObject({
      code: 'ERR_INVALID_OPTION',
    })
  })

  it('names an unknown key, and does not look into prototypes for one', async () => {
    for (const keyId of ['other', 'constructor', '__proto__']) {
      expect(await failure(party.opener.open({ ...envelope, key_id: keyId }))).toMatchObject({
        code: 'ERR_UNKNOWN_KEY',
      })
    }
  })

  it('takes null for no key, as key stores give it', async () => {
    const opener = createOpener({ keys: () => null as unknown as undefined })
    for (const suite of ['jwe', 'c3-pro'] as const) {
      const sealed = await createSealer({ suite, recipient: party.recipient } as JweSealerOptions).seal(
        utf8('a'),
      )
      expect(await failure(opener.open(sealed))).toMatchObject({ code: 'ERR_UNKNOWN_KEY' })
    }
  })

  it('does not let an envelope that cannot tell its entry stand in for one that must', async () => {
    for (const context of [{ key: 'entry-7' }, { destination: 'https://fhir.example/enc' }]) {
      expect(await failure(party.opener.open(envelope, context))).toMatchObject({ code: 'ERR_WRONG_ENTRY' })
    }
    expect(await party.opener.open(envelope, { key: undefined, destination: undefined })).toHaveLength(175)
  })

  it('keeps a failing key store apart from a bad envelope', async () => {
    const cause = new Error('store is down')
    const opener = createOpener({ keys: () => Promise.reject(cause) })
    expect(await failure(opener.open(envelope))).toMatchObject({ code: 'ERR_KEY_LOOKUP_FAILED', cause })
  })

  it('fails every cryptographic failure in the same words', async () => {
    const stranger = await newParty({ bits: 2048, keyId: party.recipient.keyId })
    const message = decodeBase64(envelope.message) ?? new Uint8Array()
    const wrapped = decodeBase64(envelope.symmetric_key) ?? new Uint8Array()
    const good = await encryptMessage(key, utf8('0123456789abcdef'))
    const attempts: Record<string, unknown> = {
      'sealed for another key': await createSealer({ suite: 'c3-pro', recipient: stranger.recipient }).seal(
        utf8('a'),
      ),
      'wrapped key changed': { ...envelope, symmetric_key: encodeBase64(flipped(wrapped, 100)) },
      'wrapped key cut': { ...envelope, symmetric_key: encodeBase64(wrapped.slice(0, -1)) },
      'wrapped key of zeros': { ...envelope, symmetric_key: encodeBase64(new Uint8Array(256)) },
      'wrapped key of ones': { ...envelope, symmetric_key: encodeBase64(new Uint8Array(256).fill(255)) },
      // The byte before the last block flips the padding length 0x10 to one that is never valid.
      'padding changed': await foreignEnvelope(party.recipient, key, flipped(good, 15, 0xe0)),
      'message cut inside a block': { ...envelope, message: encodeBase64(message.slice(0, -1)) },
      'message shorter than a block': { ...envelope, message: 'AAAA' },
      'AES key of 15 bytes': await foreignEnvelope(party.recipient, key.slice(0, 15), good),
      'AES key of 31 bytes': await foreignEnvelope(party.recipient, key.slice(0, 31), good),
      'no AES key': await foreignEnvelope(party.recipient, new Uint8Array(0), good),
    }
    const seen = new Set<string>()
    for (const [what, attempt] of Object.entries(attempts)) {
      const error = await failure(party.opener.open(attempt))
      expect(error, what).toMatchObject({ name: 'EnvelopeError', code: 'ERR_OPEN_FAILED' })
      expect('cause' in error, what).toBe(false)
      seen.add(JSON.stringify([error.message, error.hint, Object.keys(error).sort()]))
    }
    expect(seen.size).toBe(1)
  })

  it('refuses two keys with one id', async () => {
    expect(await failure(() => keyRing([party.openingKey, party.openingKey]))).toMatchObject({
      code: 'ERR_DUPLICATE_KEY_ID',
    })
    expect(keyRing([party.openingKey]).keyIds).toEqual([party.recipient.keyId])
  })
})

function folded(base64: string): string {
  return `${(base64.match(/.{1,76}/g) ?? []).join('\r\n')}\r\n`
}

function flipped(bytes: Uint8Array<ArrayBuffer>, index: number, mask = 1): Uint8Array<ArrayBuffer> {
  return bytes.map((byte, at) => (at === index ? byte ^ mask : byte))
}
