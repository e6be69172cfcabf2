import { seededRandom } from '../internal/random.js'
import { isLease, type EntryDraft, type QueueStorage, type Settlement } from '../storage-port.js'
import { text, ttl } from './bench.js'

/** What workers on one store did and saw. */
export interface Observed {
  readonly appended: ReadonlyMap<string, readonly number[]>
  /** In the order in which they were delivered. */
  readonly delivered: ReadonlyMap<string, readonly number[]>
  /** What must never be seen, in words. */
  readonly violations: readonly string[]
}

const bytes = text('{"resourceType":"Observation"}')

function tick(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0)
  })
}

function listIn(lists: Map<string, number[]>, lane: string): number[] {
  const known = lists.get(lane)
  if (known !== undefined) return known
  const fresh: number[] = []
  lists.set(lane, fresh)
  return fresh
}

/**
 * All workers append to the same lanes and drain them at the same time. A run is delivered up to a random
 * point; the rest goes back, as when a connection fails half-way.
 */
export async function workTogether(
  workers: readonly QueueStorage[],
  options: { readonly seed: number; readonly appends: number; readonly lanes: number },
): Promise<Observed> {
  const random = seededRandom(options.seed)
  const appended = new Map<string, number[]>()
  const delivered = new Map<string, number[]>()
  const highest = new Map<string, number>()
  const seen = new Set<number>()
  const inHand = new Map<string, number>()
  const violations: string[] = []
  let keys = 0
  let unsettled = 0
  let appending = workers.length

  async function append(storage: QueueStorage): Promise<void> {
    for (let round = 0; round < options.appends; round++) {
      const drafts = Array.from({ length: random.between(1, 3) }, (): EntryDraft => {
        const lane = `lane ${random.between(1, options.lanes)}`
        return { lane, gate: 'gate', key: `${options.seed}-${++keys}`, header: bytes, payload: bytes }
      })
      const [first] = drafts
      if (random.chance(0.1) && first !== undefined) {
        // All or none: the last draft can only be refused when the numbers are known.
        const refused = await storage.append([...drafts, { ...first, after: [1e12] }]).then(
          () => 'accepted',
          (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
        )
        if (refused !== 'ERR_INVALID_ENTRY')
          violations.push(`a bad append was answered with ${String(refused)}`)
      }
      // A short queue: only a drainer that has caught up can be early enough to see numbers in the wrong order.
      while (unsettled > options.lanes) await tick()
      unsettled += drafts.length
      const answers = await storage.append(drafts)
      for (const [at, { sequence }] of answers.entries())
        listIn(appended, drafts[at]?.lane ?? '').push(sequence)
    }
    appending--
  }

  async function drain(storage: QueueStorage, worker: number): Promise<void> {
    while (appending > 0 || unsettled > 0) {
      const limit = random.between(1, 4)
      const lease = await storage.lease({ limit, maxBytes: 1e6, ttlMs: ttl, closedGates: [] })
      if (!isLease(lease)) {
        await tick()
        continue
      }
      const { lane, entries } = lease
      const holder = inHand.get(lane)
      if (holder !== undefined) violations.push(`${lane} was leased by ${worker} while ${holder} had it`)
      inHand.set(lane, worker)
      const top = highest.get(lane) ?? 0
      const settledUpTo = listIn(delivered, lane).at(-1) ?? 0
      for (const { sequence } of entries) {
        if (sequence <= settledUpTo)
          violations.push(`${lane}: ${sequence} came after ${settledUpTo} was delivered`)
        if (sequence < top && !seen.has(sequence)) {
          violations.push(`${lane}: ${sequence} became visible after ${top} was leased`)
        }
        seen.add(sequence)
      }
      highest.set(lane, Math.max(top, ...entries.map(({ sequence }) => sequence)))
      await storage.mark(
        lease,
        entries.map(({ sequence }) => ({ sequence, group: lease.id })),
      )
      const upTo = random.chance(0.2) ? random.between(0, entries.length - 1) : entries.length
      const settlements = entries.map(({ sequence }, at): Settlement => {
        if (at < upTo) return { sequence, outcome: 'delivered', note: bytes }
        return { sequence, outcome: 'waiting', delayMs: 0, spent: true }
      })
      for (const [at, { sequence }] of entries.entries()) {
        if (at < upTo) listIn(delivered, lane).push(sequence)
      }
      unsettled -= upTo
      // Given up before the call: the other worker may have the lane before this call has returned.
      inHand.delete(lane)
      await storage.settle(lease, settlements)
      // The other workers get their turns, too.
      await tick()
    }
  }
  await Promise.all(workers.flatMap((storage, at) => [append(storage), drain(storage, at)]))
  return { appended, delivered, violations }
}
