import { fromHex, toHex } from '../internal/bytes.js'
import { sha256Hex } from '../internal/sha256.js'
import type { Lease, LeasedEntry, Settlement } from '../storage-port.js'
import type { Failure, Outcome } from '../transport-port.js'
import { clamp, type LaneBackoff } from './backoff.js'
import type { OutboxDefaults } from './defaults.js'
import type { OutboxEvent } from './events.js'
import { buildReceipt, failureNote, unknownTries } from './notes.js'

/** One entry's end or return, and what to tell about it once it is stored. */
export interface Verdict {
  readonly settlement: Settlement
  readonly event: OutboxEvent
}

/** What turning outcomes into settlements needs. One per lease: the lane's wait is drawn once. */
export interface Judge {
  /** Judges one group. Only its last receipt brings its hash: the group is settled in one commit. */
  judge(outcomes: readonly (readonly [LeasedEntry, Outcome])[]): Promise<Verdict[]>
  /** Remembers the hash once its group is settled. */
  chained(verdicts: readonly Verdict[]): void
  /** An entry comes back although nothing was said about it. */
  comeBack(entry: LeasedEntry, outcome: 'waiting' | 'unknown', failure: Failure, delayed: boolean): Verdict
  park(entry: LeasedEntry, failure: Failure): Verdict
  /** An entry comes back untouched: nothing was tried. */
  release(entry: LeasedEntry): Settlement
}

type OpenOutcome = Extract<Outcome, { kind: 'not-sent' | 'unknown' }>

function isOpen(outcome: Outcome): outcome is OpenOutcome {
  return outcome.kind === 'not-sent' || outcome.kind === 'unknown'
}

function isHash(hash: string | Promise<string> | undefined): hash is string | undefined {
  return typeof hash !== 'object'
}

/** Hashes of what was delivered. One promise for all of them, and only large contents wait for it. */
async function contentHashes(
  outcomes: readonly (readonly [LeasedEntry, Outcome])[],
): Promise<readonly (string | undefined)[]> {
  const hashes = outcomes.map(([{ payload }, { kind }]) =>
    kind === 'delivered' ? sha256Hex(payload) : undefined,
  )
  return hashes.every(isHash) ? hashes : await Promise.all(hashes)
}

/** Processes that never live as long as `unknownTryMs` give up after this many times the trouble, ... */
const briefLives = 7
/** ... when the note tells of as many tries without an outcome. */
const briefTries = 5

export function createJudge(options: {
  readonly lease: Lease
  readonly defaults: OutboxDefaults
  readonly backoff: LaneBackoff
  readonly at: () => string
  /** Whether deliveries leave receipts. */
  readonly receipts: boolean
  /** For how much of the last `ms` this outbox was open and the gate, too. */
  readonly openMs: (ms: number) => number
}): Judge {
  const { lease, defaults, backoff, at } = options
  const { lane, gate } = lease
  /** Hash of the lane's last receipt. */
  let previous = lease.lastReceiptHash === undefined ? undefined : toHex(lease.lastReceiptHash)
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

  /** Whether enough was done to find out about it. */
  function isGivenUp({ troubledForMs = 0, note }: LeasedEntry, giveUpMs: number): boolean {
    const { unknownGiveUpMs, unknownTryMs } = defaults
    if (troubledForMs < giveUpMs) return false
    if (options.openMs(troubledForMs) >= Math.min(unknownGiveUpMs, unknownTryMs)) return true
    return troubledForMs >= briefLives * giveUpMs && unknownTries(note) >= briefTries
  }

  function judgeOpen(entry: LeasedEntry, outcome: OpenOutcome): Verdict {
    const { failure } = outcome
    const asked =
      outcome.delayMs === undefined ? undefined : clamp(outcome.delayMs, 0, defaults.retryAfter.maxMs)
    const state = outcome.kind === 'unknown' ? 'unknown' : 'waiting'
    // The destination is to blame: nothing is spent, and the gate does the waiting.
    if (outcome.closesGate !== undefined) return retry(entry, state, failure, asked ?? 0, false)
    // Whoever names a time is about to look again; that may end later, but not never.
    const giveUpMs = defaults.unknownGiveUpMs * (asked === undefined ? 1 : 2)
    if (state === 'unknown' && isGivenUp(entry, giveUpMs)) return dead(entry, 'parked', failure)
    const delayMs = asked ?? (state === 'unknown' ? unknownWait() : laneWait())
    return retry(entry, state, failure, delayMs, outcome.spent ?? false)
  }

  function delivered({ sequence, ageMs, attempts }: LeasedEntry, settlement: Settlement): Verdict {
    return { settlement, event: { type: 'delivered', sequence, lane, gate, ageMs, attempts } }
  }

  return {
    async judge(outcomes) {
      const contents = options.receipts ? await contentHashes(outcomes) : undefined
      const time = at()
      const final = outcomes.findLastIndex(([, { kind }]) => kind === 'delivered')
      let last = previous
      return outcomes.map(([entry, outcome], position): Verdict => {
        if (isOpen(outcome)) return judgeOpen(entry, outcome)
        if (outcome.kind !== 'delivered') return dead(entry, outcome.kind, outcome.failure)
        const content = contents?.[position]
        const { sequence } = entry
        const { kind } = outcome
        if (content === undefined) return delivered(entry, { sequence, outcome: kind })
        const { bytes: note, hash } = buildReceipt(entry, content, outcome.receipt, time, last)
        last = hash
        if (position < final) return delivered(entry, { sequence, outcome: kind, note })
        return delivered(entry, { sequence, outcome: kind, note, receiptHash: fromHex(hash) })
      })
    },
    chained(verdicts) {
      for (const { settlement } of verdicts) {
        if (settlement.outcome === 'waiting' || settlement.outcome === 'unknown') continue
        backoff.reset(lane)
        if (settlement.outcome !== 'delivered' || settlement.receiptHash === undefined) continue
        previous = toHex(settlement.receiptHash)
      }
    },
    park: (entry, failure) => dead(entry, 'parked', failure),
    comeBack(entry, outcome, failure, delayed) {
      if (outcome === 'unknown' && delayed && isGivenUp(entry, defaults.unknownGiveUpMs)) {
        return dead(entry, 'parked', failure)
      }
      const delay = outcome === 'unknown' ? unknownWait : laneWait
      return retry(entry, outcome, failure, delayed ? delay() : 0, false)
    },
    release: ({ sequence, state }) => ({ sequence, outcome: state, delayMs: 0, spent: false }),
  }
}
