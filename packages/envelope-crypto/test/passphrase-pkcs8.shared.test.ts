import {
  createOpener,
  createSealer,
  generateRecipient,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import { describe, expect, it } from 'vitest'
import { codeOf, text, utf8 } from './support.js'

const passphrase = 'correct horse battery'

describe('a private key with a passphrase', () => {
  it.each([{ bits: 2048 }, { curve: 'P-384' }] as const)('opens what was sealed for it: %o', async (kind) => {
    const { keyId, privateKeyPkcs8Pem, certificatePem } = await generateRecipient({ ...kind, passphrase })
    expect(privateKeyPkcs8Pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    const key = await importOpeningKey(privateKeyPkcs8Pem, { keyId, passphrase })
    const sealer = createSealer({ recipient: await importRecipient(certificatePem, { keyId }) })
    const opened = await createOpener({ keys: keyRing([key]) }).open(await sealer.seal(utf8('a')))
    expect(text(opened)).toBe('a')
  })

  it('needs the passphrase, and the right one', async () => {
    const { keyId, privateKeyPkcs8Pem: pem } = await generateRecipient({ curve: 'P-256', passphrase })
    expect(await codeOf(() => importOpeningKey(pem, { keyId }))).toBe('ERR_INVALID_OPENING_KEY')
    for (let guess = 0; guess < 3; guess++) {
      const wrong = { keyId, passphrase: `guess ${guess}` }
      expect(await codeOf(() => importOpeningKey(pem, wrong))).toBe('ERR_WRONG_PASSPHRASE')
    }
  })

  it('is not made with an empty passphrase', async () => {
    expect(await codeOf(() => generateRecipient({ curve: 'P-256', passphrase: '' }))).toBe(
      'ERR_INVALID_OPTION',
    )
  })
})

describe('generateRecipient', () => {
  it.each([
    ['a curve for C3-PRO', { suite: 'c3-pro', curve: 'P-256' }],
    ['bits and a curve', { bits: 2048, curve: 'P-256' }],
    ['another curve', { curve: 'secp256k1' }],
    ['another suite', { suite: 'rot13' }],
  ])('refuses %s', async (_, options) => {
    expect(await codeOf(() => generateRecipient(options as Parameters<typeof generateRecipient>[0]))).toBe(
      'ERR_INVALID_OPTION',
    )
  })
})
