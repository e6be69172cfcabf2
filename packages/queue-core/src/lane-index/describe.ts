import { heldBy } from './entries.js'
import { dueAtOf, type IndexState } from './state.js'
import { deadReasonOf, isPending, stateName } from './states.js'
import type { IndexedEntry, RestoredEntry } from './types.js'

export function describe(state: IndexState, row: number, now: number): IndexedEntry {
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
    ...(details?.markOpen === true ? { markOpen: true } : {}),
  }
}

/** The same as `restore` takes it. */
export function toRestore(state: IndexState, row: number, now: number): RestoredEntry {
  const entry = describe(state, row, now)
  const { sequence, lane, gate, after, payloadBytes, location, attempts, deadReason, mark } = entry
  const details = state.details.get(sequence)
  const { troubledSince, markedAt = now, markOpen = false } = details ?? {}
  const dueAt = dueAtOf(state, details)
  return {
    sequence,
    lane,
    gate,
    after,
    payloadBytes,
    location,
    attempts,
    appendedAt: state.rows.appendedAt(row),
    state: entry.state,
    ...(deadReason === undefined ? {} : { deadReason }),
    ...(dueAt > now ? { dueAt } : {}),
    ...(troubledSince === undefined ? {} : { troubledSince }),
    ...(mark === undefined ? {} : { mark, markedAt, markOpen }),
  }
}
