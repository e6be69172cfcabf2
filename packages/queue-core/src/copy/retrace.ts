import { QueueError } from '../errors.js'
import { sha256 } from '../internal/sha256.js'
import {
  isLease,
  type EntrySummary,
  type Lease,
  type LeaseRequest,
  type QueueStorage,
  type Settlement,
} from '../storage-port.js'
import type { ReceiptChain } from './receipt-chain.js'

/** An entry of the source and its sequence in the copy. */
export interface Copied {
  readonly source: EntrySummary
  readonly target: number
}

const none = new Uint8Array(0)
const someRuns = { limit: 100, maxBytes: 16 * 1024 * 1024, ttlMs: 60 * 60 * 1000, closedGates: [] }
const wholeRuns = { ...someRuns, limit: 1_000_000, maxBytes: 2 ** 40 }

/** Leases one run after the other until nothing is ready. */
async function eachRun(
  to: QueueStorage,
  request: LeaseRequest,
  take: (lease: Lease) => Promise<void>,
): Promise<void> {
  for (;;) {
    const lease = await to.lease(request)
    if (!isLease(lease)) return
    await take(lease)
  }
}

function stranger(): QueueError {
  return new QueueError('ERR_NOT_EMPTY', 'the target gives entries that were not copied', {
    hint: 'Something else uses the target. Copy again, into an empty one that nobody uses.',
  })
}

/** What ends the entry in the copy as it ended in the source. Pending ones are parked until the end. */
async function endingOf({ source, target: sequence }: Copied, chain: ReceiptChain): Promise<Settlement> {
  const { state, note = none, deadReason = 'rejected' } = source
  if (state === 'dead') return { sequence, outcome: deadReason, note }
  if (state !== 'delivered') return { sequence, outcome: 'parked', note }
  const last = chain.isLast(source.lane, source.sequence)
  return { sequence, outcome: 'delivered', note, ...(last ? { receiptHash: sha256(note) } : {}) }
}

/**
 * Brings freshly appended entries to where they were in the source. Entries that are still to be delivered end
 * as dead letters for the time being, so that their lanes pass; those that wait for another entry stay.
 */
export async function retraceEnds(
  to: QueueStorage,
  batch: readonly Copied[],
  chain: ReceiptChain,
): Promise<void> {
  for (const { source, target } of batch) {
    if (source.state === 'discarded') await to.decide(target, { kind: 'withdraw', note: source.note ?? none })
  }
  const bySequence = new Map(batch.map((copied) => [copied.target, copied]))
  await eachRun(to, someRuns, async (lease) => {
    const settlements = lease.entries.map(async ({ sequence }) => {
      const copied = bySequence.get(sequence)
      if (copied === undefined) throw stranger()
      return await endingOf(copied, chain)
    })
    await to.settle(lease, await Promise.all(settlements))
  })
}

/** Unknown entries of one lane that may travel together, in order. */
type Run = readonly Copied[]

/** For each lane its runs, the last one first. */
function runsOf(unknown: readonly Copied[]): Run[][] {
  const lanes = new Map<string, Copied[][]>()
  for (const copied of unknown) {
    const { lane, gate } = copied.source
    const runs = lanes.get(lane) ?? []
    const last = runs[0]
    if (last?.[0]?.source.gate === gate) last.push(copied)
    else runs.unshift([copied])
    lanes.set(lane, runs)
  }
  return [...lanes.values()]
}

/**
 * Makes parked entries unknown again, with their marks. In each lane the last run comes first: a run can be
 * leased only while nothing of its lane is before it.
 */
export async function retraceUnknown(to: QueueStorage, unknown: readonly Copied[]): Promise<void> {
  const lanes = runsOf(unknown)
  const rounds = Math.max(0, ...lanes.map((runs) => runs.length))
  for (let round = 0; round < rounds; round++) {
    const wanted = new Map(
      lanes.flatMap((runs) => runs[round] ?? []).map((copied) => [copied.target, copied]),
    )
    for (const { source, target } of wanted.values()) {
      await to.decide(target, { kind: 'redrive', note: source.note ?? none })
    }
    const done: Lease[] = []
    await eachRun(to, wholeRuns, async (lease) => {
      if (lease.entries[0]?.state === 'unknown') {
        // Restored already. Kept from coming again until this round is over.
        done.push(lease)
        return
      }
      const marks = lease.entries.flatMap(({ sequence }) => {
        const copied = wanted.get(sequence)
        if (copied === undefined) throw stranger()
        const { mark } = copied.source
        return mark === undefined ? [] : [{ ...mark, sequence }]
      })
      if (marks.length > 0) await to.mark(lease, marks)
      await settleUnknown(to, lease)
    })
    for (const lease of done) await settleUnknown(to, lease)
  }
}

async function settleUnknown(to: QueueStorage, lease: Lease): Promise<void> {
  await to.settle(
    lease,
    lease.entries.map(({ sequence }) => ({ sequence, outcome: 'unknown', delayMs: 0, spent: false })),
  )
}

/** Makes parked entries wait again. */
export async function retraceWaiting(to: QueueStorage, waiting: readonly Copied[]): Promise<void> {
  for (const { source, target } of waiting) {
    // Entries that wait for another one were never parked.
    if ((await to.read(target))?.state !== 'dead') continue
    await to.decide(target, { kind: 'redrive', note: source.note ?? none })
  }
}
