import { isDecimal } from '../decimal.js'
import type { BitsMeasurement, CompoundMeasurement, MeasuredValue, Measurement } from '../reading.js'
import type {
  CodeableConcept,
  Extension,
  Identifier,
  Meta,
  ObservationComponent,
  ObservationResource,
  Quantity,
  SampledData,
} from '../resources.js'
import { knownConcept, mdcConcept } from './build-device.js'
import { compact } from './check.js'
import {
  ACT_REASON,
  ASN1_BITS,
  DATA_ABSENT_REASON,
  MEASUREMENT_STATUS,
  SUPPLEMENTAL_TYPES,
  UCUM,
} from './codes.js'
import { remembered } from './constant.js'
import { rowOf } from './measurement-table.js'
import type { BitsRow, CodedRow, CompoundRow, MeasurementRow } from './measurements/row.js'
import { categoryOf, codeOf, metaOf } from './observation-codes.js'
import { SPECIAL_VALUES, type StatusRow, statusRow } from './status-table.js'
import { effective, type PlacedTime } from './time-line.js'
import { convert, conversionOf, type UnitGroup } from './units.js'

/** What an Observation needs beside its measurement; references as they go into `reference`. */
export type ObservationContext = {
  readonly patient: string
  readonly device: string
  /** Gateway and coincident time stamp. */
  readonly extension: readonly Extension[]
  readonly derivedFrom: readonly string[]
  readonly time: PlacedTime
  readonly identifier: Identifier
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export function buildObservation(measurement: Measurement, context: ObservationContext): ObservationResource {
  const row = rowOf(measurement.type)
  const states = (measurement.status ?? NONE).map(statusRow)
  const unit = 'unit' in measurement ? measurement.unit : undefined
  // Members in the order of the specification; those without a value are left out, because validators report them.
  const resource: Writable<ObservationResource> = {
    resourceType: 'Observation',
    meta: withTestMark(metaOf(row), states),
    extension: context.extension,
    identifier: [context.identifier],
    status: strongestStatus(states),
    category: categoryOf(row),
    code: codeOf(row, unit === undefined ? undefined : targetUnit(row, unit)),
    subject: { reference: states.some(({ setting }) => setting) ? context.device : context.patient },
    ...effective(context.time, measurement.duration),
    ...valueOf(measurement, row, absentReason(states)),
    device: { reference: context.device },
  }
  if (states.length > 0) addStates(resource, states)
  if (context.derivedFrom.length > 0) {
    resource.derivedFrom = context.derivedFrom.map((reference) => ({ reference }))
  }
  if (measurement.supplementalTypes !== undefined && measurement.supplementalTypes.length > 0) {
    resource.component = [...(resource.component ?? []), ...measurement.supplementalTypes.map(supplemental)]
  }
  return resource
}

const NONE: readonly [] = []
const TEST_DATA = { system: ACT_REASON, code: 'HTEST', display: 'test health data' }

function withTestMark(meta: Meta, states: readonly StatusRow[]): Meta {
  return states.some(({ test }) => test) ? { ...meta, security: [TEST_DATA] } : meta
}

function addStates(resource: Writable<ObservationResource>, states: readonly StatusRow[]): void {
  const interpretations = states.flatMap(({ interpretation }) => interpretation ?? [])
  if (interpretations.length > 0) {
    resource.interpretation = interpretations.map((code) => ({
      coding: [{ system: MEASUREMENT_STATUS, code }],
    }))
  }
  const notes = states.flatMap(({ note }) => note ?? [])
  if (notes.length > 0) resource.note = notes.map((text) => ({ text }))
}

type Value = Pick<
  ObservationResource,
  | 'valueQuantity'
  | 'valueCodeableConcept'
  | 'valueString'
  | 'valueSampledData'
  | 'dataAbsentReason'
  | 'component'
>
type Absent = CodeableConcept | undefined

function valueOf(measurement: Measurement, row: MeasurementRow, absent: Absent): Value {
  if (measurement.kind === 'compound' && row.kind === 'compound') {
    // A panel has no value of its own: an absent reason stands in every component.
    return { component: compoundComponents(measurement, row, absent) }
  }
  if (absent !== undefined) return { dataAbsentReason: absent }
  if (measurement.kind === 'numeric' && row.kind === 'numeric') {
    return quantityOrReason(measurement.value, measurement.unit, row.units, undefined)
  }
  if (measurement.kind === 'coded' && row.kind === 'coded') {
    return { valueCodeableConcept: codedValue(row, measurement.value) }
  }
  if (measurement.kind === 'bits' && row.kind === 'bits') {
    return { component: bitComponents(measurement, row) }
  }
  if (measurement.kind === 'samples' && row.kind === 'samples') {
    return { valueSampledData: sampledData(measurement, row.units) }
  }
  if (measurement.kind === 'string') return { valueString: measurement.value }
  throw new RangeError('The parser lets no such measurement through')
}

function compoundComponents(
  measurement: CompoundMeasurement,
  row: CompoundRow,
  absent: Absent,
): readonly ObservationComponent[] {
  const components: ObservationComponent[] = []
  for (const name of Object.keys(row.components)) {
    const component = row.components[name]
    const value = measurement.components[name]
    if (value === undefined || component === undefined) continue
    components.push({
      code: codeOf(component, undefined),
      ...quantityOrReason(value, measurement.unit, row.units, absent),
    })
  }
  return components
}

function codedValue(row: CodedRow, name: string): CodeableConcept {
  const value = row.values[name]
  if (value === undefined) throw new RangeError('The parser lets no such value through')
  const { mdc, display, text } = value
  return mdc === undefined ? { text } : knownConcept(mdc, display, text)
}

/** Set bits; of the others only the states, because an event that has not happened says nothing. */
function bitComponents(measurement: BitsMeasurement, row: BitsRow): readonly ObservationComponent[] {
  const { set, clear = NONE } = measurement
  const isKnown = (name: string): boolean => set.includes(name) || clear.some((bit) => bit === name)
  return Object.entries(row.bits)
    .filter(([name]) => isKnown(name))
    .map(([name, { bit, display, text }]) => ({
      code: bitCode(`${row.mdc}.${bit}`, display, text),
      valueBoolean: set.includes(name),
    }))
}

const bitCodes = new Map<string, CodeableConcept>()

function bitCode(code: string, display: string | undefined, text: string): CodeableConcept {
  return remembered(bitCodes, code, () => ({
    coding: [compact({ system: ASN1_BITS, code, display })],
    text,
  }))
}

function sampledData(measurement: Extract<Measurement, { kind: 'samples' }>, units: UnitGroup): SampledData {
  const { origin, period, factor, lowerLimit, upperLimit, samples, unit } = measurement
  return compact({
    origin: quantity(origin, unit, units),
    period,
    factor,
    lowerLimit,
    upperLimit,
    dimensions: 1 as const,
    data: samples.join(' '),
  })
}

function quantityOrReason(
  value: MeasuredValue,
  unit: string,
  units: UnitGroup,
  absent: Absent,
): { readonly valueQuantity: Quantity } | { readonly dataAbsentReason: CodeableConcept } {
  if (absent !== undefined) return { dataAbsentReason: absent }
  if (!isDecimal(value)) return { dataAbsentReason: reason(SPECIAL_VALUES[value]) }
  return { valueQuantity: quantity(value, unit, units) }
}

function quantity(value: Quantity['value'], unit: string, units: UnitGroup): Quantity {
  const conversion = conversionOf(units, unit)
  if (conversion === undefined) throw new RangeError('The parser lets no such unit through')
  const { text, code } = conversion.unit
  return { value: convert(value, conversion), unit: text, system: UCUM, code }
}

function targetUnit(row: MeasurementRow, unit: string): string | undefined {
  return 'units' in row ? conversionOf(row.units, unit)?.unit.code : undefined
}

const REASON_DISPLAYS = { error: 'Error', 'not-performed': 'Not Performed' }

function absentReason(states: readonly StatusRow[]): Absent {
  if (states.length === 0) return undefined
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

function supplemental(type: number): ObservationComponent {
  const known = SUPPLEMENTAL_TYPES[type]
  return {
    code: knownConcept(68193, 'MDC_ATTR_SUPPLEMENTAL_TYPES', 'Supplemental information'),
    valueCodeableConcept: mdcConcept(type, known?.display, known?.text),
  }
}
