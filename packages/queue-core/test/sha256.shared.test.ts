import { describe, expect, it } from 'vitest'
import { encodeText, toHex } from '../src/internal/bytes.js'
import { hmacSha256, sha256, sha256Hex } from '../src/internal/sha256.js'

describe('hashes, by whatever the platform has', () => {
  it.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ])('SHA-256 of "%s" (FIPS 180-4)', async (text, hash) => {
    expect(toHex(sha256(encodeText(text)))).toBe(hash)
    expect(await sha256Hex(encodeText(text))).toBe(hash)
  })

  it('SHA-256 of a part of a larger buffer, small and large', async () => {
    const whole = new Uint8Array(200_000).fill(7)
    for (const length of [10, 100_000]) {
      const part = whole.subarray(50, 50 + length)
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', part.slice()))
      expect(sha256(part)).toEqual(digest)
      expect(await sha256Hex(part)).toBe(toHex(digest))
    }
  })

  it('HMAC-SHA-256 (RFC 4231, case 2), again and again', () => {
    const hash = hmacSha256(encodeText('Jefe'))
    for (let round = 0; round < 2; round++) {
      // 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843
      expect(hash('what do ya want for nothing?')).toBe('W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM')
    }
  })
})
