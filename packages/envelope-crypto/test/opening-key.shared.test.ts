import {
  createOpener,
  createSealer,
  generateRecipient,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeBase64 } from '../src/internal/base64.js'
import { writePem } from '../src/internal/pem.js'
import type { GeneratedRecipient } from '@fhir-outbox/envelope-crypto'
import { c3ProKey, failure, text, utf8 } from './support.js'

const keyId = 'key-1'

describe('importOpeningKey', () => {
  let made: GeneratedRecipient
  let der: Uint8Array<ArrayBuffer>
  let jwk: JsonWebKey
  beforeAll(async () => {
    made = await generateRecipient({ keyId, bits: 2048 })
    der = decodeBase64(made.privateKeyPkcs8Pem.replace(/-----[^\n]*/g, '')) ?? new Uint8Array()
    const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' }
    jwk = await crypto.subtle.exportKey(
      'jwk',
      await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['decrypt']),
    )
    // As exported from elsewhere; alg would bind it to another hash.
    delete jwk.alg
  })

  it('reads one key from every form; each opens the same envelope', async () => {
    const recipient = await importRecipient(made.certificatePem, { keyId })
    const envelope = await createSealer({ suite: 'c3-pro', recipient }).seal(utf8('one for all'))
    const sources = [
      made.privateKeyPkcs8Pem,
      utf8(made.privateKeyPkcs8Pem),
      der,
      jwk,
      JSON.stringify({ ...jwk, kid: keyId, use: 'enc', alg: 'RSA-OAEP', key_ops: ['unwrapKey'] }),
      made.certificatePem + made.privateKeyPkcs8Pem,
    ]
    for (const source of sources) {
      const key = await importOpeningKey(source, { keyId })
      expect(key).toMatchObject({ keyId, bits: 2048 })
      expect(text(await createOpener({ keys: keyRing([key]) }).open(envelope))).toBe('one for all')
    }
  })

  it('keeps the key material inside', async () => {
    const key = await importOpeningKey(made.privateKeyPkcs8Pem, { keyId })
    const privateKey = c3ProKey(key)
    expect(privateKey.extractable).toBe(false)
    expect(privateKey.usages).toEqual(['decrypt'])
    expect(JSON.stringify(key)).not.toContain(String(jwk.d).slice(0, 20))
  })

  it('refuses everything else with a typed error that quotes nothing and has no cause', async () => {
    const { publicJwk, certificatePem } = made
    const secret = made.privateKeyPkcs8Pem.split('\n')[5] ?? ''
    const refused: readonly (readonly [unknown, string])[] = [
      [certificatePem, 'ERR_INVALID_OPENING_KEY'],
      [made.certificateDer, 'ERR_INVALID_OPENING_KEY'],
      [publicJwk, 'ERR_INVALID_OPENING_KEY'],
      [der.slice(26), 'ERR_INVALID_OPENING_KEY'],
      [writePem('RSA PRIVATE KEY', der.slice(26)), 'ERR_INVALID_OPENING_KEY'],
      [made.privateKeyPkcs8Pem.repeat(2), 'ERR_INVALID_OPENING_KEY'],
      [der.slice(0, -1), 'ERR_INVALID_OPENING_KEY'],
      [`${JSON.stringify(jwk)}}`, 'ERR_INVALID_OPENING_KEY'],
      [`{"d":"${secret}"`, 'ERR_INVALID_OPENING_KEY'],
      [{ ...jwk, d: 'AAAA', p: jwk.q }, 'ERR_INVALID_OPENING_KEY'],
      [
        { ...jwk, n: `${String(jwk.n).slice(0, 100)}AAAA${String(jwk.n).slice(104)}` },
        'ERR_INVALID_OPENING_KEY',
      ],
      [{ ...jwk, use: 'sig' }, 'ERR_KEY_USAGE'],
      [{ ...jwk, kty: 'OKP' }, 'ERR_UNSUPPORTED_KEY'],
      [{ ...jwk, kty: 'EC', crv: 'secp256k1' }, 'ERR_UNSUPPORTED_KEY'],
      [{ ...jwk, kty: 'EC', crv: 'P-256' }, 'ERR_INVALID_OPENING_KEY'],
      ['garbage', 'ERR_INVALID_OPENING_KEY'],
      ['', 'ERR_INVALID_OPENING_KEY'],
      [undefined, 'ERR_INVALID_OPENING_KEY'],
      [new Uint8Array(70_000), 'ERR_TOO_LARGE'],
    ]
    for (const [index, [source, code]] of refused.entries()) {
      const error = await failure(importOpeningKey(source as string, { keyId }))
      expect(error, String(index)).toMatchObject({ name: 'EnvelopeError', code })
      expect('cause' in error).toBe(false)
      expect(`${error.message}${String(error.hint)}`).not.toContain(secret.slice(0, 10))
    }
  })

  it('refuses other algorithms, weak keys and bad key ids', async () => {
    const signing = await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])
    const edwards = new Uint8Array(await crypto.subtle.exportKey('pkcs8', signing.privateKey))
    expect(await failure(importOpeningKey(edwards, { keyId }))).toMatchObject({ code: 'ERR_UNSUPPORTED_KEY' })
    const algorithm = {
      name: 'RSA-OAEP',
      hash: 'SHA-1',
      modulusLength: 1024,
      publicExponent: Uint8Array.of(1, 0, 1),
    }
    const weak = await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt'])
    const weakPkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', weak.privateKey))
    expect(await failure(importOpeningKey(weakPkcs8, { keyId }))).toMatchObject({ code: 'ERR_WEAK_KEY' })
    expect(await failure(importOpeningKey(der, { keyId: '' }))).toMatchObject({ code: 'ERR_EMPTY_KEY_ID' })
    expect(await failure(importOpeningKey(der, { keyId: '../1' }))).toMatchObject({
      code: 'ERR_INVALID_KEY_ID',
    })
  })
})
