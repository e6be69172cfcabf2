import { constants, createCipheriv, publicEncrypt, randomBytes, X509Certificate } from 'node:crypto'
import { expect } from 'vitest'
import { json, type Rig } from './rig.js'

export const receipt = 'cmVjZWlwdA=='

export function register(rig: Rig, body: unknown, antispam: string): Promise<Response> {
  return rig.send('/c3pro/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json', antispam },
    body: JSON.stringify(body),
  })
}

export const formEncode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)

/** Registers a device; the headers of its requests. */
export async function enter(rig: Rig): Promise<Record<string, string>> {
  rig.mock.state.addReceipt(receipt)
  rig.mock.state.addAntispam('a+b')
  const client = await json(register(rig, { sandbox: true, 'receipt-data': receipt }, 'a+b'))
  const pair = `${formEncode(String(client['client_id']))}:${formEncode(String(client['client_secret']))}`
  const response = await rig.send('/c3pro/oauth?grant_type=client_credentials', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(pair)}` },
  })
  expect(response.status).toBe(202)
  return { authorization: `bearer ${(await json(response))['access_token']}` }
}

/** The sender's side, with Node's own cryptography. */
export async function seal(rig: Rig, resource: unknown, more: object = {}): Promise<object> {
  const { c3pro } = rig.mock.state
  const secret = randomBytes(32)
  const cipher = createCipheriv('aes-256-cbc', secret, Buffer.alloc(16))
  const message = Buffer.concat([cipher.update(JSON.stringify(resource), 'utf8'), cipher.final()])
  const { publicKey } = new X509Certificate(await c3pro.certificatePem())
  const wrapped = publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
    secret,
  )
  return {
    key_id: c3pro.keyId,
    symmetric_key: wrapped.toString('base64'),
    message: message.toString('base64'),
    version: '4.0.1',
    ...more,
  }
}
