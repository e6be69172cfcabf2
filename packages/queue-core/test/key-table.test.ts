import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyIndex, keyTable } from '@fhir-outbox/queue-core'

describe('keyTable', () => {
  it('finds what was added and not removed, whatever the order', () => {
    const change = fc.record({ key: fc.nat(300), add: fc.boolean(), far: fc.boolean() })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 600, size: 'max' }), (changes) => {
        const table = keyTable()
        const known = new Map<string, Set<number>>()
        let sequence = 0
        for (const { key: number, add, far } of changes) {
          const key = `key ${number}`
          const all = known.get(key) ?? new Set()
          if (add) {
            // Beyond 32 bits, too.
            sequence += far ? 2 ** 33 : 1
            table.add(key, sequence)
            known.set(key, all.add(sequence))
          } else {
            const [first = 1] = all
            table.remove(key, first)
            all.delete(first)
          }
          expect(table.candidates(key)).toEqual(expect.arrayContaining([...all]))
        }
        for (const [key, all] of known) {
          expect(table.find(key, (candidate) => all.has(candidate))).toEqual(
            all.size === 0 ? undefined : Math.min(...all),
          )
        }
      }),
      { numRuns: 50 },
    )
  })

  it('finds every one of many, and few others', () => {
    const table = keyTable()
    const count = 20_000
    for (let sequence = 1; sequence <= count; sequence++) table.add(`k${sequence}`, sequence)
    let found = 0
    for (let sequence = 1; sequence <= count; sequence++) {
      const candidates = table.candidates(`k${sequence}`)
      expect(candidates).toContain(sequence)
      found += candidates.length
    }
    expect(found).toBeLessThan(count * 1.01)
    for (let sequence = 1; sequence <= count; sequence++) table.remove(`k${sequence}`, sequence)
    for (let sequence = 1; sequence <= count; sequence += 1000) {
      expect(table.candidates(`k${sequence}`)).toEqual([])
    }
  })
})

describe('keyIndex', () => {
  const keys = new Map<number, string>()
  it.each([
    ['keeping the keys', () => keyIndex()],
    ['asking for them', () => keyIndex((sequence) => keys.get(sequence))],
  ])('finds the lowest entry with a key, %s', (_how, create) => {
    const index = create()
    const add = (key: string, sequence: number): void => {
      keys.set(sequence, key)
      index.add(key, sequence)
    }
    add('a', 5)
    add('b', 6)
    add('a', 7)
    expect([index.find('a'), index.find('b'), index.find('c')]).toEqual([5, 6, undefined])
    index.remove('a', 5)
    index.remove('a', 99)
    index.remove('c', 1)
    expect(index.find('a')).toBe(7)
    index.remove('a', 7)
    expect(index.find('a')).toBeUndefined()
  })

  it('is not fooled by keys with the same hash', () => {
    const index = keyIndex()
    const seen = new Map<number, string>()
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      seen.set(sequence, `k${sequence}`)
      index.add(`k${sequence}`, sequence)
    }
    for (const [sequence, key] of seen) expect(index.find(key)).toBe(sequence)
    for (let number = 1; number <= 20_000; number++) expect(index.find(`other ${number}`)).toBeUndefined()
  })
})
