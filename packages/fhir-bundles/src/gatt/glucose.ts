import { isDecimal } from '../decimal.js'
import type { MeasuredValue } from '../reading.js'
import { readDateTime } from './date-time.js'
import { bit, octetsOf, when } from './internal/octets.js'

/** Glucose Measurement, 2A18. */
export interface GlucoseMeasurement {
  readonly flags: number
  /** Joins the measurement to its context. */
  readonly sequenceNumber: number
  /** The device's clock without the user's adjustments. */
  readonly baseTime: string
  /** What the user's adjustments come to; the time shown to the user is base time and offset. */
  readonly timeOffsetMinutes?: number
  readonly concentration?: MeasuredValue
  readonly unit?: 'kg/L' | 'mol/L'
  /** 1 capillary whole blood, 2 capillary plasma, … 10 control solution. */
  readonly type?: number
  /** 1 finger, 2 alternate site, 3 earlobe, 4 control solution, 15 not available. */
  readonly sampleLocation?: number
  readonly sensorStatus?: number
  readonly contextFollows: boolean
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeGlucose(value: Uint8Array): GlucoseMeasurement {
  const octets = octetsOf(value, '2A18')
  const flags = octets.u8()
  return {
    flags,
    sequenceNumber: octets.u16(),
    baseTime: readDateTime(octets),
    ...when(bit(flags, 0), 'timeOffsetMinutes', () => octets.i16()),
    ...(bit(flags, 1)
      ? {
          concentration: octets.sfloat(),
          unit: bit(flags, 2) ? 'mol/L' : 'kg/L',
          ...typeAndLocation(octets.u8()),
        }
      : {}),
    ...when(bit(flags, 3), 'sensorStatus', () => octets.u16()),
    contextFollows: bit(flags, 4),
  }
}

function typeAndLocation(octet: number): { readonly type: number; readonly sampleLocation: number } {
  return { type: octet & 15, sampleLocation: octet >> 4 }
}

/** The concentration in the unit that people use: mg/dL for kg/L, mmol/L for mol/L. The digits stay as they are. */
export function glucoseInUsualUnit(
  concentration: MeasuredValue,
  unit: 'kg/L' | 'mol/L',
): { readonly value: MeasuredValue; readonly unit: 'mg/dL' | 'mmol/L' } {
  const usual = unit === 'kg/L' ? 'mg/dL' : 'mmol/L'
  if (!isDecimal(concentration)) return { value: concentration, unit: usual }
  const { mantissa, exponent } = concentration
  return { value: { mantissa, exponent: exponent + (unit === 'kg/L' ? 5 : 3) }, unit: usual }
}

/** Glucose Measurement Context, 2A34. */
export interface GlucoseContext {
  readonly flags: number
  readonly sequenceNumber: number
  /** 1 breakfast, 2 lunch, 3 dinner, 4 snack, 5 drink, 6 supper, 7 brunch. */
  readonly carbohydrateId?: number
  readonly carbohydrateKg?: MeasuredValue
  /** 1 before, 2 after a meal, 3 fasting, 4 casual, 5 bedtime. */
  readonly meal?: number
  /** 1 self, 2 professional, 3 laboratory, 15 not available. */
  readonly tester?: number
  /** 1 minor, 2 major health issues, 3 during menses, 4 under stress, 5 none, 15 not available. */
  readonly health?: number
  /** 65535: longer than can be told. */
  readonly exerciseDurationSeconds?: number
  readonly exerciseIntensityPercent?: number
  /** 1 rapid, 2 short, 3 intermediate, 4 long acting insulin, 5 pre-mixed. */
  readonly medicationId?: number
  readonly medication?: MeasuredValue
  readonly medicationUnit?: 'kg' | 'L'
  readonly hba1cPercent?: MeasuredValue
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeGlucoseContext(value: Uint8Array): GlucoseContext {
  const octets = octetsOf(value, '2A34')
  const flags = octets.u8()
  const sequenceNumber = octets.u16()
  // Extended flags: nothing is defined in them, but they stand before everything else.
  if (bit(flags, 7)) octets.u8()
  return {
    flags,
    sequenceNumber,
    ...(bit(flags, 0) ? { carbohydrateId: octets.u8(), carbohydrateKg: octets.sfloat() } : {}),
    ...when(bit(flags, 1), 'meal', () => octets.u8()),
    ...(bit(flags, 2) ? testerAndHealth(octets.u8()) : {}),
    ...(bit(flags, 3)
      ? { exerciseDurationSeconds: octets.u16(), exerciseIntensityPercent: octets.u8() }
      : {}),
    ...(bit(flags, 4)
      ? { medicationId: octets.u8(), medication: octets.sfloat(), medicationUnit: bit(flags, 5) ? 'L' : 'kg' }
      : {}),
    ...when(bit(flags, 6), 'hba1cPercent', () => octets.sfloat()),
  }
}

function testerAndHealth(octet: number): { readonly tester: number; readonly health: number } {
  return { tester: octet & 15, health: octet >> 4 }
}
