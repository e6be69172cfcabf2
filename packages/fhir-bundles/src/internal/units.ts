import { type Decimal, multiplyDecimals } from '../decimal.js'

/** A UCUM code with our own text for people; the guide's examples misprint theirs. */
export type Unit = { readonly code: string; readonly text: string }

/** How a value in one unit becomes a value in the unit that leaves: not at all, by its exponent, or by a factor. */
export type Conversion = { readonly unit: Unit; readonly shift?: number; readonly factor?: Decimal }

export type UnitGroup =
  | 'pressure'
  | 'beats'
  | 'breaths'
  | 'rotations'
  | 'percent'
  | 'dimensionless'
  | 'temperature'
  | 'mass'
  | 'length'
  | 'body-mass-index'
  | 'energy'
  | 'impedance'
  | 'glucose'
  | 'glucose-rate'
  | 'food'
  | 'dose'
  | 'interval'
  | 'voltage'
  | 'flow'
  | 'volume'
  | 'distance'
  | 'speed'
  | 'power'
  | 'minutes'
  | 'inr'

const unit = (code: string, text: string = code): Unit => ({ code, text })
const MMHG = unit('mm[Hg]', 'mmHg')
const CM = unit('cm')
const MG_DL = unit('mg/dL')
const MMOL_L = unit('mmol/L')
const GRAM = unit('g')
const MG = unit('mg')
const ML = unit('mL')
/** 7.50062 mmHg are one kPa. */
const MMHG_PER_KPA: Decimal = { mantissa: 750_062n, exponent: -5 }

const asIs = (...units: readonly Unit[]): Readonly<Record<string, Conversion>> =>
  Object.fromEntries(units.map((one) => [one.code, { unit: one }]))

/**
 * The units a measurement may arrive in. Those that the R4 vital signs profiles allow stay; the others are converted,
 * by the exponent where that is exact.
 */
export const UNIT_GROUPS: Readonly<Record<UnitGroup, Readonly<Record<string, Conversion>>>> = {
  pressure: { ...asIs(MMHG), kPa: { unit: MMHG, factor: MMHG_PER_KPA } },
  beats: asIs(unit('/min', 'beats/minute')),
  breaths: asIs(unit('/min', 'breaths/minute')),
  rotations: asIs(unit('/min', '1/minute')),
  percent: asIs(unit('%')),
  dimensionless: asIs(unit('1')),
  temperature: asIs(unit('Cel', '°C'), unit('[degF]', '°F')),
  mass: asIs(unit('kg'), unit('g'), unit('[lb_av]', 'lb')),
  length: { ...asIs(CM, unit('[in_i]', 'in')), m: { unit: CM, shift: 2 } },
  'body-mass-index': asIs(unit('kg/m2', 'kg/m²')),
  energy: asIs(unit('kJ'), unit('kcal')),
  impedance: asIs(unit('Ohm', 'Ω')),
  glucose: {
    ...asIs(MG_DL, MMOL_L),
    'kg/L': { unit: MG_DL, shift: 5 },
    'mol/L': { unit: MMOL_L, shift: 3 },
  },
  'glucose-rate': asIs(unit('mg/dL/min')),
  food: { ...asIs(GRAM), kg: { unit: GRAM, shift: 3 } },
  dose: { ...asIs(MG, ML), kg: { unit: MG, shift: 6 }, L: { unit: ML, shift: 3 } },
  interval: { ...asIs(unit('ms')), s: { unit: unit('ms'), shift: 3 } },
  voltage: asIs(unit('mV')),
  flow: asIs(unit('L/min')),
  volume: asIs(unit('L')),
  distance: asIs(unit('m')),
  speed: asIs(unit('m/s')),
  power: asIs(unit('W')),
  minutes: asIs(unit('min', 'minutes')),
  inr: asIs(unit('{INR}', 'INR')),
}

export function conversionOf(group: UnitGroup, code: string): Conversion | undefined {
  const choices = UNIT_GROUPS[group]
  return Object.hasOwn(choices, code) ? choices[code] : undefined
}

/**
 * Converts exactly, then rounds to the resolution of the input: one kPa is more than one mmHg, so the input can
 * be found again and no digit is invented.
 */
export function convert(value: Decimal, { shift, factor }: Conversion): Decimal {
  if (shift !== undefined) return { mantissa: value.mantissa, exponent: value.exponent + shift }
  return factor === undefined ? value : multiplyDecimals(value, factor, value.exponent)
}
