import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import type { Recipient } from '@fhir-outbox/envelope-crypto'
import type { Candidate } from '../measure.js'
import { worker } from './ours.js'

const keyOf = ({ spki }: Recipient): ReturnType<typeof createPublicKey> =>
  createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })

/** What C3-PRO's envelope cannot do without: wrap a fresh key, encrypt, and write both as Base64. */
export function bareC3Pro(recipient: Recipient, plaintext: Uint8Array): Candidate {
  const publicKey = { key: keyOf(recipient), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }
  const iv = Buffer.alloc(16)
  return worker('bare node:crypto OAEP + AES-256-CBC + Base64', async () => () => {
    const key = randomBytes(32)
    publicEncrypt(publicKey, key).toString('base64')
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    Buffer.concat([cipher.update(plaintext), cipher.final()]).toString('base64')
  })
}

/** With the Base64 that a JSON envelope needs. */
export function bareJwe(recipient: Recipient, plaintext: Uint8Array): Candidate {
  const publicKey = { key: keyOf(recipient), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  return worker('bare node:crypto OAEP-256 + AES-256-GCM + Base64', async () => () => {
    const key = randomBytes(32)
    publicEncrypt(publicKey, key).toString('base64url')
    encryptGcm(key, plaintext).toString('base64url')
  })
}

export function bareGcm(plaintext: Uint8Array): Candidate {
  const key = randomBytes(32)
  return worker('bare node:crypto AES-256-GCM', async () => () => {
    encryptGcm(key, plaintext)
  })
}

export function joseJwe(recipient: Recipient, plaintext: Uint8Array): Candidate {
  return worker('jose RSA-OAEP-256', async () => {
    const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' }
    const key = await crypto.subtle.importKey('spki', recipient.spki, algorithm, false, ['encrypt'])
    return async () => {
      await new CompactEncrypt(plaintext)
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
        .encrypt(key)
    }
  })
}

function encryptGcm(key: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12))
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}
