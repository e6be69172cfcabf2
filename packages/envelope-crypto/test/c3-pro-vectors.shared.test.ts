import { beforeAll, describe, expect, it } from 'vitest'
import { decodeBase64, encodeBase64 } from '../src/internal/base64.js'
import { decryptMessage, encryptMessage } from '../src/suites/c3-pro.js'
import { foreignEnvelope, newParty, text, utf8 } from './support.js'
import type { Party } from './support.js'
import { vectors } from './vectors.js'

describe('published vectors', () => {
  let party: Party
  beforeAll(async () => {
    party = await newParty()
  })

  for (const vector of vectors) {
    it(`encrypts vector ${vector.name}`, async () => {
      const message = await encryptMessage(vector.key, utf8(vector.plaintext))
      expect(encodeBase64(message)).toBe(vector.ciphertext)
    })

    it(`opens vector ${vector.name} out of an envelope`, async () => {
      const { recipient, opener } = party
      const envelope = await foreignEnvelope(recipient, vector.key, bytesOf(vector.ciphertext))
      expect(text(await opener.open(envelope))).toBe(vector.plaintext)
    })
  }

  it('chains the blocks: the last block of a two-block vector means nothing without the one before it', async () => {
    const chained = vectors.filter((vector) => vector.twoBlocks)
    expect(chained).toHaveLength(3)
    for (const { key, ciphertext } of chained) {
      const message = bytesOf(ciphertext)
      // ECB would decrypt the last block alone to the same bytes; CBC mixes the block before it in.
      const lastBlockAlone = await decryptMessage(key, message.slice(16))
      const whole = await decryptMessage(key, message)
      expect(whole).toBeDefined()
      expect(lastBlockAlone).not.toEqual(whole?.slice(16))
    }
  })

  it('encrypts equal blocks to different blocks', async () => {
    const key = Uint8Array.from({ length: 32 }, (_, index) => index)
    const message = await encryptMessage(key, utf8('0123456789abcdef'.repeat(2)))
    expect(message.slice(0, 16)).not.toEqual(message.slice(16, 32))
  })

  it('encrypts with 192 bit keys, where the platform itself cannot, to the same bytes', async () => {
    // NIST SP 800-38A, F.2.3, first block, with an IV of zeros instead of the published one folded into the plaintext.
    const key = bytesOf('jnOw99oOZFLIEPMrgJB55WL46tJSLGt7')
    const iv = Uint8Array.from({ length: 16 }, (_, index) => index)
    const published = bytesOf('a8G+4i5An5bpPX4Rc5MXKg==')
    const plaintext = published.map((byte, index) => byte ^ (iv[index] ?? 0))
    const message = await encryptMessage(key, plaintext)
    expect(encodeBase64(message.slice(0, 16))).toBe('TwIdskO8Yz1xeBg6n6Bx6A==')
    expect(await decryptMessage(key, message)).toEqual(plaintext)
  })
})

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64(base64)
  if (bytes === undefined) throw new TypeError('The vector is not Base64.')
  return bytes
}
