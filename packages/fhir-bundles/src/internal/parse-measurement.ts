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
} from './check.js'
import { MEASUREMENTS, type MeasurementRow, rowOf } from './measurement-table.js'
import { SPECIAL_VALUES, STATUSES } from './status-table.js'
import { UNIT_CHOICES } from './units.js'

const COMMON = ['kind', 'type', 'status', 'supplementalTypes', 'duration']
const MEMBERS = {
  numeric: [...COMMON, 'value', 'unit'],
  compound: [...COMMON, 'components', 'unit'],
  bits: [...COMMON, 'set'],
}
const ALL = [...MEMBERS.numeric, 'components', 'set']

export function parseMeasurement(value: unknown, path: string): Measurement {
  const raw = fields(value, path, ALL)
  const type = oneOf(member(raw, 'type'), join(path, 'type'), keysOf(MEASUREMENTS))
  const row = rowOf(type)
  fields(value, path, MEMBERS[row.kind])
  // The type says the kind; a JSON file may repeat it.
  optional(member(raw, 'kind'), join(path, 'kind'), (kind, at) => oneOf(kind, at, [row.kind]))
  return { ...parseKind(row, raw, path), type, ...parseCommon(raw, path) } as Measurement
}

function parseKind(row: MeasurementRow, raw: Fields, path: string): object {
  switch (row.kind) {
    case 'numeric':
      return {
        kind: row.kind,
        value: parseValue(member(raw, 'value'), join(path, 'value')),
        unit: parseUnit(row, raw, path),
      }
    case 'compound':
      return { kind: row.kind, components: parseComponents(row, raw, path), unit: parseUnit(row, raw, path) }
    case 'bits':
      return {
        kind: row.kind,
        set: list(member(raw, 'set'), join(path, 'set'), (bit, at) => oneOf(bit, at, Object.keys(row.bits))),
      }
  }
}

function parseUnit(row: Extract<MeasurementRow, { units: unknown }>, raw: Fields, path: string): string {
  const codes = UNIT_CHOICES[row.units].map(({ unit }) => unit.code)
  return oneOf(member(raw, 'unit'), join(path, 'unit'), codes)
}

function parseComponents(
  row: Extract<MeasurementRow, { kind: 'compound' }>,
  raw: Fields,
  path: string,
): Record<string, MeasuredValue> {
  const at = join(path, 'components')
  const given = fields(member(raw, 'components'), at, Object.keys(row.components))
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

function parseCommon(raw: Fields, path: string): object {
  return compact({
    status: optional(member(raw, 'status'), join(path, 'status'), (items, at) =>
      list(items, at, (item, itemPath) => oneOf(item, itemPath, keysOf(STATUSES))),
    ),
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
  })
}

function parseValue(value: unknown, path: string): MeasuredValue {
  const special = keysOf(SPECIAL_VALUES).find((name) => name === value)
  return special ?? parseDecimal(value, path)
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
