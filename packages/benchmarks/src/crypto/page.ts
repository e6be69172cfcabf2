import type { Recipient } from '@fhir-outbox/envelope-crypto'
import { perSecondOf, rates, type Candidate } from '../measure.js'
import { observation } from '../storage/content.js'
import { newRecipient, sealing, worker } from './ours.js'

/** A fresh key, wrapped, and AES-256-GCM, by WebCrypto alone; no Base64. */
function bareWebCrypto(recipient: Recipient, plaintext: Uint8Array<ArrayBuffer>): Candidate {
  return worker('bare WebCrypto OAEP-256 + AES-256-GCM', async () => {
    const { subtle } = crypto
    const rsa = { name: 'RSA-OAEP', hash: 'SHA-256' }
    const publicKey = await subtle.importKey('spki', recipient.spki, rsa, false, ['encrypt'])
    return async () => {
      const raw = crypto.getRandomValues(new Uint8Array(32))
      const key = await subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt'])
      const iv = crypto.getRandomValues(new Uint8Array(12))
      await Promise.all([
        subtle.encrypt({ name: 'RSA-OAEP' }, publicKey, raw),
        subtle.encrypt({ name: 'AES-GCM', iv }, key, plaintext),
      ])
    }
  })
}

globalThis.benchmark = async (rounds) => {
  const plaintext = new TextEncoder().encode(observation(1))
  const recipient = await newRecipient(2048)
  const ours = sealing('jwe', recipient, plaintext)
  const bare = bareWebCrypto(recipient, plaintext)
  const all = await rates([ours, bare], 1, rounds)
  return [
    {
      bench: 'crypto',
      case: 'seal 1.2 KB in Chromium, fresh key, RSA 2048',
      unit: '/s',
      ours: perSecondOf(all, ours),
      peer: perSecondOf(all, bare),
      peerName: bare.name,
      limit: perSecondOf(all, bare),
      target: 0.9,
    },
  ]
}
