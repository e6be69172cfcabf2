import { describe, expect, it } from 'vitest'
import { createMockServer } from '../src/index.js'

// Runs in Chromium as well: nothing outside `listen()` may need Node.
describe('without any network', () => {
  const utf8 = (text: string) => new Uint8Array(new TextEncoder().encode(text))
  const base64 = (bytes: ArrayBuffer) => btoa(String.fromCharCode(...new Uint8Array(bytes)))

  it('serves a transaction', async () => {
    const mock = createMockServer({ open: true })
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: { resourceType: 'Basic' }, request: { method: 'POST', url: 'Basic' } }],
    }
    const headers = { 'content-type': 'application/fhir+json' }
    const request = new Request('https://x.example/fhir', {
      method: 'POST',
      headers,
      body: JSON.stringify(bundle),
    })
    const response = await mock.fetch(request)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ entry: [{ response: { status: '201 Created' } }] })
    expect(mock.state.resources()).toHaveLength(1)
    mock.faults.add({ fault: { kind: 'cut-before' } })
    await expect(mock.fetch(new Request('https://x.example/fhir/Basic'))).rejects.toThrow(TypeError)
  })

  it('receives an envelope made with WebCrypto', async () => {
    const mock = createMockServer()
    mock.state.addReceipt('cg==')
    mock.state.addAntispam('a')
    const post = (path: string, headers: Record<string, string>, body: string) =>
      mock.fetch(new Request(`https://x.example/c3pro/${path}`, { method: 'POST', headers, body }))
    const registered = await post('register', { antispam: 'a' }, '{"receipt-data":"cg=="}')
    const client = (await registered.json()) as { client_id: string; client_secret: string }
    const pair = `${client.client_id}:${encodeURIComponent(client.client_secret)}`
    const answer = await post(
      'oauth?grant_type=client_credentials',
      { authorization: `Basic ${btoa(pair)}` },
      '',
    )
    const { access_token } = (await answer.json()) as { access_token: string }

    const pem = await mock.state.c3pro.certificatePem()
    const der = Uint8Array.from(atob(pem.replaceAll(/-----[^-]+-----|\s/g, '')), (c) => c.charCodeAt(0))
    // The public key is the SubjectPublicKeyInfo that starts with the rsaEncryption object identifier.
    const spkiStart = indexOf(der, [0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09])
    const { subtle } = globalThis.crypto
    const spki = der.slice(spkiStart, spkiStart + 294)
    const rsa = await subtle.importKey('spki', spki, { name: 'RSA-OAEP', hash: 'SHA-1' }, false, ['encrypt'])
    const raw = globalThis.crypto.getRandomValues(new Uint8Array(16))
    const aes = await subtle.importKey('raw', raw, 'AES-CBC', false, ['encrypt'])
    const plaintext = utf8('{"resourceType":"Basic"}')
    const envelope = {
      key_id: mock.state.c3pro.keyId,
      symmetric_key: base64(await subtle.encrypt('RSA-OAEP', rsa, raw)),
      message: base64(await subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, aes, plaintext)),
      version: '4.0.1',
    }
    const received = await post(
      'encfhir',
      { authorization: `Bearer ${access_token}` },
      JSON.stringify(envelope),
    )
    expect(received.status).toBe(200)
    expect(mock.state.c3pro.received.map((item) => item.outcome)).toEqual(['filed'])
    expect(mock.state.resources()).toMatchObject([{ resourceType: 'Basic' }])
  })
})

function indexOf(bytes: Uint8Array, part: readonly number[]): number {
  return bytes.findIndex((_, start) => part.every((byte, offset) => bytes[start + offset] === byte))
}
