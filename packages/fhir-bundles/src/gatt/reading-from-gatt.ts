import { decimal } from '../decimal.js'
import type { DeviceIdentity, GatewayIdentity, Measurement, PatientIdentity, Reading } from '../reading.js'
import { decodeBattery } from './device-information.js'
import { placedTime } from './internal/clock.js'
import { identityOf, incomplete } from './internal/identity.js'
import { type Measured, numeric } from './internal/measured.js'
import { measuredByCuff } from './internal/measured-cuff.js'
import { measuredByMeter } from './internal/measured-glucose.js'
import { measuredByStrap } from './internal/measured-heart.js'
import { measuredByMonitor } from './internal/measured-monitor.js'
import { measuredBySpotCheck, measuredContinuously } from './internal/measured-oximeter.js'
import { measuredByAnalyser, measuredByScale } from './internal/measured-scale.js'
import { measuredByThermometer } from './internal/measured-thermometer.js'
import { decoded, type GattValues, type Values, valuesOf } from './internal/values.js'

export type { GattValues }

/** What no characteristic tells. */
export interface GattContext {
  readonly gateway: GatewayIdentity
  /** Devices for several people number their users: then a function finds the patient. */
  readonly patient: PatientIdentity | ((userId: number | undefined) => PatientIdentity)
  /** The gateway's clock when the measurement came, with an offset. */
  readonly receivedAt: string
  /** The gateway's clock when Current Time (2A2B) or Date Time (2A08) was read; default `receivedAt`. */
  readonly clockReadAt?: string
  /**
   * What the application knows of the device: its address, where the stack tells it, and whatever Device Information
   * lacks. It wins over the characteristics.
   */
  readonly device?: Partial<DeviceIdentity>
}

type Source = {
  readonly specialization: number
  /** From all packets of the characteristic. */
  readonly measure: (packets: readonly Uint8Array[], values: Values) => Measured
}

const one =
  (measure: (packet: Uint8Array, values: Values) => Measured): Source['measure'] =>
  (packets, values) => {
    const [packet, ...more] = packets
    if (packet === undefined || more.length > 0) throw incomplete('exactly one packet of the measurement')
    return measure(packet, values)
  }

const SOURCES: Readonly<Record<string, Source>> = {
  '2A35': { specialization: 528391, measure: one(measuredByCuff) },
  '2A18': { specialization: 528401, measure: one(measuredByMeter) },
  '2A37': { specialization: 528390, measure: one(measuredByStrap) },
  '2A1C': { specialization: 528392, measure: one(measuredByThermometer) },
  '2A9D': { specialization: 528399, measure: one(measuredByScale) },
  '2A9C': { specialization: 528404, measure: measuredByAnalyser },
  '2A5E': { specialization: 528388, measure: one(measuredBySpotCheck) },
  '2A5F': { specialization: 528388, measure: one(measuredContinuously) },
  '2AA7': { specialization: 528409, measure: measuredByMonitor },
}
const HELPERS = ['2A34', '2A1D', '2AAA', '2A19', '2A2B', '2A08']
const INFORMATION = ['2A23', '2A24', '2A25', '2A26', '2A27', '2A28', '2A29', '2A50']
/** May be there, and says nothing that is kept: pressure while the cuff inflates, preliminary temperature, control point. */
const IGNORED = ['2A36', '2A1E', '2A52', '2A2A']
const KNOWN = new Set([...Object.keys(SOURCES), ...HELPERS, ...INFORMATION, ...IGNORED])

/**
 * Joins what a device has sent into a reading: one measurement (of 2A35, 2A18, 2A37, 2A1C, 2A9D, 2A9C, 2A5E, 2A5F or
 * 2AA7), the glucose contexts (2A34) of which the one with its sequence number is taken, temperature type (2A1D),
 * session start (2AAA), Device Information (2A23 to 2A29, 2A50), battery (2A19) and the device's clock.
 *
 * With the clock (2A2B or 2A08) the time stamp is shifted to the gateway's; without it the device is taken to be on
 * local time; without a usable time stamp the time of reception counts. The battery is left out where its time is not
 * known.
 *
 * @throws GattError `ERR_UNKNOWN_CHARACTERISTIC`, `ERR_INCOMPLETE_READING`, and those of the decoders.
 * @example
 * readingFromGatt({ '2A35': packet, '2A23': systemId, '2A29': maker, '2A24': model }, { gateway, patient, receivedAt })
 */
export function readingFromGatt(given: GattValues, context: GattContext): Reading {
  const values = valuesOf(given, KNOWN)
  const present = Object.entries(SOURCES).filter(([name]) => values.all(name).length > 0)
  const [source, ...others] = present
  if (source === undefined) throw incomplete('a measurement')
  if (others.length > 0) throw incomplete('exactly one measuring characteristic: their times may differ')
  const [name, { specialization, measure }] = source
  const measured = measure(values.all(name), values)
  const { receivedAt, clockReadAt = receivedAt, gateway, patient, device = {} } = context
  const { time, untilNow } = placedTime(measured, values, { receivedAt, clockReadAt })
  const measurements = [...measured.measurements]
  if (measurements.length === 0) throw incomplete('a value in the packet')
  const level = decoded(values, '2A19', decodeBattery)
  if (level !== undefined && level <= 100 && untilNow !== undefined)
    measurements.push(battery(level, untilNow))
  return {
    device: identityOf(values, device, specialization),
    gateway,
    patient: typeof patient === 'function' ? patient(userOf(measured)) : patient,
    time,
    measurements,
  }
}

function battery(level: number, offset: NonNullable<Measurement['offset']>): Measurement {
  return numeric('battery', decimal(level, 0), '%', offset.mantissa === 0n ? {} : { offset })
}

const UNKNOWN_USER = 255

function userOf({ userId }: Measured): number | undefined {
  return userId === UNKNOWN_USER ? undefined : userId
}
