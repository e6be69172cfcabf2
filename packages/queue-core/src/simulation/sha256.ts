/** First 32 bits of the fractional parts of the square or cube roots of the first primes (FIPS 180-4). */
function fractions(count: number, root: number): number[] {
  const found: number[] = []
  for (let candidate = 2; found.length < count; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) prime &&= candidate % divisor !== 0
    if (prime) found.push(((candidate ** (1 / root) % 1) * 0x100000000) | 0)
  }
  return found
}

const turn = (value: number, by: number): number => (value >>> by) | (value << (32 - by))

/**
 * SHA-256 without leaving the thread. WebCrypto answers whenever it likes, and a simulation must take the same
 * course every time.
 */
export function simulatedSha256(bytes: Uint8Array): Uint8Array {
  const constants = fractions(64, 3)
  const hash = Int32Array.from(fractions(8, 2))
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 0x20000000))
  view.setUint32(padded.length - 4, bytes.length << 3)
  const words = new Int32Array(64)
  for (let block = 0; block < padded.length; block += 64) {
    for (let at = 0; at < 64; at++) {
      if (at < 16) {
        words[at] = view.getInt32(block + at * 4)
        continue
      }
      const [w2 = 0, w15 = 0, w16 = 0, w7 = 0] = [
        words[at - 2],
        words[at - 15],
        words[at - 16],
        words[at - 7],
      ]
      const small1 = turn(w2, 17) ^ turn(w2, 19) ^ (w2 >>> 10)
      const small0 = turn(w15, 7) ^ turn(w15, 18) ^ (w15 >>> 3)
      words[at] = small1 + w7 + small0 + w16
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = hash
    for (let at = 0; at < 64; at++) {
      const big1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
      const first = (h + big1 + ((e & f) ^ (~e & g)) + (constants[at] ?? 0) + (words[at] ?? 0)) | 0
      const big0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
      const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0]
    }
    for (const [at, value] of [a, b, c, d, e, f, g, h].entries()) hash[at] = (hash[at] ?? 0) + value
  }
  const result = new DataView(new ArrayBuffer(32))
  for (const [at, value] of hash.entries()) result.setInt32(at * 4, value)
  return new Uint8Array(result.buffer)
}
