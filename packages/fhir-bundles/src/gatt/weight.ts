import { decimal, type Decimal } from '../decimal.js'
import { readDateTime } from './date-time.js'
import { bit, octetsOf, when } from './internal/octets.js'

/** The scale has failed to measure. */
export type Unsuccessful = 'UNSUCCESSFUL'

const FAILED = 0xffff

/** Weight Measurement, 2A9D. */
export interface WeightMeasurement {
  readonly flags: number
  readonly unit: 'kg' | '[lb_av]'
  readonly weight: Decimal | Unsuccessful
  readonly timestamp?: string
  /** 255: unknown. */
  readonly userId?: number
  /** kg/m2. */
  readonly bmi?: Decimal
  readonly height?: Decimal
  readonly heightUnit?: 'm' | '[in_i]'
}

/**
 * With the fixed resolutions of the GATT Specification Supplement: 0.005 kg or 0.01 lb, 0.001 m or 0.1 in.
 * Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`.
 */
export function decodeWeight(value: Uint8Array): WeightMeasurement {
  const octets = octetsOf(value, '2A9D')
  const flags = octets.u8()
  const imperial = bit(flags, 0)
  return {
    flags,
    unit: imperial ? '[lb_av]' : 'kg',
    weight: massOf(octets.u16(), imperial),
    ...when(bit(flags, 1), 'timestamp', () => readDateTime(octets)),
    ...when(bit(flags, 2), 'userId', () => octets.u8()),
    ...(bit(flags, 3) ? { bmi: decimal(octets.u16(), -1), ...heightOf(octets.u16(), imperial) } : {}),
  }
}

/** Body Composition Measurement, 2A9C. */
export interface BodyCompositionMeasurement {
  readonly flags: number
  readonly massUnit: 'kg' | '[lb_av]'
  readonly bodyFatPercent: Decimal | Unsuccessful
  readonly timestamp?: string
  readonly userId?: number
  readonly basalMetabolismKJ?: Decimal
  readonly musclePercent?: Decimal
  readonly muscleMass?: Decimal | Unsuccessful
  readonly fatFreeMass?: Decimal | Unsuccessful
  readonly softLeanMass?: Decimal | Unsuccessful
  readonly bodyWaterMass?: Decimal | Unsuccessful
  readonly impedanceOhm?: Decimal
  readonly weight?: Decimal | Unsuccessful
  readonly height?: Decimal
  readonly heightUnit?: 'm' | '[in_i]'
  /** The rest follows in the next packet. */
  readonly multiplePacket: boolean
}

/** What a Xiaomi scale sends as 2A9C: 13 octets of its own. */
export interface NonStandardBodyComposition {
  readonly nonStandard: true
  readonly weightKg: Decimal
}

/** Octets of Xiaomi's packets, their unit octet for kilograms, and the control bits that give them away. */
const XIAOMI = { length: 13, unit: 0x02, control: 0xe0 } as const

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeBodyComposition(
  value: Uint8Array,
): BodyCompositionMeasurement | NonStandardBodyComposition {
  const octets = octetsOf(value, '2A9C')
  const xiaomi = xiaomiWeight(value)
  if (xiaomi !== undefined) return { nonStandard: true, weightKg: xiaomi }
  const flags = octets.u16()
  const imperial = bit(flags, 0)
  const fat = octets.u16()
  return {
    flags,
    massUnit: imperial ? '[lb_av]' : 'kg',
    bodyFatPercent: fat === FAILED ? 'UNSUCCESSFUL' : decimal(fat, -1),
    ...when(bit(flags, 1), 'timestamp', () => readDateTime(octets)),
    ...when(bit(flags, 2), 'userId', () => octets.u8()),
    ...when(bit(flags, 3), 'basalMetabolismKJ', () => decimal(octets.u16(), 0)),
    ...when(bit(flags, 4), 'musclePercent', () => decimal(octets.u16(), -1)),
    ...when(bit(flags, 5), 'muscleMass', () => massOf(octets.u16(), imperial)),
    ...when(bit(flags, 6), 'fatFreeMass', () => massOf(octets.u16(), imperial)),
    ...when(bit(flags, 7), 'softLeanMass', () => massOf(octets.u16(), imperial)),
    ...when(bit(flags, 8), 'bodyWaterMass', () => massOf(octets.u16(), imperial)),
    ...when(bit(flags, 9), 'impedanceOhm', () => decimal(octets.u16(), -1)),
    ...when(bit(flags, 10), 'weight', () => massOf(octets.u16(), imperial)),
    ...(bit(flags, 11) ? heightOf(octets.u16(), imperial) : {}),
    multiplePacket: bit(flags, 12),
  }
}

/**
 * Xiaomi: unit, control, date and time, impedance, weight in units of 1/200 kg. Its control octet sets flags that are
 * reserved in the standard layout as soon as the weight is stable.
 */
function xiaomiWeight(value: Uint8Array): Decimal | undefined {
  const [unit, control = 0] = value
  if (value.length !== XIAOMI.length || unit !== XIAOMI.unit || (control & XIAOMI.control) === 0)
    return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return decimal(view.getUint16(XIAOMI.length - 2, true) * 5, -3)
}

function massOf(raw: number, imperial: boolean): Decimal | Unsuccessful {
  if (raw === FAILED) return 'UNSUCCESSFUL'
  return imperial ? decimal(raw, -2) : decimal(raw * 5, -3)
}

function heightOf(
  raw: number,
  imperial: boolean,
): { readonly height: Decimal; readonly heightUnit: 'm' | '[in_i]' } {
  return imperial
    ? { height: decimal(raw, -1), heightUnit: '[in_i]' }
    : { height: decimal(raw, -3), heightUnit: 'm' }
}
