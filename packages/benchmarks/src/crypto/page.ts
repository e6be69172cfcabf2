import type { Recipient } from '@fhir-outbox/envelope-crypto'
import { perSecondOf, rates, type Candidate } from '../measure.js'
import { observation } from '../storage/content.js'
import { newRecipient, sealing, worker } from './ours.js'

/** A fresh key, wrapped, and AES-256-GCM, by WebCrypto alone. */
function bareWebCrypto(
  name: string,
  recipient: Recipient,
  plaintext: Uint8Array<ArrayBuffer>,
  use: (made: ArrayBuffer) => unknown,
): Candidate {
  return worker(name, async () => {
    const { subtle } = crypto
    const rsa = { name: 'RSA-OAEP', hash: 'SHA-256' }
    const publicKey = await subtle.importKey('spki', recipient.spki, rsa, false, ['encrypt'])
    return async () => {
      const raw = crypto.getRandomValues(new Uint8Array(32))
      const key = await subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt'])
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const made = await Promise.all([
        subtle.encrypt({ name: 'RSA-OAEP' }, publicKey, raw),
        subtle.encrypt({ name: 'AES-GCM', iv }, key, plaintext),
      ])
      made.forEach(use)
    }
  })
}

/** By the platform's own encoder, which Chromium has. */
function toBase64Url(bytes: ArrayBuffer): unknown {
  const encode: unknown = Reflect.get(Uint8Array.prototype, 'toBase64')
  if (typeof encode !== 'function') throw new Error('this browser has no Base64 encoder')
  return encode.call(new Uint8Array(bytes), { alphabet: 'base64url', omitPadding: true })
}

globalThis.benchmark = async (rounds) => {
  const plaintext = new TextEncoder().encode(observation(1))
  const recipient = await newRecipient(2048)
  const ours = sealing('jwe', recipient, plaintext)
  const name = 'bare WebCrypto OAEP-256 + AES-256-GCM'
  const bare = bareWebCrypto(name, recipient, plaintext, () => undefined)
  // As in Node: a JSON envelope cannot do without.
  const bareText = bareWebCrypto(`${name} + Base64`, recipient, plaintext, toBase64Url)
  const all = await rates([ours, bareText, bare], 1, rounds)
  return [
    {
      bench: 'crypto',
      case: 'seal 1.2 KB in Chromium, fresh key, RSA 2048',
      unit: '/s',
      ours: perSecondOf(all, ours),
      peer: perSecondOf(all, bareText),
      peerName: bareText.name,
      limit: perSecondOf(all, bare),
      target: 0.9,
    },
  ]
}
