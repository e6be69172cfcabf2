import { createHeap, type Heap, type HeapItem } from '../internal/heap.js'
import type { AttemptNote } from '../storage-port.js'
import { createColumns, NONE, type Columns } from './columns.js'

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

export interface LeaseRecord extends HeapItem {
  readonly id: string
  readonly lane: Lane
  readonly remaining: Set<number>
  expiresAt: number
}

export interface Lane extends HeapItem {
  readonly id: number
  readonly name: string
  head: number
  tail: number
  /** Slot of the last redriven entry: where the search for the next one's place starts. */
  finger: number
  /** Pending entries. */
  pending: number
  /** Entries in any state. */
  known: number
  lease: LeaseRecord | undefined
  /** Tick of the last lease, 0 for never. */
  lastLeased: number
  lastReceiptHash: Uint8Array | undefined
  /** The heap the lane sits in: the ready lanes of a gate, or the delayed ones. */
  heap: Heap<Lane> | undefined
  /** When the head is due, while in the heap of delayed lanes. */
  dueAt: number
  /** Sequence of the head, while in a heap: ties go to the older one. */
  headSequence: number
}

export interface Gate {
  readonly id: number
  readonly name: string
  readonly ready: Heap<Lane>
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
  readonly columns: Columns
  readonly details: Map<number, Details>
  /** Who is after an entry that is not delivered. */
  readonly dependants: Map<number, number[]>
  readonly lanes: (Lane | undefined)[]
  readonly freeLanes: number[]
  readonly laneByName: Map<string, Lane>
  readonly gates: Gate[]
  readonly gateByName: Map<string, Gate>
  readonly delayed: Heap<Lane>
  readonly leases: Map<string, LeaseRecord>
  readonly expiries: Heap<LeaseRecord>
  /** Settled entries in order of settlement. */
  readonly settled: { sequence: number; at: number }[]
  /** How many of `settled` were consumed. */
  settledFrom: number
  readonly totals: Totals
  tick: number
  epoch: number
  leaseCount: number
  lastSequence: number
}

export function createIndexState(owner: string): IndexState {
  return {
    owner,
    columns: createColumns(64),
    details: new Map(),
    dependants: new Map(),
    lanes: [],
    freeLanes: [],
    laneByName: new Map(),
    gates: [],
    gateByName: new Map(),
    delayed: createHeap((a, b) => a.dueAt < b.dueAt),
    leases: new Map(),
    expiries: createHeap((a, b) => a.expiresAt < b.expiresAt),
    settled: [],
    settledFrom: 0,
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
    tick: 0,
    epoch: 0,
    leaseCount: 0,
    lastSequence: 0,
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

export function laneNamed(state: IndexState, name: string): Lane {
  const known = state.laneByName.get(name)
  if (known !== undefined) return known
  const lane: Lane = {
    id: state.freeLanes.pop() ?? state.lanes.length,
    name,
    head: NONE,
    tail: NONE,
    finger: NONE,
    pending: 0,
    known: 0,
    lease: undefined,
    lastLeased: 0,
    lastReceiptHash: undefined,
    heap: undefined,
    heapAt: -1,
    dueAt: 0,
    headSequence: 0,
  }
  state.lanes[lane.id] = lane
  state.laneByName.set(name, lane)
  return lane
}

export function gateNamed(state: IndexState, name: string): Gate {
  const known = state.gateByName.get(name)
  if (known !== undefined) return known
  const gate: Gate = {
    id: state.gates.length,
    name,
    ready: createHeap((a, b) =>
      a.lastLeased === b.lastLeased ? a.headSequence < b.headSequence : a.lastLeased < b.lastLeased,
    ),
  }
  state.gates.push(gate)
  state.gateByName.set(name, gate)
  return gate
}
