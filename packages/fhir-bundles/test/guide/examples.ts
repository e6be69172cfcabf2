import { decimal, type Measurement, type Reading } from '../../src/index.js'
import { CERTIFICATION, CLOCK, SECOND_LOINC } from './always.js'
import { nameOf } from './differences.js'
import { type Json, profileOf } from './files.js'
import { at, meter, nonin, numeric, omron, pressure, readingOf, shifted, wave } from './readings.js'

/** An example of the guide, the reading that we make it from, and what we write otherwise. */
export type Example = {
  readonly name: string
  /** The wave in it is too long to stand here. */
  readonly reading: Reading | ((theirs: Json) => Reading)
  /** What the guide calls the coincident time stamp, where it refers to one. */
  readonly clocks?: string
  /** Which of our resources is the guide's; by default the one with its code. */
  readonly made?: (ours: readonly Json[]) => unknown
  /** `-` only theirs, `+` only ours, `~` not the same → reason. */
  readonly otherwise?: Readonly<Record<string, string>>
}

const CALENDAR = 'theirs has the calendar time of version 1'
const COMPOUND = 'a private compound is not supported: it is an Observation for each component'
const LOWER_CASE = 'hex is written in upper case'
const MEAN = 'R4 knows a LOINC code of the mean'
const ORDER = 'theirs is in wire order, ours in true order'
const PATIENT = 'a patient without an identifier cannot be created conditionally'
const PRIVATE = 'private codes are not supported; the nearest string of ours stands for it'
const QUALITY = 'accuracy and confidence are not in a reading'

const cuffTime = {
  ...shifted('2018-11-11T11:38:15', '2018-11-11T11:38:10', '2018-11-11T11:38:10-05:00'),
  syncMethod: 'manual',
} as const
const cuff = readingOf(omron, cuffTime, pressure(decimal('86')))
const glucose = numeric('glucose-capillary-whole-blood', '6.3', 'mmol/L')
const afterMeal: Measurement = { kind: 'coded', type: 'meal-context', value: 'after-meal' }

const IDENTITIES: readonly Example[] = [
  // PhdPatient
  { name: 'patientExample-1', reading: cuff },
  {
    name: 'patientExample-2',
    reading: {
      ...cuff,
      patient: {
        identifier: { system: 'urn:oid:2.999.1', value: '2', type: 'U' },
        name: { family: 'Doe', given: ['Jane'] },
      },
    },
    otherwise: { '+identifier[U].system': PATIENT, '+identifier[U].value': PATIENT },
  },

  // PhgDevice
  {
    name: 'phg-ecde3d4e58532d31.000000000000',
    reading: cuff,
    otherwise: {
      '~identifier[SYSID].value': LOWER_CASE,
      '~identifier[BTMAC].value': LOWER_CASE,
      '-identifier[ETHMAC]': 'a reading has one address',
      '-property[532353]': CERTIFICATION,
      '-property[532355]': CERTIFICATION,
      '-property[532354.0]': CERTIFICATION,
    },
  },
  {
    name: 'phg-example',
    reading: {
      ...cuff,
      gateway: {
        systemId: 'ec-de-3d-4e-58-53-2d-31',
        manufacturer: 'Certified Medical PHGs',
        versions: { software: '1.0.0', continua: '6.0' },
        timeSync: 'gsm',
      },
    },
    otherwise: {
      '~identifier[SYSID].value': LOWER_CASE,
      '-identifier[SYSID].assigner': 'the system says it',
      '-property[532353]': CERTIFICATION,
      '-property[532355]': CERTIFICATION,
      '-property[532354.0]': CERTIFICATION,
    },
  },

  // PhdDevice
  {
    name: 'phd-711000FEFF5F49B0.B0495F001071',
    reading: cuff,
    otherwise: { '~identifier[SYSID].value': ORDER },
  },
  {
    name: 'phd-74E8FFFEFF051C00.001C05FFE874',
    reading: readingOf(nonin, cuffTime, numeric('oxygen-saturation', '98', '%')),
    otherwise: {
      '~identifier[SYSID].value': ORDER,
      '-property[532353]': CERTIFICATION,
      '-property[532354.0]': CERTIFICATION,
      '-property[68219.0]': CLOCK,
      '-property[68219.1]': CLOCK,
      '-property[68219.2]': CLOCK,
      '-property[68223]': CLOCK,
    },
  },
  {
    name: 'phd-00601900010E9234.F45EABA80832',
    reading: readingOf(meter, cuffTime, glucose),
    otherwise: { '-property[532353]': CERTIFICATION, '-property[USB]': 'USB is not in a reading' },
  },
]

const CLOCKS: readonly Example[] = [
  // PhdCoincidentTimeStampObservation
  { name: 'coin-20181119174911', reading: cuff },
  {
    name: 'coin-20181119202022',
    reading: {
      ...cuff,
      time: shifted('2018-11-11T19:07:00', '2018-11-11T19:07:35', '2018-11-11T19:07:36-05:00'),
    },
  },
  {
    name: 'coin-example-1',
    reading: readingOf(
      meter,
      shifted('2017-06-02T15:02:27', '2017-06-02T18:02:30', '2017-06-02T18:02:35-04:00'),
      glucose,
    ),
  },
  {
    name: 'coin-example-timefault',
    reading: {
      ...cuff,
      time: {
        quality: 'time-fault',
        measuredAt: '2018-11-20T04:50:00',
        gatewayTime: '2018-11-20T04:50:47-05:00',
      },
    },
  },
]

const NUMBERS: readonly Example[] = [
  // PhdCompoundNumericObservation
  {
    name: 'compound-numeric-blood-pressure',
    reading: cuff,
    clocks: 'coin-20181119174911',
    otherwise: { '+component[150023].code.coding[8478-0]': MEAN },
  },
  {
    name: 'compound-numeric-blood-pressure-no-mean',
    reading: readingOf(omron, cuffTime, pressure('NaN')),
    clocks: 'coin-20181119174911',
    otherwise: { '+component[150023].code.coding[8478-0]': MEAN },
  },

  // PhdCompoundObservation
  {
    name: 'compound-observation-glucose',
    reading: readingOf(omron, cuffTime, glucose, afterMeal),
    clocks: 'coin-20181119174911',
    made: asComponents,
    otherwise: {
      '~meta.profile[0]': COMPOUND,
      '-code': COMPOUND,
      '-component[8417846]': 'where a sample was taken is a code in a reading, not a text',
    },
  },

  // PhdNumericObservation
  {
    name: 'temperature-observation',
    reading: readingOf(nonin, at('2025-01-08T19:07:48-05:00'), numeric('body-temperature', '36.5', 'Cel')),
    clocks: 'coin-20181119174911',
    otherwise: { '-extension[Confidence95]': QUALITY, '-extension[Accuracy]': QUALITY },
  },
  {
    name: 'glucose-observation',
    reading: readingOf(
      nonin,
      at('2025-01-08T19:07:48-05:00'),
      numeric('glucose-undetermined-plasma', '99', 'mg/dL'),
    ),
    clocks: 'coin-20181119174911',
    otherwise: { '-extension[Confidence95]': QUALITY },
  },
  {
    name: 'numeric-spotnumeric',
    reading: readingOf(
      nonin,
      at('2018-11-13T17:59:03-05:00'),
      numeric('oximeter-pulse-rate', '48.0', '/min', { supplementalTypes: [150588] }),
    ),
    clocks: 'coin-20181119202022',
    otherwise: { '-extension[Accuracy]': QUALITY, '~identifier[PhdBaseObservation].value': CALENDAR },
  },
  {
    name: 'numeric-spo2-alarm',
    reading: readingOf(
      nonin,
      at('2018-11-13T17:59:02-05:00'),
      numeric('oxygen-saturation', '79.0', '%', { status: ['in-alarm'], supplementalTypes: [150588] }),
    ),
    clocks: 'coin-20181119202022',
    otherwise: {
      '-extension[SimpleAlerting]': 'alarm limits are not in a reading',
      '~identifier[PhdBaseObservation].value': `${CALENDAR}, and the code of the pulse rate`,
      '+code.coding[59408-5]': SECOND_LOINC,
    },
  },
  {
    name: 'numeric-observation-not-a-number',
    reading: readingOf(
      nonin,
      { quality: 'none', gatewayTime: '2018-11-11T19:07:48-05:00' },
      numeric('oximeter-signal-quality', 'NaN', '%'),
    ),
  },
]

const OTHERS: readonly Example[] = [
  // PhdCodedEnumerationObservation
  {
    name: 'meal-context-observation',
    reading: readingOf(
      meter,
      shifted('2017-06-02T15:02:27', '2017-06-02T18:02:27', '2017-06-02T18:02:35-04:00'),
      afterMeal,
    ),
    clocks: 'coin-example-1',
    otherwise: { '~identifier[PhdBaseObservation].value': CALENDAR },
  },

  // PhdBitsEnumerationObservation
  {
    name: 'bits-observation',
    reading: readingOf(nonin, at('2018-11-11T19:07:48-05:00'), {
      kind: 'bits',
      type: 'oximeter-status',
      set: [
        'sensor-displaced',
        'signal-pulse-questionable',
        'signal-low-perfusion',
        'signal-poor',
        'signal-inadequate',
      ],
    }),
    clocks: 'coin-example-1',
    otherwise: { '-language': 'that of a narrative' },
  },
  {
    name: 'bpm-status',
    reading: readingOf(nonin, at('2018-11-11T19:07:48-05:00'), pressure(decimal('86')), {
      kind: 'bits',
      type: 'blood-pressure-status',
      set: ['body-movement', 'improper-body-position'],
    }),
    clocks: 'coin-example-1',
  },

  // PhdRtsaObservation
  {
    name: 'rtsa-example',
    reading: readingOf(
      meter,
      at('2018-08-02T02:25:24-04:00'),
      wave('pleth-wave', '1', {
        period: '2.000',
        origin: '-3.4',
        factor: '3.0',
        samples: [123, 110, 97, 99, 112, 118],
      }),
    ),
    clocks: 'coin-example-1',
  },
  {
    name: 'rtsa-example-2',
    reading: ({ valueSampledData }) =>
      readingOf(
        meter,
        at('2018-08-02T02:25:24-04:00'),
        wave('ecg-lead-1', 'mV', {
          period: '10',
          origin: '-3300',
          factor: '1.612',
          lowerLimit: '-500',
          upperLimit: '500',
          samples: String((valueSampledData as Json)['data'])
            .split(/\s/)
            .map(Number),
        }),
      ),
    clocks: 'coin-example-1',
    otherwise: { '~valueSampledData.data': 'theirs has a no-break space between two samples' },
  },

  // PhdStringObservation
  {
    name: 'stringenum-1234',
    reading: readingOf(meter, at('2018-08-02T03:25:24.000-04:00'), {
      kind: 'string',
      type: 'program-id',
      value: 'Endurance run',
    }),
    clocks: 'coin-example-1',
  },
  {
    name: 'string-observation-1',
    reading: readingOf(meter, at('2018-08-02T03:25:24.000-04:00'), {
      kind: 'string',
      type: 'program-id',
      value: 'Test Strip Buckled',
    }),
    clocks: 'coin-example-1',
    made: (ours) => ours.find((resource) => nameOf(resource) === '8454252'),
    otherwise: { '-code.coding[8452096]': PRIVATE, '+code.coding[8454252]': PRIVATE },
  },
]

export const EXAMPLES: readonly Example[] = [...IDENTITIES, ...CLOCKS, ...NUMBERS, ...OTHERS]

/** The first Observation with the codes and values of all as components. */
function asComponents(ours: readonly Json[]): unknown {
  const measured = ours.filter((resource) => /Numeric|Coded/.test(profileOf(resource)))
  const { code: _, valueQuantity: __, ...frame } = measured[0] ?? {}
  const component = measured.map(({ code, valueQuantity, valueCodeableConcept }) => ({
    code,
    ...(valueQuantity === undefined ? { valueCodeableConcept } : { valueQuantity }),
  }))
  return { ...frame, component }
}
