import { decimal } from '../../decimal.js'
import type { Measurement } from '../../reading.js'
import { GattError } from '../errors.js'
import {
  decodeGlucose,
  decodeGlucoseContext,
  type GlucoseContext,
  type GlucoseMeasurement,
} from '../glucose.js'
import { shiftedDateTime } from './clock.js'
import { bits, coded, type Measured, numeric, plausible } from './measured.js'
import { bit } from './octets.js'
import type { Values } from './values.js'

const TYPES = {
  1: 'glucose-capillary-whole-blood',
  2: 'glucose-capillary-plasma',
  3: 'glucose-venous-whole-blood',
  4: 'glucose-venous-plasma',
  5: 'glucose-arterial-whole-blood',
  6: 'glucose-arterial-plasma',
  7: 'glucose-undetermined-whole-blood',
  8: 'glucose-undetermined-plasma',
  9: 'glucose-interstitial-fluid',
  10: 'glucose-control-solution',
} as const
const LOCATIONS = { 1: 'finger', 2: 'alternate-site', 3: 'earlobe', 4: 'control-solution', 5: 'subcutaneous' }
const STATUS = [
  'battery-low',
  'sensor-malfunction',
  'sample-too-small',
  'strip-insertion',
  'strip-type-incorrect',
  'result-too-high',
  'result-too-low',
  'temperature-too-high',
  'temperature-too-low',
  'read-interrupted',
  'general-fault',
] as const
const TIME_FAULT = 11

const FOODS = ['breakfast', 'lunch', 'dinner', 'snack', 'drink', 'supper', 'brunch'] as const
const DRUGS = ['rapid-acting', 'short-acting', 'intermediate-acting', 'long-acting', 'premixed'] as const
const MEALS = { 1: 'before-meal', 2: 'after-meal', 3: 'fasting', 4: 'casual', 5: 'bedtime' }
const TESTERS = { 1: 'self', 2: 'professional', 3: 'laboratory' }
const HEALTH = { 1: 'minor-issues', 2: 'major-issues', 3: 'menses', 4: 'stress', 5: 'no-issues' }
/** Longer than two octets can tell. */
const OVERRUN = 0xffff

/** Glucose Measurement, 2A18, with its Context, 2A34, of the same sequence number. */
export function measuredByMeter(value: Uint8Array, values: Values): Measured {
  const glucose = decodeGlucose(value)
  const context = values
    .all('2A34')
    .map(decodeGlucoseContext)
    .findLast(({ sequenceNumber }) => sequenceNumber === glucose.sequenceNumber)
  return {
    measurements: [
      ...concentration(glucose),
      ...coded('glucose-sample-location', glucose.sampleLocation, LOCATIONS),
      ...bits('glucose-meter-status', glucose.sensorStatus, STATUS),
      ...(context === undefined ? [] : contextOf(context)),
    ],
    timestamp: shiftedDateTime(glucose.baseTime, glucose.timeOffsetMinutes ?? 0),
    timeFault: hasTimeFault(glucose),
    // Meters keep records and send them when they are asked to.
    stored: true,
  }
}

function hasTimeFault({ sensorStatus = 0 }: GlucoseMeasurement): boolean {
  return bit(sensorStatus, TIME_FAULT)
}

function concentration(glucose: GlucoseMeasurement): readonly Measurement[] {
  const { concentration, unit, type } = glucose
  if (concentration === undefined || unit === undefined || type === undefined) return []
  const named = (TYPES as Readonly<Record<number, (typeof TYPES)[keyof typeof TYPES]>>)[type]
  if (named === undefined) {
    throw new GattError('ERR_PACKET_MALFORMED', 'The type of the sample in 2A18 is a reserved one.')
  }
  const status = hasTimeFault(glucose) ? ({ status: ['questionable'] } as const) : {}
  return [numeric(named, plausible(concentration), unit, status)]
}

function contextOf(context: GlucoseContext): readonly Measurement[] {
  const { carbohydrateId = 0, carbohydrateKg, medicationId = 0, medication, medicationUnit } = context
  const { exerciseDurationSeconds, exerciseIntensityPercent, hba1cPercent } = context
  const food = FOODS[carbohydrateId - 1]
  const drug = DRUGS[medicationId - 1]
  return [
    ...coded('meal-context', context.meal, MEALS),
    ...coded('glucose-tester', context.tester, TESTERS),
    ...coded('health', context.health, HEALTH),
    ...(carbohydrateKg === undefined
      ? []
      : [
          numeric(
            food === undefined ? 'carbohydrates' : `carbohydrates-${food}`,
            plausible(carbohydrateKg),
            'kg',
          ),
        ]),
    ...(medication === undefined || medicationUnit === undefined
      ? []
      : [
          numeric(
            drug === undefined ? 'medication' : `medication-${drug}`,
            plausible(medication),
            medicationUnit,
          ),
        ]),
    ...(exerciseIntensityPercent === undefined
      ? []
      : [
          numeric(
            'exercise',
            decimal(exerciseIntensityPercent, 0),
            '%',
            exerciseDurationSeconds === undefined || exerciseDurationSeconds === OVERRUN
              ? {}
              : { duration: decimal(exerciseDurationSeconds, 0) },
          ),
        ]),
    ...(hba1cPercent === undefined ? [] : [numeric('hba1c', plausible(hba1cPercent), '%')]),
  ]
}
