import { isDecimal } from '../decimal.js'
import type { BitsMeasurement, CompoundMeasurement, MeasuredValue, Measurement } from '../reading.js'
import type {
  CodeableConcept,
  Coding,
  Extension,
  Identifier,
  ObservationComponent,
  ObservationResource,
  Quantity,
  Reference,
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
import { periodOf, type PlacedTime } from './time-line.js'
import { convert, conversionOf, type UnitGroup } from './units.js'

/** What an Observation needs beside its measurement. */
export type ObservationContext = {
  readonly patient: Reference
  readonly device: Reference
  /** Gateway and coincident time stamp. */
  readonly extension: readonly Extension[]
  readonly derivedFrom: readonly Reference[]
  readonly time: PlacedTime
  readonly identifier: Identifier
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Observation = Writable<ObservationResource>
type Unfinished = Omit<Observation, 'device'> & { device?: Reference }

export function buildObservation(measurement: Measurement, context: ObservationContext): ObservationResource {
  const row = rowOf(measurement.type)
  const { time, derivedFrom } = context
  const { status, duration, supplementalTypes = NONE } = measurement
  const states = status === undefined ? NONE : status.map(statusRow)
  // Members in the order of the specification; those without a value are left out, because validators report them.
  // Assigned one by one: spreads of objects of many shapes are what this function would spend its time on.
  const resource: Unfinished = {
    resourceType: 'Observation',
    meta: metaOf(row),
    extension: context.extension,
    identifier: [context.identifier],
    status: 'final',
    category: categoryOf(row),
    code: codeOf(row, 'unit' in measurement ? targetUnit(row, measurement.unit) : undefined),
    subject: context.patient,
  }
  if (duration === undefined) resource.effectiveDateTime = time.text
  else resource.effectivePeriod = periodOf(time, duration)
  addValue(resource, measurement, row, absentReason(states))
  resource.device = context.device
  const observation = resource as Observation
  if (states.length > 0) addStates(observation, states)
  if (derivedFrom.length > 0) observation.derivedFrom = derivedFrom
  if (supplementalTypes.length > 0) {
    observation.component = [...(observation.component ?? NONE), ...supplementalTypes.map(supplemental)]
  }
  return observation
}

const NONE: readonly [] = []
const securityLabels = new Map<'HTEST', Coding>()

function testData(): Coding {
  return remembered(securityLabels, 'HTEST', () => ({
    system: ACT_REASON,
    code: 'HTEST',
    display: 'test health data',
  }))
}

function addStates(resource: Observation, states: readonly StatusRow[]): void {
  resource.status = strongestStatus(states)
  if (states.some(({ test }) => test)) resource.meta = { ...resource.meta, security: [testData()] }
  if (states.some(({ setting }) => setting)) resource.subject = resource.device
  const interpretations = states.flatMap(({ interpretation }) => interpretation ?? [])
  if (interpretations.length > 0) {
    resource.interpretation = interpretations.map((code) => ({
      coding: [{ system: MEASUREMENT_STATUS, code }],
    }))
  }
  const notes = states.flatMap(({ note }) => note ?? [])
  if (notes.length > 0) resource.note = notes.map((text) => ({ text }))
}

type Absent = CodeableConcept | undefined

function addValue(resource: Unfinished, measurement: Measurement, row: MeasurementRow, absent: Absent): void {
  if (measurement.kind === 'compound' && row.kind === 'compound') {
    // A panel has no value of its own: an absent reason stands in every component.
    resource.component = compoundComponents(measurement, row, absent)
  } else if (absent !== undefined) resource.dataAbsentReason = absent
  else if (measurement.kind === 'numeric' && row.kind === 'numeric') {
    addQuantity(resource, measurement.value, measurement.unit, row.units)
  } else if (measurement.kind === 'coded' && row.kind === 'coded') {
    resource.valueCodeableConcept = codedValue(row, measurement.value)
  } else if (measurement.kind === 'bits' && row.kind === 'bits') {
    resource.component = bitComponents(measurement, row)
  } else if (measurement.kind === 'samples' && row.kind === 'samples') {
    resource.valueSampledData = sampledData(measurement, row.units)
  } else if (measurement.kind === 'string') resource.valueString = measurement.value
  else throw new RangeError('The parser lets no such measurement through')
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
    const made: Writable<ObservationComponent> = { code: codeOf(component, undefined) }
    if (absent === undefined) addQuantity(made, value, measurement.unit, row.units)
    else made.dataAbsentReason = absent
    components.push(made)
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

function addQuantity(
  to: { valueQuantity?: Quantity; dataAbsentReason?: CodeableConcept },
  value: MeasuredValue,
  unit: string,
  units: UnitGroup,
): void {
  if (isDecimal(value)) to.valueQuantity = quantity(value, unit, units)
  else to.dataAbsentReason = reason(SPECIAL_VALUES[value])
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
