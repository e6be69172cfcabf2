import { decimal } from '../../decimal.js'
import {
  encodeBloodPressure,
  encodeGlucose,
  encodeGlucoseContext,
  encodeHeartRate,
  encodePulseOximetryContinuous,
  encodePulseOximetrySpot,
  encodeTemperature,
  encodeWeight,
} from '../encode.js'
import { between, type Random } from './random.js'

/** What a device sends at one moment of its day. */
export type Sent = {
  /** Seconds after midnight. */
  readonly second: number
  /** The measuring characteristic and its helpers, with the device's own time stamp where it has one. */
  readonly values: (stamp: string) => Readonly<Record<string, Uint8Array>>
}

const hour = 3600
const minute = 60

/** Morning, noon and evening, twice in a row as doctors ask for. */
export function dayOfCuff(random: Random): readonly Sent[] {
  return [7, 13, 20].flatMap((hours) => {
    const second = hours * hour + between(random, 0, 40) * minute
    const systolic = between(random, 112, 148)
    const diastolic = between(random, 66, 92)
    return [0, 2 * minute].map((later) => {
      const upper = systolic - between(random, 0, 6)
      const lower = Math.min(diastolic - between(random, 0, 4), upper - 25)
      const pulse = between(random, 54, 92)
      const moved = random() < 0.1
      return {
        second: second + later,
        values: (timestamp) => ({
          '2A35': encodeBloodPressure({
            flags: 0b10110,
            unit: 'mm[Hg]',
            systolic: decimal(upper, 0),
            diastolic: decimal(lower, 0),
            meanArterialPressure: decimal(Math.round(lower + (upper - lower) / 3), 0),
            timestamp,
            pulseRate: decimal(pulse, 0),
            measurementStatus: moved ? 1 : 0,
          }),
        }),
      }
    })
  })
}

const meals = [
  { at: 7, id: 1 },
  { at: 12, id: 2 },
  { at: 18, id: 3 },
] as const

/** Before and two hours after each meal, and at bedtime. */
export function dayOfMeter(random: Random): readonly Sent[] {
  let sequence = between(random, 0, 2000)
  const record = (second: number, milligrams: number, meal: number, food?: number): Sent => {
    const sequenceNumber = sequence
    sequence += 1
    const grams = between(random, 30, 90)
    return {
      second,
      values: (baseTime) => ({
        '2A18': encodeGlucose({
          flags: 0b11011,
          sequenceNumber,
          baseTime,
          timeOffsetMinutes: 0,
          // kg/L, as such meters have it: 112 mg/dL is 112e-5 kg/L.
          concentration: decimal(milligrams, -5),
          unit: 'kg/L',
          type: 1,
          sampleLocation: 1,
          sensorStatus: 0,
          contextFollows: true,
        }),
        '2A34': encodeGlucoseContext({
          flags: food === undefined ? 0b10 : 0b11,
          sequenceNumber,
          ...(food === undefined ? {} : { carbohydrateId: food, carbohydrateKg: decimal(grams, -3) }),
          meal,
        }),
      }),
    }
  }
  const aroundMeals = meals.flatMap(({ at, id }) => {
    const second = at * hour + between(random, 0, 50) * minute
    const before = between(random, 82, 118)
    return [
      record(second, before, id === 1 ? 3 : 1),
      record(second + 2 * hour, before + between(random, 15, 70), 2, id),
    ]
  })
  return [...aroundMeals, record(22 * hour + between(random, 0, 40) * minute, between(random, 92, 138), 5)]
}

/** One weighing in the morning, with height and body mass index, and one without in the evening. */
export function dayOfScale(random: Random): readonly Sent[] {
  const fives = between(random, 11_000, 19_000)
  const centimetres = between(random, 155, 195)
  return [7, 21].map((hours, index) => {
    const raw = fives + index * between(random, 20, 160)
    const metres = centimetres / 100
    const bmi = Math.round((raw * 0.05) / (metres * metres))
    return {
      second: hours * hour + between(random, 0, 30) * minute,
      values: (timestamp) => ({
        '2A9D': encodeWeight({
          flags: index === 0 ? 0b1110 : 0b110,
          unit: 'kg',
          weight: decimal(raw * 5, -3),
          timestamp,
          userId: 1,
          ...(index === 0
            ? {
                bmi: decimal(bmi, -1),
                height: decimal(centimetres * 10, -3),
                heightUnit: 'm' as const,
              }
            : {}),
        }),
      }),
    }
  })
}

/** Every four hours, in the ear. */
export function dayOfThermometer(random: Random): readonly Sent[] {
  return [7, 11, 15, 19].map((hours) => {
    const tenths = between(random, 362, 374)
    return {
      second: hours * hour + between(random, 0, 50) * minute,
      values: (timestamp) => ({
        '2A1C': encodeTemperature({
          flags: 0b110,
          unit: 'Cel',
          temperature: decimal(tenths, -1),
          timestamp,
          type: 3,
        }),
      }),
    }
  })
}

/** Spot checks, and after the last one a minute without taking the finger out. */
export function dayOfOximeter(random: Random): readonly Sent[] {
  const spots: Sent[] = [8, 12, 16, 20].map((hours) => {
    const spo2 = between(random, 94, 99)
    const pulse = between(random, 52, 94)
    const amplitude = between(random, 8, 95)
    return {
      second: hours * hour + between(random, 0, 30) * minute,
      values: (timestamp) => ({
        '2A5E': encodePulseOximetrySpot({
          flags: 0b1011,
          spo2: decimal(spo2, 0),
          pulseRate: decimal(pulse, 0),
          timestamp,
          // Validated.
          measurementStatus: 1 << 7,
          pulseAmplitudeIndex: decimal(amplitude, -1),
          deviceClockNotSet: false,
        }),
      }),
    }
  })
  const continuous: Sent[] = [0, 15, 30, 45].map((later) => {
    const spo2 = between(random, 94, 99)
    const pulse = between(random, 52, 94)
    const poor = random() < 0.2
    return {
      second: 21 * hour + later,
      values: () => ({
        '2A5F': encodePulseOximetryContinuous({
          flags: 0b1100,
          spo2: decimal(spo2, 0),
          pulseRate: decimal(pulse, 0),
          // Ongoing; with a poor signal also questionable.
          measurementStatus: (1 << 5) | (poor ? 1 << 14 : 0),
          deviceAndSensorStatus: poor ? 1 << 4 : 0,
        }),
      }),
    }
  })
  return [...spots, ...continuous]
}

/** Half an hour of running, a packet every minute. */
export function dayOfStrap(random: Random): readonly Sent[] {
  const start = 17 * hour + between(random, 0, 30) * minute
  let rate = between(random, 70, 85)
  let energy = 0
  return Array.from({ length: 30 }, (_, index) => {
    rate = Math.max(65, Math.min(172, rate + between(random, index < 20 ? -2 : -9, index < 20 ? 9 : 3)))
    energy += Math.round(rate * 0.35)
    const [heartRate, energyExpendedKJ] = [rate, energy]
    const beat = Math.round((60 * 1024) / rate)
    const rrRaw1024 = [beat + between(random, -20, 20), beat + between(random, -20, 20)]
    return {
      second: start + index * minute,
      values: () => ({
        '2A37': encodeHeartRate({ flags: 0b11110, heartRate, contact: true, energyExpendedKJ, rrRaw1024 }),
      }),
    }
  })
}
