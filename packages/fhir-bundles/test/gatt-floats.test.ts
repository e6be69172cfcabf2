import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { floatOf, floatWord, sfloatOf, sfloatWord } from '../src/gatt/index.js'
import { decimal, decimalText, isDecimal } from '../src/index.js'

describe('SFLOAT', () => {
  test('every word is read, and written again as it was', () => {
    let specials = 0
    for (let word = 0; word <= 0xffff; word += 1) {
      const value = sfloatOf(word)
      if (isDecimal(value)) {
        const exponent = word >> 12
        const mantissa = word & 0xfff
        expect(value.exponent).toBe(exponent > 7 ? exponent - 16 : exponent)
        expect(Number(value.mantissa)).toBe(mantissa > 2047 ? mantissa - 4096 : mantissa)
      } else specials += 1
      if (sfloatWord(value) !== word) throw new Error(`The word ${word.toString(16)} is written otherwise`)
    }
    expect(specials).toBe(5)
  })

  test.each([
    [0x0072, '114'],
    [0xf172, '37.0'],
    [0x0000, '0'],
    [0xf000, '0.0'],
    [0xffff, '-0.1'],
    [0xb070, '0.00112'],
    [0x1002, '20'],
    [0x8001, '0.00000001'],
    [0x77fd, '20450000000'],
  ])('%i is %s', (word, text) => {
    const value = sfloatOf(word)
    expect(isDecimal(value) && decimalText(value)).toBe(text)
  })

  test.each([
    ['too many digits', decimal(2048, 0)],
    ['too many digits below zero', decimal(-2049, 0)],
    ['too large an exponent', decimal(1, 8)],
    ['too small an exponent', decimal(1, -9)],
    ['NaN in disguise', decimal(2047, 0)],
    ['NRes in disguise', decimal(-2048, 0)],
  ])('%s is refused', (_, value) => {
    expect(() => sfloatWord(value)).toThrow(RangeError)
  })
})

describe('FLOAT', () => {
  test('every word is read, and written again as it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (word) => {
        expect(floatWord(floatOf(word))).toBe(word)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    [0xff000172, '37.0'],
    [0xfe000e42, '36.50'],
    [0x01000002, '20'],
    [0xffffffff, '-0.1'],
    [0x007ffffd, '8388605'],
  ])('%i is %s', (word, text) => {
    const value = floatOf(word)
    expect(isDecimal(value) && decimalText(value)).toBe(text)
  })
})
