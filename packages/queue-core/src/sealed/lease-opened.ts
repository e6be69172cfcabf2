import { failureNote } from '../outbox/notes.js'
import {
  isLease,
  type Lease,
  type LeaseRequest,
  type NothingReady,
  type QueueStorage,
} from '../storage-port.js'
import type { Foundation } from './foundation.js'
import { openLeased } from './open-entries.js'

const none = new Uint8Array(0)
const unreadable = {
  code: 'ERR_RECORD_UNREADABLE',
  message: 'the sealed record does not open; its bytes are kept',
}

/** The request as the adapter understands it. */
function sealedRequest({ labels }: Foundation, request: LeaseRequest): LeaseRequest {
  const { onlyGate, oneByOne } = request
  return {
    ...request,
    closedGates: request.closedGates.map((gate) => labels.of('gate', gate)),
    ...(onlyGate === undefined ? {} : { onlyGate: labels.of('gate', onlyGate) }),
    ...(oneByOne === undefined || oneByOne === 'all'
      ? {}
      : { oneByOne: oneByOne.map((lane) => labels.of('lane', lane)) }),
  }
}

/** The run goes back as it came: nobody has tried anything. */
async function giveBack(storage: QueueStorage, lease: Lease): Promise<void> {
  await storage.settle(
    lease,
    lease.entries.map(({ sequence, state }) => ({ sequence, outcome: state, delayMs: 0, spent: false })),
  )
}

/**
 * Leases and opens. Entries that do not open are parked where they stand, so that their lane goes on; a locked
 * key gives the run back and rejects. `remember` learns which lease below belongs to the one given out.
 */
export async function leaseOpened(
  storage: QueueStorage,
  foundation: Foundation,
  request: LeaseRequest,
  at: () => string,
  remember: (lease: Lease, held: Lease) => void,
): Promise<Lease | NothingReady> {
  const asked = sealedRequest(foundation, request)
  const setAside: number[] = []
  for (;;) {
    const taken = await storage.lease(asked)
    setAside.push(...(taken.setAside ?? []))
    if (!isLease(taken)) return setAside.length === 0 ? taken : { ...taken, setAside }
    const opened = await openRun(storage, foundation, taken, at())
    setAside.push(
      ...taken.entries.flatMap(({ sequence }, at) => (opened[at] === undefined ? [sequence] : [])),
    )
    const good = opened.filter((one) => one !== undefined)
    const [first] = good
    if (first === undefined) continue
    const { lane, gate } = first.head
    const entries = good.map(({ entry }) => entry)
    const lease = { ...taken, lane, gate, entries, ...(setAside.length === 0 ? {} : { setAside }) }
    const bare = taken.entries.map((entry) => ({ ...entry, header: none, payload: none }))
    remember(lease, { ...taken, entries: bare })
    return lease
  }
}

/** Opens a run and parks what does not open. When that cannot be done, the run goes back. */
async function openRun(
  storage: QueueStorage,
  foundation: Foundation,
  taken: Lease,
  at: string,
): Promise<Awaited<ReturnType<typeof openLeased>>[]> {
  try {
    const opened = await Promise.all(taken.entries.map((entry) => openLeased(foundation, entry, taken)))
    const bad = taken.entries.filter((_, position) => opened[position] === undefined)
    if (bad.length > 0) await park(storage, foundation, taken, bad, at)
    return opened
  } catch (error) {
    // A lease that cannot be given back runs out by itself.
    await giveBack(storage, taken).catch(() => undefined)
    throw error
  }
}

async function park(
  storage: QueueStorage,
  { sealer }: Foundation,
  taken: Lease,
  bad: Lease['entries'],
  at: string,
): Promise<void> {
  const settlements = await Promise.all(
    bad.map(async ({ sequence, key, note }) => {
      const before = note === undefined ? undefined : await sealer.open('note', key, note)
      const why = failureNote('parked', unreadable, at, before)
      return { sequence, outcome: 'parked', note: await sealer.seal('note', key, why) } as const
    }),
  )
  await storage.settle(taken, settlements)
}
