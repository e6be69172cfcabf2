import type { DeadReason, Entry, EntryState, EntrySummary, LeasedEntry } from '@fhir-outbox/queue-core'
import type { Row } from './database.js'
import { bytesOf, optionalBytes, textOf } from './packing.js'

const states: readonly EntryState[] = ['waiting', 'unknown', 'dead', 'delivered', 'discarded', 'quarantined']
const reasons: readonly DeadReason[] = ['rejected', 'parked', 'expired']

/** For `entries e join lanes l`. */
export const entryColumns = `
  e.sequence::float8, l.name as lane, e.key, e.gate, to_jsonb(e.after)::text as after, e.header, e.payload_bytes,
  e.state, e.dead_reason, e.leased, e.attempts, e.note, now_ms() - e.appended_at as age,
  case when e.state in ('waiting', 'unknown') and e.due_at > now_ms() then e.due_at - now_ms() end as due_in,
  case when e.state in ('waiting', 'unknown') and e.stopped > 0 then (
    select b.blocker::float8 from blockers b join entries s on s.sequence = b.blocker
    where b.entry = e.sequence and stops(s.state) = 1 order by array_position(e.after, b.blocker) limit 1
  ) end as held_by`

function optionalNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function listOf(json: unknown): number[] {
  const list: unknown = JSON.parse(String(json))
  return Array.isArray(list) ? list.map(Number) : []
}

export function summaryOf(row: Row): EntrySummary {
  const deadReason = reasons.find((reason) => reason === row['dead_reason'])
  const heldBy = optionalNumber(row['held_by'])
  const dueInMs = optionalNumber(row['due_in'])
  const note = optionalBytes(row['note'])
  return {
    sequence: Number(row['sequence']),
    lane: textOf(row['lane']),
    key: textOf(row['key']),
    gate: textOf(row['gate']),
    after: listOf(row['after']),
    header: bytesOf(row['header']),
    payloadBytes: Number(row['payload_bytes']),
    state: states.find((state) => state === row['state']) ?? 'quarantined',
    leased: row['leased'] === true,
    attempts: Number(row['attempts']),
    ageMs: Number(row['age']),
    ...(deadReason === undefined ? {} : { deadReason }),
    ...(heldBy === undefined ? {} : { heldBy }),
    ...(dueInMs === undefined ? {} : { dueInMs }),
    ...(note === undefined ? {} : { note }),
  }
}

export function entryOf(row: Row): Entry {
  const payload = optionalBytes(row['payload'])
  return { ...summaryOf(row), ...(payload === undefined ? {} : { payload }) }
}

export function leasedOf(row: Row): LeasedEntry {
  const sequence = Number(row['sequence'])
  const unknown = row['state'] === 'unknown'
  const info = optionalBytes(row['mark_info'])
  const troubled = optionalNumber(row['troubled'])
  const note = optionalBytes(row['note'])
  const group = row['mark_group']
  return {
    sequence,
    key: textOf(row['key']),
    header: bytesOf(row['header']),
    payload: bytesOf(row['payload']),
    state: unknown ? 'unknown' : 'waiting',
    attempts: Number(row['attempts']),
    ageMs: Number(row['age']),
    ...(troubled === undefined ? {} : { troubledForMs: troubled }),
    ...(unknown && group !== null
      ? { mark: { sequence, group: textOf(group), ...(info === undefined ? {} : { info }) } }
      : {}),
    ...(note === undefined ? {} : { note }),
  }
}
