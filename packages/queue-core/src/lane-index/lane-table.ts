import {
  createPagedColumn,
  packPagedColumn,
  unpackPagedColumn,
  type PagedColumn,
} from '../internal/column.js'
import type { Packer, Unpacker } from '../internal/packer.js'
import { createKeyTable, packKeyTable, unpackKeyTable, type PackableKeyTable } from './key-table.js'
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
  /** How many numbers there are, those that are free included. */
  readonly size: number
  /** All but the heaps. */
  readonly content: LaneTableContent
}

interface LaneTableContent {
  /** Undefined where the number is free. */
  readonly names: (string | undefined)[]
  readonly byName: PackableKeyTable
  readonly columns: readonly [PagedColumn, PagedColumn, PagedColumn, PagedColumn, PagedColumn]
  readonly hashes: Hashes
}

const freed = 0xffffffff

export function packLaneTable({ content }: LaneTable, into: Packer): void {
  const { names, byName, columns, hashes } = content
  into.numbers(Uint32Array.from(names, (name) => name?.length ?? freed))
  into.text(names.join(''))
  packKeyTable(byName, into)
  for (const column of columns) packPagedColumn(column, into)
  packHashes(hashes, into)
}

export function unpackLaneTable(from: Unpacker): LaneTable {
  const lengths = from.array(Uint32Array)
  // One string, cut: to decode every name by itself would take longer than all the rest.
  const all = from.text()
  let at = 0
  const names = Array.from(lengths, (length) => {
    if (length === freed) return undefined
    at += length
    return all.slice(at - length, at)
  })
  if (at !== all.length) throw new RangeError('the names do not add up')
  const byName = unpackKeyTable(from)
  const column = (): PagedColumn => unpackPagedColumn(from)
  const columns = [column(), column(), column(), column(), column()] as const
  return createLaneTable({ names, byName, columns, hashes: unpackHashes(from) })
}

function emptyContent(): LaneTableContent {
  const column = (): PagedColumn => createPagedColumn()
  return {
    names: [],
    byName: createKeyTable(),
    columns: [column(), column(), column(), column(), column()],
    hashes: createHashes(),
  }
}

export function createLaneTable(content: LaneTableContent = emptyContent()): LaneTable {
  const { names, byName, columns, hashes } = content
  const [heads, tails, pendings, knowns, ticks] = columns
  const free: number[] = []
  for (const [lane, name] of names.entries()) if (name === undefined) free.push(lane)
  const heapAts = createPagedColumn()
  const seats = createPagedColumn()

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
    get size() {
      return names.length
    },
    content,
  }
}

const hashLength = 32
const hashesInPage = 256
const pageBytes = hashesInPage * hashLength

/** SHA-256 hashes side by side; anything of another length is kept as it is. */
interface Hashes {
  get(lane: number): Uint8Array | undefined
  set(lane: number, hash: Uint8Array): void
  remove(lane: number): void
  readonly pages: readonly (Uint8Array | undefined)[]
  readonly present: PagedColumn
  readonly others: ReadonlyMap<number, Uint8Array>
}

function packHashes({ pages, present, others }: Hashes, into: Packer): void {
  into.number(pages.length)
  for (const page of pages) into.bytes(page ?? new Uint8Array(0))
  packPagedColumn(present, into)
  into.number(others.size)
  for (const [lane, hash] of others) {
    into.number(lane)
    into.bytes(hash)
  }
}

function unpackHashes(from: Unpacker): Hashes {
  const pages = Array.from({ length: from.count(freed) }, () => {
    const page = from.bytes()
    if (page.length !== 0 && page.length !== pageBytes) throw new RangeError('a page of hashes is not whole')
    return page.length === 0 ? undefined : page
  })
  const present = unpackPagedColumn(from)
  const others = new Map<number, Uint8Array>()
  for (let left = from.count(freed); left > 0; left--) others.set(from.count(freed), from.bytes())
  return createHashes(pages, present, others)
}

function createHashes(
  pages: (Uint8Array | undefined)[] = [],
  present: PagedColumn = createPagedColumn(),
  others: Map<number, Uint8Array> = new Map(),
): Hashes {
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
      const page = (pages[pageOf(lane)] ??= new Uint8Array(pageBytes))
      page.set(hash, startOf(lane))
      present.set(lane, 1)
      others.delete(lane)
    },
    remove(lane) {
      present.set(lane, 0)
      others.delete(lane)
    },
    pages,
    present,
    others,
  }
}
