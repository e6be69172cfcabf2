import type { Loinc, NumericRow, Rows } from './row.js'
import type { UnitGroup } from '../units.js'

const scale = 528399
const analyser = 528404

const row = (
  specialization: number,
  mdc: number,
  display: string,
  text: string,
  units: UnitGroup,
  loinc: readonly Loinc[] = [],
): NumericRow => ({ kind: 'numeric', mdc, display, loinc, text, specialization, units })

/** Scale and body composition analyser. Lean mass of LOINC is not the fat-free mass measured here, so it has none. */
export const scaleRows: Rows<
  | 'body-weight'
  | 'body-height'
  | 'body-mass-index'
  | 'body-fat'
  | 'fat-free-mass'
  | 'soft-lean-mass'
  | 'body-water-mass'
  | 'muscle-percentage'
  | 'muscle-mass'
  | 'basal-metabolism'
  | 'body-impedance',
  NumericRow
> = {
  'body-weight': {
    ...row(scale, 188736, 'MDC_MASS_BODY_ACTUAL', 'Body weight', 'mass', [
      { code: '29463-7', display: 'Body weight' },
    ]),
    vitalSign: true,
  },
  'body-height': {
    ...row(scale, 188740, 'MDC_LEN_BODY_ACTUAL', 'Body height', 'length', [
      { code: '8302-2', display: 'Body height' },
    ]),
    vitalSign: true,
  },
  'body-mass-index': {
    ...row(scale, 188752, 'MDC_RATIO_MASS_BODY_LEN_SQ', 'Body mass index', 'body-mass-index', [
      { code: '39156-5', display: 'Body mass index (BMI) [Ratio]' },
    ]),
    vitalSign: true,
    derivedFrom: ['body-weight', 'body-height'],
  },
  'body-fat': row(analyser, 188748, 'MDC_BODY_FAT', 'Body fat', 'percent', [
    { code: '41982-0', display: 'Percentage of body fat Measured' },
  ]),
  'fat-free-mass': row(analyser, 188756, 'MDC_MASS_BODY_FAT_FREE', 'Fat-free mass', 'mass'),
  'soft-lean-mass': row(analyser, 188760, 'MDC_MASS_BODY_SOFT_LEAN', 'Soft lean mass', 'mass'),
  'body-water-mass': row(analyser, 188764, 'MDC_BODY_WATER', 'Body water mass', 'mass'),
  'muscle-percentage': row(analyser, 188772, 'MDC_BODY_MUSCLE', 'Muscle', 'percent'),
  'muscle-mass': row(analyser, 188776, 'MDC_MASS_BODY_MUSCLE', 'Muscle mass', 'mass'),
  'basal-metabolism': row(analyser, 188768, 'MDC_BASAL_METABOLISM', 'Basal metabolism', 'energy'),
  'body-impedance': row(analyser, 188780, 'MDC_BODY_ELECTRICAL_IMPEDANCE', 'Body impedance', 'impedance'),
}
