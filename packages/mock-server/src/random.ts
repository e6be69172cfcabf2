/** A seeded source of ids and tokens: the same seed and the same requests give the same answers. Not secret. */
export interface SeededRandom {
  bytes(length: number): Uint8Array
  uuid(): string
  save(): readonly number[]
  load(words: readonly number[]): void
}

export function createSeededRandom(seed: number): SeededRandom {
  // Small fast counting generator (sfc32), warmed up so that neighbouring seeds part ways.
  let words: [number, number, number, number] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88 | 0, 1]
  const next = (): number => {
    const [a, b, c, counter] = words
    const sum = (((a + b) | 0) + counter) | 0
    words = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (counter + 1) | 0]
    return sum >>> 0
  }
  for (let round = 0; round < 16; round += 1) next()

  const bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length)
    for (let index = 0; index < length; index += 1) out[index] = next() >>> 24
    return out
  }
  return {
    bytes,
    uuid: () => uuidOf(bytes(16)),
    save: () => [...words],
    load: ([a = 0, b = 0, c = 0, counter = 0]) => {
      words = [a, b, c, counter]
    },
  }
}

/** An id that no other mock has, whatever its seed. */
export function trueUuid(): string {
  return uuidOf(globalThis.crypto.getRandomValues(new Uint8Array(16)))
}

function uuidOf(raw: Uint8Array): string {
  raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40
  raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(raw, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
