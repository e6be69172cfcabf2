/** Which entry is known under a key; two entries share one only when the second was appended without `once`. */
export interface KeyIndex {
  /** The lowest known sequence with this key. */
  find(key: string): number | undefined
  add(key: string, sequence: number): void
  remove(key: string, sequence: number): void
}

/** The in-memory answer to `once`, for storages that keep their index in memory. */
export function keyIndex(): KeyIndex {
  const byKey = new Map<string, number | number[]>()
  return {
    find(key) {
      const known = byKey.get(key)
      return typeof known === 'object' ? known[0] : known
    },
    add(key, sequence) {
      const known = byKey.get(key)
      if (known === undefined) byKey.set(key, sequence)
      else if (typeof known === 'object') known.push(sequence)
      else byKey.set(key, [known, sequence])
    },
    remove(key, sequence) {
      const known = byKey.get(key)
      if (known === sequence) byKey.delete(key)
      if (typeof known !== 'object') return
      const others = known.filter((other) => other !== sequence)
      if (others.length === 0) byKey.delete(key)
      else byKey.set(key, others)
    },
  }
}
