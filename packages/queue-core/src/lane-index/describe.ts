import type { AttemptNote } from '../storage-port.js'
import { heldBy } from './entries.js'
import { dueAtOf, type IndexState } from './state.js'
import { deadReasonOf, isPending, stateName } from './states.js'
import type { IndexedEntry, RestoredEntry } from './types.js'

/** The bytes of a mark are the caller's to write to, on the way in and on the way out. */
export function copyMark({ sequence, group, info }: AttemptNote): AttemptNote {
  return info === undefined ? { sequence, group } : { sequence, group, info: info.slice() }
}

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] }

export function describe(state: IndexState, row: number, now: number): IndexedEntry {
  const { rows } = state
  const code = rows.state(row)
  const sequence = rows.sequence(row)
  const details = state.details.get(sequence)
  // Called for every entry of every lease: optional members are set, because spreading each of them takes longer.
  const entry: Mutable<IndexedEntry> = {
    sequence,
    lane: state.lanes.name(rows.lane(row)),
    gate: state.gates[rows.gate(row)]?.name ?? '',
    after: details?.after ?? [],
    payloadBytes: rows.payloadBytes(row),
    location: rows.location(row),
    state: stateName(code) ?? 'quarantined',
    leased: rows.isLeased(row),
    attempts: details?.attempts ?? 0,
    ageMs: Math.max(0, now - rows.appendedAt(row)),
  }
  const deadReason = deadReasonOf(code)
  if (deadReason !== undefined) entry.deadReason = deadReason
  if (details === undefined) return entry
  const held = isPending(code) ? heldBy(state, details) : undefined
  if (held !== undefined) entry.heldBy = held
  const dueIn = isPending(code) ? dueAtOf(state, details) - now : 0
  if (dueIn > 0) entry.dueInMs = dueIn
  const { troubledSince, mark, markOpen } = details
  if (troubledSince !== undefined) entry.troubledForMs = Math.max(0, now - troubledSince)
  if (mark !== undefined) entry.mark = copyMark(mark)
  if (markOpen) entry.markOpen = true
  return entry
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
