import { createSealer } from '@fhir-outbox/envelope-crypto'
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { newParty, text, utf8 } from './support.js'
import { vectors } from './vectors.js'

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }

describe('exchange with node:crypto', () => {
  it('node:crypto opens what is sealed here, for every key length', async () => {
    const { generated, recipient } = await newParty()
    const privateKey = createPrivateKey(generated.privateKeyPkcs8Pem)
    for (const keyBits of [128, 192, 256] as const) {
      const sealer = createSealer({ suite: 'c3-pro', recipient, keyBits })
      const envelope = await sealer.seal(utf8(`{"bits":${keyBits},"text":"Ünïcødé"}`))
      const key = privateDecrypt({ key: privateKey, ...oaep }, Buffer.from(envelope.symmetric_key, 'base64'))
      expect(key).toHaveLength(keyBits / 8)
      const decipher = createDecipheriv(`aes-${keyBits}-cbc`, key, Buffer.alloc(16))
      const plaintext = Buffer.concat([decipher.update(envelope.message, 'base64'), decipher.final()])
      expect(plaintext.toString('utf8')).toBe(`{"bits":${keyBits},"text":"Ünïcødé"}`)
    }
  })

  it('opens here what node:crypto seals for the certificate, for every key length', async () => {
    const { generated, recipient, opener } = await newParty()
    for (const bits of [128, 192, 256]) {
      const key = randomBytes(bits / 8)
      const cipher = createCipheriv(`aes-${bits}-cbc`, key, Buffer.alloc(16))
      const message = Buffer.concat([cipher.update('from node: ü', 'utf8'), cipher.final()])
      const envelope = {
        key_id: recipient.keyId,
        symmetric_key: publicEncrypt({ key: generated.certificatePem, ...oaep }, key).toString('base64'),
        message: message.toString('base64'),
      }
      expect(text(await opener.open(envelope))).toBe('from node: ü')
    }
  })

  it('agrees on the published vectors, and only the vectors of two blocks can tell CBC from ECB', () => {
    for (const { key, plaintext, ciphertext, twoBlocks } of vectors) {
      const encrypt = (mode: 'cbc' | 'ecb'): string => {
        const iv = mode === 'cbc' ? Buffer.alloc(16) : null
        const cipher = createCipheriv(`aes-${key.length * 8}-${mode}`, key, iv)
        return Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]).toString('base64')
      }
      expect(encrypt('cbc')).toBe(ciphertext)
      expect(encrypt('ecb') !== ciphertext).toBe(twoBlocks)
    }
  })

  it('writes certificates that node:crypto reads and verifies', async () => {
    const { generated, recipient } = await newParty({ bits: 2048, keyId: 'receiver-1' })
    const certificate = new X509Certificate(generated.certificatePem)
    expect(certificate.subject).toBe('CN=receiver-1')
    expect(certificate.issuer).toBe('CN=receiver-1')
    expect(certificate.ca).toBe(false)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.checkPrivateKey(createPrivateKey(generated.privateKeyPkcs8Pem))).toBe(true)
    expect(new Date(certificate.validTo).toISOString()).toBe(recipient.notAfter)
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
    expect(spki.equals(recipient.spki)).toBe(true)
  })
})
