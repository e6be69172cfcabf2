import { describe, expect, test } from 'vitest'
import { type CodeableConcept, type Measurement, type MeasurementType } from '../src/index.js'
import { built, withMeasurements } from './built.js'
import { samplesOf, types } from './samples.js'

// Copied by hand from the nomenclature and the profiles, not from the rows of the source: whoever swaps two sites of a
// thermometer or two kinds of blood has to do it twice. `B`: an R4 vital sign. A unit that is converted has an arrow.
type Row = readonly [mdc: number, loinc: string, units: string, vital?: 'B']

const TEMPERATURE = 'Cel [degF]'
const MASS = 'kg g [lb_av]'
const GLUCOSE = 'mg/dL mmol/L kg/L>mg/dL mol/L>mmol/L'
const FOOD = 'g kg>g'
const DOSE = 'mg mL kg>mg L>mL'

const ROWS: Readonly<Record<MeasurementType, Row>> = {
  'blood-pressure': [150020, '85354-9', 'mm[Hg] kPa>mm[Hg]', 'B'],
  'pulse-rate': [149546, '8867-4', '/min', 'B'],
  'blood-pressure-status': [8410608, '', ''],

  'oxygen-saturation': [150456, '2708-6 59408-5', '%', 'B'],
  'oximeter-pulse-rate': [149530, '8867-4', '/min', 'B'],
  'pulse-amplitude-index': [150448, '61006-3', '%'],
  'oximeter-signal-quality': [150320, '', '%'],
  'pleth-wave': [150452, '', '1'],
  'oximeter-status': [150604, '', ''],

  'body-temperature': [150364, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-ear': [188428, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-tympanic': [150392, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-oral': [188424, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-axilla': [188452, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-rectal': [188420, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-finger': [188432, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-toe': [188448, '8310-5', TEMPERATURE, 'B'],
  'body-temperature-gastro-intestinal': [188456, '8310-5', TEMPERATURE, 'B'],

  'body-weight': [188736, '29463-7', MASS, 'B'],
  'body-height': [188740, '8302-2', 'cm [in_i] m>cm', 'B'],
  'body-mass-index': [188752, '39156-5', 'kg/m2', 'B'],
  'body-fat': [188748, '41982-0', '%'],
  'fat-free-mass': [188756, '', MASS],
  'soft-lean-mass': [188760, '', MASS],
  'body-water-mass': [188764, '', MASS],
  'muscle-percentage': [188772, '', '%'],
  'muscle-mass': [188776, '', MASS],
  'basal-metabolism': [188768, '', 'kJ kcal'],
  'body-impedance': [188780, '', 'Ohm'],

  // 41653-7 is of mass per volume: none of the amount of substance.
  'glucose-capillary-whole-blood': [160184, '41653-7', GLUCOSE],
  'glucose-capillary-plasma': [160188, '', GLUCOSE],
  'glucose-venous-whole-blood': [160192, '', GLUCOSE],
  'glucose-venous-plasma': [160196, '', GLUCOSE],
  'glucose-arterial-whole-blood': [160200, '', GLUCOSE],
  'glucose-arterial-plasma': [160204, '', GLUCOSE],
  'glucose-undetermined-whole-blood': [160364, '', GLUCOSE],
  'glucose-undetermined-plasma': [160368, '', GLUCOSE],
  'glucose-interstitial-fluid': [160212, '', GLUCOSE],
  'glucose-control-solution': [160208, '', GLUCOSE],
  'glucose-trend': [8418008, '', 'mg/dL/min'],
  'glucose-meter-status': [8417752, '', ''],
  'glucose-monitor-status': [8418060, '', ''],

  'meal-context': [8417864, '', ''],
  health: [8417820, '', ''],
  'glucose-tester': [8417884, '', ''],
  'glucose-sample-location': [8417844, '', ''],
  carbohydrates: [8417764, '', FOOD],
  'carbohydrates-breakfast': [8417768, '', FOOD],
  'carbohydrates-lunch': [8417772, '', FOOD],
  'carbohydrates-dinner': [8417776, '', FOOD],
  'carbohydrates-snack': [8417780, '', FOOD],
  'carbohydrates-drink': [8417784, '', FOOD],
  'carbohydrates-supper': [8417788, '', FOOD],
  'carbohydrates-brunch': [8417792, '', FOOD],
  medication: [8417796, '', DOSE],
  'medication-rapid-acting': [8417800, '', DOSE],
  'medication-short-acting': [8417804, '', DOSE],
  'medication-intermediate-acting': [8417808, '', DOSE],
  'medication-long-acting': [8417812, '', DOSE],
  'medication-premixed': [8417816, '', DOSE],
  exercise: [8417760, '', '%'],
  hba1c: [160220, '', '%'],

  'heart-rate': [147842, '8867-4', '/min', 'B'],
  'rr-interval': [147240, '', 'ms s>ms'],
  'energy-expended': [8454263, '41981-2', 'kJ kcal'],
  'ecg-lead-1': [131329, '', 'mV'],

  distance: [8454247, '', 'm'],
  speed: [8454254, '', 'm/s'],
  cadence: [8454255, '', '/min'],
  power: [8454259, '', 'W'],
  'active-time': [8454269, '', 'min'],
  'activity-heart-rate': [8454258, '', '/min'],
  'program-id': [8454252, '', ''],

  'respiratory-rate': [151562, '9279-1', '/min', 'B'],
  'peak-expiratory-flow': [152584, '19935-6', 'L/min'],
  'personal-best-peak-flow': [152585, '', 'L/min'],
  fev1: [152586, '20150-9', 'L'],
  fvc: [188928, '19870-5', 'L'],
  'fev1-fvc-ratio': [188948, '', '%'],
  inr: [160260, '', '{INR}'],
  battery: [67996, '', '%'],
  'power-status': [67925, '', ''],
}

const codesOf = (concept: CodeableConcept | undefined, system: string): readonly string[] =>
  concept?.coding?.filter((coding) => coding.system === system).map(({ code }) => code) ?? []
const mdcOf = (concept: CodeableConcept | undefined) => codesOf(concept, 'urn:iso:std:iso:11073:10101')
const loincOf = (concept: CodeableConcept | undefined) => codesOf(concept, 'http://loinc.org')

test.each(Object.entries(ROWS))('%s', (name, [mdc, loinc, units, vital]) => {
  const samples = samplesOf(name as MeasurementType)
  const conversions: string[] = []
  for (const sample of samples) {
    const [made] = built([withMeasurements(sample)]).coded(String(mdc))
    expect(mdcOf(made?.code)).toEqual([String(mdc)])
    const quantity =
      made?.valueQuantity ?? made?.component?.[0]?.valueQuantity ?? made?.valueSampledData?.origin
    const isMolar = name.startsWith('glucose-') && quantity?.code === 'mmol/L'
    expect(loincOf(made?.code)).toEqual(isMolar ? [] : loinc.split(' ').filter((code) => code !== ''))
    const categories = made?.category?.flatMap(({ coding }) => coding?.map(({ code }) => code) ?? [])
    expect(categories).toEqual(vital === 'B' ? ['vital-signs', 'phd'] : ['phd'])
    if (quantity === undefined || !('unit' in sample)) continue
    conversions.push(sample.unit === quantity.code ? sample.unit : `${sample.unit}>${quantity.code}`)
  }
  expect(conversions).toEqual(units.split(' ').filter((unit) => unit !== ''))
})

test('no measurement is left out, and no two have one code', () => {
  expect(Object.keys(ROWS).toSorted()).toEqual(types.toSorted())
  const codes = Object.values(ROWS).map(([mdc]) => mdc)
  expect(new Set(codes).size).toBe(codes.length)
})

test('the parts of a blood pressure', () => {
  const [panel] = built([withMeasurements(...samplesOf('blood-pressure').slice(0, 1))]).panels
  expect(panel?.component?.map(({ code }) => [...mdcOf(code), ...loincOf(code)])).toEqual([
    ['150021', '8480-6'],
    ['150022', '8462-4'],
    ['150023', '8478-0'],
  ])
})

/** The codes of the names in a coded measurement; without one the text stands alone. */
const NAMES = {
  'meal-context': {
    'before-meal': 8417868,
    'after-meal': 8417872,
    fasting: 8417876,
    casual: 8417880,
    bedtime: undefined,
  },
  health: {
    'minor-issues': 8417824,
    'major-issues': 8417828,
    menses: 8417832,
    stress: 8417836,
    'no-issues': 8417840,
  },
  'glucose-tester': { self: 8417888, professional: 8417892, laboratory: 8417896 },
  'glucose-sample-location': {
    finger: 8417848,
    'alternate-site': 8417852,
    earlobe: 8417856,
    'control-solution': 8417860,
    subcutaneous: 8417849,
  },
} as const

test.each(Object.entries(NAMES))('the names of %s', (type, names) => {
  const samples = samplesOf(type as MeasurementType)
  expect(samples.map((sample) => 'value' in sample && sample.value)).toEqual(Object.keys(names))
  for (const [name, code] of Object.entries(names)) {
    const sample = { kind: 'coded', type, value: name } as Measurement
    const [made] = built([withMeasurements(sample)]).coded(String(ROWS[type as MeasurementType][0]))
    expect(mdcOf(made?.valueCodeableConcept)).toEqual(code === undefined ? [] : [String(code)])
  }
})

/** Bit names of the guide's code system in the order of our names, by bit. */
const BITS: Readonly<Partial<Record<MeasurementType, Readonly<Record<number, readonly [string, string]>>>>> =
  {
    'blood-pressure-status': {
      0: ['body-movement', 'body-movement'],
      1: ['cuff-too-loose', 'cuff-too-loose'],
      2: ['irregular-pulse', 'irregular-pulse'],
      3: ['pulse-rate-above-range', 'pulse-over-range-limit'],
      4: ['pulse-rate-below-range', 'pulse-under-range-limit'],
      5: ['improper-body-position', 'improper-body-position'],
    },
    'oximeter-status': {
      0: ['sensor-disconnected', 'sensor-disconnected'],
      1: ['sensor-malfunction', 'sensor-malfunction'],
      2: ['sensor-displaced', 'sensor-displaced'],
      3: ['sensor-unsupported', 'sensor-unsupported'],
      4: ['sensor-off', 'sensor-off'],
      5: ['sensor-interference', 'sensor-interference'],
      6: ['signal-searching', 'signal-searching'],
      7: ['signal-pulse-questionable', 'signal-pulse-questionable'],
      8: ['signal-non-pulsatile', 'signal-non-pulsatile'],
      9: ['signal-erratic', 'signal-erratic'],
      10: ['signal-low-perfusion', 'signal-low-perfusion'],
      11: ['signal-poor', 'signal-poor'],
      12: ['signal-inadequate', 'signal-inadequate'],
      13: ['signal-processing-irregularity', 'signal-processing-irregularity'],
      14: ['device-equipment-malfunction', 'device-equipment-malfunction'],
      15: ['device-extended-update', 'device-extended-update'],
    },
    'glucose-meter-status': {
      0: ['battery-low', 'device-battery-low'],
      1: ['sensor-malfunction', 'sensor-malfunction'],
      2: ['sample-too-small', 'sensor-sample-size-insufficient'],
      3: ['strip-insertion', 'sensor-strip-insertion'],
      4: ['strip-type-incorrect', 'sensor-strip-type-incorrect'],
      5: ['result-too-high', 'sensor-result-too-high'],
      6: ['result-too-low', 'sensor-result-too-low'],
      7: ['temperature-too-high', 'sensor-temp-too-high'],
      8: ['temperature-too-low', 'sensor-temp-too-low'],
      9: ['read-interrupted', 'sensor-read-interrupt'],
      10: ['general-fault', 'device-gen-fault'],
      11: ['temperature-out-of-range', 'sensor-temp-out-of-range'],
    },
    'glucose-monitor-status': {
      0: ['session-stopped', 'sensor-session-stopped'],
      2: ['sensor-type-incorrect', 'sensor-type-incorrect'],
      3: ['sensor-malfunction', 'sensor-malfunction'],
      4: ['device-specific-alert', 'device-specific-alert'],
      7: ['calibration-not-allowed', 'sensor-calibration-not-allowed'],
      8: ['calibration-recommended', 'sensor-calibration-recommended'],
      9: ['calibration-required', 'sensor-calibration-required'],
      10: ['temperature-too-high', 'sensor-temp-too-high'],
      11: ['temperature-too-low', 'sensor-temp-too-low'],
      12: ['below-patient-low', 'sensor-result-below-patient-low'],
      13: ['above-patient-high', 'sensor-result-above-patient-high'],
      14: ['below-hypo', 'sensor-low-hypo'],
      15: ['above-hyper', 'sensor-high-hyper'],
      16: ['falls-too-fast', 'sensor-rate-decrease-exceeded'],
      17: ['rises-too-fast', 'sensor-rate-increase-exceeded'],
      18: ['result-too-low', 'sensor-result-too-low'],
      19: ['result-too-high', 'sensor-result-too-high'],
      20: ['out-of-range', 'sensor-com-out-of-range'],
    },
    'power-status': {
      0: ['on-mains', 'onMains'],
      1: ['on-battery', 'onBattery'],
      8: ['charging-full', 'chargingFull'],
      9: ['charging-trickle', 'chargingTrickle'],
      10: ['charging-off', 'chargingOff'],
    },
  }

describe('bits', () => {
  test.each(Object.entries(BITS))('%s', (type, bits) => {
    const [mdc] = ROWS[type as MeasurementType]
    const made = Object.values(bits).map(([name]) => {
      const sample = { kind: 'bits', type, set: [name] } as Measurement
      const [one] = built([withMeasurements(sample)]).coded(String(mdc))
      return one?.component?.map(({ code, valueBoolean }) => [code.coding?.[0], valueBoolean])
    })
    expect(made).toEqual(
      Object.entries(bits).map(([bit, [, display]]) => [
        [{ system: 'http://terminology.hl7.org/CodeSystem/ASN1ToHL7', code: `${mdc}.${bit}`, display }, true],
      ]),
    )
  })

  test('no bit of any measurement is left out', () => {
    const all = types.flatMap((type) =>
      samplesOf(type).flatMap((sample) => (sample.kind === 'bits' ? [sample] : [])),
    )
    expect(all.map(({ type }) => type).toSorted()).toEqual(Object.keys(BITS).toSorted())
    for (const { type, set, clear = [] } of all) {
      const names = Object.values(BITS[type] ?? {}).map(([name]) => name)
      expect([...set, ...clear].toSorted()).toEqual(names.toSorted())
    }
  })
})
