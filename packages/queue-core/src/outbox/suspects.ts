import type { LeasedEntry } from '../storage-port.js'

/**
 * Lanes whose last delivery ended without a word: the transport threw, or said nothing. One entry may be to blame,
 * so they travel one by one until that one is found; when it has failed by itself for too long, it is given up.
 */
export interface Suspects {
  /** Those that may travel together. */
  together(lane: string, entries: readonly LeasedEntry[]): readonly LeasedEntry[]
  /** Nothing was heard of these entries. `alone`: they were all that was sent. */
  failed(lane: string, silent: readonly LeasedEntry[], alone: boolean): void
  /** So many have an outcome. */
  passed(lane: string, entries: number): void
  /** Whether the entry has failed by itself for too long. */
  isHopeless(lane: string, sequence: number): boolean
  /** The one to blame was found and is gone. */
  clear(lane: string): void
}

interface Suspicion {
  /** Entries to be sent one by one. */
  left: number
  /** The entry that fails by itself, and since when. */
  culprit: { readonly sequence: number; readonly since: number } | undefined
}

export function createSuspects(now: () => number, giveUpMs: number): Suspects {
  const lanes = new Map<string, Suspicion>()

  return {
    together(lane, entries) {
      // Unknown entries share a request, and are found out about together.
      return lanes.has(lane) && entries[0]?.state === 'waiting' ? entries.slice(0, 1) : entries
    },
    failed(lane, silent, alone) {
      const [first] = silent
      if (first === undefined) return
      const known = lanes.get(lane)
      const { sequence } = first
      if (!alone || silent.length > 1) lanes.set(lane, { left: silent.length, culprit: undefined })
      else if (known?.culprit?.sequence !== sequence) {
        lanes.set(lane, { left: known?.left ?? 1, culprit: { sequence, since: now() } })
      }
    },
    passed(lane, entries) {
      const known = lanes.get(lane)
      if (known === undefined) return
      known.left -= entries
      known.culprit = undefined
      if (known.left <= 0) lanes.delete(lane)
    },
    isHopeless(lane, sequence) {
      const culprit = lanes.get(lane)?.culprit
      return culprit?.sequence === sequence && now() - culprit.since >= giveUpMs
    },
    clear(lane) {
      lanes.delete(lane)
    },
  }
}
