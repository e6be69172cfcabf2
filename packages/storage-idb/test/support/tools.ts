import {
  isLease,
  type EntryDraft,
  type Lease,
  type LeaseRequest,
  type QueueStorage,
} from '@fhir-outbox/queue-core'

export const bytes = new Uint8Array([1, 2, 3])
export const draft: Omit<EntryDraft, 'key'> = { lane: 'l', gate: 'g', header: bytes, payload: bytes }
export const request: LeaseRequest = { limit: 100, maxBytes: 2 ** 30, ttlMs: 1000, closedGates: [] }

export function keyed(...keys: readonly string[]): EntryDraft[] {
  return keys.map((key) => ({ ...draft, key }))
}

export async function leaseFrom(
  storage: QueueStorage,
  overrides: Partial<LeaseRequest> = {},
): Promise<Lease> {
  const answer = await storage.lease({ ...request, ...overrides })
  if (!isLease(answer)) throw new Error('nothing was ready')
  return answer
}

export function sequencesOf({ entries }: Lease): number[] {
  return entries.map(({ sequence }) => sequence)
}

/** Resolves at the next call of a listener. */
export function told(storage: QueueStorage): Promise<void> {
  return new Promise((resolve) => {
    const stop = storage.watch(() => {
      stop()
      resolve()
    })
  })
}

/** A lease as soon as there is one: what other tabs did is on its way. */
export async function leaseSoon(
  storage: QueueStorage,
  overrides: Partial<LeaseRequest> = {},
): Promise<Lease> {
  for (;;) {
    const news = told(storage)
    const answer = await storage.lease({ ...request, ...overrides })
    if (isLease(answer)) return answer
    await news
  }
}
