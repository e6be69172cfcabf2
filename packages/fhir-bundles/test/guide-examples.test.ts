import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decimal, deviceBundle, type Measurement, type Reading, toPlainJson } from '../src/index.js'

// The official examples of the Personal Health Device guide lie beside the repository, not in it.
const folder = new URL('../../../../shared/data/phd-ig/', import.meta.url)
const present = existsSync(folder)
if (!present) console.info(`Comparison with the guide's examples left out: ${folder.pathname} is not there`)

type Json = Record<string, unknown>
function example(name: string): Json {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Json
}

const omron: Reading = {
  device: {
    // True order; the guide prints the wire order.
    systemId: 'B0-49-5F-FF-FE-00-10-71',
    address: { kind: 'bluetooth', value: 'B0-49-5F-00-10-71' },
    manufacturer: 'OMRONHEALTHCARE',
    model: 'HEM-9200T',
    serialNumber: '20150200002A',
    versions: { firmware: 'C.00.7AJ-02', software: '0000000000000101', hardware: '0000000000000100' },
    timeSync: 'none',
  },
  gateway: { systemId: 'ecde3d4e58532d31' },
  patient: {
    identifier: { system: 'urn:oid:2.999.1.2.3.4.5.6.7.8.10', value: 'sisansarahId', type: 'MR' },
    name: { family: 'Piggy', given: ['Sisansarah', 'Lorianthah'] },
  },
  time: {
    quality: 'unsynchronized',
    measuredAt: '2018-11-11T11:38:15',
    deviceTime: '2018-11-11T11:38:10',
    gatewayTime: '2018-11-11T11:38:10-05:00',
    syncMethod: 'manual',
  },
  measurements: [pressure(decimal('86'))],
}

function pressure(mean: Extract<Measurement, { kind: 'compound' }>['components'][string]): Measurement {
  const components = { systolic: decimal('116'), diastolic: decimal('71'), mean }
  return { kind: 'compound', type: 'blood-pressure', components, unit: 'mm[Hg]' }
}

function made(reading: Reading): Json[] {
  const entries = deviceBundle([reading]).bundle?.entry ?? []
  return entries.map(({ resource }) => toPlainJson(resource) as Json)
}

/** Every value that is not the same, as `path: theirs → ours`; array items of categories are compared by code. */
function deviations(theirs: unknown, ours: unknown, path = ''): string[] {
  if (isJson(theirs) && isJson(ours)) {
    const keys = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].toSorted()
    return keys.flatMap((key) => deviations(theirs[key], ours[key], path === '' ? key : `${path}.${key}`))
  }
  return JSON.stringify(theirs) === JSON.stringify(ours) ? [] : [path.replaceAll(/\.(\d+)/g, '[$1]')]
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null
}

/** Deviations that every Observation of ours has, and why. */
const OBSERVATION_DEVIATIONS = [
  // POST ignores ids, so entries have none.
  'id',
  // Ours always have one, so that a repeated bundle creates nothing twice.
  'identifier',
  // Who measured is not known to the gateway; the guide leaves it out of its bundle too.
  'performer',
]

describe.skipIf(!present)('the guide', () => {
  test('compound-numeric-blood-pressure', () => {
    const theirs = example('compound-numeric-blood-pressure.json')
    const ours = made(omron).find(
      (resource) => isJson(resource['code']) && JSON.stringify(resource['code']).includes('150020'),
    )
    expect(deviations(theirs, ours).filter((path) => !path.endsWith('reference'))).toEqual([
      // A display for the category, in place of a text.
      'category[0].coding[0].display',
      'category[0].text',
      // Displays of LOINC codes.
      'code.coding[1].display',
      'component[0].code.coding[1].display',
      // Unit text is our own.
      'component[0].valueQuantity.unit',
      'component[1].code.coding[1].display',
      'component[1].valueQuantity.unit',
      // R4 knows a LOINC code for the mean.
      'component[2].code.coding[1]',
      'component[2].valueQuantity.unit',
      ...OBSERVATION_DEVIATIONS,
    ])
  })

  test('compound-numeric-blood-pressure-no-mean', () => {
    const theirs = example('compound-numeric-blood-pressure-no-mean.json')
    const ours = made({ ...omron, measurements: [pressure('NaN')] }).find((resource) =>
      JSON.stringify(resource).includes('"150020"'),
    )
    expect(deviations(theirs, ours).filter((path) => !path.endsWith('reference'))).toEqual([
      'category[0].coding[0].display',
      // Texts for people beside the codes.
      'code.text',
      'component[0].code.text',
      'component[0].valueQuantity.unit',
      'component[1].code.text',
      'component[1].valueQuantity.unit',
      'component[2].code.coding[1]',
      'component[2].code.text',
      ...OBSERVATION_DEVIATIONS,
    ])
  })

  test('the coincident time stamp, device and patient of these', () => {
    const [patient, , device, coincident] = made(omron)
    expect(deviations(example('patientExample-1.json'), patient)).toEqual(['id'])
    expect(
      deviations(example('coin-20181119174911.json'), coincident).filter(
        (path) => !/(text|reference)$/.test(path),
      ),
    ).toEqual(['id', 'identifier'])
    const theirs = example('phd-711000FEFF5F49B0.B0495F001071.json')
    // The guide lists firmware first; the order means nothing.
    const versions = theirs['version'] as unknown[]
    const sorted = { ...theirs, version: [versions[2], versions[1], versions[0]] }
    expect(deviations(sorted, device).filter((path) => !path.endsWith('text'))).toEqual([
      'id',
      // The guide prints the octets in wire order here.
      'identifier[0].value',
    ])
    expect(
      (toPlainJson(deviceBundle([omron], { systemIdOrder: 'wire' }).bundle?.entry[2]?.resource) as Json)[
        'identifier'
      ],
    ).toMatchObject([{ value: '71-10-00-FE-FF-5F-49-B0' }, { value: 'B0-49-5F-00-10-71' }])
  })

  test('bundle-example-1: shape, identities and time line', () => {
    const { entry } = example('bundle-example-1.json') as { entry: { resource: Json; request: Json }[] }
    const [patient, gateway, device] = entry.map(({ resource }) => resource)
    const reading: Reading = {
      device: {
        systemId: '00-1C-05-04-00-00-78-25',
        address: { kind: 'bluetooth', value: '00-1C-05-00-78-25' },
        manufacturer: 'Nonin Medical, Inc.',
        model: 'Model 3150',
        serialNumber: '0400007825',
        versions: { firmware: '0.9C', continua: '1.0' },
        specializations: [{ code: 528388 }],
      },
      gateway: { systemId: '4C-4E-49-12-34-56-FF-FF', timeSync: 'ntpv4' },
      patient: {
        identifier: { system: 'urn:oid:2.999.1.2.3.4.5.6.7.8.10', value: 'sisansarahId', type: 'MR' },
      },
      time: {
        quality: 'unsynchronized',
        measuredAt: '2019-09-20T12:40:18.000',
        deviceTime: '2019-09-20T12:40:09.000',
        gatewayTime: '2019-09-20T12:40:07.936-04:00',
      },
      // The oximeter's own measurements are another row of the table; time and identities are compared here.
      measurements: [{ kind: 'numeric', type: 'pulse-rate', value: decimal('47'), unit: '/min' }],
    }
    const ours = deviceBundle([reading]).bundle?.entry ?? []
    const url = ({ request }: { request: object }): unknown => Reflect.get(request, 'url')
    expect(ours.map(url)).toEqual(entry.slice(0, 5).map(url))
    for (const [index, theirs] of [patient, gateway, device].entries()) {
      const mine = toPlainJson(ours[index]?.resource) as Json
      const values = (resource: Json = {}) =>
        (resource['identifier'] as Json[]).map(({ system, value }) => ({ system, value }))
      expect(values(mine)).toEqual(values(theirs))
    }
    // Their condition does not match their patient (2.9991 against 2.999.1) and is not encoded; ours is derived.
    expect(entry[0]?.request['ifNoneExist']).toBe('identifier=urn:oid:2.9991.2.3.4.5.6.7.8.10|sisansarahId')
    expect(ours[0]?.request.ifNoneExist).toBe(
      'identifier=urn%3Aoid%3A2.999.1.2.3.4.5.6.7.8.10%7CsisansarahId',
    )
    expect(decodeURIComponent(ours[2]?.request.ifNoneExist ?? '')).toBe(entry[2]?.request['ifNoneExist'])
    for (const [index, name] of [
      [3, 'effectiveDateTime'],
      [3, 'valueDateTime'],
      [4, 'effectiveDateTime'],
    ] as const) {
      expect((toPlainJson(ours[index]?.resource) as Json)[name]).toBe(entry[index]?.resource[name])
    }
    // Theirs are plain creates, which a repeat doubles.
    expect(entry[3]?.request).not.toHaveProperty('ifNoneExist')
    expect(ours[3]?.request).toHaveProperty('ifNoneExist')
  })
})

/** One example of each profile, and what of it we write otherwise. */
const OTHERS: readonly {
  readonly name: string
  readonly at: string
  readonly measurement: Measurement
  readonly also?: readonly Measurement[]
  /** Path → reason, beside `ALWAYS`. */
  readonly otherwise?: Readonly<Record<string, string>>
}[] = [
  {
    name: 'temperature-observation',
    at: '2025-01-08T19:07:48',
    measurement: { kind: 'numeric', type: 'body-temperature', value: decimal('36.5'), unit: 'Cel' },
    otherwise: {
      'extension[2]': 'confidence is not in a reading',
      'extension[3]': 'accuracy is not in a reading',
    },
  },
  {
    name: 'glucose-observation',
    at: '2025-01-08T19:07:48',
    measurement: {
      kind: 'numeric',
      type: 'glucose-undetermined-plasma',
      value: decimal('99'),
      unit: 'mg/dL',
    },
    otherwise: { 'extension[2]': 'confidence is not in a reading' },
  },
  {
    name: 'numeric-spotnumeric',
    at: '2018-11-13T17:59:03',
    measurement: {
      kind: 'numeric',
      type: 'oximeter-pulse-rate',
      value: decimal('48.0'),
      unit: '/min',
      supplementalTypes: [150588],
    },
    otherwise: {
      'extension[2]': 'accuracy is not in a reading',
      'identifier[0].value': 'theirs has the calendar time of version 1',
    },
  },
  {
    name: 'numeric-spo2-alarm',
    at: '2018-11-13T17:59:03',
    measurement: {
      kind: 'numeric',
      type: 'oxygen-saturation',
      value: decimal('79.0'),
      unit: '%',
      status: ['in-alarm'],
      supplementalTypes: [150588],
    },
    otherwise: {
      'extension[2]': 'alarm limits are not in a reading',
      'identifier[0].value': 'theirs has the calendar time of version 1, and the code of the pulse rate',
      'code.coding[2]': 'the second LOINC code that US Core asks for',
      effectiveDateTime: 'theirs is another time than its identifier',
    },
  },
  {
    name: 'numeric-observation-not-a-number',
    at: '2018-11-11T19:07:48',
    measurement: { kind: 'numeric', type: 'oximeter-signal-quality', value: 'NaN', unit: '%' },
    otherwise: { 'extension[1]': 'ours comes from a clock that is off, so it has a coincident time stamp' },
  },
  {
    name: 'meal-context-observation',
    at: '2017-06-02T15:02:35',
    measurement: { kind: 'coded', type: 'meal-context', value: 'after-meal' },
    otherwise: { 'identifier[0].value': 'theirs has the calendar time of version 1' },
  },
  {
    name: 'bits-observation',
    at: '2018-11-11T19:07:48',
    measurement: {
      kind: 'bits',
      type: 'oximeter-status',
      set: [
        'sensor-displaced',
        'signal-pulse-questionable',
        'signal-low-perfusion',
        'signal-poor',
        'signal-inadequate',
      ],
    },
    otherwise: { language: 'theirs has one for its narrative' },
  },
  {
    name: 'bpm-status',
    at: '2018-11-11T19:07:48',
    measurement: {
      kind: 'bits',
      type: 'blood-pressure-status',
      set: ['body-movement', 'improper-body-position'],
    },
    also: [pressure(decimal('86'))],
  },
  {
    name: 'rtsa-example',
    at: '2018-08-02T02:25:24',
    measurement: {
      kind: 'samples',
      type: 'pleth-wave',
      unit: '1',
      period: decimal('2.0'),
      origin: decimal('-3.4'),
      factor: decimal('3.0'),
      samples: [123, 110, 97, 99, 112, 118],
    },
  },
  {
    name: 'stringenum-1234',
    at: '2018-08-02T03:25:24.000',
    measurement: { kind: 'string', type: 'program-id', value: 'Endurance run' },
  },
]

/** Path → reason, for every Observation. */
const ALWAYS: readonly (readonly [RegExp, string])[] = [
  [/^(id|identifier|performer)$/, 'as above'],
  [/reference$/, 'ids of theirs, links to entries of ours'],
  [/(^|\.)text$/, 'texts for people are our own'],
  [/\.unit$/, 'unit texts are our own; theirs have typing errors'],
  [/^category/, 'compared by code below: the order means nothing, the display is ours'],
  [/coding\[\d+\]\.display$/, 'a display beside a code of LOINC or of a modality'],
]

describe.skipIf(!present)('one example of each profile', () => {
  test.each(OTHERS)('$name', ({ name, at, measurement, also = [], otherwise = {} }) => {
    const theirs = example(`${name}.json`)
    const offset = String(theirs['effectiveDateTime']).slice(-6)
    const time = {
      quality: 'unsynchronized',
      measuredAt: at,
      deviceTime: at,
      gatewayTime: `${at}${offset}`,
    } as const
    const mdc = (resource: unknown): unknown => {
      const code = isJson(resource) ? resource['code'] : undefined
      const codings = isJson(code) ? (code['coding'] as Json[]) : []
      return codings[0]?.['code']
    }
    const ours = made({ ...omron, time, measurements: [measurement, ...also] }).find(
      (resource) => mdc(resource) === mdc(theirs),
    )
    const found = deviations(theirs, ours).filter(
      (path) => !ALWAYS.some(([pattern]) => pattern.test(path.replaceAll(/\.(?=\d)/g, '.'))),
    )
    expect(found.toSorted()).toEqual(Object.keys(otherwise).toSorted())
    const categories = (resource: unknown): readonly unknown[] =>
      ((resource as Json)['category'] as { coding: Json[] }[]).map(({ coding }) => coding[0]?.['code'])
    expect(categories(ours).toSorted()).toEqual(categories(theirs).toSorted())
  })
})
