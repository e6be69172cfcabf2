import { isDecimal } from '../decimal.js'
import type { BitsMeasurement, CompoundMeasurement, MeasuredValue, Measurement } from '../reading.js'
import type {
  CodeableConcept,
  Identifier,
  ObservationComponent,
  ObservationResource,
  Quantity,
} from '../resources.js'
import { mdcConcept } from './build-device.js'
import { compact } from './check.js'
import {
  ACT_REASON,
  ASN1_BITS,
  COINCIDENT_EXTENSION,
  DATA_ABSENT_REASON,
  GATEWAY_EXTENSION,
  LOINC,
  MDC,
  MEASUREMENT_STATUS,
  OBSERVATION_CATEGORY,
  PHD_CATEGORY,
  phdProfile,
  UCUM,
} from './codes.js'
import { type BitsRow, type CompoundRow, type MeasurementRow, rowOf } from './measurement-table.js'
import { SPECIAL_VALUES, type StatusRow, statusRow } from './status-table.js'
import { effective, type PlacedTime } from './time-line.js'
import { convert, UNIT_CHOICES } from './units.js'

/** References an Observation needs; strings as they go into `reference`. */
export type ObservationContext = {
  readonly patient: string
  readonly device: string
  readonly gateway: string
  readonly coincidence: string | undefined
  readonly derivedFrom: string | undefined
  readonly time: PlacedTime
  readonly identifier: Identifier
}

const PROFILES: Readonly<Record<MeasurementRow['kind'], readonly string[]>> = {
  numeric: [phdProfile('PhdNumericObservation')],
  compound: [phdProfile('PhdCompoundNumericObservation'), phdProfile('PhdCompoundObservation')],
  bits: [phdProfile('PhdBitsEnumerationObservation')],
}

export function buildObservation(measurement: Measurement, context: ObservationContext): ObservationResource {
  const row = rowOf(measurement.type)
  const states = (measurement.status ?? []).map(statusRow)
  const value = buildValue(measurement, row, absentReason(states))
  const components = [...(value.component ?? []), ...supplementals(measurement)]
  return compact({
    resourceType: 'Observation' as const,
    meta: compact({
      profile: PROFILES[row.kind],
      security: states.some(({ test }) => test) ? [TEST_DATA] : undefined,
    }),
    extension: extensions(context),
    identifier: [context.identifier],
    status: strongestStatus(states),
    category: categories(row),
    code: code(row),
    subject: { reference: context.patient },
    ...compact(effectiveMembers(context.time, measurement)),
    valueQuantity: value.valueQuantity,
    dataAbsentReason: value.dataAbsentReason,
    interpretation: nonEmpty(states.flatMap(interpretation)),
    note: nonEmpty(states.flatMap(({ note }) => (note === undefined ? [] : [{ text: note }]))),
    device: { reference: context.device },
    derivedFrom: context.derivedFrom === undefined ? undefined : [{ reference: context.derivedFrom }],
    component: nonEmpty(components),
  })
}

const TEST_DATA = { system: ACT_REASON, code: 'HTEST', display: 'test health data' }

function effectiveMembers(
  time: PlacedTime,
  measurement: Measurement,
): Pick<ObservationResource, 'effectiveDateTime' | 'effectivePeriod'> {
  return effective(time, measurement.duration)
}

function extensions(context: ObservationContext): ObservationResource['extension'] {
  const gateway = { url: GATEWAY_EXTENSION, valueReference: { reference: context.gateway } }
  if (context.coincidence === undefined) return [gateway]
  return [gateway, { url: COINCIDENT_EXTENSION, valueReference: { reference: context.coincidence } }]
}

function categories(row: MeasurementRow): readonly CodeableConcept[] {
  const phd = { coding: [{ system: PHD_CATEGORY, code: 'phd' }] }
  if (!row.vitalSign) return [phd]
  const vital = { system: OBSERVATION_CATEGORY, code: 'vital-signs', display: 'Vital Signs' }
  return [{ coding: [vital] }, phd]
}

function code(row: Pick<MeasurementRow, 'mdc' | 'display' | 'loinc' | 'text'>): CodeableConcept {
  const mdc = compact({ system: MDC, code: String(row.mdc), display: row.display })
  return { coding: [mdc, ...row.loinc.map((loinc) => ({ system: LOINC, ...loinc }))], text: row.text }
}

type Value = Pick<ObservationResource, 'valueQuantity' | 'dataAbsentReason' | 'component'>
type Absent = CodeableConcept | undefined

function buildValue(measurement: Measurement, row: MeasurementRow, absent: Absent): Value {
  if (measurement.kind === 'numeric' && row.kind === 'numeric') {
    return quantityOrReason(measurement.value, measurement.unit, row.units, absent)
  }
  if (measurement.kind === 'compound' && row.kind === 'compound') {
    return { component: compoundComponents(measurement, row, absent) }
  }
  if (measurement.kind === 'bits' && row.kind === 'bits') {
    if (absent !== undefined) return { dataAbsentReason: absent }
    return { component: bitComponents(measurement, row) }
  }
  return {}
}

/** A panel has no value of its own: an absent reason stands in every component. */
function compoundComponents(
  measurement: CompoundMeasurement,
  row: CompoundRow,
  absent: Absent,
): readonly ObservationComponent[] {
  return Object.entries(row.components).flatMap(([name, component]) => {
    const value = measurement.components[name]
    if (value === undefined) return []
    return [{ code: code(component), ...quantityOrReason(value, measurement.unit, row.units, absent) }]
  })
}

/** Only the bits that are set: they are events, a clear bit says nothing. */
function bitComponents(measurement: BitsMeasurement, row: BitsRow): readonly ObservationComponent[] {
  const bits = Object.entries(row.bits).filter(([name]) => measurement.set.includes(name))
  return bits.map(([, { bit, display, text }]) => ({
    code: { coding: [compact({ system: ASN1_BITS, code: `${row.mdc}.${bit}`, display })], text },
    valueBoolean: true,
  }))
}

function quantityOrReason(
  value: MeasuredValue,
  unit: string,
  units: keyof typeof UNIT_CHOICES,
  absent: Absent,
): { readonly valueQuantity: Quantity } | { readonly dataAbsentReason: CodeableConcept } {
  if (absent !== undefined) return { dataAbsentReason: absent }
  if (!isDecimal(value)) return { dataAbsentReason: reason(SPECIAL_VALUES[value]) }
  const choices = UNIT_CHOICES[units]
  const choice = choices.find((candidate) => candidate.unit.code === unit)
  const target = choices[0]?.unit
  if (choice === undefined || target === undefined)
    throw new RangeError('The parser lets no such unit through')
  return {
    valueQuantity: { value: convert(value, choice), unit: target.text, system: UCUM, code: target.code },
  }
}

const REASON_DISPLAYS = { error: 'Error', 'not-performed': 'Not Performed' }

function absentReason(states: readonly StatusRow[]): Absent {
  // 'error' outranks: an invalid value must not read as a measurement that nobody tried.
  const found = (['error', 'not-performed'] as const).find((wanted) =>
    states.some(({ absent }) => absent === wanted),
  )
  return found === undefined ? undefined : reason({ code: found, display: REASON_DISPLAYS[found] })
}

function reason(coding: { readonly code: string; readonly display: string }): CodeableConcept {
  return { coding: [{ system: DATA_ABSENT_REASON, ...coding }] }
}

function strongestStatus(states: readonly StatusRow[]): ObservationResource['status'] {
  const given = states.map(({ status }) => status)
  if (given.includes('entered-in-error')) return 'entered-in-error'
  return given.includes('preliminary') ? 'preliminary' : 'final'
}

function interpretation(state: StatusRow): readonly CodeableConcept[] {
  if (state.interpretation === undefined) return []
  return [{ coding: [{ system: MEASUREMENT_STATUS, code: state.interpretation }] }]
}

function supplementals(measurement: Measurement): readonly ObservationComponent[] {
  return (measurement.supplementalTypes ?? []).map((type) => ({
    code: mdcConcept(68193, 'MDC_ATTR_SUPPLEMENTAL_TYPES', 'Supplemental information'),
    valueCodeableConcept: mdcConcept(type),
  }))
}

function nonEmpty<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items
}
