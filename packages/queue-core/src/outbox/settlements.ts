import type { Lease, LeasedEntry, Settlement } from '../storage-port.js'
import type { Failure, Outcome } from '../transport-port.js'
import { clamp, type LaneBackoff } from './backoff.js'
import type { OutboxDefaults } from './defaults.js'
import type { OutboxEnvironment } from './environment.js'
import type { OutboxEvent } from './events.js'
import { buildReceipt, failureNote } from './notes.js'

/** One entry's end or return, and what to tell about it once it is stored. */
export interface Verdict {
  readonly settlement: Settlement
  readonly event: OutboxEvent
}

/** What turning outcomes into settlements needs. One per lease: the lane's wait is drawn once. */
export interface Judge {
  /** Judges one group. `receiptHash` of the last verdict that has one is the lane's next `previous`. */
  judge(outcomes: readonly (readonly [LeasedEntry, Outcome])[]): Promise<Verdict[]>
  /** Remembers the hash once its group is settled. */
  chained(verdicts: readonly Verdict[]): void
  /** An entry comes back although nothing was said about it. */
  comeBack(entry: LeasedEntry, outcome: 'waiting' | 'unknown', failure: Failure, delayed: boolean): Verdict
  /** An entry comes back untouched: nothing was tried. */
  release(entry: LeasedEntry): Settlement
}

type OpenOutcome = Extract<Outcome, { kind: 'not-sent' | 'unknown' }>

function isOpen(outcome: Outcome): outcome is OpenOutcome {
  return outcome.kind === 'not-sent' || outcome.kind === 'unknown'
}

export function createJudge(options: {
  readonly lease: Lease
  readonly defaults: OutboxDefaults
  readonly backoff: LaneBackoff
  readonly at: () => string
  readonly sha256: OutboxEnvironment['sha256']
}): Judge {
  const { lease, defaults, backoff, at } = options
  const { lane, gate } = lease
  let previous = lease.lastReceiptHash
  let wait: number | undefined

  function laneWait(): number {
    wait ??= backoff.next(lane)
    return wait
  }

  function retry(
    entry: LeasedEntry,
    outcome: 'waiting' | 'unknown',
    failure: Failure,
    delayMs: number,
    spent: boolean,
  ): Verdict {
    const { sequence } = entry
    const note = failureNote(outcome, failure, at(), entry.note)
    return {
      settlement: { sequence, outcome, delayMs, spent, note },
      event: {
        type: outcome === 'unknown' ? 'unknown' : 'retried',
        sequence,
        lane,
        gate,
        failure,
        delayMs,
        spent,
      },
    }
  }

  function dead(entry: LeasedEntry, outcome: 'rejected' | 'parked', failure: Failure): Verdict {
    const { sequence } = entry
    const note = failureNote(outcome, failure, at(), entry.note)
    return {
      settlement: { sequence, outcome, note },
      event: { type: outcome, sequence, lane, gate, failure },
    }
  }

  function unknownWait(): number {
    return Math.max(laneWait(), defaults.unknownFirstMs)
  }

  function judgeOpen(entry: LeasedEntry, outcome: OpenOutcome): Verdict {
    const { failure } = outcome
    const asked =
      outcome.delayMs === undefined ? undefined : clamp(outcome.delayMs, 0, defaults.retryAfter.maxMs)
    const state = outcome.kind === 'unknown' ? 'unknown' : 'waiting'
    // The destination is to blame: nothing is spent, and the gate does the waiting.
    if (outcome.closesGate !== undefined) return retry(entry, state, failure, asked ?? 0, false)
    if (state === 'unknown' && (entry.troubledForMs ?? 0) >= defaults.unknownGiveUpMs) {
      return dead(entry, 'parked', failure)
    }
    const delayMs = asked ?? (state === 'unknown' ? unknownWait() : laneWait())
    return retry(entry, state, failure, delayMs, outcome.spent ?? false)
  }

  async function delivered(
    entry: LeasedEntry,
    outcome: Extract<Outcome, { kind: 'delivered' }>,
    before: Uint8Array | undefined,
  ): Promise<{ verdict: Verdict; hash: Uint8Array }> {
    const { sequence, ageMs, attempts } = entry
    const { bytes, hash } = await buildReceipt(entry, outcome.receipt, at(), before, options.sha256)
    return {
      hash,
      verdict: {
        settlement: { sequence, outcome: 'delivered', note: bytes, receiptHash: hash },
        event: { type: 'delivered', sequence, lane, gate, ageMs, attempts },
      },
    }
  }

  return {
    async judge(outcomes) {
      const verdicts: Verdict[] = []
      let last = previous
      for (const [entry, outcome] of outcomes) {
        if (outcome.kind === 'delivered') {
          const { verdict, hash } = await delivered(entry, outcome, last)
          last = hash
          verdicts.push(verdict)
        } else if (isOpen(outcome)) verdicts.push(judgeOpen(entry, outcome))
        else verdicts.push(dead(entry, outcome.kind, outcome.failure))
      }
      return verdicts
    },
    chained(verdicts) {
      for (const { settlement } of verdicts) {
        if (settlement.outcome === 'waiting' || settlement.outcome === 'unknown') continue
        backoff.reset(lane)
        if (settlement.outcome === 'delivered') previous = settlement.receiptHash
      }
    },
    comeBack(entry, outcome, failure, delayed) {
      if (outcome === 'unknown' && delayed && (entry.troubledForMs ?? 0) >= defaults.unknownGiveUpMs) {
        return dead(entry, 'parked', failure)
      }
      const delay = outcome === 'unknown' ? unknownWait : laneWait
      return retry(entry, outcome, failure, delayed ? delay() : 0, false)
    },
    release: ({ sequence, state }) => ({ sequence, outcome: state, delayMs: 0, spent: false }),
  }
}
