import { decimal, type Decimal, multiplyDecimals } from '../decimal.js'

/** A UCUM code with our own text for people; the guide's examples misprint theirs. */
export type Unit = { readonly code: string; readonly text: string }

export const UNITS = {
  'mm[Hg]': { code: 'mm[Hg]', text: 'mmHg' },
  kPa: { code: 'kPa', text: 'kPa' },
  '/min': { code: '/min', text: 'beats/minute' },
} as const

/** A unit a measurement may arrive in, with the factor into the unit it leaves in. */
export type UnitChoice = { readonly unit: Unit; readonly factor?: Decimal }

/** The first choice is the one that leaves; the R4 vital signs profiles fix it. */
export const UNIT_CHOICES: Readonly<Record<'pressure' | 'per-minute', readonly UnitChoice[]>> = {
  pressure: [{ unit: UNITS['mm[Hg]'] }, { unit: UNITS.kPa, factor: decimal('7.50062') }],
  'per-minute': [{ unit: UNITS['/min'] }],
}

/**
 * Converts exactly, then rounds to the resolution of the input: one kPa is more than one mmHg, so the input can
 * be found again and no digit is invented.
 */
export function convert(value: Decimal, choice: UnitChoice): Decimal {
  return choice.factor === undefined ? value : multiplyDecimals(value, choice.factor, value.exponent)
}
