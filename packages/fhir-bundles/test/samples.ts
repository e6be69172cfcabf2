import { MEASUREMENTS, type MeasurementType, rowOf } from '../src/internal/measurement-table.js'
import { UNIT_GROUPS } from '../src/internal/units.js'
import { decimal, type Measurement } from '../src/index.js'

export const types = Object.keys(MEASUREMENTS) as MeasurementType[]

/** Every measurement in every unit it takes, with every value it may have. */
export function samplesOf(type: MeasurementType): readonly Measurement[] {
  const row = rowOf(type)
  const value = decimal('36.50')
  switch (row.kind) {
    case 'numeric':
      return Object.keys(UNIT_GROUPS[row.units]).map(
        (unit) => ({ kind: row.kind, type, value, unit }) as Measurement,
      )
    case 'compound': {
      const components = Object.fromEntries(Object.keys(row.components).map((name) => [name, value]))
      return Object.keys(UNIT_GROUPS[row.units]).map(
        (unit) => ({ kind: row.kind, type, components, unit }) as Measurement,
      )
    }
    case 'coded':
      return Object.keys(row.values).map((name) => ({ kind: row.kind, type, value: name }) as Measurement)
    case 'bits': {
      const states = Object.keys(row.bits).filter((name) => row.bits[name]?.state === true)
      const set = Object.keys(row.bits).filter((name) => !states.includes(name))
      return [{ kind: row.kind, type, set, ...(states.length === 0 ? {} : { clear: states }) } as Measurement]
    }
    case 'samples':
      return Object.keys(UNIT_GROUPS[row.units]).map(
        (unit) =>
          ({
            kind: row.kind,
            type,
            unit,
            period: decimal('2.0'),
            origin: decimal('-3.4'),
            factor: decimal('0.5'),
            lowerLimit: decimal('-500'),
            upperLimit: decimal('500'),
            samples: [123, 110, -97],
          }) as Measurement,
      )
    case 'string':
      return [{ kind: row.kind, type, value: 'Endurance run' } as Measurement]
  }
}
