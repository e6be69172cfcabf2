import type { GattValues } from '../gatt/reading-from-gatt.js'
import { encodeCurrentTime, encodeSystemId } from './encode.js'
import {
  dayOfCuff,
  dayOfMeter,
  dayOfOximeter,
  dayOfScale,
  dayOfStrap,
  dayOfThermometer,
  type Sent,
} from './internal/days.js'
import { between, type Random, seededRandom } from './internal/random.js'

export type SimulatedKind =
  'blood-pressure-cuff' | 'glucometer' | 'heart-rate-strap' | 'oximeter' | 'scale' | 'thermometer'

export interface SimulateOptions {
  /** The same seed gives the same device and the same day. */
  readonly seed: number
  /** Milliseconds since 1970; its UTC day is the day that is made up. Default: today. */
  readonly clock?: () => number
}

export interface SimulatedPacket {
  /** When it was measured and received, as the gateway's clock says: what `readingFromGatt` calls `receivedAt`. */
  readonly receivedAt: string
  /** The packets of one measurement, Device Information, battery, and the device's clock where it has one. */
  readonly values: GattValues
}

export interface SimulatedDevice {
  readonly kind: SimulatedKind
  /** EUI-64 in true order; made up, with the manufacturer 00-00-00. */
  readonly systemId: string
  /** A day of packets, in order of time. */
  readonly packets: readonly SimulatedPacket[]
}

type Model = {
  readonly model: string
  readonly number: number
  /** Those that stamp their measurements have a clock, which is a little off. */
  readonly hasClock: boolean
  readonly day: (random: Random) => readonly Sent[]
}

const MODELS: Readonly<Record<SimulatedKind, Model>> = {
  'blood-pressure-cuff': { model: 'Cuff', number: 1, hasClock: true, day: dayOfCuff },
  glucometer: { model: 'Meter', number: 2, hasClock: true, day: dayOfMeter },
  'heart-rate-strap': { model: 'Strap', number: 3, hasClock: false, day: dayOfStrap },
  oximeter: { model: 'Oximeter', number: 4, hasClock: true, day: dayOfOximeter },
  scale: { model: 'Scale', number: 5, hasClock: true, day: dayOfScale },
  thermometer: { model: 'Thermometer', number: 6, hasClock: true, day: dayOfThermometer },
}

const DAY_MS = 86_400_000
const MOST_SKEW_S = 90

/**
 * A device that is not there: the octets that one of its kind would send over a day, for demonstrations and tests.
 * Pass each packet to `readingFromGatt`. Nothing in it is of a person.
 *
 * @example
 * for (const { receivedAt, values } of simulateDevice('glucometer', { seed: 1 }).packets) {
 *   readingFromGatt(values, { gateway, patient, receivedAt })
 * }
 */
export function simulateDevice(kind: SimulatedKind, options: SimulateOptions): SimulatedDevice {
  const { model, number, hasClock, day } = MODELS[kind]
  const { seed, clock = Date.now } = options
  const random = seededRandom(seed * MODEL_COUNT + number)
  const midnight = Math.floor(clock() / DAY_MS) * DAY_MS
  const serial = between(random, 1, 0xff_ff)
  const systemId = eui64(number, serial)
  const skew = between(random, -MOST_SKEW_S, MOST_SKEW_S)
  const information = {
    '2A23': encodeSystemId(systemId),
    '2A29': text('Simulated Devices'),
    '2A24': text(model),
    '2A25': text(String(serial).padStart(8, '0')),
    '2A26': text('1.0'),
    '2A19': Uint8Array.of(between(random, 20, 100)),
  }
  const packets = day(random)
    .toSorted((a, b) => a.second - b.second)
    .map(({ second, values }) => {
      const at = midnight + second * 1000
      const stamp = deviceTime(at, skew)
      return {
        receivedAt: new Date(at).toISOString(),
        values: {
          ...information,
          ...(hasClock ? { '2A2B': currentTime(stamp) } : {}),
          ...values(stamp),
        },
      }
    })
  return { kind, systemId, packets }
}

const MODEL_COUNT = 7

function eui64(model: number, serial: number): string {
  const octets = [0, 0, 0, 0xff, 0xfe, model, serial >> 8, serial & 0xff]
  return octets.map((octet) => octet.toString(16).padStart(2, '0').toUpperCase()).join('-')
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

/** The device shows UTC, give or take its error. */
function deviceTime(at: number, skewSeconds: number): string {
  return new Date(at + skewSeconds * 1000).toISOString().slice(0, 19)
}

function currentTime(dateTime: string): Uint8Array {
  return encodeCurrentTime({ dateTime, dayOfWeek: 0, fractions256: 0, adjustReason: 0 })
}
