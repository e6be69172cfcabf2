import { toHex } from '../internal/bytes.js'
import { sha256 } from '../internal/sha256.js'
import { parseNote } from '../outbox/notes.js'
import type { EntrySummary } from '../storage-port.js'

interface Link {
  readonly sequence: number
  readonly at: string
}

interface Lane {
  /** Receipts that no other one names as its previous, by hash. */
  readonly ends: Map<string, Link>
  /** Hashes that were named before their receipt was seen. */
  readonly named: Set<string>
}

/**
 * Finds the last receipt of each lane. That need not be the one with the highest sequence: a redriven entry is
 * delivered after those behind it. Each receipt names the one before it, so the last is the one nobody names.
 */
export interface ReceiptChain {
  see(entry: EntrySummary): Promise<void>
  /** Whether the receipt of this entry is the last of its lane. */
  isLast(lane: string, sequence: number): boolean
}

export function createReceiptChain(): ReceiptChain {
  const lanes = new Map<string, Lane>()

  function laneNamed(name: string): Lane {
    const known = lanes.get(name)
    if (known !== undefined) return known
    const fresh: Lane = { ends: new Map(), named: new Set() }
    lanes.set(name, fresh)
    return fresh
  }

  return {
    async see({ state, note, lane: name, sequence }) {
      if (state !== 'delivered' || note === undefined) return
      const parsed = parseNote(note)
      // What somebody assumed is no link of the chain.
      if (parsed?.kind !== 'receipt' || parsed.receipt.assumed !== undefined) return
      const { at, previous } = parsed.receipt
      const { ends, named } = laneNamed(name)
      const hash = toHex(sha256(note))
      if (!named.delete(hash)) ends.set(hash, { sequence, at })
      if (previous !== undefined && !ends.delete(previous)) named.add(previous)
    },
    isLast(lane, sequence) {
      // One end, unless receipts are missing in between: then the latest counts.
      const ends = [...(lanes.get(lane)?.ends.values() ?? [])]
      const last = ends
        .toSorted((a, b) => (a.at === b.at ? a.sequence - b.sequence : a.at < b.at ? -1 : 1))
        .at(-1)
      return last?.sequence === sequence
    },
  }
}
