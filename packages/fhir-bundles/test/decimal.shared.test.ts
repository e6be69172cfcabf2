import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decimal, decimalText, isDecimal } from '../src/index.js'
import { addDecimals, multiplyDecimals, rescaleDecimal, roundDecimal } from '../src/decimal.js'
import { codeOf } from './fixtures.js'

const anyDecimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: -60, max: 60 }))
  .map(([mantissa, exponent]) => decimal(mantissa, exponent))

describe('decimal', () => {
  test.each([
    ['2.0', 20n, -1],
    ['2.00', 200n, -2],
    ['2', 2n, 0],
    ['-0.05', -5n, -2],
    ['0.0', 0n, -1],
    ['1.5e3', 15n, 2],
    ['1E-2', 1n, -2],
    ['12345678901234567890.123456789', 12345678901234567890123456789n, -9],
  ])('reads %s digit by digit', (text, mantissa, exponent) => {
    expect(decimal(text)).toEqual({ mantissa, exponent })
  })

  test.each([
    [20n, -1, '2.0'],
    [200n, -2, '2.00'],
    [2n, 2, '200'],
    [2n, 0, '2'],
    [-5n, -2, '-0.05'],
    [5n, -3, '0.005'],
    [0n, -1, '0.0'],
    [370n, -1, '37.0'],
    [1234n, 0, '1234'],
  ])('prints %s × 10^%s as %s', (mantissa, exponent, text) => {
    expect(decimalText({ mantissa, exponent })).toBe(text)
  })

  test.each([
    '',
    ' 1',
    '1 ',
    '01',
    '.5',
    '5.',
    '+1',
    '1e',
    '0x10',
    'NaN',
    '1,5',
    '1e400',
    '9'.repeat(257),
    '1e-200',
  ])('refuses %j', (text) => {
    expect(codeOf(() => decimal(text))).toBe('ERR_INVALID_DECIMAL')
  })

  test('refuses mantissas that a number does not hold exactly', () => {
    expect(codeOf(() => decimal(0.1, 0))).toBe('ERR_INVALID_DECIMAL')
    expect(codeOf(() => decimal(2 ** 53, 0))).toBe('ERR_INVALID_DECIMAL')
    expect(decimal(120, 0)).toEqual({ mantissa: 120n, exponent: 0 })
  })

  test('plain JSON.stringify throws on a decimal rather than losing its digits', () => {
    expect(() => JSON.stringify({ value: decimal('2.0') })).toThrow(TypeError)
  })

  test('knows its own kind', () => {
    expect(isDecimal(decimal('1'))).toBe(true)
    for (const other of [
      1,
      '1',
      null,
      { mantissa: 1, exponent: 0 },
      { mantissa: 1n },
      { mantissa: 1n, exponent: 0.5 },
    ]) {
      expect(isDecimal(other)).toBe(false)
    }
  })

  test('text → decimal → text keeps every digit', () => {
    const text = fc
      .tuple(
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 20 }),
        fc.boolean(),
      )
      .map(
        ([whole, fraction, minus]) =>
          `${minus && whole !== 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`,
      )
    fc.assert(
      fc.property(text, (written) => {
        expect(decimalText(decimal(written))).toBe(written)
      }),
    )
  })

  test('decimal → text → decimal keeps the value, and the precision of fractions', () => {
    fc.assert(
      fc.property(anyDecimal, (value) => {
        const back = decimal(decimalText(value))
        expect(back.exponent).toBe(Math.min(0, value.exponent))
        expect(back.mantissa).toBe(value.mantissa * 10n ** BigInt(value.exponent - back.exponent))
      }),
    )
  })

  test('sums and products are exact', () => {
    fc.assert(
      fc.property(anyDecimal, anyDecimal, (a, b) => {
        // One common scale in plain integers is an independent way to add.
        const scaled = ({ mantissa, exponent }: typeof a): bigint => mantissa * 10n ** BigInt(exponent + 200)
        expect(scaled(addDecimals(a, b))).toBe(scaled(a) + scaled(b))
        expect(multiplyDecimals(a, b, -400)).toEqual({
          mantissa: a.mantissa * b.mantissa,
          exponent: a.exponent + b.exponent,
        })
      }),
    )
  })

  test('rounds half away from zero', () => {
    expect(decimalText(roundDecimal(decimal('0.25'), -1))).toBe('0.3')
    expect(decimalText(roundDecimal(decimal('-0.25'), -1))).toBe('-0.3')
    expect(decimalText(roundDecimal(decimal('0.24999'), -1))).toBe('0.2')
    expect(decimalText(roundDecimal(decimal('12'), -1))).toBe('12')
    expect(decimalText(rescaleDecimal(decimal('1'), -3))).toBe('1.000')
  })
})
