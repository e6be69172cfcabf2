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
