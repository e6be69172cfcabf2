import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createColumn, readColumn, writeColumn } from '../src/internal/column.js'
import { createRows, NONE } from '../src/lane-index/rows.js'
import { DELIVERED, FORGOTTEN, stateCodes, WAITING } from '../src/lane-index/states.js'

describe('column', () => {
  it('keeps any numbers, whatever width they need', () => {
    const number = fc.oneof(
      fc.nat(3),
      fc.nat(300),
      fc.nat(70_000),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, min: -1e9, max: 1e9 }),
    )
    const writes = fc.array(fc.tuple(fc.nat(15), number), { maxLength: 40 })
    fc.assert(
      fc.property(writes, fc.option(fc.constant(0), { nil: undefined }), (all, base) => {
        const column = createColumn(base)
        const plain = new Map<number, number>()
        for (const [at, value] of all) {
          writeColumn(column, at, value, 16)
          plain.set(at, value)
          for (const [known, expected] of plain) expect(readColumn(column, known)).toBeCloseTo(expected, 5)
        }
      }),
    )
  })

  it('takes no bytes while all values are the same', () => {
    const column = createColumn()
    for (let at = 0; at < 100; at++) writeColumn(column, at, 12_345, 100)
    expect(column.data).toBeUndefined()
    writeColumn(column, 7, 12_400, 100)
    expect(column.data).toBeInstanceOf(Uint8Array)
  })
})

describe('rows', () => {
  const content = { appendedAt: 0, location: 0, gate: 0 }
  const all = Array.from({ length: stateCodes }, (_, code) => code !== FORGOTTEN)
  const delivered = Array.from({ length: stateCodes }, (_, code) => code === DELIVERED)

  it('are found, listed and dropped in chunks, with gaps in the sequences and in what is left', () => {
    const rows = createRows()
    const known = new Map<number, { readonly row: number; readonly bytes: number; state: number }>()
    let sequence = 0
    let random = 1
    const next = (below: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
      return (random >>> 8) % below
    }
    for (let count = 0; count < 40_000; count++) {
      sequence += count % 5000 < 4000 ? 1 : 1 + next(9)
      const bytes = next(100_000)
      const row = rows.add({ ...content, sequence, payloadBytes: bytes, lane: next(3) }, WAITING)
      known.set(sequence, { row, bytes, state: WAITING })
      // One in two hundred stays, as dead letters and held entries do.
      if (next(200) === 0) continue
      const old = sequence - next(3000)
      const entry = known.get(old)
      if (entry === undefined) continue
      rows.setState(entry.row, FORGOTTEN)
      known.delete(old)
    }
    for (const [at, { row, bytes }] of known) {
      expect(rows.find(at)).toBe(row)
      expect([rows.sequence(row), rows.payloadBytes(row), rows.state(row)]).toEqual([at, bytes, WAITING])
    }
    const listed: number[] = []
    for (let row = rows.search(rows.after(0), all, undefined); row !== NONE;) {
      listed.push(rows.sequence(row))
      row = rows.search(row + 1, all, undefined)
    }
    expect(listed).toEqual([...known.keys()])
    const middle = listed[listed.length >> 1] ?? 0
    expect(rows.sequence(rows.search(rows.after(middle), all, undefined))).toBe(
      listed[(listed.length >> 1) + 1],
    )
    expect(rows.find(sequence + 1)).toBe(NONE)
    expect(rows.search(rows.after(sequence), all, undefined)).toBe(NONE)

    // A rare state is found without looking at every row.
    const rare = known.get(middle)
    if (rare !== undefined) rows.setState(rare.row, DELIVERED)
    expect(rows.search(0, delivered, undefined)).toBe(rare?.row)
    const lane = rows.lane(rare?.row ?? 0)
    expect(rows.search(0, delivered, lane)).toBe(rare?.row)
    expect(rows.search(0, delivered, lane + 1)).toBe(NONE)
  })

  it('keep a place while they are linked, and give it up afterwards', () => {
    const rows = createRows()
    const numbers = Array.from({ length: 10_000 }, (_, at) =>
      rows.add({ ...content, sequence: at + 1, payloadBytes: 1, lane: 0 }, WAITING),
    )
    const [first = 0, second = 0] = numbers
    rows.link(first)
    rows.setNext(first, 9000)
    for (const row of numbers) rows.setState(row, FORGOTTEN)
    expect([rows.isLinked(first), rows.next(first), rows.find(1)]).toEqual([true, 9000, NONE])
    expect([rows.isLinked(second), rows.find(2)]).toEqual([false, NONE])
    rows.unlink(first)
    expect(rows.isLinked(first)).toBe(false)
    expect(rows.search(0, all, undefined)).toBe(NONE)
    const last = rows.add({ ...content, sequence: 20_000, payloadBytes: 1, lane: 0 }, WAITING)
    expect([rows.find(20_000), last]).toEqual([last, 10_000])
  })
})
