/** What a simulated delivery is judged by: what callers were told, and what the server did. */
export interface Verdicts {
  /** Entries of which `append` has told that they are accepted. */
  readonly accepted: number
  /** Entries that the server has applied. */
  readonly delivered: number
  /** Accepted, and neither applied in the end nor given up by a decision. */
  readonly lost: number
  /** Applied more than once. */
  readonly duplicated: number
  /** Applied before an earlier entry of the lane was applied, refused or given up. */
  readonly reordered: number
  /** Applied before an entry it was to come after. */
  readonly early: number
  /** Applied with another content than was accepted, or never accepted at all. */
  readonly corrupted: number
}

interface Known {
  readonly lane: string
  readonly after: readonly string[]
  readonly content: string
  sequence: number | undefined
  accepted: boolean
  applied: number
  /** Refused by the server, or given up: those behind it may go. */
  passed: boolean
  givenUp: boolean
}

/** Keeps its own books; knows nothing of queues. */
export interface Judge {
  /** Somebody begins to append. */
  offered(
    key: string,
    entry: { readonly lane: string; readonly after: readonly string[]; readonly content: string },
  ): void
  /** `append` has resolved. */
  accepted(key: string, sequence: number): void
  /** The server applies a request. */
  applied(key: string, sequence: number, content: string): void
  /** The server refuses the entry for good. */
  refused(key: string): void
  /** A person gives the entry up. */
  givenUp(key: string): void
  isApplied(key: string): boolean
  verdicts(): Verdicts
}

export function createJudge(): Judge {
  const known = new Map<string, Known>()
  let duplicated = 0
  let reordered = 0
  let early = 0
  let corrupted = 0

  return {
    offered(key, { lane, after, content }) {
      if (known.has(key)) return
      known.set(key, {
        lane,
        after,
        content,
        sequence: undefined,
        accepted: false,
        applied: 0,
        passed: false,
        givenUp: false,
      })
    },
    accepted(key, sequence) {
      const entry = known.get(key)
      if (entry === undefined) return
      entry.accepted = true
      // Accepted again with another number: the first one was not what `append` said it was.
      if (entry.sequence !== undefined && entry.sequence !== sequence) corrupted++
      entry.sequence = sequence
    },
    applied(key, sequence, content) {
      const entry = known.get(key)
      if (entry === undefined || entry.content !== content || (entry.sequence ?? sequence) !== sequence) {
        corrupted++
        return
      }
      entry.sequence = sequence
      entry.applied++
      if (entry.applied > 1) {
        duplicated++
        return
      }
      for (const other of known.values()) {
        if (other.lane !== entry.lane || other.applied > 0 || other.passed) continue
        if (other.sequence !== undefined && other.sequence < sequence) reordered++
      }
      for (const blocker of entry.after) if ((known.get(blocker)?.applied ?? 0) === 0) early++
    },
    refused(key) {
      const entry = known.get(key)
      if (entry !== undefined) entry.passed = true
    },
    givenUp(key) {
      const entry = known.get(key)
      if (entry !== undefined) Object.assign(entry, { passed: true, givenUp: true })
    },
    isApplied: (key) => (known.get(key)?.applied ?? 0) > 0,
    verdicts() {
      const all = [...known.values()]
      return {
        accepted: all.filter(({ accepted }) => accepted).length,
        delivered: all.filter(({ applied }) => applied > 0).length,
        lost: all.filter((entry) => entry.accepted && entry.applied === 0 && !entry.givenUp).length,
        duplicated,
        reordered,
        early,
        corrupted,
      }
    },
  }
}
