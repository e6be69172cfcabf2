/** Numbers that are random to look at and the same for the same seed. */
export interface SeededRandom {
  /** From 0 up to 1. */
  next(): number
  /** A whole number from `min` up to and including `max`. */
  between(min: number, max: number): number
  /** `true` in this share of the cases. */
  chance(share: number): boolean
  pick<Item>(items: readonly Item[]): Item | undefined
  /** A lower-case UUID v4. */
  uuid(): string
}

/** A generator of its own for each seed (mulberry32). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 0x100000000
  }

  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))

  // Seeds that are close together begin alike.
  for (let turn = 0; turn < 4; turn++) next()

  return {
    next,
    between,
    chance: (share) => next() < share,
    pick: (items) => items[Math.floor(next() * items.length)],
    uuid() {
      const digits = Array.from('xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx', (place) => {
        if (place === 'x') return between(0, 15).toString(16)
        return place === 'y' ? between(8, 11).toString(16) : place
      })
      return digits.join('')
    },
  }
}
