import { createSealer } from '@fhir-outbox/envelope-crypto'
import { createRequire } from 'node:module'
import { beforeAll, describe, expect, it } from 'vitest'
import { newParty, text, utf8 } from './support.js'
import type { Party } from './support.js'

/** What is used of node-jose, a second implementation of JOSE that comes without types. */
interface NodeJose {
  readonly JWK: { asKey(key: string, form: 'pem', extra: { kid: string; alg?: string }): Promise<unknown> }
  readonly JWE: {
    createDecrypt(key: unknown): { decrypt(jwe: unknown): Promise<{ plaintext: Uint8Array }> }
    createEncrypt(
      options: { format: 'flattened' | 'general' | 'compact'; contentAlg: string; fields: { alg: string } },
      key: unknown,
    ): { update(text: string, encoding: 'utf8'): { final(): Promise<unknown> } }
  }
}

const jose = createRequire(import.meta.url)('node-jose') as NodeJose

describe.each([
  ['RSA', { bits: 2048 }, 'RSA-OAEP-256'],
  ['elliptic', { curve: 'P-256' }, 'ECDH-ES+A256KW'],
] as const)('exchange with node-jose, %s keys', (_, kind, alg) => {
  let receiver: Party
  let key: unknown
  beforeAll(async () => {
    receiver = await newParty(kind)
    const { keyId, privateKeyPkcs8Pem } = receiver.generated
    key = await jose.JWK.asKey(privateKeyPkcs8Pem, 'pem', { kid: keyId })
  })

  it('is opened there', async () => {
    const envelope = await createSealer({ recipient: receiver.recipient }).seal(utf8('sealed here: ü'))
    const { plaintext } = await jose.JWE.createDecrypt(key).decrypt(envelope)
    expect(text(new Uint8Array(plaintext))).toBe('sealed here: ü')
  })

  it.each(['flattened', 'general', 'compact'] as const)(
    'opens here what it makes in the form %s',
    async (format) => {
      const options = { format, contentAlg: 'A256GCM', fields: { alg } }
      const made = await jose.JWE.createEncrypt(options, key).update('sealed by node-jose: ü', 'utf8').final()
      expect(text(await receiver.opener.open(made))).toBe('sealed by node-jose: ü')
    },
  )
})
