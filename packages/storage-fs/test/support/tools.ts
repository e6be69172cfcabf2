import {
  type EntryDraft,
  isLease,
  type Lease,
  type LeaseRequest,
  type QueueStorage,
} from '@fhir-outbox/queue-core'

const encoder = new TextEncoder()

export function bytes(value: string): Uint8Array {
  return encoder.encode(value)
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

export function draft(key: string, more: Partial<EntryDraft> = {}): EntryDraft {
  return {
    lane: 'lane',
    gate: 'gate',
    key,
    header: bytes(`h-${key}`),
    payload: bytes(`payload of ${key}`),
    ...more,
  }
}

export async function add(
  storage: QueueStorage,
  key: string,
  more: Partial<EntryDraft> = {},
): Promise<number> {
  const [appended] = await storage.append([draft(key, more)])
  if (appended === undefined) throw new Error('append answered nothing')
  return appended.sequence
}

export async function take(storage: QueueStorage, more: Partial<LeaseRequest> = {}): Promise<Lease> {
  const answer = await storage.lease({ limit: 100, maxBytes: 1e9, ttlMs: 60_000, closedGates: [], ...more })
  if (!isLease(answer)) throw new Error('nothing was ready')
  return answer
}

export async function deliver(storage: QueueStorage, limit = 100): Promise<number[]> {
  const lease = await take(storage, { limit })
  await storage.settle(
    lease,
    lease.entries.map(({ sequence, key }) => ({
      sequence,
      outcome: 'delivered',
      note: bytes(`receipt ${key}`),
    })),
  )
  return lease.entries.map(({ sequence }) => sequence)
}

/** Key and state of everything that is known. */
export async function states(storage: QueueStorage): Promise<Record<string, string>> {
  const page = await storage.list({ limit: 100_000 })
  return Object.fromEntries(page.map(({ key, state }) => [key, state]))
}

/** A clock that tests move. */
export function testClock(): { now: () => number; advance: (ms: number) => void } {
  let time = 1_700_000_000_000
  return {
    now: () => time,
    advance: (ms) => {
      time += ms
    },
  }
}
