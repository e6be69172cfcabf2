import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { byteReader, byteWriter, MalformedRecord } from '../src/internal/bytes.js'
import { crc32c } from '../src/internal/crc32c.js'
import { decodeCheckpoint, encodeCheckpoint } from '../src/internal/checkpoint-format.js'
import { beginFrame, encodeSegmentHeader, endFrame, sealFrame, seedOf } from '../src/internal/frame.js'
import { keyHash, keyTable } from '../src/internal/key-table.js'
import { ENTRY, writeBase } from '../src/internal/records.js'
import { bytes } from './support/tools.js'

function hex(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

describe('CRC-32C', () => {
  // Test vectors of RFC 3720, appendix B.4.
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['ascending', Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
    ['descending', Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
    ['check value', bytes('123456789'), 0xe3069283],
  ])('of %s', (_name, data, expected) => {
    expect(crc32c(data)).toBe(expected)
  })

  it('can be continued at any point', () => {
    const data = Uint8Array.from({ length: 100 }, (_, at) => (at * 37) % 251)
    for (let cut = 0; cut <= data.length; cut++) {
      expect(crc32c(data, crc32c(data, 0, 0, cut), cut)).toBe(crc32c(data))
    }
  })
})

describe('bytes', () => {
  it('keep every string, lone surrogates included', () => {
    for (const value of ['', 'a', 'ä€𝄞', '\u0000', '\ud800', 'x\udc00y', '\ufeffbom']) {
      const writer = byteWriter(1)
      writer.text(value)
      expect(byteReader(writer.view()).text()).toBe(value)
    }
  })

  it('survive growing at any write', () => {
    for (let initial = 1; initial < 40; initial++) {
      const writer = byteWriter(initial)
      writer.u8(1)
      writer.u16(2)
      writer.u32(3)
      writer.u64(4)
      writer.f64(5)
      writer.text('six')
      writer.block(Uint8Array.of(7))
      const reader = byteReader(writer.view())
      expect([reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.f64(), reader.text()]).toEqual([
        1,
        2,
        3,
        4,
        5,
        'six',
      ])
      expect(reader.block()).toEqual(Uint8Array.of(7))
      expect(reader.left).toBe(0)
    }
  })

  it('keep numbers up to the largest safe integer', () => {
    const writer = byteWriter(1)
    for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) writer.u64(value)
    const reader = byteReader(writer.view())
    expect([reader.u64(), reader.u64(), reader.u64(), reader.u64(), reader.u64()]).toEqual([
      0,
      1,
      2 ** 32 - 1,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
    ])
    expect(() => reader.u8()).toThrow(MalformedRecord)
  })
})

/** The bytes of an example in the documentation of the format. */
function documented(example: number): string {
  const page = readFileSync(new URL('../../../docs/formats/segment-log.md', import.meta.url), 'utf8')
  const found = [...page.matchAll(/```hex\n([\s\S]*?)```/g)][example]?.[1] ?? ''
  return found.replaceAll(/^\w{4}: /gm, '').replaceAll(/\s/g, '')
}

describe('the documented example', () => {
  it('of a checkpoint is what the code writes, and reads', () => {
    const content = {
      at: 1_700_000_000_000,
      generation: 1,
      nextSequence: 8,
      last: { segment: 1, end: 400 },
      forgotten: { delivered: 7, discarded: 0 },
      segments: [{ segment: 1, end: 400, seed: 0x01020304, total: 512, live: 256 }],
      lanes: [],
      chains: [],
      notes: [{ name: 'n', version: 2, location: 2 ** 32 + 128 }],
      extras: [],
      keys: [],
      index: [Uint8Array.of(1, 2, 3, 4)],
    }
    const encoded = encodeCheckpoint(content)
    expect(documented(1)).toBe(hex(encoded))
    expect(decodeCheckpoint(encoded)).toEqual(content)
    expect(decodeCheckpoint(encoded.slice(0, -1))).toBeUndefined()
  })

  it('is what the code writes', () => {
    const salt = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const header = encodeSegmentHeader({
      version: 2,
      segment: 1,
      generation: 1,
      previous: 0,
      previousEnd: 0,
      nextSequence: 1,
      salt,
      createdAt: 1_700_000_000_000,
    })
    const writer = byteWriter()
    const base = {
      appendedAt: 1_700_000_000_000,
      lane: 'l',
      gate: 'g',
      key: 'k',
      after: [],
      header: bytes('h'),
    }
    const start = beginFrame(writer, ENTRY, false, 1, 1_700_000_000_000)
    writeBase(writer, base, base.header)
    endFrame(writer, start, bytes('hello'))
    sealFrame(writer, start, 128, { seed: seedOf(salt), generation: 1, syncedTo: 128 })
    expect(documented(0)).toBe(hex(header) + hex(writer.view()))
  })
})

describe('the key table', () => {
  it('finds every key over many groups, lets forgotten ones go, and survives being saved', () => {
    const known = new Set<number>()
    const table = keyTable((sequence) => known.has(sequence))
    for (let sequence = 1; sequence <= 100_000; sequence++) {
      known.add(sequence)
      table.add(keyHash(`key-${sequence}`), sequence)
      if (sequence <= 1000 || sequence % 10_000 === 0) continue
      known.delete(sequence - 1000)
      table.forget(sequence - 1000)
    }
    const kept = table.dump().reduce((sum, { hashes }) => sum + hashes.length, 0)
    expect(kept).toBeLessThan(40_000)
    table.add(keyHash('key-100000'), 100_001)
    const loaded = keyTable((sequence) => known.has(sequence))
    loaded.load(table.dump())
    for (const each of [table, loaded]) {
      for (const sequence of known) expect(each.candidates(`key-${sequence}`)).toContain(sequence)
      expect(each.candidates('key-100000')).toEqual([100_000, 100_001])
      expect(each.candidates('absent')).toEqual([])
    }
    // What is added to the newest group does not hide what it held.
    loaded.add(keyHash('later'), 100_002)
    loaded.add(keyHash('next group'), 140_000)
    expect(loaded.candidates('later')).toEqual([100_002])
    expect(loaded.candidates('key-100000')).toEqual([100_000, 100_001])
    const small = keyTable(() => true)
    small.add(keyHash('first'), 1)
    const again = keyTable(() => true)
    again.load(small.dump())
    again.add(keyHash('second'), 2)
    again.add(keyHash('third'), 40_000)
    expect(['first', 'second', 'third'].map((key) => again.candidates(key))).toEqual([[1], [2], [40_000]])
  })
})
