import type { Failure, GateClosure } from '../transport-port.js'
import { clamp, nextWait } from './backoff.js'
import type { OutboxDefaults } from './defaults.js'

/** What `Outbox.gates` says of one destination. */
export interface GateStatus {
  readonly gate: string
  readonly state: 'open' | 'closed'
  /** Why it is closed. */
  readonly failure?: Failure
  /** When one entry will be tried; 0 when that waits only for an entry. Absent while it is being tried. */
  readonly nextTrialInMs?: number
  /** Somebody has to sign in or correct the configuration. */
  readonly needsPerson?: boolean
}

interface GateRecord {
  closure: GateClosure | undefined
  trialAt: number
  /** The wait that led to `trialAt`: never wait longer than that from now, even when the clock jumps back. */
  wait: number
  trialRunning: boolean
  /** Trials that have told nothing since something was last heard of the gate. */
  silentTrials: number
  /** Somebody asked for a trial while one was running: that one says nothing about the world since. */
  askedMeanwhile: boolean
  closedAt: number
  /** When it was closed before, oldest first. */
  readonly closures: { readonly from: number; readonly to: number }[]
}

/** Trials in a row that may tell nothing. */
const mostSilentTrials = 3
/** More are joined, in favour of the entries: the time between two counts as closed. */
const closuresKept = 256

/** Which destinations are closed, and when one entry may find out whether they still are. */
export interface GateKeeper {
  /** Learns of a gate. */
  see(gate: string): void
  closedGates(): string[]
  /** A closed gate whose trial is due and not running, other than those to skip. */
  dueTrial(skip: ReadonlySet<string>): string | undefined
  beginTrial(gate: string): void
  /** The trial ended without telling anything, e.g. because the outbox stops. */
  dropTrial(gate: string): void
  /**
   * The trial told nothing: the next one comes later. When that happens again and again, nobody knows any more whether
   * the destination is to blame: then the gate is open. Returns whether it is.
   */
  prolong(gate: string): boolean
  /** Returns whether the gate was open before. */
  close(gate: string, closure: GateClosure, byTrial: boolean): boolean
  open(gate: string): void
  isClosed(gate: string): boolean
  /** Makes the trial of one gate, or of all, due now. */
  hurry(gate?: string): void
  /**
   * When a trial comes due, 0 when one is. `fruitless` are gates that were just tried and had no entry: those
   * wait for one, and the storage tells when that comes. Never guessed from the time: it goes on in between.
   */
  nextTrialInMs(fruitless: ReadonlySet<string>): number | undefined
  /** For how much of the last `ms` this outbox was open and the gate, as far as it knew, too. */
  openMs(gate: string, ms: number): number
  /** For how much of the last `ms` this outbox knew the gate to be closed. */
  closedMs(gate: string, ms: number): number
  status(): GateStatus[]
  /** Why something is closed, if anything is. */
  blockedBy(): Failure | undefined
}

export function gateKeeper(
  defaults: OutboxDefaults,
  environment: { now(): number; random(): number },
): GateKeeper {
  const gates = new Map<string, GateRecord>()
  const since = environment.now()

  function recordOf(gate: string): GateRecord {
    const known = gates.get(gate)
    if (known !== undefined) return known
    const fresh: GateRecord = {
      closure: undefined,
      trialAt: 0,
      wait: 0,
      trialRunning: false,
      silentTrials: 0,
      askedMeanwhile: false,
      closedAt: 0,
      closures: [],
    }
    gates.set(gate, fresh)
    return fresh
  }

  function trialInMs(record: GateRecord): number {
    const now = environment.now()
    if (record.trialAt - now > record.wait) record.trialAt = now + record.wait
    return Math.max(0, record.trialAt - now)
  }

  function closed(): [string, GateRecord][] {
    return [...gates].filter(([, { closure }]) => closure !== undefined)
  }

  function waitFor(closure: GateClosure, last: number | undefined): number {
    const { gateBackoff, retryAfter } = defaults
    if (closure.retryAfterMs !== undefined) {
      return clamp(closure.retryAfterMs, retryAfter.minMs, retryAfter.maxMs)
    }
    if (closure.needsPerson === true) return gateBackoff.capMs
    return nextWait(gateBackoff, last, environment.random())
  }

  function endTrial(record: GateRecord, wait: number): void {
    record.trialRunning = false
    record.wait = wait
    record.trialAt = environment.now() + (record.askedMeanwhile ? 0 : wait)
    record.askedMeanwhile = false
  }

  function closedMs(gate: string, ms: number): number {
    const now = environment.now()
    const from = Math.max(since, now - ms)
    const record = recordOf(gate)
    const closedNow = record.closure === undefined ? 0 : Math.max(0, now - Math.max(from, record.closedAt))
    return record.closures.reduce(
      (sum, closure) => sum + Math.max(0, Math.min(now, closure.to) - Math.max(from, closure.from)),
      closedNow,
    )
  }

  function open(gate: string): void {
    const record = recordOf(gate)
    const { closures } = record
    if (record.closure !== undefined) closures.push({ from: record.closedAt, to: environment.now() })
    const [first, second] = closures
    if (closures.length > closuresKept && first !== undefined && second !== undefined) {
      closures.splice(0, 2, { from: first.from, to: second.to })
    }
    record.closure = undefined
    record.trialRunning = false
    record.silentTrials = 0
    record.askedMeanwhile = false
  }

  return {
    see(gate) {
      recordOf(gate)
    },
    closedGates: () => closed().map(([gate]) => gate),
    dueTrial(skip) {
      return closed().find(
        ([gate, record]) => !record.trialRunning && !skip.has(gate) && trialInMs(record) === 0,
      )?.[0]
    },
    beginTrial(gate) {
      recordOf(gate).trialRunning = true
    },
    dropTrial(gate) {
      recordOf(gate).trialRunning = false
    },
    prolong(gate) {
      const record = recordOf(gate)
      record.silentTrials++
      if (record.silentTrials >= mostSilentTrials) open(gate)
      else endTrial(record, nextWait(defaults.gateBackoff, record.wait, environment.random()))
      return record.closure === undefined
    },
    close(gate, closure, byTrial) {
      const record = recordOf(gate)
      const wasOpen = record.closure === undefined
      record.closure = closure
      record.silentTrials = 0
      if (wasOpen) record.closedAt = environment.now()
      // Deliveries that were under way when the gate closed tell the same again; only a trial tells more.
      if (byTrial) {
        endTrial(record, waitFor(closure, wasOpen ? undefined : record.wait))
      } else if (wasOpen) {
        record.wait = waitFor(closure, undefined)
        record.trialAt = environment.now() + record.wait
      } else if (closure.retryAfterMs !== undefined) {
        const wait = waitFor(closure, undefined)
        if (wait > trialInMs(record)) {
          record.wait = wait
          record.trialAt = environment.now() + wait
        }
      }
      return wasOpen
    },
    open,
    isClosed: (gate) => gates.get(gate)?.closure !== undefined,
    hurry(gate) {
      for (const [name, record] of closed()) {
        if (gate !== undefined && gate !== name) continue
        record.trialAt = environment.now()
        record.askedMeanwhile = record.trialRunning
      }
    },
    nextTrialInMs(fruitless) {
      const waits = closed()
        .filter(([gate, { trialRunning }]) => !trialRunning && !fruitless.has(gate))
        .map(([, record]) => trialInMs(record))
      return waits.length === 0 ? undefined : Math.min(...waits)
    },
    openMs(gate, ms) {
      const now = environment.now()
      return Math.max(0, now - Math.max(since, now - ms) - closedMs(gate, ms))
    },
    closedMs,
    status() {
      return [...gates].map(([gate, record]) => {
        const { closure } = record
        if (closure === undefined) return { gate, state: 'open' }
        return {
          gate,
          state: 'closed',
          failure: closure.failure,
          ...(record.trialRunning ? {} : { nextTrialInMs: trialInMs(record) }),
          ...(closure.needsPerson === undefined ? {} : { needsPerson: closure.needsPerson }),
        }
      })
    },
    blockedBy: () => closed()[0]?.[1].closure?.failure,
  }
}
