/** Bounds of a wait that grows with every failure: decorrelated jitter between `baseMs` and `capMs`. */
export interface BackoffBounds {
  readonly baseMs: number
  readonly capMs: number
}

/** How often an unexplained answer of a server is tried again before it is taken for final. */
export interface TryBounds {
  readonly tries: number
  /** At least this long must lie between the first try and the verdict. */
  readonly overMs: number
}

/** Every number the outbox goes by. All durations are milliseconds. */
export interface OutboxDefaults {
  /** How long a lease lasts without renewal. */
  readonly leaseMs: number
  /** How often a running delivery renews its lease. */
  readonly renewMs: number
  /** Lanes delivered side by side. */
  readonly lanes: number
  /** Entries in one lease. */
  readonly runEntries: number
  /** Payload bytes in one lease; the first entry is always taken. */
  readonly runBytes: number
  readonly laneBackoff: BackoffBounds
  readonly gateBackoff: BackoffBounds
  /** What a server may ask for by `Retry-After`; anything else is clamped to this. */
  readonly retryAfter: { readonly minMs: number; readonly maxMs: number }
  /** Wait before an unknown entry is first asked about. */
  readonly unknownFirstMs: number
  /**
   * An entry that is still unknown after this much trouble is parked. So is one with which, sent by itself, the
   * transport has thrown or said nothing for as long, in the life of one outbox: it must not hold its lane for ever.
   */
  readonly unknownGiveUpMs: number
  /**
   * Nothing unknown is parked before this outbox has been open, and its gate too, for as long: whoever was switched
   * off for days gets more than one try. At most `unknownGiveUpMs` counts. Where no process ever lives as long, seven
   * times `unknownGiveUpMs` and five tries without an outcome are enough.
   */
  readonly unknownTryMs: number
  /** How long a delivery may go on winding up once `stop` has aborted it. */
  readonly stopGraceMs: number
  /**
   * An entry that was not delivered within this time becomes a dead letter with reason `expired` when its turn
   * comes. Default: never.
   */
  readonly ttlMs: number
  /**
   * Which time counts towards `ttlMs`. `open`: only time in which this outbox was open and knew nothing wrong
   * with the gate, so that no entry expires because its destination was away or the machine was off. `always`:
   * all time since the entry was accepted.
   */
  readonly ttlCounts: 'open' | 'always'
  /** For transports: an answer 400 without an explanation, before the entry counts as rejected. */
  readonly unexplained400: TryBounds
  /** For transports: an answer 500 without an explanation, before the entry counts as parked. */
  readonly unexplained500: TryBounds
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** The defaults of this machine: a page or worker in a browser delivers 2 lanes at a time, Node 4. */
export function outboxDefaults(): OutboxDefaults {
  const inBrowser = 'document' in globalThis || 'WorkerGlobalScope' in globalThis
  return {
    leaseMs: 60 * second,
    renewMs: 20 * second,
    lanes: inBrowser ? 2 : 4,
    runEntries: 50,
    runBytes: 256 * 1024,
    laneBackoff: { baseMs: second, capMs: 5 * minute },
    gateBackoff: { baseMs: second, capMs: 5 * minute },
    retryAfter: { minMs: second, maxMs: 24 * hour },
    unknownFirstMs: 2 * second,
    unknownGiveUpMs: 24 * hour,
    unknownTryMs: 10 * minute,
    stopGraceMs: 5 * second,
    ttlMs: Infinity,
    ttlCounts: 'open',
    unexplained400: { tries: 3, overMs: 10 * minute },
    unexplained500: { tries: 5, overMs: 0 },
  }
}
