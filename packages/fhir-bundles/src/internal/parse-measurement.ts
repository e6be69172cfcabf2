import { type Decimal, decimal, isDecimal } from '../decimal.js'
import { BundleError } from '../errors.js'
import type { Measurement, MeasuredValue } from '../reading.js'
import {
  compact,
  fields,
  type Fields,
  invalid,
  join,
  keysOf,
  list,
  member,
  oneOf,
  optional,
  positiveInteger,
  text,
} from './check.js'
import { MEASUREMENTS, rowOf } from './measurement-table.js'
import type { BitsRow, CompoundRow, MeasurementRow } from './measurements/row.js'
import { SPECIAL_VALUES, STATUSES } from './status-table.js'
import { conversionOf, UNIT_GROUPS, type UnitGroup } from './units.js'

const COMMON = ['kind', 'type', 'status', 'supplementalTypes', 'duration', 'offset']
const MEMBERS: Readonly<Record<MeasurementRow['kind'], readonly string[]>> = {
  numeric: [...COMMON, 'value', 'unit'],
  compound: [...COMMON, 'components', 'unit'],
  coded: [...COMMON, 'value'],
  bits: [...COMMON, 'set', 'clear'],
  samples: [...COMMON, 'unit', 'period', 'origin', 'factor', 'lowerLimit', 'upperLimit', 'samples'],
  string: [...COMMON, 'value'],
}
const ALL = [...new Set(Object.values(MEMBERS).flat())]
const TYPES = keysOf(MEASUREMENTS)

export function parseMeasurement(value: unknown, path: string): Measurement {
  const raw = fields(value, path, ALL)
  const type = oneOf(member(raw, 'type'), join(path, 'type'), TYPES)
  const row = rowOf(type)
  fields(value, path, MEMBERS[row.kind])
  // The type says the kind; a JSON file may repeat it.
  optional(member(raw, 'kind'), join(path, 'kind'), (kind, at) => oneOf(kind, at, [row.kind]))
  return { ...parseKind(row, raw, path), type, ...parseCommon(row, raw, path) } as Measurement
}

function parseKind(row: MeasurementRow, raw: Fields, path: string): object {
  const { kind } = row
  const at = (name: string): [unknown, string] => [member(raw, name), join(path, name)]
  switch (kind) {
    case 'numeric':
      return { kind, value: parseValue(...at('value')), unit: parseUnit(row.units, ...at('unit')) }
    case 'compound':
      return {
        kind,
        components: parseComponents(row, ...at('components')),
        unit: parseUnit(row.units, ...at('unit')),
      }
    case 'coded': {
      const [value, place] = at('value')
      return { kind, value: oneOf(value, place, Object.keys(row.values)) }
    }
    case 'bits':
      return { kind, ...parseBits(row, raw, path) }
    case 'samples':
      return { kind, unit: parseUnit(row.units, ...at('unit')), ...parseSamples(raw, path) }
    case 'string':
      return { kind, value: text(...at('value')) }
  }
}

function parseUnit(group: UnitGroup, value: unknown, path: string): string {
  if (typeof value === 'string' && conversionOf(group, value) !== undefined) return value
  return oneOf(value, path, Object.keys(UNIT_GROUPS[group]))
}

function parseComponents(row: CompoundRow, value: unknown, at: string): Record<string, MeasuredValue> {
  const given = fields(value, at, Object.keys(row.components))
  const parsed: Record<string, MeasuredValue> = {}
  for (const [name, component] of Object.entries(row.components)) {
    const value = optional(member(given, name), join(at, name), parseValue)
    if (value === undefined && component.required) {
      throw invalid(join(at, name), 'is missing; when the device gave no value, write "NaN"')
    }
    if (value !== undefined) parsed[name] = value
  }
  return parsed
}

function parseBits(row: BitsRow, raw: Fields, path: string): object {
  const names = Object.keys(row.bits)
  const states = names.filter((name) => row.bits[name]?.state === true)
  const set = list(member(raw, 'set'), join(path, 'set'), (bit, at) => oneOf(bit, at, names))
  const clear = optional(member(raw, 'clear'), join(path, 'clear'), (bits, place) =>
    list(bits, place, (bit, at) => {
      const name = oneOf(bit, at, states)
      if (set.includes(name)) throw invalid(at, 'is set as well')
      return name
    }),
  )
  return compact({ set, clear })
}

function parseSamples(raw: Fields, path: string): object {
  const at = (name: string): [unknown, string] => [member(raw, name), join(path, name)]
  const period = parseDecimal(...at('period'))
  if (period.mantissa <= 0n) throw invalid(join(path, 'period'), 'must be above zero')
  const [given, place] = at('samples')
  const samples = list(given, place, (sample, where) => {
    if (!Number.isSafeInteger(sample)) throw invalid(where, 'must be a whole number')
    return sample as number
  })
  if (samples.length === 0) throw invalid(place, 'must not be empty')
  return {
    period,
    origin: parseDecimal(...at('origin')),
    ...compact({
      factor: optional(...at('factor'), parseDecimal),
      lowerLimit: optional(...at('lowerLimit'), parseDecimal),
      upperLimit: optional(...at('upperLimit'), parseDecimal),
    }),
    samples,
  }
}

function parseCommon(row: MeasurementRow, raw: Fields, path: string): object {
  const status = optional(member(raw, 'status'), join(path, 'status'), (items, at) =>
    list(items, at, (item, itemPath) => oneOf(item, itemPath, keysOf(STATUSES))),
  )
  if (row.vitalSign === true && status?.includes('setting') === true) {
    throw invalid(join(path, 'status'), 'must not hold "setting": a vital sign is about the patient')
  }
  return compact({
    status,
    supplementalTypes: optional(
      member(raw, 'supplementalTypes'),
      join(path, 'supplementalTypes'),
      (items, at) => list(items, at, positiveInteger),
    ),
    duration: optional(member(raw, 'duration'), join(path, 'duration'), (value, at) => {
      const duration = parseDecimal(value, at)
      if (duration.mantissa < 0n) throw invalid(at, 'must not be negative')
      return duration
    }),
    offset: optional(member(raw, 'offset'), join(path, 'offset'), parseDecimal),
  })
}

function parseValue(value: unknown, path: string): MeasuredValue {
  if (typeof value === 'string' && Object.hasOwn(SPECIAL_VALUES, value)) {
    return value as keyof typeof SPECIAL_VALUES
  }
  return parseDecimal(value, path)
}

/**
 * Texts and decimals are exact; so are whole numbers. A JSON number with a fraction has been through a binary
 * float before it got here, and `2.0` has become `2`: refused, because precision is data.
 */
function parseDecimal(value: unknown, path: string): Decimal {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) {
      throw invalid(
        path,
        'must be written as a text ("36.50") so that its digits survive; only whole numbers may be bare',
      )
    }
    return decimal(value, 0)
  }
  if (typeof value !== 'string' && !isDecimal(value)) {
    throw invalid(
      path,
      'must be a decimal as text ("36.50"), a whole number, or a special value such as "NaN"',
    )
  }
  try {
    return typeof value === 'string' ? decimal(value) : decimal(value.mantissa, value.exponent)
  } catch (cause) {
    if (cause instanceof BundleError) throw invalid(path, `is not usable: ${cause.message}`, cause)
    throw cause
  }
}
