import type { Packer, Unpacker } from '../internal/packer.js'

/** Finds numbers by the hash of a text in about eight bytes each; whoever asks compares the texts. */
export interface KeyTable {
  /** `sequence` is a whole number from 1 up to 2^48. */
  add(key: string, sequence: number): void
  /** Forgets one number; does nothing when it is not there. */
  remove(key: string, sequence: number): void
  /** The lowest number that was added with this key or, now and then, with another one, and is accepted. */
  find(key: string, accept: (sequence: number) => boolean): number | undefined
  /** All such numbers, ascending. */
  candidates(key: string): number[]
}

/** The upper bits of a hash choose one of 1,024 parts. */
const partShift = 22
/** A part grows when it is this full, by as much as keeps it nearly so. */
const fullest = 0.85
const growth = 1.2

/** Slots of 16-bit words: the lower half of the hash, then the number in two or three words; 0 is empty. */
interface Part {
  words: Uint16Array
  width: 3 | 4
  slots: number
  used: number
}

function hashOf(key: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < key.length; at++) value = Math.imul(value ^ key.charCodeAt(at), 0x01000193)
  // FNV alone leaves the low bits of similar keys similar.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

/** Where a hash wants to stand: the same in tables of any size, only finer. */
const homeOf = ({ slots }: Part, hash: number): number => (hash * slots) >>> 16

function numberAt({ words, width }: Part, slot: number): number {
  const at = slot * width
  const low = (words[at + 1] ?? 0) + (words[at + 2] ?? 0) * 0x10000
  return width === 4 ? low + (words[at + 3] ?? 0) * 0x100000000 : low
}

function insert(part: Part, hash: number, number: number): void {
  const { words, width, slots } = part
  let slot = homeOf(part, hash)
  while (numberAt(part, slot) !== 0) slot = slot + 1 === slots ? 0 : slot + 1
  const at = slot * width
  words[at] = hash
  words[at + 1] = number
  // A word keeps the lower 16 bits of what it is given.
  words[at + 2] = number / 0x10000
  if (width === 4) words[at + 3] = number / 0x100000000
  part.used++
}

/** The same content with other measures. */
function rebuild(part: Part, slots: number, width: 3 | 4): void {
  const old: Part = { ...part }
  part.words = new Uint16Array(slots * width)
  part.width = width
  part.slots = slots
  part.used = 0
  for (let slot = 0; slot < old.slots; slot++) {
    const number = numberAt(old, slot)
    if (number !== 0) insert(part, old.words[slot * old.width] ?? 0, number)
  }
}

/** Empties a slot and moves up what stands behind it because it found its place taken. */
function removeAt(part: Part, slot: number): void {
  const { words, width, slots } = part
  const distance = (from: number, to: number): number => (to - from + slots) % slots
  let hole = slot
  for (let next = (hole + 1) % slots; numberAt(part, next) !== 0; next = (next + 1) % slots) {
    const home = homeOf(part, words[next * width] ?? 0)
    if (distance(home, next) < distance(hole, next)) continue
    words.copyWithin(hole * width, next * width, (next + 1) * width)
    hole = next
  }
  words.fill(0, hole * width, (hole + 1) * width)
  part.used--
}

/** The same table, for whoever keeps it in a file. */
export interface PackableKeyTable extends KeyTable {
  readonly parts: readonly (Part | undefined)[]
}

export function packKeyTable({ parts }: PackableKeyTable, into: Packer): void {
  into.number(parts.length)
  for (const part of parts) {
    into.number(part?.width ?? 0)
    if (part === undefined) continue
    into.number(part.used)
    into.numbers(part.words)
  }
}

export function unpackKeyTable(from: Unpacker): PackableKeyTable {
  const parts = Array.from({ length: from.count(1 << (32 - partShift)) }, (): Part | undefined => {
    const width = from.count(4)
    if (width === 0) return undefined
    const used = from.count(Number.MAX_SAFE_INTEGER)
    const words = from.array(Uint16Array)
    const slots = words.length / width
    // A full table would be searched for ever.
    if (width < 3 || !Number.isInteger(slots) || used >= slots) throw new RangeError('a part does not add up')
    return { words, width: width === 3 ? 3 : 4, slots, used }
  })
  return createKeyTable(parts)
}

/**
 * An index of keys that does not keep the keys: 16 bits of hash and a number, in open addressing, spread over
 * parts that grow one by one. Among a million keys about one look-up in sixty finds a number too many.
 */
export function keyTable(): KeyTable {
  return createKeyTable()
}

export function createKeyTable(parts: (Part | undefined)[] = []): PackableKeyTable {
  /** Calls back for each slot with this hash, until the answer is `true`. */
  function each(part: Part, hash: number, visit: (number: number, slot: number) => boolean): void {
    const { words, width, slots } = part
    for (let slot = homeOf(part, hash); ; slot = slot + 1 === slots ? 0 : slot + 1) {
      const number = numberAt(part, slot)
      if (number === 0) return
      if (words[slot * width] === hash && visit(number, slot)) return
    }
  }

  return {
    add(key, sequence) {
      const hash = hashOf(key)
      const number = hash >>> partShift
      while (parts.length <= number) parts.push(undefined)
      const part = (parts[number] ??= { words: new Uint16Array(4 * 3), width: 3, slots: 4, used: 0 })
      const width = sequence >= 0x100000000 ? 4 : part.width
      const { slots } = part
      if (part.used + 1 > slots * fullest)
        rebuild(part, Math.max(slots + 4, Math.ceil(slots * growth)), width)
      else if (width !== part.width) rebuild(part, slots, width)
      insert(part, hash & 0xffff, sequence)
    },
    remove(key, sequence) {
      const hash = hashOf(key)
      const part = parts[hash >>> partShift]
      if (part === undefined) return
      let found = -1
      each(part, hash & 0xffff, (number, slot) => {
        if (number === sequence) found = slot
        return found >= 0
      })
      if (found < 0) return
      removeAt(part, found)
      // Room for what comes next, but not for all that ever was.
      const { slots } = part
      if (part.used === 0) parts[hash >>> partShift] = undefined
      else if (slots > 16 && part.used * 3 < slots)
        rebuild(part, Math.ceil(part.used / fullest) + 4, part.width)
    },
    find(key, accept) {
      const hash = hashOf(key)
      const part = parts[hash >>> partShift]
      let lowest: number | undefined
      if (part === undefined) return lowest
      each(part, hash & 0xffff, (number) => {
        if ((lowest === undefined || number < lowest) && accept(number)) lowest = number
        return false
      })
      return lowest
    },
    candidates(key) {
      const hash = hashOf(key)
      const part = parts[hash >>> partShift]
      const found: number[] = []
      if (part === undefined) return found
      each(part, hash & 0xffff, (number) => {
        found.push(number)
        return false
      })
      return found.sort((a, b) => a - b)
    },
    parts,
  }
}
