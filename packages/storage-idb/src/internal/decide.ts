import { noSuchEntry, wrongState, type Decision } from '@fhir-outbox/queue-core'
import { unreadable } from '../errors.js'
import { changeLane, type Commit } from './commits.js'
import { countHeld, stoppersOf } from './holds.js'
import { getAll } from './requests.js'
import { dropPayloads, find, isSettled, setHeads, setStates, type Found, type Records } from './records.js'
import type { PayloadPage } from './schema.js'

const outcomes = {
  redrive: 'waiting',
  discard: 'discarded',
  withdraw: 'discarded',
  'assume-delivered': 'delivered',
} as const

/** The payloads of its page with a new one for this entry. Those that cannot be read now must not be lost for it. */
async function corrected(records: Records, { first, at }: Found, payload: Uint8Array): Promise<PayloadPage> {
  const [heads, states, page] = await Promise.all([
    records.heads.get(first),
    records.states.get(first),
    records.payloads.get(first),
  ])
  const needed = (heads?.rows ?? []).some(
    (head, other) => head !== null && other !== at && !isSettled(states?.rows[other]),
  )
  if (page === undefined && needed) throw unreadable()
  const known = page?.rows ?? []
  const length = Math.max(known.length, at + 1)
  const rows = Array.from({ length }, (_, other) => (other === at ? payload : (known[other] ?? null)))
  return { first, rows }
}

/**
 * Decides on what the database says, wherever the drainer is. Returns the payload bytes of the entry, which
 * whoever drains has to know.
 */
export async function decideOne(commit: Commit, sequence: number, decision: Decision): Promise<number> {
  const { transaction, records, meta, now } = commit
  const { counts } = meta
  const [found, leases] = await Promise.all([
    find(transaction, records, sequence),
    getAll(transaction, 'leases'),
  ])
  if (found === undefined) throw noSuchEntry(sequence)
  const { first, at, head } = found
  const was = found.state?.state ?? 'waiting'
  if (decision.kind === 'withdraw') {
    if (was !== 'waiting') throw wrongState(sequence, was, 'not waiting')
    // Also one that has expired: only the drainer can tell that nothing was sent.
    if (leases.some(({ sequences }) => sequences.includes(sequence))) {
      throw wrongState(sequence, 'being delivered', 'not merely waiting')
    }
  } else if (was !== 'dead') throw wrongState(sequence, was, 'not dead')

  const state = outcomes[decision.kind]
  const { payload, header } = decision.kind === 'redrive' ? decision : {}
  const payloadBytes = payload?.length ?? head.payloadBytes
  const page = payload === undefined ? undefined : await corrected(records, found, payload)
  const ownHeld = Number((await stoppersOf(commit, head.after ?? [])).length > 0)
  if (was === 'waiting') {
    await countHeld(commit, sequence, 1)
    counts.waiting--
    counts.held -= ownHeld
    await changeLane(commit, head.lane, -1)
  } else {
    if (state !== 'discarded') await countHeld(commit, sequence, -1)
    counts.dead--
  }
  counts.bytes -= head.payloadBytes
  if (state === 'waiting') {
    counts.waiting++
    counts.bytes += payloadBytes
    counts.held += ownHeld
    await changeLane(commit, head.lane, 1)
  } else counts[state]++

  const attempts = state === 'waiting' ? 0 : (found.state?.attempts ?? 0)
  const settledAt = state === 'waiting' ? {} : { settledAt: now }
  await setStates(records, first, new Map([[at, { state, attempts, note: decision.note, ...settledAt }]]))
  if (state !== 'waiting') await dropPayloads(records, first)
  else if (page !== undefined) records.payloads.set(first, page)
  if (header !== undefined || payload !== undefined) {
    const rows = (await records.heads.get(first))?.rows ?? []
    setHeads(records, first, rows.with(at, { ...head, payloadBytes, header: header ?? head.header }))
  }
  return payloadBytes
}
