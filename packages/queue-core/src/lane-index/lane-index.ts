import { noSuchEntry } from '../errors.js'
import { wrongState } from '../refusals.js'
import type { Decision, EntryState } from '../storage-port.js'
import { describe, toRestore } from './describe.js'
import { dumpState, loadState } from './dump.js'
import { applySettlement, become, countIn, rowFor, setAfter } from './entries.js'
import { link, place } from './lanes.js'
import {
  abandon,
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
import { retireSettled } from './retire.js'
import { NONE } from './rows.js'
import { createIndexState, detailsOf, gateNamed, type IndexState } from './state.js'
import {
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
import type { IndexedDraft, LaneIndex, LaneIndexOptions, RestoredEntry } from './types.js'

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
  const { attempts = 0, dueAt = 0, troubledSince, mark, markedAt = now, markOpen = false } = entry
  if (attempts > 0 || dueAt > now || troubledSince !== undefined || mark !== undefined) {
    const details = detailsOf(state, entry.sequence)
    details.attempts = attempts
    details.dueAt = dueAt
    details.dueEpoch = state.epoch
    details.troubledSince = troubledSince
    if (mark !== undefined) setMark(state, mark, markedAt)
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

/** Which states a query wants, by code. */
function wantedStates(wanted: EntryState | undefined): boolean[] {
  return Array.from({ length: stateCodes }, (_, code) =>
    wanted === undefined ? code !== FORGOTTEN : stateName(code) === wanted,
  )
}

/** An empty index. See `LaneIndex`. */
export function laneIndex({ owner, lastSequence = 0 }: LaneIndexOptions): LaneIndex {
  return indexOver(createIndexState(owner, lastSequence))
}

/**
 * The index of a dump, read in the time that it takes to copy it. `undefined` when the bytes are not a whole dump,
 * or one of another version or of a machine with another byte order: then the adapter replays what it keeps. Only
 * the shape is checked, so whoever keeps a dump in a file keeps a checksum with it. Call `abandonLeases` next, as
 * on any open. `dump` itself is not kept.
 */
export function loadLaneIndex(
  dump: Uint8Array,
  { owner, lastSequence = 0 }: LaneIndexOptions,
  now: number,
): LaneIndex | undefined {
  const state = loadState(dump, { owner, lastSequence }, now)
  return state === undefined ? undefined : indexOver(state)
}

/**
 * All of an index, for a checkpoint: pieces to be written one after the other and given to `loadLaneIndex` as one.
 * Takes about as long as copying the columns, and changes nothing. Opaque, versioned, in the byte order of this
 * machine. Leases are not in it: entries that are leased come back as waiting, with their marks open. Throws a
 * TypeError for an index that this package did not make.
 */
export function dumpLaneIndex(index: LaneIndex, now: number): readonly Uint8Array[] {
  const state = states.get(index)
  if (state === undefined) throw new TypeError('not an index of this package')
  advance(state, now)
  return dumpState(state, now)
}

/** Beside the indexes and not in them, so that whoever makes no dumps need not load what does. */
const states = new WeakMap<LaneIndex, IndexState>()

function indexOver(state: IndexState): LaneIndex {
  const { lanes, rows, totals } = state

  function fence(id: string, sequences: readonly number[], now: number): ReturnType<typeof currentLease> {
    advance(state, now)
    return currentLease(state, id, sequences)
  }

  const index: LaneIndex = {
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
    abandonLeases(now, ids) {
      if (ids === undefined) return abandonAll(state, now)
      for (const id of ids) {
        const lease = state.leases.get(id)
        if (lease !== undefined) abandon(state, lease, now)
      }
    },
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
      const code = rows.state(row)
      // What is settled need not be read again to be delivered: whoever was after it has gone on.
      if (code === QUARANTINED || code === DELIVERED || code === DISCARDED) return
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
    toRestore(sequence, now) {
      advance(state, now)
      const row = rowFor(state, sequence)
      return row === undefined ? undefined : toRestore(state, row, now)
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
    hasLane: (lane) => lanes.find(lane) !== undefined,
    stats(now) {
      advance(state, now)
      return { ...totals }
    },
    get lastSequence() {
      return state.lastSequence
    },
    retire: (retention, now) => retireSettled(state, retention, now),
  }
  states.set(index, state)
  return index
}
