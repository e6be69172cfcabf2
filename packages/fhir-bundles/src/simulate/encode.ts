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

// The decoders backwards: what they make of the octets gives the same octets again. The flags say which fields there
// are, so a field without its flag is not written.

type Part = readonly number[] | undefined

const u8 = (number: number): readonly number[] => [number & 0xff]
const u16 = (number: number): readonly number[] => [number & 0xff, (number >> 8) & 0xff]
const u24 = (number: number): readonly number[] => [...u16(number), (number >> 16) & 0xff]
const sfloat = (value: MeasuredValue): readonly number[] => u16(sfloatWord(value))
const float = (value: MeasuredValue): readonly number[] => {
  const word = floatWord(value)
  return [...u24(word), (word >>> 24) & 0xff]
}
const given = <T>(value: T | undefined, write: (value: T) => readonly number[]): Part =>
  value === undefined ? undefined : write(value)

function packet(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => part ?? []))
}

/** The seven octets of `2026-03-02T07:00:00`. */
function dateTime(text: string): readonly number[] {
  const [year = 0, ...rest] = text.split(/[-T:]/).map(Number)
  return [...u16(year), ...rest]
}

/** Blood Pressure Measurement, 2A35. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodeBloodPressure(value: BloodPressureMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    sfloat(value.systolic),
    sfloat(value.diastolic),
    sfloat(value.meanArterialPressure),
    given(value.timestamp, dateTime),
    given(value.pulseRate, sfloat),
    given(value.userId, u8),
    given(value.measurementStatus, u16),
  )
}

/** Glucose Measurement, 2A18. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodeGlucose(value: GlucoseMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    u16(value.sequenceNumber),
    dateTime(value.baseTime),
    given(value.timeOffsetMinutes, u16),
    given(value.concentration, sfloat),
    given(value.type, (type) => u8(type | ((value.sampleLocation ?? 0) << 4))),
    given(value.sensorStatus, u16),
  )
}

/** Glucose Measurement Context, 2A34. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodeGlucoseContext(value: GlucoseContext): Uint8Array {
  return packet(
    u8(value.flags),
    u16(value.sequenceNumber),
    value.flags & 0x80 ? u8(0) : undefined,
    given(value.carbohydrateId, u8),
    given(value.carbohydrateKg, sfloat),
    given(value.meal, u8),
    given(value.tester, (tester) => u8(tester | ((value.health ?? 0) << 4))),
    given(value.exerciseDurationSeconds, u16),
    given(value.exerciseIntensityPercent, u8),
    given(value.medicationId, u8),
    given(value.medication, sfloat),
    given(value.hba1cPercent, sfloat),
  )
}

/** Heart Rate Measurement, 2A37. */
export function encodeHeartRate(value: HeartRateMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    value.flags & 1 ? u16(value.heartRate) : u8(value.heartRate),
    given(value.energyExpendedKJ, u16),
    ...(value.rrRaw1024 ?? []).map(u16),
  )
}

/** Temperature Measurement, 2A1C. Throws a RangeError for a value that a FLOAT cannot hold. */
export function encodeTemperature(value: TemperatureMeasurement): Uint8Array {
  return packet(
    u8(value.flags),
    float(value.temperature),
    given(value.timestamp, dateTime),
    given(value.type, u8),
  )
}

/** Weight Measurement, 2A9D. */
export function encodeWeight(value: WeightMeasurement): Uint8Array {
  const imperial = value.unit === '[lb_av]'
  return packet(
    u8(value.flags),
    u16(imperial ? steps(value.weight, -2, 1n) : steps(value.weight, -3, 5n)),
    given(value.timestamp, dateTime),
    given(value.userId, u8),
    given(value.bmi, (bmi) => u16(steps(bmi, -1, 1n))),
    given(value.height, (height) => u16(steps(height, imperial ? -1 : -3, 1n))),
  )
}

function steps(value: Decimal | Unsuccessful, exponent: number, resolution: bigint): number {
  return value === 'UNSUCCESSFUL' ? 0xffff : Number(rescaleDecimal(value, exponent).mantissa / resolution)
}

/** PLX Spot-Check Measurement, 2A5E. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodePulseOximetrySpot(value: PulseOximetrySpot): Uint8Array {
  return packet(
    u8(value.flags),
    sfloat(value.spo2),
    sfloat(value.pulseRate),
    given(value.timestamp, dateTime),
    given(value.measurementStatus, u16),
    given(value.deviceAndSensorStatus, u24),
    given(value.pulseAmplitudeIndex, sfloat),
  )
}

/** PLX Continuous Measurement, 2A5F. Throws a RangeError for a value that an SFLOAT cannot hold. */
export function encodePulseOximetryContinuous(value: PulseOximetryContinuous): Uint8Array {
  return packet(
    u8(value.flags),
    sfloat(value.spo2),
    sfloat(value.pulseRate),
    given(value.spo2Fast, sfloat),
    given(value.pulseRateFast, sfloat),
    given(value.spo2Slow, sfloat),
    given(value.pulseRateSlow, sfloat),
    given(value.measurementStatus, u16),
    given(value.deviceAndSensorStatus, u24),
    given(value.pulseAmplitudeIndex, sfloat),
  )
}

/** Current Time, 2A2B. */
export function encodeCurrentTime(value: CurrentTime): Uint8Array {
  return packet(dateTime(value.dateTime), u8(value.dayOfWeek), u8(value.fractions256), u8(value.adjustReason))
}

/** System ID, 2A23, of an EUI-64 in true order. */
export function encodeSystemId(eui64: string): Uint8Array {
  return packet(
    eui64
      .split('-')
      .map((octet) => Number.parseInt(octet, 16))
      .toReversed(),
  )
}
