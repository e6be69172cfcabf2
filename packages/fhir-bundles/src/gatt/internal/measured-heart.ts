import { addDecimals, type Decimal, decimal, roundDecimal } from '../../decimal.js'
import type { Measurement } from '../../reading.js'
import { decodeHeartRate } from '../heart-rate.js'
import { type Measured, numeric } from './measured.js'

/** Heart Rate Measurement, 2A37. */
export function measuredByStrap(value: Uint8Array): Measured {
  const { heartRate, contact, energyExpendedKJ, rrRaw1024 = [] } = decodeHeartRate(value)
  // Off the skin a strap sends 0, which nobody must read as a heart that stands still.
  const isMeasured = contact !== false || heartRate !== 0
  return {
    measurements: [
      numeric(
        'heart-rate',
        isMeasured ? decimal(heartRate, 0) : 'UNSUCCESSFUL',
        '/min',
        contact === false ? { status: ['questionable'] } : {},
      ),
      ...(energyExpendedKJ === undefined
        ? []
        : [numeric('energy-expended', decimal(energyExpendedKJ, 0), 'kJ')]),
      ...intervals(rrRaw1024),
    ],
  }
}

/** The last interval ends with the packet; each of the others where the next one begins. */
function intervals(raw: readonly number[]): readonly Measurement[] {
  let end: Decimal = { mantissa: 0n, exponent: 0 }
  return raw
    .toReversed()
    .map((ticks) => {
      // 1/1024 s is 0.9765625 ms; a tenth of a millisecond is finer than what the sensor tells.
      const { mantissa, exponent } = roundDecimal(decimal(ticks * 9_765_625, -7), -1)
      const duration = { mantissa, exponent: exponent - 3 }
      const offset = end
      end = addDecimals(end, { mantissa: -mantissa, exponent: duration.exponent })
      return numeric('rr-interval', { mantissa, exponent }, 'ms', {
        duration,
        ...(offset.mantissa === 0n ? {} : { offset }),
      })
    })
    .toReversed()
}
