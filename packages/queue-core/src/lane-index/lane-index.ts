import { QueueError } from '../errors.js'
import type { Decision, EntryState } from '../storage-port.js'
import { applySettlement, become, countIn, heldBy, rowFor, setAfter } from './entries.js'
import { forgetRow, link, place } from './lanes.js'
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
import { NONE } from './rows.js'
import { createIndexState, detailsOf, dueAtOf, gateNamed, type IndexState } from './state.js'
import {
  deadReasonOf,
  DELIVERED,
  DISCARDED,
  FORGOTTEN,
  isDead,
  isPending,
  QUARANTINED,
  stateCode,
  stateCodes,
  stateName,
  WAITING,
} from './states.js'
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

function requireRow(state: IndexState, sequence: number): number {
  const row = rowFor(state, sequence)
  if (row === undefined) throw noSuchEntry(sequence)
  return row
}

function requirePending(state: IndexState, sequence: number): number {
  const row = requireRow(state, sequence)
  const code = state.rows.state(row)
  if (!isPending(code)) throw wrongState(sequence, String(stateName(code)), 'not waiting')
  return row
}

function addRow(state: IndexState, draft: IndexedDraft, code: number): number {
  const { lanes, rows } = state
  if (!(draft.sequence > state.lastSequence)) {
    throw new RangeError(`sequence ${draft.sequence} does not follow ${state.lastSequence}`)
  }
  const lane = lanes.named(draft.lane)
  const row = rows.add(
    {
      sequence: draft.sequence,
      location: draft.location ?? 0,
      appendedAt: draft.appendedAt,
      payloadBytes: draft.payloadBytes,
      lane,
      gate: gateNamed(state, draft.gate).id,
    },
    code,
  )
  lanes.setKnown(lane, lanes.known(lane) + 1)
  state.lastSequence = draft.sequence
  setAfter(state, draft.sequence, draft.after ?? [])
  if (isPending(code)) link(state, lane, row)
  countIn(state, row)
  return row
}

function restoreEntry(state: IndexState, entry: RestoredEntry, now: number): void {
  const code = stateCode(entry.state, entry.deadReason)
  const row = addRow(state, entry, code)
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
  if (code === DELIVERED || code === DISCARDED) state.settled.push(entry.sequence, entry.settledAt ?? now)
  place(state, state.rows.lane(row), now)
}

/** The row, when the decision may be taken. */
function requireDecidable(state: IndexState, sequence: number, kind: Decision['kind']): number {
  const row = requireRow(state, sequence)
  const code = state.rows.state(row)
  if (kind === 'withdraw') {
    if (code !== WAITING) throw wrongState(sequence, String(stateName(code)), 'not waiting')
    if (state.rows.isLeased(row)) throw wrongState(sequence, 'being delivered', 'not merely waiting')
  } else if (!isDead(code)) throw wrongState(sequence, String(stateName(code)), 'not dead')
  return row
}

function describe(state: IndexState, row: number, now: number): IndexedEntry {
  const { rows } = state
  const code = rows.state(row)
  const sequence = rows.sequence(row)
  const details = state.details.get(sequence)
  const deadReason = deadReasonOf(code)
  const held = isPending(code) ? heldBy(state, details) : undefined
  const dueIn = isPending(code) ? dueAtOf(state, details) - now : 0
  const mark = details?.mark
  return {
    sequence,
    lane: state.lanes.name(rows.lane(row)),
    gate: state.gates[rows.gate(row)]?.name ?? '',
    after: details?.after ?? [],
    payloadBytes: rows.payloadBytes(row),
    location: rows.location(row),
    state: stateName(code) ?? 'quarantined',
    ...(deadReason === undefined ? {} : { deadReason }),
    leased: rows.isLeased(row),
    ...(held === undefined ? {} : { heldBy: held }),
    attempts: details?.attempts ?? 0,
    ageMs: Math.max(0, now - rows.appendedAt(row)),
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
    const row = rowFor(state, dependant)
    return row !== undefined && isPending(state.rows.state(row))
  })
}

function retireSettled(
  state: IndexState,
  retention: { readonly maxAgeMs: number; readonly maxCount: number },
  now: number,
): number[] {
  const { settled } = state
  const forgotten: number[] = []
  const kept: { readonly sequence: number; readonly at: number }[] = []
  for (let oldest = settled.first(); oldest !== undefined; oldest = settled.first()) {
    if (settled.size + kept.length <= retention.maxCount && now - oldest.at <= retention.maxAgeMs) break
    settled.shift()
    const row = rowFor(state, oldest.sequence)
    if (row === undefined) continue
    if (holdsNobody(state, oldest.sequence)) {
      forgetRow(state, row)
      forgotten.push(oldest.sequence)
    } else kept.push(oldest)
  }
  if (kept.length > 0) settled.unshift(kept)
  return forgotten
}

/** Which states a query wants, by code. */
function wantedStates(wanted: EntryState | undefined): boolean[] {
  return Array.from({ length: stateCodes }, (_, code) =>
    wanted === undefined ? code !== FORGOTTEN : stateName(code) === wanted,
  )
}

/** An empty index. See `LaneIndex`. */
export function laneIndex(options: LaneIndexOptions): LaneIndex {
  const state = createIndexState(options.owner, options.lastSequence ?? 0)
  const { lanes, rows, totals } = state

  function fence(id: string, sequences: readonly number[], now: number): ReturnType<typeof currentLease> {
    advance(state, now)
    return currentLease(state, id, sequences)
  }

  return {
    add(draft, now) {
      const row = addRow(state, draft, WAITING)
      const lane = rows.lane(row)
      // Behind another entry nothing changes for the lane.
      if (lanes.head(lane) === row) place(state, lane, now)
    },
    restore: (entry, now) => restoreEntry(state, entry, now),
    restoreForgotten({ delivered, discarded }) {
      totals.accepted += delivered + discarded
      totals.delivered += delivered
      totals.discarded += discarded
    },
    restoreReceiptHash(lane, hash) {
      const known = lanes.find(lane)
      if (known !== undefined) lanes.setReceiptHash(known, hash)
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
      const row = requireDecidable(state, sequence, kind)
      if (kind === 'redrive') {
        const details = state.details.get(sequence)
        if (details !== undefined) {
          Object.assign(details, { attempts: 0, dueAt: 0, troubledSince: undefined, mark: undefined })
        }
        if (correction.location !== undefined) rows.setLocation(row, correction.location)
        become(state, row, WAITING, now, correction.payloadBytes)
      } else become(state, row, kind === 'assume-delivered' ? DELIVERED : DISCARDED, now)
    },
    quarantine(sequence, now) {
      advance(state, now)
      const row = requireRow(state, sequence)
      if (rows.state(row) === QUARANTINED) return
      evict(state, row, now)
      become(state, row, QUARANTINED, now)
    },
    hurry(now) {
      state.epoch++
      for (const { delayed } of state.gates) {
        for (const lane of delayed.items()) place(state, lane, now)
      }
    },
    entry(sequence, now) {
      advance(state, now)
      const row = rowFor(state, sequence)
      return row === undefined ? undefined : describe(state, row, now)
    },
    relocate(sequence, location) {
      rows.setLocation(requireRow(state, sequence), location)
    },
    list({ state: wanted, lane, after = 0, limit }, now) {
      advance(state, now)
      const laneId = lane === undefined ? undefined : lanes.find(lane)
      const page: number[] = []
      if (lane !== undefined && laneId === undefined) return page
      const states = wantedStates(wanted)
      let row = rows.search(rows.after(after), states, laneId)
      while (row !== NONE && page.length < limit) {
        page.push(rows.sequence(row))
        row = rows.search(row + 1, states, laneId)
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
