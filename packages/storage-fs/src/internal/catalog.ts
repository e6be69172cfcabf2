import { laneIndex, type LaneIndex, type Settlement } from '@fhir-outbox/queue-core'
import { type KeyTable, keyTable } from './key-table.js'
import { segmentOf } from './location.js'
import type { Forgotten } from './records.js'

export interface Settled {
  readonly at: number
  readonly delivered: boolean
  /** Counts settlements, because several may have the same time. */
  readonly order: number
  location: number
}

/** What is remembered about an entry that had trouble or was settled, beside the index. */
export interface Extra {
  readonly lane: string
  /** Where the frame with its last note is; absent while that frame is on its way to the file. */
  noteAt?: number
  /** The note itself, while it is on its way. */
  noteBytes?: Uint8Array
  /** Set once it is delivered or discarded. */
  settled?: Settled
}

/** The end of a lane's chain of receipts. */
export interface ChainEnd {
  readonly hash: Uint8Array
  /** Segment that holds the hash; Infinity while it is on its way to the file. */
  segment: number
}

export interface NamedNote {
  readonly version: number
  readonly location: number
}

export interface SegmentFacts {
  readonly size: number
  /** Weight of everything that was put into the segment, and of what is still needed. */
  total: number
  live: number
}

/** Bytes that would have to be copied to remove the segment; an estimate. */
export function liveBytes(facts: SegmentFacts): number {
  return facts.total === 0 ? 0 : (facts.size * facts.live) / facts.total
}

/** Weight of an entry besides its payload. Only proportions matter: see `liveBytes`. */
const OVERHEAD = 256

/** Everything the storage knows without reading. */
export interface Catalog {
  readonly index: LaneIndex
  readonly keys: KeyTable
  readonly extras: Map<number, Extra>
  /** How many entries of each lane are known. */
  readonly lanes: Map<string, number>
  readonly chains: Map<string, ChainEnd>
  readonly notes: Map<string, NamedNote>
  readonly segments: Map<number, SegmentFacts>
  forgotten: Forgotten

  /** An entry begins to be known: its lane, its key, its bytes. */
  learn(entry: {
    readonly sequence: number
    readonly lane: string
    /** See `keyHash`; absent when nobody knows the key. */
    readonly keyHash?: number
    readonly payloadBytes: number
    readonly location: number
  }): void
  /** Moves an entry to where its newest base record is. */
  moved(sequence: number, payloadBytes: number, location: number, now: number): void
  /** The entry was delivered or discarded: its payload is not needed any more. Call after the index knows. */
  settled(sequence: number, delivered: boolean, at: number): void
  extra(sequence: number, lane: string): Extra
  /** Remembers the notes and hashes of settlements; call before the index applies them. */
  noted(settlements: readonly Settlement[], lane: string, at: number | undefined): void
  /** Forgets settled entries beyond the retention; returns their sequences. */
  retire(retention: { readonly maxAgeMs: number; readonly maxCount: number }, now: number): readonly number[]
}

export function createCatalog(owner: string): Catalog {
  const index = laneIndex({ owner })
  const extras = new Map<number, Extra>()
  const lanes = new Map<string, number>()
  const chains = new Map<string, ChainEnd>()
  const segments = new Map<number, SegmentFacts>()
  let settlements = 0

  function put(location: number, weight: number): void {
    const facts = segments.get(segmentOf(location))
    if (facts === undefined) return
    facts.total += weight
    facts.live += weight
  }

  function take(location: number, weight: number): void {
    const facts = segments.get(segmentOf(location))
    if (facts !== undefined) facts.live = Math.max(0, facts.live - weight)
  }

  const catalog: Catalog = {
    index,
    keys: keyTable((sequence) => index.entry(sequence, 0) !== undefined),
    extras,
    lanes,
    chains,
    notes: new Map(),
    segments,
    forgotten: { delivered: 0, discarded: 0 },

    learn: ({ sequence, lane, keyHash, payloadBytes, location }) => {
      lanes.set(lane, (lanes.get(lane) ?? 0) + 1)
      if (keyHash !== undefined) catalog.keys.add(keyHash, sequence)
      put(location, payloadBytes + OVERHEAD)
    },
    moved: (sequence, payloadBytes, location, now) => {
      const entry = index.entry(sequence, now)
      if (entry === undefined) return
      const isSettled = entry.state === 'delivered' || entry.state === 'discarded'
      take(entry.location, (isSettled ? 0 : entry.payloadBytes) + OVERHEAD)
      put(location, (isSettled ? 0 : payloadBytes) + OVERHEAD)
      const settled = extras.get(sequence)?.settled
      if (settled !== undefined) settled.location = location
      index.relocate(sequence, location)
    },
    settled: (sequence, delivered, at) => {
      const entry = index.entry(sequence, 0)
      if (entry === undefined) return
      take(entry.location, entry.payloadBytes)
      catalog.extra(sequence, entry.lane).settled = {
        at,
        delivered,
        order: ++settlements,
        location: entry.location,
      }
    },
    extra: (sequence, lane) => {
      const known = extras.get(sequence)
      if (known !== undefined) return known
      const fresh: Extra = { lane }
      extras.set(sequence, fresh)
      return fresh
    },
    noted: (settled, lane, at) => {
      for (const settlement of settled) {
        if (settlement.note !== undefined) {
          const extra = catalog.extra(settlement.sequence, lane)
          delete extra.noteAt
          delete extra.noteBytes
          if (at === undefined) extra.noteBytes = settlement.note.slice()
          else extra.noteAt = at
        }
        if (settlement.outcome !== 'delivered' || settlement.receiptHash === undefined) continue
        if (!lanes.has(lane)) continue
        chains.set(lane, {
          hash: settlement.receiptHash.slice(),
          segment: at === undefined ? Infinity : segmentOf(at),
        })
      }
    },
    retire: (retention, now) => {
      const sequences = index.retire(retention, now)
      let { delivered, discarded } = catalog.forgotten
      for (const sequence of sequences) {
        catalog.keys.forget(sequence)
        const extra = extras.get(sequence)
        if (extra?.settled === undefined) continue
        extras.delete(sequence)
        take(extra.settled.location, OVERHEAD)
        if (extra.settled.delivered) delivered++
        else discarded++
        const known = (lanes.get(extra.lane) ?? 1) - 1
        if (known > 0) lanes.set(extra.lane, known)
        else {
          lanes.delete(extra.lane)
          chains.delete(extra.lane)
        }
      }
      catalog.forgotten = { delivered, discarded }
      return sequences
    },
  }
  return catalog
}
