import { createPagedColumn } from '../internal/column.js'
import { keyTable } from './key-table.js'
import { NONE } from './rows.js'

/** Where a lane sits: in no heap, or `2 * gate + DELAYED` or `+ READY`. */
export const NOWHERE = 0
export const DELAYED = 1
export const READY = 2

/** Lanes by number, as columns: some forty bytes each and the name. Numbers of lanes that are gone are used again. */
export interface LaneTable {
  /** The lane of that name, made when there was none. */
  named(name: string): number
  find(name: string): number | undefined
  name(lane: number): string
  remove(lane: number): void
  head(lane: number): number
  tail(lane: number): number
  /** Pending entries. */
  pending(lane: number): number
  /** Entries in any state. */
  known(lane: number): number
  /** Tick of the last lease, 0 for never. */
  lastLeased(lane: number): number
  /** Position in the heap it sits in. */
  heapAt(lane: number): number
  /** Which heap it sits in, or `NOWHERE`. */
  seat(lane: number): number
  receiptHash(lane: number): Uint8Array | undefined
  setHead(lane: number, row: number): void
  setTail(lane: number, row: number): void
  setPending(lane: number, count: number): void
  setKnown(lane: number, count: number): void
  setLastLeased(lane: number, tick: number): void
  setHeapAt(lane: number, at: number): void
  setSeat(lane: number, seat: number): void
  setReceiptHash(lane: number, hash: Uint8Array): void
}

export function createLaneTable(): LaneTable {
  const names: (string | undefined)[] = []
  const free: number[] = []
  const byName = keyTable()
  const heads = createPagedColumn()
  const tails = createPagedColumn()
  const pendings = createPagedColumn()
  const knowns = createPagedColumn()
  const ticks = createPagedColumn()
  const heapAts = createPagedColumn()
  const seats = createPagedColumn()
  const hashes = createHashes()

  const find = (name: string): number | undefined => {
    const number = byName.find(name, (candidate) => names[candidate - 1] === name)
    return number === undefined ? undefined : number - 1
  }

  return {
    named(name) {
      const known = find(name)
      if (known !== undefined) return known
      const lane = free.pop() ?? names.length
      names[lane] = name
      byName.add(name, lane + 1)
      for (const column of [heads, tails, pendings, knowns, ticks, heapAts, seats]) column.set(lane, 0)
      return lane
    },
    find,
    name: (lane) => names[lane] ?? '',
    remove(lane) {
      const name = names[lane]
      if (name === undefined) return
      byName.remove(name, lane + 1)
      names[lane] = undefined
      hashes.remove(lane)
      free.push(lane)
    },
    // Rows are kept one higher, so that 0 says that there is none.
    head: (lane) => heads.get(lane) + NONE,
    tail: (lane) => tails.get(lane) + NONE,
    pending: (lane) => pendings.get(lane),
    known: (lane) => knowns.get(lane),
    lastLeased: (lane) => ticks.get(lane),
    heapAt: (lane) => heapAts.get(lane),
    seat: (lane) => seats.get(lane),
    receiptHash: (lane) => hashes.get(lane),
    setHead: (lane, row) => heads.set(lane, row - NONE),
    setTail: (lane, row) => tails.set(lane, row - NONE),
    setPending: (lane, count) => pendings.set(lane, count),
    setKnown: (lane, count) => knowns.set(lane, count),
    setLastLeased: (lane, tick) => ticks.set(lane, tick),
    setHeapAt: (lane, at) => heapAts.set(lane, at),
    setSeat: (lane, seat) => seats.set(lane, seat),
    setReceiptHash: (lane, hash) => hashes.set(lane, hash),
  }
}

const hashLength = 32
const hashesInPage = 256

/** SHA-256 hashes side by side; anything of another length is kept as it is. */
function createHashes(): {
  get(lane: number): Uint8Array | undefined
  set(lane: number, hash: Uint8Array): void
  remove(lane: number): void
} {
  const pages: (Uint8Array | undefined)[] = []
  const others = new Map<number, Uint8Array>()
  const present = createPagedColumn()

  const pageOf = (lane: number): number => Math.floor(lane / hashesInPage)
  const startOf = (lane: number): number => (lane % hashesInPage) * hashLength

  return {
    get(lane) {
      if (present.get(lane) === 0) return others.get(lane)?.slice()
      return pages[pageOf(lane)]?.slice(startOf(lane), startOf(lane) + hashLength)
    },
    set(lane, hash) {
      if (hash.length !== hashLength) {
        present.set(lane, 0)
        others.set(lane, hash.slice())
        return
      }
      const page = (pages[pageOf(lane)] ??= new Uint8Array(hashesInPage * hashLength))
      page.set(hash, startOf(lane))
      present.set(lane, 1)
      others.delete(lane)
    },
    remove(lane) {
      present.set(lane, 0)
      others.delete(lane)
    },
  }
}
