import type { AttemptNote, DeadReason, Decision, EntryState, Settlement } from '@fhir-outbox/queue-core'
import { type ByteReader, type ByteWriter, byteReader, MalformedRecord } from './bytes.js'

const NOTHING = new Uint8Array(0)

export const ENTRY = 1
export const SNAPSHOT = 2
export const MARK = 3
export const SETTLE = 4
export const DECIDE = 5
export const NOTE = 6
export const LANES = 7
export const RETIRE = 8
export const STATE = 9
export const GAP = 10
export const CLOSE = 11
export const FOOTER = 12

/** What an entry is, whatever happened to it. */
export interface Base {
  readonly appendedAt: number
  readonly lane: string
  readonly gate: string
  readonly key: string
  readonly after: readonly number[]
  readonly header: Uint8Array
}

export function writeBase(writer: ByteWriter, base: Omit<Base, 'header'>, header: Uint8Array): void {
  writer.f64(base.appendedAt)
  writer.text(base.lane)
  writer.text(base.gate)
  writer.text(base.key)
  writer.u32(base.after.length)
  for (const sequence of base.after) writer.u64(sequence)
  writer.block(header)
}

function readBase(reader: ByteReader): Base {
  const appendedAt = reader.f64()
  const lane = reader.text()
  const gate = reader.text()
  const key = reader.text()
  const after: number[] = []
  for (let left = reader.u32(); left > 0; left--) after.push(reader.u64())
  return { appendedAt, lane, gate, key, after, header: reader.block() }
}

/**
 * Key and header of an entry or snapshot, without making anything else of it; the header is a view of `meta`.
 * `undefined` for other types. Throws `MalformedRecord`.
 */
export function readKeyAndHeader(
  type: number,
  meta: Uint8Array,
): { readonly key: string; readonly header: Uint8Array } | undefined {
  if (type !== ENTRY && type !== SNAPSHOT) return undefined
  const reader = byteReader(meta)
  reader.f64()
  reader.skip()
  reader.skip()
  const key = reader.text()
  for (let left = reader.u32(); left > 0; left--) reader.u64()
  return { key, header: reader.view(reader.u32()) }
}

/** The state of an entry when it was copied out of an old segment. Times are wall-clock milliseconds. */
export interface SnapshotState {
  readonly state: EntryState
  readonly deadReason?: DeadReason
  readonly attempts: number
  readonly dueAt?: number
  readonly troubledSince?: number
  readonly settledAt?: number
  readonly payloadBytes: number
  readonly mark?: AttemptNote
  readonly markOpen: boolean
  readonly note?: Uint8Array
}

const STATES: readonly EntryState[] = ['waiting', 'unknown', 'dead', 'delivered', 'discarded', 'quarantined']
const REASONS: readonly DeadReason[] = ['rejected', 'parked', 'expired']
const OUTCOMES = ['delivered', 'rejected', 'parked', 'expired', 'waiting', 'unknown'] as const
const KINDS: readonly Decision['kind'][] = ['redrive', 'discard', 'assume-delivered', 'withdraw']

function pick<T>(list: readonly T[], index: number): T {
  const value = list[index]
  if (value === undefined) throw new MalformedRecord('unknown code in a record')
  return value
}

function writeOptional(writer: ByteWriter, bytes: Uint8Array | undefined): void {
  writer.u8(bytes === undefined ? 0 : 1)
  if (bytes !== undefined) writer.block(bytes)
}

function readOptional(reader: ByteReader): Uint8Array | undefined {
  return reader.u8() === 0 ? undefined : reader.block()
}

export function writeMark(writer: ByteWriter, note: AttemptNote): void {
  writer.u64(note.sequence)
  writer.text(note.group)
  writeOptional(writer, note.info)
}

export function readMark(reader: ByteReader): AttemptNote {
  const sequence = reader.u64()
  const group = reader.text()
  const info = readOptional(reader)
  return { sequence, group, ...(info === undefined ? {} : { info }) }
}

export function writeSnapshot(writer: ByteWriter, base: Base, state: SnapshotState): void {
  writeBase(writer, base, base.header)
  writer.u8(STATES.indexOf(state.state))
  writer.u8(state.deadReason === undefined ? 0 : REASONS.indexOf(state.deadReason) + 1)
  writer.u32(state.attempts)
  writer.f64(state.dueAt ?? Number.NaN)
  writer.f64(state.troubledSince ?? Number.NaN)
  writer.f64(state.settledAt ?? Number.NaN)
  writer.u32(state.payloadBytes)
  writer.u8((state.markOpen ? 1 : 0) | (state.mark === undefined ? 0 : 2))
  if (state.mark !== undefined) writeMark(writer, state.mark)
  writeOptional(writer, state.note)
}

function readSnapshotState(reader: ByteReader): SnapshotState {
  const state = pick(STATES, reader.u8())
  const reason = reader.u8()
  const attempts = reader.u32()
  const dueAt = reader.f64()
  const troubledSince = reader.f64()
  const settledAt = reader.f64()
  const payloadBytes = reader.u32()
  const flags = reader.u8()
  const mark = (flags & 2) === 0 ? undefined : readMark(reader)
  const note = readOptional(reader)
  return {
    state,
    ...(reason === 0 ? {} : { deadReason: pick(REASONS, reason - 1) }),
    attempts,
    ...(Number.isNaN(dueAt) ? {} : { dueAt }),
    ...(Number.isNaN(troubledSince) ? {} : { troubledSince }),
    ...(Number.isNaN(settledAt) ? {} : { settledAt }),
    payloadBytes,
    ...(mark === undefined ? {} : { mark }),
    markOpen: (flags & 1) !== 0,
    ...(note === undefined ? {} : { note }),
  }
}

export function writeMarks(writer: ByteWriter, notes: readonly AttemptNote[]): void {
  writer.u32(notes.length)
  for (const note of notes) writeMark(writer, note)
}

/** `withNotes`: `false` writes an empty note in the place of each. */
export function writeSettlements(
  writer: ByteWriter,
  settlements: readonly Settlement[],
  withNotes = true,
): void {
  writer.u32(settlements.length)
  for (const settlement of settlements) {
    const returns = settlement.outcome === 'waiting' || settlement.outcome === 'unknown'
    const { note } = settlement
    writer.u64(settlement.sequence)
    writer.u8(OUTCOMES.indexOf(settlement.outcome))
    writer.u8(returns && settlement.spent ? 1 : 0)
    writer.f64(returns ? settlement.delayMs : 0)
    writeOptional(writer, withNotes || note === undefined ? note : NOTHING)
    writeOptional(writer, settlement.outcome === 'delivered' ? settlement.receiptHash : undefined)
  }
}

function readSettlement(reader: ByteReader): Settlement {
  const sequence = reader.u64()
  const outcome = pick(OUTCOMES, reader.u8())
  const spent = reader.u8() === 1
  const delayMs = reader.f64()
  const note = readOptional(reader)
  const receiptHash = readOptional(reader)
  if (outcome === 'waiting' || outcome === 'unknown') {
    return { sequence, outcome, spent, delayMs, ...(note === undefined ? {} : { note }) }
  }
  if (outcome === 'delivered') {
    return {
      sequence,
      outcome,
      ...(note === undefined ? {} : { note }),
      ...(receiptHash === undefined ? {} : { receiptHash }),
    }
  }
  if (note === undefined) throw new MalformedRecord('a dead letter without a note')
  return { sequence, outcome, note }
}

/** With `corrected`, the frame is from now on where the entry is read from; its data is the payload. */
export function writeDecision(
  writer: ByteWriter,
  kind: Decision['kind'],
  note: Uint8Array,
  corrected: Base | undefined,
): void {
  writer.u8(KINDS.indexOf(kind))
  writer.block(note)
  writer.u8(corrected === undefined ? 0 : 1)
  if (corrected !== undefined) writeBase(writer, corrected, corrected.header)
}

/** How many entries were settled and then forgotten over the life of the store. */
export interface Forgotten {
  readonly delivered: number
  readonly discarded: number
}

export function writeRetired(writer: ByteWriter, totals: Forgotten, sequences: readonly number[]): void {
  writer.u64(totals.delivered)
  writer.u64(totals.discarded)
  writer.u32(sequences.length)
  for (const sequence of sequences) writer.u64(sequence)
}

export function writeState(writer: ByteWriter, firstSegment: number, totals: Forgotten): void {
  writer.u32(firstSegment)
  writer.u64(totals.delivered)
  writer.u64(totals.discarded)
}

export function writeLanes(writer: ByteWriter, lanes: readonly (readonly [string, Uint8Array])[]): void {
  writer.u32(lanes.length)
  for (const [lane, hash] of lanes) {
    writer.text(lane)
    writer.block(hash)
  }
}

/** A stretch of a segment that could not be read and was dealt with. */
export interface Gap {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

export function writeGap(writer: ByteWriter, gap: Gap): void {
  writer.u32(gap.segment)
  writer.u32(gap.offset)
  writer.u32(gap.length)
}

export type LogRecord =
  | { readonly type: typeof ENTRY; readonly base: Base }
  | { readonly type: typeof SNAPSHOT; readonly base: Base; readonly state: SnapshotState }
  | { readonly type: typeof MARK; readonly marks: readonly AttemptNote[] }
  | { readonly type: typeof SETTLE; readonly settlements: readonly Settlement[] }
  | {
      readonly type: typeof DECIDE
      readonly kind: Decision['kind']
      readonly note: Uint8Array
      readonly corrected?: Base
    }
  | { readonly type: typeof NOTE; readonly name: string; readonly version: number }
  | { readonly type: typeof LANES; readonly lanes: readonly (readonly [string, Uint8Array])[] }
  | { readonly type: typeof RETIRE; readonly totals: Forgotten; readonly sequences: readonly number[] }
  | { readonly type: typeof STATE; readonly firstSegment: number; readonly totals: Forgotten }
  | { readonly type: typeof GAP; readonly gap: Gap }
  | { readonly type: typeof CLOSE }
  | { readonly type: typeof FOOTER }

function many<T>(reader: ByteReader, read: () => T): T[] {
  const list: T[] = []
  for (let left = reader.u32(); left > 0; left--) list.push(read())
  return list
}

/** Throws `MalformedRecord`, and returns `undefined` for a type this version does not know. */
export function decodeRecord(type: number, meta: Uint8Array): LogRecord | undefined {
  const reader = byteReader(meta)
  const totals = (): Forgotten => ({ delivered: reader.u64(), discarded: reader.u64() })
  switch (type) {
    case ENTRY:
      return { type, base: readBase(reader) }
    case SNAPSHOT: {
      const base = readBase(reader)
      return { type, base, state: readSnapshotState(reader) }
    }
    case MARK:
      return { type, marks: many(reader, () => readMark(reader)) }
    case SETTLE:
      return { type, settlements: many(reader, () => readSettlement(reader)) }
    case DECIDE: {
      const kind = pick(KINDS, reader.u8())
      const note = reader.block()
      return reader.u8() === 0 ? { type, kind, note } : { type, kind, note, corrected: readBase(reader) }
    }
    case NOTE: {
      const name = reader.text()
      return { type, name, version: reader.u64() }
    }
    case LANES:
      return {
        type,
        lanes: many(reader, () => {
          const lane = reader.text()
          return [lane, reader.block()] as const
        }),
      }
    case RETIRE: {
      const counts = totals()
      return { type, totals: counts, sequences: many(reader, () => reader.u64()) }
    }
    case STATE: {
      const firstSegment = reader.u32()
      return { type, firstSegment, totals: totals() }
    }
    case GAP: {
      const segment = reader.u32()
      const offset = reader.u32()
      return { type, gap: { segment, offset, length: reader.u32() } }
    }
    case CLOSE:
    case FOOTER:
      return { type }
    default:
      return undefined
  }
}

/** The meta bytes of a record without what only callers read: headers and notes become empty. */
export function writeRecordWithoutContent(writer: ByteWriter, record: LogRecord): void {
  switch (record.type) {
    case ENTRY:
      return writeBase(writer, record.base, NOTHING)
    case SNAPSHOT: {
      const { note, ...state } = record.state
      return writeSnapshot(
        writer,
        { ...record.base, header: NOTHING },
        note === undefined ? state : { ...state, note: NOTHING },
      )
    }
    case MARK:
      return writeMarks(writer, record.marks)
    case SETTLE:
      return writeSettlements(writer, record.settlements, false)
    case DECIDE: {
      const { corrected } = record
      const base = corrected === undefined ? undefined : { ...corrected, header: NOTHING }
      return writeDecision(writer, record.kind, NOTHING, base)
    }
    case NOTE:
      writer.text(record.name)
      writer.u64(record.version)
      return
    case LANES:
      return writeLanes(writer, record.lanes)
    case RETIRE:
      return writeRetired(writer, record.totals, record.sequences)
    case STATE:
      return writeState(writer, record.firstSegment, record.totals)
    case GAP:
      return writeGap(writer, record.gap)
    case CLOSE:
    case FOOTER:
  }
}

/** What an entry is, when the record says so. */
export function baseOf(record: LogRecord | undefined): Base | undefined {
  if (record === undefined) return undefined
  if (record.type === ENTRY || record.type === SNAPSHOT) return record.base
  return record.type === DECIDE ? record.corrected : undefined
}
