import { createOpener, createSealer, importRecipient, keyRing } from '@fhir-outbox/envelope-crypto'
import type { JweEnvelope } from '@fhir-outbox/envelope-crypto'
import * as fc from 'fast-check'
import { CompactEncrypt, flattenedDecrypt, generalDecrypt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeBase64Url, encodeBase64Url } from '../src/internal/base64.js'
import { codeOf, newParty, text, utf8, without } from './support.js'
import type { Party } from './support.js'

const keys = [
  ['RSA', { bits: 2048 }],
  ['P-256', { curve: 'P-256' }],
  ['P-521', { curve: 'P-521' }],
] as const

function privateKeyOf({ openingKey }: Party): CryptoKey {
  return openingKey.kind === 'RSA'
    ? openingKey.privateKeys['RSA-OAEP-256']
    : openingKey.privateKeys['ECDH-ES+A256KW']
}

function protectedOf({ protected: header }: JweEnvelope): Record<string, unknown> {
  return JSON.parse(text(decodeBase64Url(header) ?? new Uint8Array())) as Record<string, unknown>
}

describe.each(keys)('JWE with a key of the kind %s', (_, options) => {
  let receiver: Party
  beforeAll(async () => {
    receiver = await newParty(options)
  })

  it('returns any bytes as they were', async () => {
    const sealer = createSealer({ recipient: receiver.recipient })
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect([...(await receiver.opener.open(await sealer.seal(bytes)))]).toEqual([...bytes])
      }),
      { numRuns: 20 },
    )
  })

  it('is opened by jose, and opens what jose makes', async () => {
    const envelope = await createSealer({ recipient: receiver.recipient }).seal(utf8('made here: ü'))
    const opened = await flattenedDecrypt(
      { ...envelope, encrypted_key: envelope.encrypted_key ?? '' },
      privateKeyOf(receiver),
    )
    expect(text(opened.plaintext)).toBe('made here: ü')

    const { alg, kid } = protectedOf(envelope)
    const { spki, kind } = receiver.recipient
    const algorithm =
      kind === 'RSA'
        ? { name: 'RSA-OAEP', hash: 'SHA-256' }
        : { name: 'ECDH', namedCurve: receiver.recipient.curve }
    const publicKey = await crypto.subtle.importKey(
      'spki',
      spki,
      algorithm,
      false,
      kind === 'RSA' ? ['encrypt'] : [],
    )
    const compact = await new CompactEncrypt(utf8('made by jose: ü'))
      .setProtectedHeader({ alg: String(alg), enc: 'A256GCM', kid: String(kid) })
      .encrypt(publicKey)
    expect(text(await receiver.opener.open(compact))).toBe('made by jose: ü')
  })

  it('says in the protected header how, for whom, which entry and where to', async () => {
    const sealer = createSealer({ recipient: receiver.recipient })
    const envelope = await sealer.seal(utf8('a'), { key: 'entry-7', destination: 'https://fhir.example/enc' })
    expect(Object.keys(envelope).sort()).toEqual(['ciphertext', 'encrypted_key', 'iv', 'protected', 'tag'])
    expect(protectedOf(envelope)).toMatchObject({
      alg: options === keys[0][1] ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW',
      enc: 'A256GCM',
      kid: receiver.recipient.keyId,
      cty: 'application/fhir+json',
      jti: 'entry-7',
      aud: 'https://fhir.example/enc',
    })
    expect(await receiver.opener.openDetailed(envelope)).toMatchObject({
      suite: 'jwe',
      keyId: receiver.recipient.keyId,
      key: 'entry-7',
      destination: 'https://fhir.example/enc',
      contentType: 'application/fhir+json',
    })
  })

  it('cannot stand in the place of another entry', async () => {
    const sealer = createSealer({ recipient: receiver.recipient })
    const envelope = await sealer.seal(utf8('a'), { key: 'entry-7', destination: 'here' })
    const open = (context: object): Promise<unknown> => codeOf(() => receiver.opener.open(envelope, context))
    expect(await open({ key: 'entry-7', destination: 'here' })).toBeUndefined()
    expect(await open({ key: 'entry-8' })).toBe('ERR_WRONG_ENTRY')
    expect(await open({ destination: 'there' })).toBe('ERR_WRONG_ENTRY')
    const bare = await sealer.seal(utf8('a'))
    expect(await codeOf(() => receiver.opener.open(bare, { key: 'entry-7' }))).toBe('ERR_WRONG_ENTRY')
  })

  it('is refused when any decoded byte was changed', async () => {
    const envelope = await createSealer({ recipient: receiver.recipient }).seal(utf8('a reading'), {
      key: 'entry-7',
    })
    const codes = new Set<unknown>()
    for (const [member, value] of Object.entries(envelope)) {
      const bytes = decodeBase64Url(value) ?? new Uint8Array()
      for (let at = 0; at < bytes.length; at++) {
        const changed = bytes.slice()
        changed[at] = (changed[at] ?? 0) ^ 1
        codes.add(
          await codeOf(() => receiver.opener.open({ ...envelope, [member]: encodeBase64Url(changed) })),
        )
      }
    }
    // Changes of the header may also make it unreadable, or name another key.
    expect([...codes].sort()).toEqual(['ERR_INVALID_ENVELOPE', 'ERR_OPEN_FAILED', 'ERR_UNKNOWN_KEY'])
  })
})

describe('JWE', () => {
  let receiver: Party
  beforeAll(async () => {
    receiver = await newParty({ curve: 'P-256' })
  })

  it('is the suite unless another one is named', async () => {
    expect(createSealer({ recipient: receiver.recipient }).suite).toBe('jwe')
  })

  it('is opened by each of several recipients, and by jose', async () => {
    const rsa = await newParty()
    const sealer = createSealer({ recipient: [receiver.recipient, rsa.recipient] })
    const envelope = await sealer.seal(utf8('for both'), { key: 'entry-7' })
    for (const one of [receiver, rsa]) {
      expect(text(await one.opener.open(envelope, { key: 'entry-7' }))).toBe('for both')
      const { recipients = [], ...content } = envelope
      const general = {
        ...content,
        recipients: recipients.map((part) => ({ ...part, header: { ...part.header } })),
      }
      expect(text((await generalDecrypt(general, privateKeyOf(one))).plaintext)).toBe('for both')
    }
    const stranger = await newParty()
    expect(await codeOf(() => stranger.opener.open(envelope))).toBe('ERR_UNKNOWN_KEY')
  })

  it('shares no block between two envelopes of one plaintext', async () => {
    const sealer = createSealer({ recipient: receiver.recipient })
    const plaintext = utf8('0123456789abcdef'.repeat(8))
    const blocks = new Set<string>()
    for (let round = 0; round < 2; round++) {
      const bytes = decodeBase64Url((await sealer.seal(plaintext)).ciphertext) ?? new Uint8Array()
      for (let at = 0; at < bytes.length; at += 16) blocks.add(bytes.subarray(at, at + 16).join())
    }
    expect(blocks.size).toBe(16)
  })

  it('reads the plaintext at once, also when many are sealed together', async () => {
    const rsa = await newParty()
    for (const { recipient, opener } of [receiver, rsa]) {
      const sealer = createSealer({ recipient })
      const lengths = [0, 1, 1200, 16_000, 16_384, 17_000, 300_000]
      const sealing = lengths.flatMap((length) =>
        [1, 2].map((byte) => {
          const plaintext = new Uint8Array(length).fill(byte)
          const sealed = sealer.seal(plaintext, { key: `${length}-${byte}` })
          plaintext.fill(0)
          return { length, byte, sealed }
        }),
      )
      for (const { length, byte, sealed } of sealing) {
        const opened = await opener.open(await sealed, { key: `${length}-${byte}` })
        expect(opened).toHaveLength(length)
        expect(opened.every((one) => one === byte)).toBe(true)
      }
    }
  })

  it('takes large content, and refuses what is larger than the limit', async () => {
    const sealer = createSealer({ recipient: receiver.recipient })
    const envelope = await sealer.seal(new Uint8Array(300_000).fill(7))
    expect((await receiver.opener.open(envelope)).every((byte) => byte === 7)).toBe(true)
    const small = createOpener({ keys: keyRing([receiver.openingKey]), maxBytes: 1000 })
    expect(await codeOf(() => small.open(envelope))).toBe('ERR_TOO_LARGE')
  })

  it('opens up to the limit to the byte, however the message was packed', async () => {
    const sealer = createSealer({ recipient: receiver.recipient })
    const at = async (length: number, maxBytes: number): Promise<unknown> => {
      const opener = createOpener({ keys: keyRing([receiver.openingKey]), maxBytes })
      return await codeOf(async () => opener.open(await sealer.seal(new Uint8Array(length))))
    }
    for (const maxBytes of [0, 1, 2, 3, 1000]) {
      expect([await at(maxBytes, maxBytes), await at(maxBytes + 1, maxBytes)]).toEqual([
        undefined,
        'ERR_TOO_LARGE',
      ])
    }
    const publicKey = await crypto.subtle.importKey(
      'spki',
      receiver.recipient.spki,
      { name: 'ECDH', namedCurve: 'P-256' },
      false,
      [],
    )
    const bomb = await new CompactEncrypt(new Uint8Array(200_000))
      .setProtectedHeader({
        alg: 'ECDH-ES+A256KW',
        enc: 'A256GCM',
        kid: receiver.recipient.keyId,
        zip: 'DEF',
      })
      .encrypt(publicKey)
    const small = createOpener({ keys: keyRing([receiver.openingKey]), maxBytes: 1000 })
    expect(await codeOf(() => small.open(bomb))).toBe('ERR_INVALID_ENVELOPE')
  })

  it('makes nothing that its own opener would refuse', async () => {
    const { recipient, generated } = receiver
    const crowd = await Promise.all(
      Array.from({ length: 17 }, (_, at) => importRecipient(generated.certificatePem, { keyId: `k${at}` })),
    )
    expect(await codeOf(() => createSealer({ recipient: crowd }))).toBe('ERR_INVALID_OPTION')
    const sealer = createSealer({ recipient })
    for (const context of [
      { destination: 'x'.repeat(20_000) },
      { key: 7 as unknown as string },
      { destination: new URL('https://a.example') as unknown as string },
    ]) {
      expect(await codeOf(() => sealer.seal(utf8('a'), context))).toBe('ERR_INVALID_OPTION')
    }
    expect(await codeOf(() => createSealer({ recipient, contentType: 'x'.repeat(20_000) }))).toBe(
      'ERR_INVALID_OPTION',
    )
    const long = { key: '', destination: `https://a.example/${'x'.repeat(2000)}` }
    expect(text(await receiver.opener.open(await sealer.seal(utf8('a'), long), long))).toBe('a')
  })

  it('seals for those it was made with, whatever becomes of the list', async () => {
    const other = await newParty({ curve: 'P-256' })
    const list = [receiver.recipient]
    const sealer = createSealer({ recipient: list })
    list[0] = other.recipient
    list.push(receiver.recipient)
    expect(text(await receiver.opener.open(await sealer.seal(utf8('a'))))).toBe('a')
    expect(await codeOf(async () => other.opener.open(await sealer.seal(utf8('a'))))).toBe('ERR_UNKNOWN_KEY')
  })

  const malformed: readonly (readonly [string, (envelope: JweEnvelope) => unknown])[] = [
    ['no ciphertext but all else', (envelope) => without(envelope, 'ciphertext')],
    ['text that is no JWE', () => 'a.b.c'],
    ['a member that is no text', (envelope) => ({ ...envelope, iv: 7 })],
    ['padding', (envelope) => ({ ...envelope, tag: `${envelope.tag}==` })],
    [
      'bits that decode to nothing',
      (envelope) => ({ ...envelope, tag: `${envelope.tag.slice(0, -1)}${twin(envelope.tag)}` }),
    ],
    ['white space', (envelope) => ({ ...envelope, iv: ` ${envelope.iv}` })],
    ['a header that is no object', (envelope) => ({ ...envelope, protected: encodeBase64Url(utf8('[1]')) })],
    ['another content encryption', (envelope) => withHeader(envelope, { enc: 'A128CBC-HS256' })],
    ['another key management', (envelope) => withHeader(envelope, { alg: 'RSA1_5' })],
    ['no key id', (envelope) => withHeader(envelope, { kid: undefined })],
    ['a key id with a path in it', (envelope) => withHeader(envelope, { kid: '../key' })],
    ['a header parameter in two places', (envelope) => ({ ...envelope, header: { kid: 'other' } })],
    ['a shared unprotected header', (envelope) => ({ ...envelope, unprotected: { cty: 'text/plain' } })],
    [
      'an extension that must be understood (crit)',
      (envelope) => withHeader(envelope, { crit: ['exp'], exp: 1 }),
    ],
    ['compressed content (zip)', (envelope) => withHeader(envelope, { zip: 'DEF' })],
    [
      'an empty list of recipients',
      (envelope) => ({ ...without(envelope, 'encrypted_key'), recipients: [] }),
    ],
  ]
  it.each(malformed)('refuses %s', async (_, change) => {
    const envelope = await createSealer({ recipient: receiver.recipient }).seal(utf8('a'))
    expect(await codeOf(() => receiver.opener.open(change(envelope)))).toBe('ERR_INVALID_ENVELOPE')
  })

  it('has one form: ciphertext and tag end where they end', async () => {
    const envelope = await createSealer({ recipient: receiver.recipient }).seal(new Uint8Array(60))
    const { ciphertext, tag } = envelope
    const moved = [
      { ...envelope, ciphertext: ciphertext.slice(0, -16), tag: ciphertext.slice(-16) + tag },
      { ...envelope, ciphertext: ciphertext + tag.slice(0, 16), tag: tag.slice(16) },
      { ...envelope, iv: encodeBase64Url(new Uint8Array(16)) },
    ]
    for (const one of moved) expect(await codeOf(() => receiver.opener.open(one))).toBe('ERR_OPEN_FAILED')
    expect(await receiver.opener.open(envelope)).toHaveLength(60)
  })

  it('refuses a crowd of recipients before it asks for a key', async () => {
    let asked = 0
    const opener = createOpener({ keys: () => void asked++ })
    const { encrypted_key, ...rest } = await createSealer({ recipient: receiver.recipient }).seal(utf8('a'))
    const recipients = Array.from({ length: 17 }, () => ({ encrypted_key }))
    expect(await codeOf(() => opener.open({ ...rest, recipients }))).toBe('ERR_TOO_LARGE')
    expect(asked).toBe(0)
  })

  it('refuses an elliptic key for C3-PRO, no recipient and the same one twice', async () => {
    const { recipient } = receiver
    expect(await codeOf(() => createSealer({ suite: 'c3-pro', recipient }))).toBe('ERR_UNSUPPORTED_KEY')
    expect(await codeOf(() => createSealer({ recipient: [] }))).toBe('ERR_INVALID_OPTION')
    expect(await codeOf(() => createSealer({ recipient: [recipient, recipient] }))).toBe('ERR_INVALID_OPTION')
  })
})

/** The character that decodes to the same as the last of `tag` (128 bits: 2 of its 6 bits count). */
function twin(tag: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(tag.at(-1) ?? '') + 1] ?? ''
}

function withHeader(envelope: JweEnvelope, change: Record<string, unknown>): unknown {
  const header = { ...protectedOf(envelope), ...change }
  return { ...envelope, protected: encodeBase64Url(utf8(JSON.stringify(header))) }
}
