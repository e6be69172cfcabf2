import { type Decimal, rescaleDecimal } from '../decimal.js'
import type { MeasuredValue } from '../reading.js'
import type { BloodPressureMeasurement } from '../gatt/blood-pressure.js'
import type { CurrentTime } from '../gatt/date-time.js'
import { floatWord, sfloatWord } from '../gatt/floats.js'
import type { GlucoseContext, GlucoseMeasurement } from '../gatt/glucose.js'
import type { HeartRateMeasurement } from '../gatt/heart-rate.js'
import type { PulseOximetryContinuous, PulseOximetrySpot } from '../gatt/pulse-oximetry.js'
import type { TemperatureMeasurement } from '../gatt/temperature.js'
import type { Unsuccessful, WeightMeasurement } from '../gatt/weight.js'

// The decoders backwards: what they make of the octets gives the same octets again. Each encoder is the layout of its
// characteristic, field by field; a field that is absent takes no octets. The flags are written as they are given.

type Octets = readonly number[]

/** A field of a layout: nothing where the value has no such member. */
const field =
  <T>(octetsOf: (value: T) => Octets) =>
  (value: T | undefined): Octets =>
    value === undefined ? [] : octetsOf(value)

/** The lowest octets of a number, least significant first. */
function littleEndian(number: number, count: number): Octets {
  return Array.from({ length: count }, (_, index) => (number >> (8 * index)) & 0xff)
}

const u8 = field((number: number) => littleEndian(number, 1))
const u16 = field((number: number) => littleEndian(number, 2))
const u24 = field((number: number) => littleEndian(number, 3))
const sfloat = field((value: MeasuredValue) => littleEndian(sfloatWord(value), 2))
const float = field((value: MeasuredValue) => littleEndian(floatWord(value), 4))
/** The seven octets of `2026-03-02T07:00:00`. */
const dateTime = field((text: string) => {
  const [year = 0, ...rest] = text.split(/[-T:]/).map(Number)
  return [...littleEndian(year, 2), ...rest]
})
/** Two numbers of four bits in one octet. */
const nibbles = (low: number | undefined, high: number | undefined): Octets =>
  low === undefined ? [] : u8(low | ((high ?? 0) << 4))

function packet(...fields: readonly Octets[]): Uint8Array {
  return Uint8Array.from(fields.flat())
}

/** Blood Pressure Measurement, 2A35. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodeBloodPressure(value: BloodPressureMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    sfloat(value.systolic),
    sfloat(value.diastolic),
    sfloat(value.meanArterialPressure),
    dateTime(value.timestamp),
    sfloat(value.pulseRate),
    u8(value.userId),
    u16(value.measurementStatus),
  )
}

/** Glucose Measurement, 2A18. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodeGlucose(value: GlucoseMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    u16(value.sequenceNumber),
    dateTime(value.baseTime),
    u16(value.timeOffsetMinutes),
    sfloat(value.concentration),
    nibbles(value.type, value.sampleLocation),
    u16(value.sensorStatus),
  )
}

/** Glucose Measurement Context, 2A34. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodeGlucoseContext(value: GlucoseContext): Uint8Array {
  const extendedFlags = value.flags & 0x80 ? u8(0) : []
  return packet(
    u8(value.flags),
    u16(value.sequenceNumber),
    extendedFlags,
    u8(value.carbohydrateId),
    sfloat(value.carbohydrateKg),
    u8(value.meal),
    nibbles(value.tester, value.health),
    u16(value.exerciseDurationSeconds),
    u8(value.exerciseIntensityPercent),
    u8(value.medicationId),
    sfloat(value.medication),
    sfloat(value.hba1cPercent),
  )
}

/** Heart Rate Measurement, 2A37. */
export function encodeHeartRate(value: HeartRateMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    value.flags & 1 ? u16(value.heartRate) : u8(value.heartRate),
    u16(value.energyExpendedKJ),
    ...(value.rrRaw1024 ?? []).map(u16),
  )
}

/** Temperature Measurement, 2A1C. Throws a RangeError for a value that a FLOAT cannot hold. */
export function encodeTemperature(value: TemperatureMeasurement): Uint8Array {
  return packet(u8(value.flags), float(value.temperature), dateTime(value.timestamp), u8(value.type))
}

/** Weight Measurement, 2A9D. */
export function encodeWeight(value: WeightMeasurement): Uint8Array {
  const imperial = value.unit === '[lb_av]'
  return packet(
    u8(value.flags),
    imperial ? steps(value.weight, -2) : steps(value.weight, -3, 5n),
    dateTime(value.timestamp),
    u8(value.userId),
    steps(value.bmi, -1),
    steps(value.height, imperial ? -1 : -3),
  )
}

/** A number of steps of `resolution × 10^exponent`, in two octets. */
function steps(value: Decimal | Unsuccessful | undefined, exponent: number, resolution: bigint = 1n): Octets {
  if (value === undefined) return []
  return u16(
    value === 'UNSUCCESSFUL' ? 0xffff : Number(rescaleDecimal(value, exponent).mantissa / resolution),
  )
}

/** PLX Spot-Check Measurement, 2A5E. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodePulseOximetrySpot(value: PulseOximetrySpot): Uint8Array {
  return oximetry(value, dateTime(value.timestamp))
}

/** PLX Continuous Measurement, 2A5F. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodePulseOximetryContinuous(value: PulseOximetryContinuous): Uint8Array {
  const { spo2Fast, pulseRateFast, spo2Slow, pulseRateSlow } = value
  return oximetry(value, ...[spo2Fast, pulseRateFast, spo2Slow, pulseRateSlow].map(sfloat))
}

/** Both begin and end alike. */
function oximetry(
  value: PulseOximetrySpot | PulseOximetryContinuous,
  ...between: readonly Octets[]
): Uint8Array {
  return packet(
    u8(value.flags),
    sfloat(value.spo2),
    sfloat(value.pulseRate),
    ...between,
    u16(value.measurementStatus),
    u24(value.deviceAndSensorStatus),
    sfloat(value.pulseAmplitudeIndex),
  )
}

/** Current Time, 2A2B. */
export function encodeCurrentTime(value: CurrentTime): Uint8Array {
  return packet(dateTime(value.dateTime), u8(value.dayOfWeek), u8(value.fractions256), u8(value.adjustReason))
}

/** System ID, 2A23, of an EUI-64 in true order. */
export function encodeSystemId(eui64: string): Uint8Array {
  return Uint8Array.from(eui64.split('-'), (octet) => Number.parseInt(octet, 16)).toReversed()
}
