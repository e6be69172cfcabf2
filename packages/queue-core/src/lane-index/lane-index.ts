import { QueueError } from '../errors.js'
import type { Decision } from '../storage-port.js'
import {
  deadReasonOf,
  DELIVERED,
  DISCARDED,
  isDead,
  isPending,
  QUARANTINED,
  reserve,
  slotAfter,
  stateCode,
  stateName,
  NONE,
  WAITING,
} from './columns.js'
import { applySettlement, become, countIn, heldBy, setAfter, slotFor } from './entries.js'
import { forgetSlot, laneOf, link, place, sweep } from './lanes.js'
import {
  abandonAll,
  advance,
  currentLease,
  evict,
  markEntries,
  renewLease,
  setMark,
  settleEntries,
  takeLease,
} from './leases.js'
import { createIndexState, detailsOf, dueAtOf, gateNamed, laneNamed, type IndexState } from './state.js'
import type { IndexedDraft, IndexedEntry, LaneIndex, LaneIndexOptions, RestoredEntry } from './types.js'

function noSuchEntry(sequence: number): QueueError {
  return new QueueError('ERR_NO_SUCH_ENTRY', `there is no entry ${sequence}`, {
    hint: 'It never existed, or it was settled longer ago than settled entries are kept.',
  })
}

function wrongState(sequence: number, state: string, wanted: string): QueueError {
  return new QueueError('ERR_WRONG_STATE', `entry ${sequence} is ${state}, ${wanted}`, {
    hint: 'Read the entry again and decide on what it is now.',
  })
}

function requireSlot(state: IndexState, sequence: number): number {
  const slot = slotFor(state, sequence)
  if (slot === undefined) throw noSuchEntry(sequence)
  return slot
}

function requirePending(state: IndexState, sequence: number): number {
  const slot = requireSlot(state, sequence)
  const code = state.columns.state[slot] ?? 0
  if (!isPending(code)) throw wrongState(sequence, String(stateName(code)), 'not waiting')
  return slot
}

function addSlot(state: IndexState, draft: IndexedDraft, code: number): number {
  const { columns } = state
  if (!(draft.sequence > state.lastSequence)) {
    throw new RangeError(`sequence ${draft.sequence} does not follow ${state.lastSequence}`)
  }
  reserve(columns)
  const lane = laneNamed(state, draft.lane)
  const slot = columns.count++
  columns.sequence[slot] = draft.sequence
  columns.location[slot] = draft.location ?? 0
  columns.appendedAt[slot] = draft.appendedAt
  columns.payloadBytes[slot] = draft.payloadBytes
  columns.lane[slot] = lane.id
  columns.gate[slot] = gateNamed(state, draft.gate).id
  columns.next[slot] = NONE
  columns.previous[slot] = NONE
  columns.state[slot] = code
  columns.leased[slot] = 0
  lane.known++
  state.lastSequence = draft.sequence
  setAfter(state, draft.sequence, draft.after ?? [])
  if (isPending(code)) link(state, lane, slot)
  countIn(state, slot)
  return slot
}

function restoreEntry(state: IndexState, entry: RestoredEntry, now: number): void {
  const code = stateCode(entry.state, entry.deadReason)
  const slot = addSlot(state, entry, code)
  const { attempts = 0, dueAt = 0, troubledSince, mark, markOpen = false } = entry
  if (attempts > 0 || dueAt > now || troubledSince !== undefined || mark !== undefined) {
    const details = detailsOf(state, entry.sequence)
    details.attempts = attempts
    details.dueAt = dueAt
    details.dueEpoch = state.epoch
    details.troubledSince = troubledSince
    if (mark !== undefined) setMark(state, mark, now)
    details.markOpen = markOpen
  }
  if (code === DELIVERED || code === DISCARDED) {
    state.settled.push({ sequence: entry.sequence, at: entry.settledAt ?? now })
  }
  place(state, laneOf(state, slot), now)
}

/** The slot, when the decision may be taken. */
function requireDecidable(state: IndexState, sequence: number, kind: Decision['kind']): number {
  const slot = requireSlot(state, sequence)
  const code = state.columns.state[slot] ?? 0
  if (kind === 'withdraw') {
    if (code !== WAITING) throw wrongState(sequence, String(stateName(code)), 'not waiting')
    if (state.columns.leased[slot] === 1) throw wrongState(sequence, 'being delivered', 'not merely waiting')
  } else if (!isDead(code)) throw wrongState(sequence, String(stateName(code)), 'not dead')
  return slot
}

function describe(state: IndexState, slot: number, now: number): IndexedEntry {
  const { columns } = state
  const code = columns.state[slot] ?? 0
  const sequence = columns.sequence[slot] ?? 0
  const details = state.details.get(sequence)
  const deadReason = deadReasonOf(code)
  const held = isPending(code) ? heldBy(state, details) : undefined
  const dueIn = isPending(code) ? dueAtOf(state, details) - now : 0
  const mark = details?.mark
  return {
    sequence,
    lane: laneOf(state, slot).name,
    gate: state.gates[columns.gate[slot] ?? NONE]?.name ?? '',
    after: details?.after ?? [],
    payloadBytes: columns.payloadBytes[slot] ?? 0,
    location: columns.location[slot] ?? 0,
    state: stateName(code) ?? 'quarantined',
    ...(deadReason === undefined ? {} : { deadReason }),
    leased: columns.leased[slot] === 1,
    ...(held === undefined ? {} : { heldBy: held }),
    attempts: details?.attempts ?? 0,
    ageMs: Math.max(0, now - (columns.appendedAt[slot] ?? 0)),
    ...(dueIn > 0 ? { dueInMs: dueIn } : {}),
    ...(details?.troubledSince === undefined
      ? {}
      : { troubledForMs: Math.max(0, now - details.troubledSince) }),
    ...(mark === undefined ? {} : { mark }),
  }
}

/** An entry may be forgotten unless somebody is still held by it. */
function holdsNobody(state: IndexState, sequence: number): boolean {
  return !(state.dependants.get(sequence) ?? []).some((dependant) => {
    const slot = slotFor(state, dependant)
    return slot !== undefined && isPending(state.columns.state[slot] ?? 0)
  })
}

function retireSettled(
  state: IndexState,
  retention: { readonly maxAgeMs: number; readonly maxCount: number },
  now: number,
): number[] {
  const forgotten: number[] = []
  const kept: { sequence: number; at: number }[] = []
  while (state.settledFrom < state.settled.length) {
    const oldest = state.settled[state.settledFrom]
    if (oldest === undefined) break
    const count = state.settled.length - state.settledFrom + kept.length
    if (count <= retention.maxCount && now - oldest.at <= retention.maxAgeMs) break
    state.settledFrom++
    const slot = slotFor(state, oldest.sequence)
    if (slot === undefined) continue
    if (holdsNobody(state, oldest.sequence)) {
      forgetSlot(state, slot)
      forgotten.push(oldest.sequence)
    } else kept.push(oldest)
  }
  if (kept.length > 0 || (state.settledFrom > 1024 && state.settledFrom * 2 > state.settled.length)) {
    state.settled.splice(0, state.settledFrom, ...kept)
    state.settledFrom = 0
  }
  sweep(state)
  return forgotten
}

/** An empty index. See `LaneIndex`. */
export function laneIndex(options: LaneIndexOptions): LaneIndex {
  const state = createIndexState(options.owner)
  const { columns, totals } = state

  function fence(id: string, sequences: readonly number[], now: number): ReturnType<typeof currentLease> {
    advance(state, now)
    return currentLease(state, id, sequences)
  }

  return {
    add(draft, now) {
      place(state, laneOf(state, addSlot(state, draft, WAITING)), now)
    },
    restore: (entry, now) => restoreEntry(state, entry, now),
    restoreForgotten({ delivered, discarded }) {
      totals.accepted += delivered + discarded
      totals.delivered += delivered
      totals.discarded += discarded
    },
    restoreReceiptHash(lane, hash) {
      const known = state.laneByName.get(lane)
      if (known !== undefined) known.lastReceiptHash = hash.slice()
    },
    lease(request, now) {
      advance(state, now)
      return takeLease(state, request, now)
    },
    checkLease(leaseId, sequences, now) {
      fence(leaseId, sequences, now)
    },
    mark(leaseId, notes, now) {
      const lease = fence(
        leaseId,
        notes.map((note) => note.sequence),
        now,
      )
      markEntries(state, lease, notes, now)
    },
    renew(leaseId, ttlMs, now) {
      renewLease(state, fence(leaseId, [], now), ttlMs, now)
    },
    settle(leaseId, settlements, now) {
      const lease = fence(
        leaseId,
        settlements.map((settlement) => settlement.sequence),
        now,
      )
      settleEntries(state, lease, settlements, now)
    },
    abandonLeases: (now) => abandonAll(state, now),
    replayMark(note, now) {
      requirePending(state, note.sequence)
      setMark(state, note, now)
    },
    replaySettlement(settlement, now) {
      applySettlement(state, requirePending(state, settlement.sequence), settlement, now)
    },
    checkDecision(sequence, kind, now) {
      advance(state, now)
      requireDecidable(state, sequence, kind)
    },
    decide(sequence, kind, now, correction = {}) {
      advance(state, now)
      const slot = requireDecidable(state, sequence, kind)
      if (kind === 'redrive') {
        const details = state.details.get(sequence)
        if (details !== undefined) {
          Object.assign(details, { attempts: 0, dueAt: 0, troubledSince: undefined, mark: undefined })
        }
        if (correction.location !== undefined) columns.location[slot] = correction.location
        become(state, slot, WAITING, now, correction.payloadBytes)
      } else become(state, slot, kind === 'assume-delivered' ? DELIVERED : DISCARDED, now)
    },
    quarantine(sequence, now) {
      advance(state, now)
      const slot = requireSlot(state, sequence)
      if (columns.state[slot] === QUARANTINED) return
      evict(state, slot, now)
      become(state, slot, QUARANTINED, now)
    },
    hurry(now) {
      state.epoch++
      for (const lane of state.delayed.items()) place(state, lane, now)
    },
    entry(sequence, now) {
      advance(state, now)
      const slot = slotFor(state, sequence)
      return slot === undefined ? undefined : describe(state, slot, now)
    },
    relocate(sequence, location) {
      columns.location[requireSlot(state, sequence)] = location
    },
    list({ state: wanted, lane, after = 0, limit }, now) {
      advance(state, now)
      const laneId = lane === undefined ? undefined : state.laneByName.get(lane)?.id
      const page: number[] = []
      if (lane !== undefined && laneId === undefined) return page
      for (let slot = slotAfter(columns, after); slot < columns.count && page.length < limit; slot++) {
        const name = stateName(columns.state[slot] ?? 0)
        if (name === undefined || (wanted !== undefined && name !== wanted)) continue
        if (laneId === undefined || columns.lane[slot] === laneId) page.push(columns.sequence[slot] ?? 0)
      }
      return page
    },
    stats(now) {
      advance(state, now)
      return { ...totals }
    },
    get lastSequence() {
      return state.lastSequence
    },
    retire: (retention, now) => retireSettled(state, retention, now),
  }
}
