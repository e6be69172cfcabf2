import type { Packer, Unpacker } from './packer.js'

export type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array

/**
 * A column of numbers that takes as many bytes as its values need: none while all are the same, else 1, 2, 4
 * or 8 each, counted from a base.
 */
export interface Column {
  /** Without one, the first value written becomes it. */
  base: number | undefined
  /** Differences to the base; absent while all are 0. */
  data: Numbers | undefined
  /** The greatest difference that fits; -1 when anything does. */
  limit: number
}

/** `base` should be the smallest value to expect, or be left out for values that grow. */
export function createColumn(base?: number): Column {
  return { base, data: undefined, limit: 0 }
}

export function readColumn(column: Column, at: number): number {
  const { data, base = 0 } = column
  return data === undefined ? base : (data[at] ?? 0) + base
}

/** Values that were never written read as the base. `length` is that of the whole column. */
export function writeColumn(column: Column, at: number, value: number, length: number): void {
  column.base ??= value
  const difference = value - column.base
  const { limit } = column
  // Whole numbers from 0 up to the limit; the shift is the cheapest way to ask.
  if (limit !== -1 && !(difference >>> 0 === difference && difference <= limit)) {
    widen(column, difference, length)
  }
  if (column.data !== undefined) column.data[at] = value - column.base
}

/** Only the first `used` values: nobody has written others. */
export function packColumn({ base, data, limit }: Column, used: number, into: Packer): void {
  into.number(base ?? NaN)
  into.number(limit)
  into.number(data === undefined ? 0 : 1)
  if (data !== undefined) into.numbers(data.subarray(0, used))
}

/** `length` is that of the whole column. `shift` is added to every value. */
export function unpackColumn(from: Unpacker, length: number, shift = 0): Column {
  const base = from.number()
  const limit = from.number()
  const data = from.count(1) === 0 ? undefined : from.numbers(length)
  return { base: Number.isNaN(base) ? undefined : base + shift, data, limit }
}

const widths = [
  [0xff, Uint8Array],
  [0xffff, Uint16Array],
  [0xffffffff, Uint32Array],
] as const

function widen(column: Column, difference: number, length: number): void {
  const { data, base = 0 } = column
  for (const [limit, wider] of widths) {
    if (limit <= column.limit || !(difference >>> 0 === difference && difference <= limit)) continue
    const bigger = new wider(length)
    if (data !== undefined) bigger.set(data)
    column.data = bigger
    column.limit = limit
    return
  }
  const whole = new Float64Array(length).fill(base)
  for (const [at, known] of (data ?? []).entries()) whole[at] = known + base
  column.base = 0
  column.data = whole
  column.limit = -1
}

const pageBits = 10
const pageLength = 1 << pageBits
const maxPages = 1 << (31 - pageBits)

/** A column of any length, by pages that find their own width. Never written is 0; for values from 0 up. */
export interface PagedColumn {
  get(at: number): number
  set(at: number, value: number): void
  readonly pages: readonly Column[]
}

export function packPagedColumn({ pages }: PagedColumn, into: Packer): void {
  into.number(pages.length)
  for (const page of pages) packColumn(page, pageLength, into)
}

export function unpackPagedColumn(from: Unpacker): PagedColumn {
  const pages = Array.from({ length: from.count(maxPages) }, () => unpackColumn(from, pageLength))
  return createPagedColumn(pages)
}

export function createPagedColumn(pages: Column[] = []): PagedColumn {
  return {
    get(at) {
      const page = pages[at >> pageBits]
      return page === undefined ? 0 : readColumn(page, at & (pageLength - 1))
    },
    set(at, value) {
      const number = at >> pageBits
      while (pages.length <= number) pages.push(createColumn(0))
      const page = pages[number]
      if (page !== undefined) writeColumn(page, at & (pageLength - 1), value, pageLength)
    },
    pages,
  }
}
