import { generateRecipient, importRecipient } from '@fhir-outbox/envelope-crypto'
import type { GeneratedRecipient, RecipientWarning } from '@fhir-outbox/envelope-crypto'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeBase64, encodeBase64 } from '../src/internal/base64.js'
import { writePem } from '../src/internal/pem.js'
import { failure, utf8, without } from './support.js'

const dayMs = 24 * 60 * 60 * 1000
const start = Date.parse('2030-03-01T12:00:00Z')
const keyId = 'key-1'
const options = { keyId, now: () => start }

describe('importRecipient', () => {
  let made: GeneratedRecipient
  let spki: Uint8Array<ArrayBuffer>
  beforeAll(async () => {
    made = await generateRecipient({ keyId, bits: 2048, days: 100, now: () => start })
    spki = (await importRecipient(made.certificateDer, options)).spki
  })

  it('reads one key from every form to the same result', async () => {
    const pem = made.certificatePem
    const sources = [
      pem,
      made.certificateDer,
      utf8(pem),
      `\u{feff}Bag Attributes\r\n${pem.replaceAll('\n', '\r\n')}`,
      writePem('PUBLIC KEY', spki),
      spki,
      made.publicJwk,
      JSON.stringify(made.publicJwk),
      utf8(` ${JSON.stringify(made.publicJwk)}`),
      { kty: 'RSA', n: made.publicJwk.n, e: made.publicJwk.e, key_ops: ['wrapKey'] } as JsonWebKey,
    ]
    for (const source of sources) {
      const recipient = await importRecipient(source, options)
      expect(recipient).toMatchObject({ keyId, bits: 2048 })
      expect(encodeBase64(recipient.spki)).toBe(encodeBase64(spki))
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', spki))
      expect(recipient.fingerprint).toBe(
        [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
      )
    }
  })

  it('tells the validity of a certificate and none for a bare key', async () => {
    expect(await importRecipient(made.certificatePem, options)).toMatchObject({
      notBefore: '2030-03-01T11:00:00.000Z',
      notAfter: '2030-06-09T12:00:00.000Z',
    })
    const bare = await importRecipient(spki, options)
    expect('notAfter' in bare || 'notBefore' in bare).toBe(false)
  })

  it('refuses an expired certificate, naming the date and the way out', async () => {
    const error = await failure(
      importRecipient(made.certificatePem, { keyId, now: () => start + 101 * dayMs }),
    )
    expect(error).toMatchObject({ code: 'ERR_CERTIFICATE_EXPIRED' })
    expect(error.message).toContain('2030-06-09T12:00:00.000Z')
    expect(error.hint).toContain('current certificate')
  })

  it('refuses a certificate that is not yet valid', async () => {
    const error = await failure(importRecipient(made.certificatePem, { keyId, now: () => start - dayMs }))
    expect(error).toMatchObject({ code: 'ERR_CERTIFICATE_NOT_YET_VALID' })
    expect(error.message).toContain('2030-03-01T11:00:00.000Z')
  })

  it('accepts the first and the last moment', async () => {
    for (const now of [start - 60 * 60 * 1000, start + 100 * dayMs]) {
      expect((await importRecipient(made.certificatePem, { keyId, now: () => now })).bits).toBe(2048)
    }
  })

  it('warns from 30 days before the end, not earlier', async () => {
    const warnings: RecipientWarning[] = []
    const warn = (warning: RecipientWarning): void => void warnings.push(warning)
    await importRecipient(made.certificatePem, { keyId, warn, now: () => start + 70 * dayMs - 1 })
    expect(warnings).toEqual([])
    await importRecipient(made.certificatePem, { keyId, warn, now: () => start + 70 * dayMs })
    await importRecipient(made.certificatePem, { keyId, warn, now: () => start + 99.5 * dayMs })
    expect(warnings).toMatchObject([
      { code: 'WARN_CERTIFICATE_EXPIRES_SOON', keyId, notAfter: '2030-06-09T12:00:00.000Z', daysLeft: 30 },
      { daysLeft: 0 },
    ])
  })

  it('refuses key ids that are empty or mean something in a path', async () => {
    const attempt = (keyId: unknown) => failure(importRecipient(spki, { keyId: keyId as string }))
    expect(await attempt('')).toMatchObject({ code: 'ERR_EMPTY_KEY_ID' })
    expect(await attempt(undefined)).toMatchObject({ code: 'ERR_EMPTY_KEY_ID' })
    for (const bad of [
      '.',
      '..',
      'a..b',
      '.a',
      'a.',
      'a/b',
      String.raw`a\b`,
      'a b',
      'a\n',
      'c:x',
      'é',
      '%2e',
      'a'.repeat(129),
      // Devices, not files, on Windows.
      'CON',
      'nul.pem',
      'Com1',
      'lpt9.key',
      7,
      null,
    ]) {
      expect(await attempt(bad), String(bad)).toMatchObject({ code: 'ERR_INVALID_KEY_ID' })
    }
    for (const good of ['0', 'some_key_id', '-v1.2_', 'console', 'com10', 'a.con', 'a'.repeat(128)]) {
      expect((await importRecipient(spki, { keyId: good })).keyId).toBe(good)
    }
  })

  it('refuses private keys in every form, without quoting them', async () => {
    const pem = made.privateKeyPkcs8Pem
    const der = decodeBase64(pem.replace(/-----[^\n]*/g, '')) ?? new Uint8Array()
    const pkcs1 = der.slice(26)
    const privateJwk = await exportPrivateJwk(der)
    const sources = [
      pem,
      der,
      utf8(pem),
      pkcs1,
      writePem('RSA PRIVATE KEY', pkcs1),
      writePem('ENCRYPTED PRIVATE KEY', Uint8Array.of(0x30, 0)),
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n',
      writePem('CERTIFICATE', der),
      made.certificatePem + pem,
      privateJwk,
      JSON.stringify(privateJwk),
      { kty: 'oct', k: 'AAAA' } as JsonWebKey,
    ]
    for (const source of sources) {
      const error = await failure(importRecipient(source, options))
      expect(error).toMatchObject({ code: 'ERR_PRIVATE_KEY_GIVEN' })
      expect(`${error.message} ${String(error.hint)}`).not.toMatch(/MII|AAAA/)
    }
  })

  it('refuses RSA below 2048 bits and numbers that encrypt nothing', async () => {
    const numbers = (bits: number, e: string): JsonWebKey => {
      const n = new Uint8Array(bits / 8).fill(255)
      return { kty: 'RSA', n: encodeBase64(n).replaceAll('/', '_').replace(/=+$/, ''), e }
    }
    const weak = await crypto.subtle.generateKey(
      { name: 'RSA-OAEP', hash: 'SHA-1', modulusLength: 1024, publicExponent: Uint8Array.of(1, 0, 1) },
      true,
      ['encrypt', 'decrypt'],
    )
    const weakSpki = new Uint8Array(await crypto.subtle.exportKey('spki', weak.publicKey))
    const error = await failure(importRecipient(weakSpki, options))
    expect(error).toMatchObject({ code: 'ERR_WEAK_KEY' })
    expect(error.message).toContain('1024')
    expect(await failure(importRecipient(numbers(512, 'AQAB'), options))).toMatchObject({
      code: 'ERR_WEAK_KEY',
    })
    expect(await failure(importRecipient(numbers(2040, 'AQAB'), options))).toMatchObject({
      code: 'ERR_WEAK_KEY',
    })
    for (const e of ['AQ', 'AA', 'Ag', '____________']) {
      expect(await failure(importRecipient(numbers(2048, e), options)), e).toMatchObject({
        code: 'ERR_WEAK_KEY',
      })
    }
    expect(await failure(importRecipient(numbers(16384, 'AQAB'), options))).toMatchObject({
      code: 'ERR_UNSUPPORTED_KEY',
    })
  })

  it('takes keys on the curves of NIST, in every form, as the same key', async () => {
    for (const [namedCurve, bits] of [
      ['P-256', 256],
      ['P-384', 384],
      ['P-521', 521],
    ] as const) {
      const { publicKey } = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve }, true, [
        'deriveBits',
      ])
      const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
      const jwk = await crypto.subtle.exportKey('jwk', publicKey)
      for (const source of [spki, writePem('PUBLIC KEY', spki), without(jwk, 'key_ops')]) {
        expect(await importRecipient(source, options)).toMatchObject({
          kind: 'EC',
          curve: namedCurve,
          bits,
          spki,
        })
      }
    }
  })

  it('refuses other algorithms, and points that lie on no curve', async () => {
    const { publicKey } = await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
    for (const source of [spki, await crypto.subtle.exportKey('jwk', publicKey)]) {
      expect(await failure(importRecipient(source, options))).toMatchObject({ code: 'ERR_UNSUPPORTED_KEY' })
    }
    const nowhere = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(42) + 'E', y: 'A'.repeat(42) + 'E' }
    expect(await failure(importRecipient(nowhere, options))).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
  })

  it('refuses a JWK for another use or under another id', async () => {
    const attempt = (change: object) => failure(importRecipient({ ...made.publicJwk, ...change }, options))
    expect(await attempt({ use: 'sig' })).toMatchObject({ code: 'ERR_KEY_USAGE' })
    expect(await attempt({ alg: 'RS256' })).toMatchObject({ code: 'ERR_KEY_USAGE' })
    expect(await attempt({ key_ops: ['verify'] })).toMatchObject({ code: 'ERR_KEY_USAGE' })
    expect(await attempt({ key_ops: 'encrypt' })).toMatchObject({ code: 'ERR_KEY_USAGE' })
    expect(await attempt({ kid: 'key-2' })).toMatchObject({ code: 'ERR_INVALID_KEY_ID' })
    expect(await attempt({ n: undefined })).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
    expect(await attempt({ e: 'not base64url!' })).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
    expect(await attempt({ kty: undefined })).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
  })

  it('refuses a certificate cut anywhere', async () => {
    const { certificateDer: der } = made
    const ends = [
      0,
      1,
      2,
      3,
      4,
      5,
      30,
      100,
      200,
      300,
      500,
      600,
      der.length - 257,
      der.length - 2,
      der.length - 1,
    ]
    for (const end of ends) {
      expect(await failure(importRecipient(der.slice(0, end), options)), String(end)).toMatchObject({
        code: 'ERR_INVALID_RECIPIENT',
      })
    }
    for (const end of [20, 40, 200, made.certificatePem.length - 10]) {
      expect(await failure(importRecipient(made.certificatePem.slice(0, end), options))).toMatchObject({
        code: 'ERR_INVALID_RECIPIENT',
      })
    }
  })

  it('lets no changed byte of a self-signed certificate change the key or the dates', async () => {
    const { certificateDer: der } = made
    const expected = await importRecipient(der, options)
    let refused = 0
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const damaged = der.map((byte, index) => (index === at ? byte ^ mask : byte))
        try {
          // Only a changed name gets here: it does not look self-signed any more, and nothing depends on it.
          expect(await importRecipient(damaged, options)).toEqual(expected)
        } catch (error) {
          expect(error).toMatchObject({ name: 'EnvelopeError' })
          refused++
        }
      }),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(200)
  })

  it('refuses bytes after the end of a certificate', async () => {
    const { certificateDer: der } = made
    const longer = new Uint8Array([...der, 0])
    expect(await failure(importRecipient(longer, options))).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
  })

  it('answers garbage with a typed error', async () => {
    const never = [
      '',
      '   ',
      'hello',
      '{',
      '[]',
      '{}',
      'null',
      '-----BEGIN CERTIFICATE-----',
      '-----BEGIN ',
      7,
      null,
      undefined,
      [],
    ]
    for (const source of never) {
      expect(await failure(importRecipient(source as string, options)), String(source)).toMatchObject({
        code: 'ERR_INVALID_RECIPIENT',
      })
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, asSequence) => {
        const source = asSequence
          ? new Uint8Array([0x30, 0x82, bytes.length >> 8, bytes.length & 255, ...bytes])
          : bytes
        expect(await failure(importRecipient(source, options))).toMatchObject({ name: 'EnvelopeError' })
      }),
      { numRuns: 200 },
    )
  })

  it('refuses other PEM blocks, several blocks and misplaced ones', async () => {
    const sources = [
      writePem('CERTIFICATE REQUEST', made.certificateDer),
      writePem('RSA PUBLIC KEY', spki),
      made.certificatePem + made.certificatePem,
      made.certificatePem.replace('END CERTIFICATE', 'END PUBLIC KEY'),
      made.certificatePem.replace('MII', 'M!I'),
    ]
    for (const source of sources) {
      expect(await failure(importRecipient(source, options))).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
    }
  })

  it('answers oversized, deeply nested and repetitive input at once', async () => {
    const large = new Uint8Array(64 * 1024 * 1024).fill(0x30)
    expect(await failure(importRecipient(large, options))).toMatchObject({ code: 'ERR_TOO_LARGE' })
    expect(await failure(importRecipient('x'.repeat(65 * 1024), options))).toMatchObject({
      code: 'ERR_TOO_LARGE',
    })
    expect(await failure(importRecipient(nested(60_000), options))).toMatchObject({
      code: 'ERR_INVALID_RECIPIENT',
    })
    const many = new Uint8Array([
      0x30,
      0x82,
      0xf0,
      0x00,
      ...new Uint8Array(0xf000).fill(0).map((_, i) => (i % 2 === 0 ? 5 : 0)),
    ])
    expect(await failure(importRecipient(many, options))).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
    const labels = '-----BEGIN A-----'.repeat(3000)
    expect(await failure(importRecipient(labels, options))).toMatchObject({ code: 'ERR_INVALID_RECIPIENT' })
  })
})

async function exportPrivateJwk(pkcs8: Uint8Array<ArrayBuffer>): Promise<JsonWebKey> {
  const algorithm = { name: 'RSA-OAEP', hash: 'SHA-1' }
  return crypto.subtle.exportKey(
    'jwk',
    await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['decrypt']),
  )
}

/** SEQUENCE in SEQUENCE in SEQUENCE, filled to about this many bytes. */
function nested(bytes: number): Uint8Array {
  const parts: number[] = []
  for (let left = bytes; left > 4; left -= 4) parts.push(0x30, 0x82, (left - 4) >> 8, (left - 4) & 255)
  return Uint8Array.from(parts)
}
