import type { SimulatedKind } from '@fhir-outbox/fhir-bundles/simulate'

/** One value of a reading: an Observation, or a component of one, by its MDC code (ISO/IEEE 11073-10101). */
export interface Column {
  readonly label: string
  readonly unit: string
  readonly code: string
  readonly component?: string
}

export interface PlotChoice {
  /** Indexes of columns. */
  readonly columns: readonly number[]
  /** What the plot shows at least. */
  readonly range: readonly [number, number]
  readonly height: number
}

/** A kind of reading: what measures it, what it consists of, how it is plotted. */
export interface Kind {
  readonly id: SimulatedKind
  readonly name: string
  readonly device: string
  readonly hint: string
  /** A reading without the first is none. */
  readonly columns: readonly [Column, ...Column[]]
  readonly plots: readonly PlotChoice[]
}

const pulse = (code: string): Column => ({ label: 'Pulse', unit: 'per minute', code })

export const bloodPressure: Kind = {
  id: 'blood-pressure-cuff',
  name: 'Blood pressure',
  device: 'Cuff',
  hint: 'An upper-arm monitor: blood pressure and pulse.',
  columns: [
    { label: 'Systolic', unit: 'mmHg', code: '150020', component: '150021' },
    { label: 'Diastolic', unit: 'mmHg', code: '150020', component: '150022' },
    pulse('149546'),
  ],
  plots: [
    { columns: [0, 1], range: [50, 160], height: 280 },
    { columns: [2], range: [45, 100], height: 150 },
  ],
}

export const kinds: readonly Kind[] = [
  bloodPressure,
  {
    id: 'glucometer',
    name: 'Glucose',
    device: 'Glucometer',
    hint: 'A meter for capillary blood; it also tells the meal and where the blood came from.',
    columns: [{ label: 'Glucose', unit: 'mg/dL', code: '160184' }],
    plots: [{ columns: [0], range: [60, 200], height: 280 }],
  },
  {
    id: 'scale',
    name: 'Weight',
    device: 'Scale',
    hint: 'A body scale that knows its user’s height.',
    columns: [
      { label: 'Weight', unit: 'kg', code: '188736' },
      { label: 'BMI', unit: 'kg/m²', code: '188752' },
    ],
    plots: [
      { columns: [0], range: [50, 100], height: 280 },
      { columns: [1], range: [18, 32], height: 150 },
    ],
  },
  {
    id: 'thermometer',
    name: 'Temperature',
    device: 'Thermometer',
    hint: 'A clinical thermometer.',
    columns: [{ label: 'Temperature', unit: '°C', code: '188428' }],
    plots: [{ columns: [0], range: [35.5, 39], height: 280 }],
  },
  {
    id: 'oximeter',
    name: 'Oxygen',
    device: 'Oximeter',
    hint: 'A finger clip for spot checks: oxygen saturation and pulse.',
    columns: [{ label: 'Saturation', unit: '%', code: '150456' }, pulse('149530')],
    plots: [
      { columns: [0], range: [85, 100], height: 280 },
      { columns: [1], range: [45, 100], height: 150 },
    ],
  },
  {
    id: 'heart-rate-strap',
    name: 'Heart rate',
    device: 'Heart-rate strap',
    hint: 'A chest strap: heart rate and the time between beats. It has no clock.',
    columns: [{ label: 'Heart rate', unit: 'per minute', code: '147842' }],
    plots: [{ columns: [0], range: [50, 160], height: 280 }],
  },
]

/** Codes of everything that is shown, for a search. */
export const shownCodes: readonly string[] = [
  ...new Set(kinds.flatMap(({ columns }) => columns.map(({ code }) => code))),
]
