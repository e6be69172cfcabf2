import { decodeTemperature, decodeTemperatureType } from '../temperature.js'
import { type Measured, numeric } from './measured.js'
import { decoded, type Values } from './values.js'

const SITES = {
  1: 'body-temperature-axilla',
  2: 'body-temperature',
  3: 'body-temperature-ear',
  4: 'body-temperature-finger',
  5: 'body-temperature-gastro-intestinal',
  6: 'body-temperature-oral',
  7: 'body-temperature-rectal',
  8: 'body-temperature-toe',
  9: 'body-temperature-tympanic',
} as const

/** Temperature Measurement, 2A1C; the site may stand in Temperature Type, 2A1D. */
export function measuredByThermometer(value: Uint8Array, values: Values): Measured {
  const { temperature, unit, timestamp, type } = decodeTemperature(value)
  const site = type ?? decoded(values, '2A1D', decodeTemperatureType) ?? 0
  const named = (SITES as Readonly<Record<number, (typeof SITES)[keyof typeof SITES]>>)[site]
  return {
    measurements: [numeric(named ?? 'body-temperature', temperature, unit)],
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}
