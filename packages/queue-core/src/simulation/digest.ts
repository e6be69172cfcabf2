/** A short name for a long story: equal stories have equal names. Not for secrets. */
export interface Digest {
  add(line: string): void
  /** 16 hexadecimal digits. */
  read(): string
}

export function createDigest(): Digest {
  let low = 0x811c9dc5
  let high = 0x9747b28c
  return {
    add(line) {
      for (let at = 0; at <= line.length; at++) {
        // A line end, so that two lines are not one.
        const code = at < line.length ? line.charCodeAt(at) : 10
        low = Math.imul(low ^ code, 0x01000193)
        high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13)
      }
    },
    read: () => [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join(''),
  }
}
