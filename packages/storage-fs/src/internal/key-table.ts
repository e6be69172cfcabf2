/**
 * Finds entries by key in six bytes each: a hash and a place here, the key itself is on disk. Sequences are
 * grouped by 32,768; a full group is sorted by hash and searched by bisection, only the newest is a hash table.
 */
export interface KeyTable {
  /** Sequences must not descend. `hash`: see `keyHash`. */
  add(hash: number, sequence: number): void
  /** Entries that may have the key, the oldest first. Some may be forgotten or have another key. */
  candidates(key: string): number[]
  /** An entry is not known any more. */
  forget(sequence: number): void
  dump(): KeyGroup[]
  /** Into an empty table. */
  load(groups: readonly KeyGroup[]): void
}

/** Hashes in ascending order, and which sequence of the group each belongs to. */
export interface KeyGroup {
  readonly group: number
  readonly hashes: Uint32Array
  readonly positions: Uint16Array
  forgotten: number
}

const GROUP = 32_768

export function keyHash(key: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < key.length; index++)
    value = Math.imul(value ^ key.charCodeAt(index), 0x01000193)
  // FNV alone leaves the low bits of similar keys similar.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

/** The newest group: in order of arrival, with a table of positions by hash. */
interface Head {
  group: number
  count: number
  forgotten: number
  hashes: Uint32Array
  positions: Uint16Array
  /** One more than the place in the arrays above, 0 for empty. */
  table: Uint16Array
}

function emptyHead(group: number): Head {
  return {
    group,
    count: 0,
    forgotten: 0,
    hashes: new Uint32Array(64),
    positions: new Uint16Array(64),
    table: new Uint16Array(256),
  }
}

function enlarged(head: Head): void {
  const hashes = new Uint32Array(head.hashes.length * 2)
  const positions = new Uint16Array(hashes.length)
  hashes.set(head.hashes)
  positions.set(head.positions)
  head.hashes = hashes
  head.positions = positions
  head.table = new Uint16Array(hashes.length * 4)
  for (let at = 0; at < head.count; at++) enter(head, at)
}

function enter(head: Head, at: number): void {
  const mask = head.table.length - 1
  let slot = (head.hashes[at] ?? 0) & mask
  while (head.table[slot] !== 0) slot = (slot + 1) & mask
  head.table[slot] = at + 1
}

function sorted(head: Head): KeyGroup {
  // Both numbers in one double, exactly: the native sort of doubles needs no callback.
  const both = new Float64Array(head.count)
  for (let at = 0; at < head.count; at++) {
    both[at] = (head.hashes[at] ?? 0) * GROUP + (head.positions[at] ?? 0)
  }
  both.sort()
  const hashes = new Uint32Array(head.count)
  const positions = new Uint16Array(head.count)
  for (let at = 0; at < head.count; at++) {
    const value = both[at] ?? 0
    hashes[at] = Math.floor(value / GROUP)
    positions[at] = value % GROUP
  }
  return { group: head.group, hashes, positions, forgotten: head.forgotten }
}

/** `isKnown` lets forgotten entries go when few of a group are left. */
export function keyTable(isKnown: (sequence: number) => boolean): KeyTable {
  const groups = new Map<number, KeyGroup>()
  // No group has this number.
  let head = emptyHead(-1)

  function seal(next: number): void {
    if (head.count > head.forgotten) groups.set(head.group, sorted(head))
    head = emptyHead(next)
  }

  /** The newest group of an earlier life grows again. */
  function thaw(number: number): void {
    const group = groups.get(number)
    if (group === undefined) return
    groups.delete(number)
    const { hashes, positions, forgotten } = group
    while (head.hashes.length < hashes.length) enlarged(head)
    head.hashes.set(hashes)
    head.positions.set(positions)
    head.count = hashes.length
    head.forgotten = forgotten
    for (let at = 0; at < head.count; at++) enter(head, at)
  }

  function thin(full: KeyGroup): void {
    const thinned = emptyHead(full.group)
    for (let at = 0; at < full.hashes.length; at++) {
      const position = full.positions[at] ?? 0
      if (!isKnown(full.group * GROUP + position)) continue
      if (thinned.count === thinned.hashes.length) enlarged(thinned)
      thinned.hashes[thinned.count] = full.hashes[at] ?? 0
      thinned.positions[thinned.count++] = position
    }
    if (thinned.count === 0) groups.delete(full.group)
    else groups.set(full.group, sorted(thinned))
  }

  const keys: KeyTable = {
    add: (hash, sequence) => {
      const group = Math.floor(sequence / GROUP)
      if (group !== head.group) {
        seal(group)
        thaw(group)
      }
      if (head.count === head.hashes.length) enlarged(head)
      head.hashes[head.count] = hash
      head.positions[head.count] = sequence % GROUP
      enter(head, head.count++)
    },
    candidates: (key) => {
      const hash = keyHash(key)
      const found: number[] = []
      for (const { group, hashes, positions } of groups.values()) {
        let low = 0
        for (let high = hashes.length; low < high;) {
          const middle = (low + high) >> 1
          if ((hashes[middle] ?? 0) < hash) low = middle + 1
          else high = middle
        }
        for (; hashes[low] === hash; low++) found.push(group * GROUP + (positions[low] ?? 0))
      }
      const mask = head.table.length - 1
      for (let slot = hash & mask; head.table[slot] !== 0; slot = (slot + 1) & mask) {
        const at = (head.table[slot] ?? 0) - 1
        if (head.hashes[at] === hash) found.push(head.group * GROUP + (head.positions[at] ?? 0))
      }
      return found.sort((a, b) => a - b)
    },
    forget: (sequence) => {
      const number = Math.floor(sequence / GROUP)
      if (number === head.group) {
        head.forgotten++
        return
      }
      const group = groups.get(number)
      if (group === undefined) return
      const count = group.hashes.length
      group.forgotten++
      if (group.forgotten >= count) groups.delete(number)
      else if (group.forgotten * 8 > count * 7) thin(group)
    },
    dump: () => [...groups.values(), ...(head.count === 0 ? [] : [sorted(head)])],
    load: (loaded) => {
      for (const group of loaded) groups.set(group.group, group)
    },
  }
  return keys
}
