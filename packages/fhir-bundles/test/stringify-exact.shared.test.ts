import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decimal, stringifyExact, toPlainJson } from '../src/index.js'
import { codeOf } from './fixtures.js'

describe('stringifyExact', () => {
  test('prints decimals with their digits, anywhere', () => {
    expect(stringifyExact({ a: decimal('2.0'), b: [decimal('-0.050'), decimal('1e2')] })).toBe(
      '{"a":2.0,"b":[-0.050,100]}',
    )
    expect(stringifyExact(decimal('37.0'))).toBe('37.0')
  })

  test('is JSON.stringify for everything without decimals', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect(stringifyExact(value)).toBe(JSON.stringify(value))
        expect(stringifyExact(value, 2)).toBe(JSON.stringify(value, null, 2))
      }),
    )
  })

  test('is JSON.stringify for every text', () => {
    // Halves of characters, too.
    const anyUnit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))
    fc.assert(
      fc.property(fc.string({ unit: anyUnit }), (text) => {
        expect(stringifyExact({ [text]: text })).toBe(JSON.stringify({ [text]: text }))
      }),
    )
    expect(stringifyExact('\ud800 \u2028 "\\\n')).toBe(JSON.stringify('\ud800 \u2028 "\\\n'))
  })

  test('leaves out members that are undefined', () => {
    expect(stringifyExact({ a: undefined, b: 1 })).toBe('{"b":1}')
    expect(stringifyExact({ a: undefined })).toBe('{}')
  })

  test.each([
    ['undefined in an array', [undefined]],
    ['a hole', Array.from({ length: 0 }).concat(Object.assign([], { length: 1 }))],
    ['undefined itself', undefined],
    ['NaN', { value: Number.NaN }],
    ['an infinity', [Number.POSITIVE_INFINITY]],
    ['a bare bigint', { value: 1n }],
    ['a function', { run: () => 1 }],
    ['a date', { at: new Date(0) }],
    ['a map', new Map()],
  ])('refuses %s', (_, value) => {
    expect(codeOf(() => stringifyExact(value))).toBe('ERR_NOT_SERIALIZABLE')
  })

  test('refuses a cycle, takes one object twice', () => {
    const shared = { value: decimal('1.0') }
    expect(stringifyExact([shared, shared])).toBe('[{"value":1.0},{"value":1.0}]')
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    expect(codeOf(() => stringifyExact(circle))).toBe('ERR_NOT_SERIALIZABLE')
  })

  test('the plain form has numbers', () => {
    expect(toPlainJson({ value: decimal('2.50'), text: 'x', none: undefined })).toEqual({
      value: 2.5,
      text: 'x',
    })
  })
})
