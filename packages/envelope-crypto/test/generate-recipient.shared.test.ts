import { generateRecipient, importRecipient } from '@fhir-outbox/envelope-crypto'
import { describe, expect, it } from 'vitest'
import { readCertificate } from '../src/internal/x509-read.js'
import { failure } from './support.js'

const start = Date.parse('2049-12-31T22:00:00.700Z')

describe('generateRecipient', () => {
  it('makes a new UUID and a new key each time', async () => {
    const [one, two] = await Promise.all([
      generateRecipient({ bits: 2048 }),
      generateRecipient({ bits: 2048 }),
    ])
    expect(one.keyId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(one.keyId).not.toBe(two.keyId)
    expect(one.publicJwk.n).not.toBe(two.publicJwk.n)
    expect(one.publicJwk).toMatchObject({
      kty: 'RSA',
      kid: one.keyId,
      use: 'enc',
      alg: 'RSA-OAEP-256',
      e: 'AQAB',
    })
    expect(Object.keys(one.publicJwk).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
  })

  it('makes 3072 bits by default', async () => {
    const { certificatePem, keyId } = await generateRecipient()
    expect((await importRecipient(certificatePem, { keyId })).bits).toBe(3072)
  })

  it('writes validity across the year 2050, where certificates change their form of dates', async () => {
    const made = await generateRecipient({ keyId: 'k', bits: 2048, days: 1, now: () => start })
    expect(await importRecipient(made.certificatePem, { keyId: 'k', now: () => start })).toMatchObject({
      notBefore: '2049-12-31T21:00:00.000Z',
      notAfter: '2050-01-01T22:00:00.000Z',
    })
  })

  it('marks the certificate for wrapping keys only', async () => {
    const { certificateDer } = await generateRecipient({ bits: 2048 })
    expect(readCertificate(certificateDer)).toMatchObject({
      keyUsage: 0x30,
      selfSigned: true,
      criticalExtensions: ['2.5.29.19', '2.5.29.15'],
      signatureAlgorithm: '1.2.840.113549.1.1.11',
    })
  })

  it('refuses options that are not allowed', async () => {
    const refused: readonly (readonly [object, string])[] = [
      [{ keyId: '' }, 'ERR_EMPTY_KEY_ID'],
      [{ keyId: 'a/b' }, 'ERR_INVALID_KEY_ID'],
      [{ bits: 1024 }, 'ERR_INVALID_OPTION'],
      [{ days: 0 }, 'ERR_INVALID_OPTION'],
      [{ days: 7301 }, 'ERR_INVALID_OPTION'],
      [{ commonName: '' }, 'ERR_INVALID_OPTION'],
      [{ commonName: 'n'.repeat(65) }, 'ERR_INVALID_OPTION'],
    ]
    for (const [options, code] of refused) {
      expect(await failure(generateRecipient(options))).toMatchObject({ code })
    }
  })
})
