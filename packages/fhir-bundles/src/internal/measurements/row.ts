import type { UnitGroup } from '../units.js'

/**
 * One row per measurement: what it is called in a reading, how it is coded, in which units it may come. Another
 * measurement of a known kind is another row, and nothing else.
 *
 * Codes are those of the guide, its examples, the R4 profiles or a published mapping. Where sources disagree or a
 * code is only near, the MDC coding stands alone: a wrong code is worse than none.
 */
type RowBase = {
  readonly mdc: number
  /** Reference identifier of the MDC code. */
  readonly display?: string
  readonly loinc?: readonly Loinc[]
  readonly text: string
  /** The device specialisation assumed when the device names none. */
  readonly specialization: number
  /** An R4 vital sign: LOINC, unit and category are fixed, the subject is the patient. */
  readonly vitalSign?: true
  /** Types of the same reading that this one is derived from. */
  readonly derivedFrom?: readonly string[]
}
export type Loinc = {
  readonly code: string
  readonly display?: string
  /** Some codes name a property: this one is for values that leave in this unit. */
  readonly unit?: string
}
export type NumericRow = RowBase & { readonly kind: 'numeric'; readonly units: UnitGroup }
export type ComponentRow = {
  readonly mdc: number
  readonly display: string
  readonly loinc: readonly Loinc[]
  readonly text: string
  readonly required: boolean
}
export type CompoundRow = RowBase & {
  readonly kind: 'compound'
  readonly units: UnitGroup
  readonly components: Readonly<Record<string, ComponentRow>>
}
export type CodedRow = RowBase & {
  readonly kind: 'coded'
  /** `mdc` is absent where public dictionaries disagree: the text stands alone. */
  readonly values: Readonly<
    Record<string, { readonly mdc?: number; readonly display?: string; readonly text: string }>
  >
}
export type BitsRow = RowBase & {
  readonly kind: 'bits'
  /** Bit number by name. Events are reported when they are set; a state is reported either way. */
  readonly bits: Readonly<
    Record<
      string,
      { readonly bit: number; readonly text: string; readonly display?: string; readonly state?: true }
    >
  >
}
export type SamplesRow = RowBase & { readonly kind: 'samples'; readonly units: UnitGroup }
export type StringRow = RowBase & { readonly kind: 'string' }
export type MeasurementRow = NumericRow | CompoundRow | CodedRow | BitsRow | SamplesRow | StringRow

export type Rows<T extends string, R extends MeasurementRow> = Readonly<Record<T, R>>
