import { createHeap, type Heap } from '../internal/heap.js'
import type { AttemptNote } from '../storage-port.js'
import { createLaneTable, type LaneTable } from './lane-table.js'
import { createRows, type Rows } from './rows.js'
import { createSettledQueue, type SettledQueue } from './settled-queue.js'

/** What only some entries have: a history, a delay, a mark, something to wait for. */
export interface Details {
  attempts: number
  dueAt: number
  /** The delay counts only while the index is in the same epoch: see `hurry`. */
  dueEpoch: number
  troubledSince: number | undefined
  mark: AttemptNote | undefined
  markedAt: number
  /** The last mark was not followed by a settlement yet. */
  markOpen: boolean
  after: readonly number[]
  /** Those of `after` that are not delivered. */
  blockers: number[]
  /** How many of the blockers are dead, discarded or quarantined. */
  stopped: number
}

export interface LeaseRecord {
  readonly id: string
  readonly lane: number
  readonly gate: Gate
  readonly remaining: Set<number>
  expiresAt: number
  heapAt: number
}

/** A destination and the lanes whose head is meant for it. */
export interface Gate {
  readonly id: number
  readonly name: string
  readonly ready: Heap<number>
  readonly delayed: Heap<number>
}

export interface Totals {
  accepted: number
  waiting: number
  leased: number
  unknown: number
  held: number
  delivered: number
  dead: number
  discarded: number
  quarantined: number
  bytes: number
  lanes: number
}

/** Everything the index is made of. The files beside this one are functions over it. */
export interface IndexState {
  readonly owner: string
  readonly rows: Rows
  readonly lanes: LaneTable
  readonly details: Map<number, Details>
  /** Who is after an entry that is not delivered. */
  readonly dependants: Map<number, number[]>
  readonly gates: Gate[]
  readonly gateByName: Map<string, Gate>
  readonly leases: Map<string, LeaseRecord>
  readonly leaseOfLane: Map<number, LeaseRecord>
  /** Row of the last redriven entry of a lane: where the search for the next one's place starts. */
  readonly fingers: Map<number, number>
  readonly expiries: Heap<LeaseRecord>
  readonly settled: SettledQueue
  readonly totals: Totals
  /** No delayed lane is due before. */
  nextDue: number
  tick: number
  epoch: number
  leaseCount: number
  lastSequence: number
}

export function createIndexState(owner: string, lastSequence: number): IndexState {
  return {
    owner,
    rows: createRows(),
    lanes: createLaneTable(),
    details: new Map(),
    dependants: new Map(),
    gates: [],
    gateByName: new Map(),
    leases: new Map(),
    leaseOfLane: new Map(),
    fingers: new Map(),
    expiries: createHeap({
      before: (a, b) => a.expiresAt < b.expiresAt,
      at: (lease) => lease.heapAt,
      moved(lease, at) {
        lease.heapAt = at
      },
    }),
    settled: createSettledQueue(),
    totals: {
      accepted: 0,
      waiting: 0,
      leased: 0,
      unknown: 0,
      held: 0,
      delivered: 0,
      dead: 0,
      discarded: 0,
      quarantined: 0,
      bytes: 0,
      lanes: 0,
    },
    nextDue: Infinity,
    tick: 0,
    epoch: 0,
    leaseCount: 0,
    lastSequence,
  }
}

/** The details of an entry, made when it had none. */
export function detailsOf(state: IndexState, sequence: number): Details {
  const known = state.details.get(sequence)
  if (known !== undefined) return known
  const fresh: Details = {
    attempts: 0,
    dueAt: 0,
    dueEpoch: 0,
    troubledSince: undefined,
    mark: undefined,
    markedAt: 0,
    markOpen: false,
    after: [],
    blockers: [],
    stopped: 0,
  }
  state.details.set(sequence, fresh)
  return fresh
}

/** When an entry is due; 0 when it is not delayed. */
export function dueAtOf(state: IndexState, details: Details | undefined): number {
  return details === undefined || details.dueEpoch !== state.epoch ? 0 : details.dueAt
}

/** When the head of a lane is due. */
export function headDueAt(state: IndexState, lane: number): number {
  const sequence = state.rows.sequence(state.lanes.head(lane))
  return dueAtOf(state, state.details.get(sequence))
}

/** The least recently leased lane first, of those never leased the one with the oldest head. */
export function goesFirst({ lanes }: IndexState, a: number, b: number): boolean {
  const [tickA, tickB] = [lanes.lastLeased(a), lanes.lastLeased(b)]
  // Rows are in order of sequence.
  return tickA === tickB ? lanes.head(a) < lanes.head(b) : tickA < tickB
}

export function gateNamed(state: IndexState, name: string): Gate {
  const known = state.gateByName.get(name)
  if (known !== undefined) return known
  const position = {
    at: (lane: number) => state.lanes.heapAt(lane),
    moved: (lane: number, at: number) => state.lanes.setHeapAt(lane, at),
  }
  const gate: Gate = {
    id: state.gates.length,
    name,
    ready: createHeap({ before: (a, b) => goesFirst(state, a, b), ...position }),
    delayed: createHeap({ before: (a, b) => headDueAt(state, a) < headDueAt(state, b), ...position }),
  }
  state.gates.push(gate)
  state.gateByName.set(name, gate)
  return gate
}
