/** What a state of a measurement does to its Observation. */
export type StatusRow = {
  readonly status?: 'preliminary' | 'entered-in-error'
  readonly absent?: 'error' | 'not-performed'
  readonly interpretation?: string
  readonly test?: true
  readonly note?: string
  /** Not measured but set on the device: the Observation is about the device. */
  readonly setting?: true
}

export const STATUSES = {
  invalid: { status: 'entered-in-error', absent: 'error' },
  'not-available': { absent: 'not-performed' },
  early: { status: 'preliminary', interpretation: 'early-indication' },
  ongoing: { interpretation: 'msmt-ongoing' },
  calibrating: { interpretation: 'calibration-ongoing' },
  questionable: { interpretation: 'questionable' },
  validated: { interpretation: 'validated-data' },
  'in-alarm': { interpretation: 'in-alarm' },
  'alarm-inhibited': { interpretation: 'alarm-inhibited' },
  test: { test: true },
  demo: { test: true },
  manual: { note: 'Entered by hand' },
  setting: { setting: true },
} as const

export type MeasurementStatus = keyof typeof STATUSES

export function statusRow(status: MeasurementStatus): StatusRow {
  return STATUSES[status]
}

/** Special values of IEEE 11073 floats; none of them is a number. */
export const SPECIAL_VALUES = {
  NaN: { code: 'not-a-number', display: 'Not a Number (NaN)' },
  '+INFINITY': { code: 'positive-infinity', display: 'Positive Infinity (PINF)' },
  '-INFINITY': { code: 'negative-infinity', display: 'Negative Infinity (NINF)' },
  NRes: { code: 'error', display: 'Error' },
  RESERVED: { code: 'error', display: 'Error' },
} as const

export type SpecialValue = keyof typeof SPECIAL_VALUES
