/** Finds entries by key in twelve bytes each: a hash here, the key itself is on disk. */
export interface KeyTable {
  add(key: string, sequence: number): void
  /** Entries that may have the key, the oldest first. Some may be forgotten or have another key. */
  candidates(key: string): number[]
}

function hash(key: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < key.length; index++)
    value = Math.imul(value ^ key.charCodeAt(index), 0x01000193)
  // FNV alone leaves the low bits of similar keys similar.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

/** `isKnown` lets forgotten entries go when the table grows. */
export function keyTable(isKnown: (sequence: number) => boolean): KeyTable {
  let hashes = new Uint32Array(256)
  let sequences = new Float64Array(256)
  let used = 0

  function put(value: number, sequence: number): void {
    const mask = hashes.length - 1
    let slot = value & mask
    while (sequences[slot] !== 0) slot = (slot + 1) & mask
    hashes[slot] = value
    sequences[slot] = sequence
    used++
  }

  function grow(): void {
    const old = { hashes, sequences }
    let alive = 0
    for (const sequence of old.sequences) if (sequence !== 0 && isKnown(sequence)) alive++
    let size = 256
    while (size < alive * 2) size *= 2
    hashes = new Uint32Array(size)
    sequences = new Float64Array(size)
    used = 0
    for (let slot = 0; slot < old.sequences.length; slot++) {
      const sequence = old.sequences[slot] ?? 0
      if (sequence !== 0 && isKnown(sequence)) put(old.hashes[slot] ?? 0, sequence)
    }
  }

  return {
    add: (key, sequence) => {
      if ((used + 1) * 3 > hashes.length * 2) grow()
      put(hash(key), sequence)
    },
    candidates: (key) => {
      const value = hash(key)
      const mask = hashes.length - 1
      const found: number[] = []
      for (let slot = value & mask; sequences[slot] !== 0; slot = (slot + 1) & mask) {
        if (hashes[slot] === value) found.push(sequences[slot] ?? 0)
      }
      return found.sort((a, b) => a - b)
    },
  }
}
