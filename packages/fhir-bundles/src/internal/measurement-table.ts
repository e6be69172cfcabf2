import type { UNIT_CHOICES } from './units.js'

/**
 * One row per measurement: what it is called in a reading, how it is coded, in which units it may come. Another
 * measurement of a known kind is another row, and nothing else.
 */
type RowBase = {
  readonly mdc: number
  readonly display?: string
  readonly loinc: readonly { readonly code: string; readonly display: string }[]
  readonly text: string
  /** The device specialisation assumed when the device names none. */
  readonly specialization: number
  readonly vitalSign: boolean
}
export type NumericRow = RowBase & { readonly kind: 'numeric'; readonly units: keyof typeof UNIT_CHOICES }
export type ComponentRow = {
  readonly mdc: number
  readonly display: string
  readonly loinc: readonly { readonly code: string; readonly display: string }[]
  readonly text: string
  readonly required: boolean
}
export type CompoundRow = RowBase & {
  readonly kind: 'compound'
  readonly units: keyof typeof UNIT_CHOICES
  readonly components: Readonly<Record<string, ComponentRow>>
}
export type BitsRow = RowBase & {
  readonly kind: 'bits'
  /** Bit number by name; `display` where the guide shows the official one. */
  readonly bits: Readonly<
    Record<string, { readonly bit: number; readonly text: string; readonly display?: string }>
  >
  /** The measurement of the same reading that the bits speak about. */
  readonly derivedFrom: string
}
export type MeasurementRow = NumericRow | CompoundRow | BitsRow

export const MEASUREMENTS = {
  'blood-pressure': {
    kind: 'compound',
    mdc: 150020,
    display: 'MDC_PRESS_BLD_NONINV',
    loinc: [{ code: '85354-9', display: 'Blood pressure panel with all children optional' }],
    text: 'Blood pressure',
    specialization: 528391,
    vitalSign: true,
    units: 'pressure',
    components: {
      systolic: {
        mdc: 150021,
        display: 'MDC_PRESS_BLD_NONINV_SYS',
        loinc: [{ code: '8480-6', display: 'Systolic blood pressure' }],
        text: 'Systolic blood pressure',
        required: true,
      },
      diastolic: {
        mdc: 150022,
        display: 'MDC_PRESS_BLD_NONINV_DIA',
        loinc: [{ code: '8462-4', display: 'Diastolic blood pressure' }],
        text: 'Diastolic blood pressure',
        required: true,
      },
      mean: {
        mdc: 150023,
        display: 'MDC_PRESS_BLD_NONINV_MEAN',
        loinc: [{ code: '8478-0', display: 'Mean blood pressure' }],
        text: 'Mean blood pressure',
        required: false,
      },
    },
  },
  'pulse-rate': {
    kind: 'numeric',
    mdc: 149546,
    display: 'MDC_PULS_RATE_NON_INV',
    loinc: [{ code: '8867-4', display: 'Heart rate' }],
    text: 'Pulse rate',
    specialization: 528391,
    vitalSign: true,
    units: 'per-minute',
  },
  'blood-pressure-status': {
    kind: 'bits',
    mdc: 8410608,
    display: 'MDC_BLOOD_PRESSURE_MEASUREMENT_STATUS',
    loinc: [],
    text: 'Blood pressure measurement status',
    specialization: 528391,
    vitalSign: false,
    derivedFrom: 'blood-pressure',
    bits: {
      'body-movement': { bit: 0, text: 'Body movement', display: 'body-movement' },
      'cuff-too-loose': { bit: 1, text: 'Cuff too loose' },
      'irregular-pulse': { bit: 2, text: 'Irregular pulse' },
      'pulse-rate-above-range': { bit: 3, text: 'Pulse rate above range' },
      'pulse-rate-below-range': { bit: 4, text: 'Pulse rate below range' },
      'improper-body-position': { bit: 5, text: 'Improper body position', display: 'improper-body-position' },
    },
  },
} as const

export type MeasurementType = keyof typeof MEASUREMENTS

/** The row as the generic type, for code that treats all rows alike. */
export function rowOf(type: MeasurementType): MeasurementRow {
  return MEASUREMENTS[type]
}
