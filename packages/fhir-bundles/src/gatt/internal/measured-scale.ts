import type { Decimal } from '../../decimal.js'
import type { Measurement } from '../../reading.js'
import {
  type BodyCompositionMeasurement,
  decodeBodyComposition,
  decodeWeight,
  type Unsuccessful,
} from '../weight.js'
import { incomplete } from './identity.js'
import { type Measured, numeric } from './measured.js'

/** Weight Measurement, 2A9D. */
export function measuredByScale(value: Uint8Array): Measured {
  const { weight, unit, timestamp, userId, bmi, height, heightUnit } = decodeWeight(value)
  return {
    measurements: [
      numeric('body-weight', weight, unit),
      ...(isKnown(height) ? [numeric('body-height', height, heightUnit ?? 'm')] : []),
      ...(isKnown(bmi) ? [numeric('body-mass-index', bmi, 'kg/m2')] : []),
    ],
    ...(timestamp === undefined ? {} : { timestamp }),
    userId,
  }
}

/** Body Composition Measurement, 2A9C: one packet, or the several that belong together. */
export function measuredByAnalyser(packets: readonly Uint8Array[]): Measured {
  const decoded = packets.map(decodeBodyComposition)
  const [first] = decoded
  if (first !== undefined && 'nonStandard' in first) {
    return { measurements: [numeric('body-weight', first.weightKg, 'kg')] }
  }
  if (decoded.length > 1 && (first === undefined || !first.multiplePacket)) {
    throw incomplete('packets of 2A9C that belong together')
  }
  // What a following packet says anew (flags, fat) is what the first one has said.
  const all = Object.assign({}, ...decoded.toReversed()) as BodyCompositionMeasurement
  return {
    measurements: compositionOf(all),
    ...(all.timestamp === undefined ? {} : { timestamp: all.timestamp }),
    userId: all.userId,
  }
}

function compositionOf(all: BodyCompositionMeasurement): readonly Measurement[] {
  const { massUnit: unit, heightUnit = 'm' } = all
  const rows: readonly [Parameters<typeof numeric>[0], Decimal | Unsuccessful | undefined, string][] = [
    ['body-fat', all.bodyFatPercent, '%'],
    ['basal-metabolism', all.basalMetabolismKJ, 'kJ'],
    ['muscle-percentage', all.musclePercent, '%'],
    ['muscle-mass', all.muscleMass, unit],
    ['fat-free-mass', all.fatFreeMass, unit],
    ['soft-lean-mass', all.softLeanMass, unit],
    ['body-water-mass', all.bodyWaterMass, unit],
    ['body-impedance', all.impedanceOhm, 'Ohm'],
    ['body-weight', all.weight, unit],
    ['body-height', isKnown(all.height) ? all.height : undefined, heightUnit],
  ]
  return rows.flatMap(([type, value, code]) => (value === undefined ? [] : [numeric(type, value, code)]))
}

/** Nobody is 0 tall: the user has not told the scale. */
function isKnown(value: Decimal | undefined): value is Decimal {
  return value !== undefined && value.mantissa !== 0n
}
