import type { LaneIndex, Settlement } from '@fhir-outbox/queue-core'
import { copier } from './copier.js'
import { type KeyTable, keyTable } from './key-table.js'
import { segmentOf } from './location.js'
import type { Forgotten } from './records.js'

export interface Settled {
  readonly at: number
  readonly delivered: boolean
  location: number
}

/** What is remembered about an entry that had trouble or was settled, beside the index. */
export interface Extra {
  readonly lane: string
  /** Where the frame with its last note is; absent while that frame is on its way to the file. */
  noteAt: number | undefined
  /** The note itself, while it is on its way. */
  noteBytes: Uint8Array | undefined
  /** Set once it is delivered or discarded. */
  settled: Settled | undefined
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
  index: LaneIndex
  keys: KeyTable
  readonly extras: Map<number, Extra>
  readonly chains: Map<string, ChainEnd>
  readonly notes: Map<string, NamedNote>
  readonly segments: Map<number, SegmentFacts>
  forgotten: Forgotten

  /** An entry begins to be known: its key, its bytes. */
  learn(entry: {
    readonly sequence: number
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
  /**
   * Remembers the notes and hashes of settlements that are at a location, or copies of them while they are on their
   * way there: call `arrived` then.
   */
  noted(settlements: readonly Settlement[], lane: string, at: number): void
  notedOnTheWay(settlements: readonly Settlement[], lane: string): { arrived(at: number): void }
  /** Forgets everything but the segments, and goes on with an index that knows no entry. */
  reset(index: LaneIndex, forgotten: Forgotten): void
  /** Forgets settled entries beyond the retention; returns their sequences. */
  retire(retention: { readonly maxAgeMs: number; readonly maxCount: number }, now: number): readonly number[]
}

export function createCatalog(first: LaneIndex): Catalog {
  const extras = new Map<number, Extra>()
  const chains = new Map<string, ChainEnd>()
  const segments = new Map<number, SegmentFacts>()

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

  const freshKeys = (): KeyTable => keyTable((sequence) => catalog.index.entry(sequence, 0) !== undefined)

  const catalog: Catalog = {
    index: first,
    keys: freshKeys(),
    extras,
    chains,
    notes: new Map(),
    segments,
    forgotten: { delivered: 0, discarded: 0 },

    learn: ({ sequence, keyHash, payloadBytes, location }) => {
      if (keyHash !== undefined) catalog.keys.add(keyHash, sequence)
      put(location, payloadBytes + OVERHEAD)
    },
    moved: (sequence, payloadBytes, location, now) => {
      const entry = catalog.index.entry(sequence, now)
      if (entry === undefined) return
      const isSettled = entry.state === 'delivered' || entry.state === 'discarded'
      take(entry.location, (isSettled ? 0 : entry.payloadBytes) + OVERHEAD)
      put(location, (isSettled ? 0 : payloadBytes) + OVERHEAD)
      const settled = extras.get(sequence)?.settled
      if (settled !== undefined) settled.location = location
      catalog.index.relocate(sequence, location)
    },
    settled: (sequence, delivered, at) => {
      const entry = catalog.index.entry(sequence, 0)
      if (entry === undefined) return
      take(entry.location, entry.payloadBytes)
      catalog.extra(sequence, entry.lane).settled = {
        at,
        delivered,
        location: entry.location,
      }
    },
    extra: (sequence, lane) => {
      const known = extras.get(sequence)
      if (known !== undefined) return known
      const fresh: Extra = { lane, noteAt: undefined, noteBytes: undefined, settled: undefined }
      extras.set(sequence, fresh)
      return fresh
    },
    noted: (settled, lane, at) => {
      for (const settlement of settled) {
        if (settlement.note !== undefined) {
          const extra = catalog.extra(settlement.sequence, lane)
          extra.noteAt = at
          extra.noteBytes = undefined
        }
        if (settlement.outcome !== 'delivered' || settlement.receiptHash === undefined) continue
        chains.set(lane, { hash: settlement.receiptHash.slice(), segment: segmentOf(at) })
      }
    },
    notedOnTheWay: (settled, lane) => {
      const copy = copier(settled.reduce((sum, { note }) => sum + (note?.length ?? 0), 0))
      const noted: Extra[] = []
      const notes: Uint8Array[] = []
      let chain: ChainEnd | undefined
      for (const settlement of settled) {
        if (settlement.note !== undefined) {
          const extra = catalog.extra(settlement.sequence, lane)
          extra.noteAt = undefined
          extra.noteBytes = copy(settlement.note)
          noted.push(extra)
          notes.push(extra.noteBytes)
        }
        if (settlement.outcome !== 'delivered' || settlement.receiptHash === undefined) continue
        chain = { hash: settlement.receiptHash.slice(), segment: Infinity }
      }
      if (chain !== undefined) chains.set(lane, chain)
      return {
        arrived: (at) => {
          // What has another note since, or none, is left as it is.
          for (const [index, extra] of noted.entries()) {
            if (extra.noteBytes !== notes[index]) continue
            extra.noteBytes = undefined
            extra.noteAt = at
          }
          if (chain?.segment === Infinity) chain.segment = segmentOf(at)
        },
      }
    },
    reset: (index, forgotten) => {
      index.restoreForgotten(forgotten)
      catalog.index = index
      catalog.keys = freshKeys()
      catalog.forgotten = forgotten
      for (const map of [extras, chains, catalog.notes]) map.clear()
      for (const facts of segments.values()) facts.total = facts.live = 0
    },
    retire: (retention, now) => {
      const sequences = catalog.index.retire(retention, now)
      let { delivered, discarded } = catalog.forgotten
      for (const sequence of sequences) {
        catalog.keys.forget(sequence)
        const extra = extras.get(sequence)
        if (extra?.settled === undefined) continue
        extras.delete(sequence)
        take(extra.settled.location, OVERHEAD)
        if (extra.settled.delivered) delivered++
        else discarded++
        if (!catalog.index.hasLane(extra.lane)) chains.delete(extra.lane)
      }
      catalog.forgotten = { delivered, discarded }
      return sequences
    },
  }
  return catalog
}
