import { describe, expect, it } from 'vitest'
import { createSealer, EnvelopeError, importOpeningKey, importRecipient, keyRing } from '../src/index.js'
import { encodeBase64 } from '../src/internal/base64.js'
import { failure, newParty } from './support.js'

const { generated, recipient, openingKey, opener } = await newParty()
const { certificatePem, certificateDer, privateKeyPkcs8Pem, publicJwk } = generated
const keyId = generated.keyId
const pem = (label: string, content: string): string =>
  `-----BEGIN ${label}-----\n${content}\n-----END ${label}-----\n`
const garbage = encodeBase64(crypto.getRandomValues(new Uint8Array(600)))
const large = new Uint8Array(64 * 1024 * 1024)
const sealed = await createSealer({ recipient }).seal(new Uint8Array(8))
const c3pro = await createSealer({ suite: 'c3-pro', recipient }).seal(new Uint8Array(8))
const url = new URL('https://receiver.example/jwks')
const fromUrl = (answer: () => Response | Promise<Response>): Promise<unknown> =>
  importRecipient(url, { keyId, fetch: () => Promise.resolve(answer()) })

/** As fetch does it: an answer that points elsewhere is an error when redirects are. */
const redirecting: typeof fetch = (_, init) =>
  init?.redirect === 'error'
    ? Promise.reject(new TypeError('unexpected redirect'))
    : Promise.resolve(Response.json({ keys: [publicJwk] }))

/** As a fetch that follows wherever it is sent. */
const redirected = (): Response =>
  Object.defineProperty(Response.json({ keys: [publicJwk] }), 'redirected', { value: true })

const jwksOf = (count: number): Response =>
  Response.json({ keys: Array.from({ length: count }, () => ({ kty: 'RSA', kid: 'x' })) })

/** Bytes without end. */
const endless = (): Response =>
  new Response(
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(32)) }),
  )

type Row = readonly [what: string, code: string, attempt: () => unknown]

const rows: readonly Row[] = [
  [
    'a PEM of something else',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(pem('CERTIFICATE REQUEST', garbage), { keyId }),
  ],
  [
    'a certificate PEM full of garbage',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(pem('CERTIFICATE', garbage), { keyId }),
  ],
  [
    'a certificate PEM that is no Base64',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(pem('CERTIFICATE', '%%%'), { keyId }),
  ],
  [
    'a PEM without its end',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(certificatePem.slice(0, -30), { keyId }),
  ],
  [
    'two certificates',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(certificatePem + certificatePem, { keyId }),
  ],
  [
    'a certificate cut in half',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(certificateDer.slice(0, certificateDer.length >> 1), { keyId }),
  ],
  [
    'a certificate without its last byte',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(certificateDer.slice(0, -1), { keyId }),
  ],
  [
    'a DER that claims four gigabytes',
    'ERR_INVALID_RECIPIENT',
    () => importRecipient(Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff), { keyId }),
  ],
  ['nothing', 'ERR_INVALID_RECIPIENT', () => importRecipient(new Uint8Array(0), { keyId })],
  ['64 MB as a certificate', 'ERR_TOO_LARGE', () => importRecipient(large, { keyId })],
  [
    'a private key where a certificate belongs',
    'ERR_PRIVATE_KEY_GIVEN',
    () => importRecipient(privateKeyPkcs8Pem, { keyId }),
  ],
  [
    'a certificate where a private key belongs',
    'ERR_INVALID_OPENING_KEY',
    () => importOpeningKey(certificatePem, { keyId }),
  ],
  [
    'a private key cut in half',
    'ERR_INVALID_OPENING_KEY',
    () => importOpeningKey(pem('PRIVATE KEY', garbage), { keyId }),
  ],
  [
    'a key id with path characters',
    'ERR_INVALID_KEY_ID',
    () => importRecipient(certificatePem, { keyId: '../../etc/passwd' }),
  ],
  [
    'a key id that is all dots',
    'ERR_INVALID_KEY_ID',
    () => importOpeningKey(privateKeyPkcs8Pem, { keyId: '..' }),
  ],
  [
    'a key id of a megabyte',
    'ERR_INVALID_KEY_ID',
    () => importRecipient(certificatePem, { keyId: 'a'.repeat(1 << 20) }),
  ],
  ['a JWKS of 101 keys', 'ERR_TOO_LARGE', () => fromUrl(() => jwksOf(101))],
  ['a JWKS of 10,000 keys', 'ERR_TOO_LARGE', () => fromUrl(() => jwksOf(10_000))],
  ['a JWKS without end', 'ERR_TOO_LARGE', () => fromUrl(endless)],
  [
    'a JWKS that redirects',
    'ERR_KEYS_UNREACHABLE',
    () => importRecipient(url, { keyId, fetch: redirecting }),
  ],
  ['a JWKS from where a redirect led', 'ERR_KEYS_UNREACHABLE', () => fromUrl(redirected)],
  ['a JWKS that is a page', 'ERR_INVALID_RECIPIENT', () => fromUrl(() => new Response('<html>'))],
  [
    'a JWKS over http',
    'ERR_INVALID_OPTION',
    () => importRecipient(new URL('http://receiver.example/jwks'), { keyId }),
  ],
  [
    'a key ring whose JWKS redirects',
    'ERR_KEYS_UNREACHABLE',
    () => keyRing({ url, fetch: redirecting }).current(),
  ],
  [
    'a key ring whose JWKS has 10,000 keys',
    'ERR_TOO_LARGE',
    () => keyRing({ url, fetch: () => Promise.resolve(jwksOf(10_000)) }).current(),
  ],
  [
    'an envelope of Base64 garbage (c3-pro)',
    'ERR_INVALID_ENVELOPE',
    () => opener.open({ ...c3pro, message: 'a=b=c' }),
  ],
  [
    'an envelope of Base64 garbage (jwe)',
    'ERR_INVALID_ENVELOPE',
    () => opener.open({ ...sealed, ciphertext: '%%%' }),
  ],
  [
    'an envelope of random bytes (c3-pro)',
    'ERR_OPEN_FAILED',
    () => opener.open({ ...c3pro, symmetric_key: garbage }),
  ],
  [
    'an envelope whose key id is a path',
    'ERR_INVALID_ENVELOPE',
    () => opener.open({ ...c3pro, key_id: '../k' }),
  ],
  ['an envelope that is an array', 'ERR_INVALID_ENVELOPE', () => opener.open([c3pro])],
  ['64 MB to seal (c3-pro)', 'ERR_TOO_LARGE', () => createSealer({ suite: 'c3-pro', recipient }).seal(large)],
  ['64 MB to seal (jwe)', 'ERR_TOO_LARGE', () => createSealer({ recipient }).seal(large)],
  [
    '64 MB in an envelope (c3-pro)',
    'ERR_TOO_LARGE',
    () => opener.open({ ...c3pro, message: 'A'.repeat(large.length) }),
  ],
  [
    '64 MB in an envelope (jwe)',
    'ERR_TOO_LARGE',
    () => opener.open({ ...sealed, ciphertext: 'A'.repeat(large.length) }),
  ],
]

/** Bytes outside the JavaScript heap, where the platform tells. */
function bytesHeld(): number {
  const usage: unknown = Reflect.get(Reflect.get(globalThis, 'process') ?? {}, 'memoryUsage')
  return typeof usage === 'function' ? Number((usage() as Record<string, number>)['arrayBuffers']) : 0
}

describe('bad input', () => {
  it.each(rows)('is refused at once, by its code: %s', async (_, code, attempt) => {
    const before = bytesHeld()
    const started = performance.now()
    const error = await failure(async () => await attempt())
    expect(error).toBeInstanceOf(EnvelopeError)
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/\w/) as unknown })
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(bytesHeld() - before).toBeLessThan(16 * 1024 * 1024)
    const words = JSON.stringify([error.message, error.hint, String(error.cause)])
    expect(words).not.toContain(garbage.slice(0, 20))
    expect(words).not.toContain(privateKeyPkcs8Pem.split('\n')[2])
  })

  it('leaves good input good', async () => {
    expect(await opener.open(sealed)).toEqual(new Uint8Array(8))
    expect(await opener.open(c3pro)).toEqual(new Uint8Array(8))
    expect(openingKey.keyId).toBe(keyId)
  })
})
