/**
 * Lanes whose last delivery ended without a word: the transport threw, or said nothing. One entry may be to blame,
 * so they travel one by one until that one is found; when it has failed by itself for too long, it is given up.
 */
export interface Suspects {
  /** The lanes that are to be sent one by one. `all`: they are too many to name. */
  lanes(): readonly string[] | 'all'
  /** Nothing was heard of these entries. `alone`: they were all that was sent. */
  failed(lane: string, silent: readonly { readonly sequence: number }[], alone: boolean): void
  /** So many have an outcome. */
  passed(lane: string, entries: number): void
  /** Whether the entry has failed by itself for too long, while the gate was open. */
  isHopeless(lane: string, gate: string, sequence: number): boolean
  /** The one to blame was found and is gone. */
  clear(lane: string): void
}

interface Suspicion {
  /** Entries to be sent one by one. */
  left: number
  /** The entry that fails by itself, and since when. */
  culprit: { readonly sequence: number; readonly since: number } | undefined
  /** When something was last heard of the lane, or nothing where something should have been. */
  at: number
}

/** Longer than any lane waits for its next try. */
const day = 24 * 60 * 60 * 1000
/** With more than this it is not one entry here or there that is to blame. */
const mostLanes = 64

export function createSuspects(options: {
  readonly now: () => number
  readonly giveUpMs: number
  /** For how much of the last `ms` the gate was open. */
  readonly openMs: (gate: string, ms: number) => number
}): Suspects {
  const { now, giveUpMs, openMs } = options
  /** In order of `at`. */
  const lanes = new Map<string, Suspicion>()

  function note(lane: string, suspicion: Omit<Suspicion, 'at'>): void {
    lanes.delete(lane)
    lanes.set(lane, { ...suspicion, at: now() })
  }

  /** Lanes that nobody has tried for so long are empty: their entries were withdrawn, or somebody else sent them. */
  function forgetOld(): void {
    for (const [lane, { at }] of lanes) {
      if (now() - at < Math.max(giveUpMs, day)) return
      lanes.delete(lane)
    }
  }

  return {
    lanes() {
      forgetOld()
      return lanes.size > mostLanes ? 'all' : [...lanes.keys()]
    },
    failed(lane, silent, alone) {
      const [first] = silent
      if (first === undefined) return
      const known = lanes.get(lane)
      const { sequence } = first
      if (!alone || silent.length > 1) return note(lane, { left: silent.length, culprit: undefined })
      const culprit = known?.culprit?.sequence === sequence ? known.culprit : { sequence, since: now() }
      note(lane, { left: known?.left ?? 1, culprit })
    },
    passed(lane, entries) {
      const known = lanes.get(lane)
      if (known === undefined) return
      const left = known.left - entries
      if (left > 0) note(lane, { left, culprit: undefined })
      else lanes.delete(lane)
    },
    isHopeless(lane, gate, sequence) {
      const culprit = lanes.get(lane)?.culprit
      return culprit?.sequence === sequence && openMs(gate, now() - culprit.since) >= giveUpMs
    },
    clear(lane) {
      lanes.delete(lane)
    },
  }
}
