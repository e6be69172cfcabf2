import { keyTable } from './key-table.js'

/** Which entry is known under a key; two entries share one only when the second was appended without `once`. */
export interface KeyIndex {
  /** The lowest known sequence with this key. */
  find(key: string): number | undefined
  add(key: string, sequence: number): void
  remove(key: string, sequence: number): void
}

/**
 * The in-memory answer to `once`, for storages that keep their index in memory. With `keyOf`, which tells the
 * key of an entry that was added, it keeps hashes only; an adapter whose keys are on disk, so that asking for
 * one takes time, uses `keyTable` and compares for itself. Without `keyOf` it keeps the keys, too.
 */
export function keyIndex(keyOf?: (sequence: number) => string | undefined): KeyIndex {
  const table = keyTable()
  const kept = keyOf === undefined ? new Map<number, string>() : undefined
  const known = keyOf ?? ((sequence: number) => kept?.get(sequence))
  return {
    find: (key) => table.find(key, (sequence) => known(sequence) === key),
    add(key, sequence) {
      table.add(key, sequence)
      kept?.set(sequence, key)
    },
    remove(key, sequence) {
      table.remove(key, sequence)
      kept?.delete(sequence)
    },
  }
}
