import type { Lease, LeasedEntry, QueueStorage } from '../storage-port.js'
import type { OutboxDefaults } from './defaults.js'
import type { OutboxEnvironment } from './environment.js'
import type { OutboxEvent } from './events.js'
import { failureOf } from './failures.js'
import type { GateKeeper } from './gates.js'
import { failureNote } from './notes.js'

/** What an option may go by when it says how long one entry is worth delivering. */
export type PerishableEntry = Pick<LeasedEntry, 'sequence' | 'key' | 'header' | 'ageMs'> & {
  readonly lane: string
  readonly gate: string
}

export interface ExpiryWorld {
  readonly storage: QueueStorage
  readonly defaults: OutboxDefaults
  readonly environment: OutboxEnvironment
  readonly gates: GateKeeper
  readonly ttlMs: ((entry: PerishableEntry) => number | undefined) | undefined
  readonly emit: (event: OutboxEvent) => void
}

/**
 * Ends entries of a lease that have outlived their time, before anything is sent, and returns the others.
 * Unknown entries never expire: what became of their request has to be found out.
 */
export async function endExpired(world: ExpiryWorld, lease: Lease): Promise<readonly LeasedEntry[]> {
  const { lane, gate, entries } = lease
  const { defaults, gates, emit } = world
  if (world.ttlMs === undefined && defaults.ttlMs === Infinity) return entries

  /** Somebody else's rule, perhaps about somebody else's header: it must not hold up the lane when it throws. */
  function ttlOf({ sequence, key, header, ageMs }: LeasedEntry): number {
    try {
      return world.ttlMs?.({ sequence, key, header, ageMs, lane, gate }) ?? defaults.ttlMs
    } catch (error) {
      const failure = failureOf(error, 'the rule for the time to live threw', 'ERR_TTL_FAILED')
      emit({ type: 'ttl-failed', sequence, lane, gate, failure })
      return defaults.ttlMs
    }
  }

  function expired(entry: LeasedEntry): boolean {
    const { ageMs, state } = entry
    if (state !== 'waiting') return false
    const ttlMs = ttlOf(entry)
    const counted = defaults.ttlCounts === 'always' ? ageMs : gates.openMs(gate, ageMs)
    return counted >= ttlMs
  }

  const over = entries.filter(expired)
  if (over.length === 0) return entries
  const failure = { code: 'ERR_EXPIRED', message: 'the entry was not delivered within its time to live' }
  const at = new Date(world.environment.wallClock()).toISOString()
  await world.storage.settle(
    lease,
    over.map(({ sequence, note }) => ({
      sequence,
      outcome: 'expired',
      note: failureNote('expired', failure, at, note),
    })),
  )
  for (const { sequence } of over) emit({ type: 'expired', sequence, lane, gate, failure })
  return entries.filter((entry) => !over.includes(entry))
}
