import { describe, expect, test } from 'vitest'
import { deviceBundle, type Measurement, type Reading, stringifyExact } from '../src/index.js'
import { alwaysReason, CERTIFICATION, CLOCK, SECOND_LOINC } from './guide/always.js'
import { type Difference, differences, signed } from './guide/differences.js'
import { exactJson, guideFile, guideIsPresent, type Json } from './guide/files.js'
import { nonin, numeric, readingOf, shifted } from './guide/readings.js'

/** What is otherwise beyond what always is, once each. */
function others(found: readonly Difference[]): readonly string[] {
  return [...new Set(found.filter((one) => alwaysReason(one) === undefined).map(signed))]
}

type Entry = { readonly fullUrl: string; readonly request: { readonly ifNoneExist?: string } }
const entriesOf = ({ entry }: Json): readonly Entry[] => entry as readonly Entry[]

/** Entries are called by their place, and conditions are decoded: how they are written means nothing. */
function comparable(bundle: Json): Json {
  const text = entriesOf(bundle).reduce(
    (all, { fullUrl }, index) => all.replaceAll(`"${fullUrl}"`, `"entry ${index}"`),
    JSON.stringify(bundle),
  )
  const named = JSON.parse(text) as Json
  const entry = entriesOf(named).map(({ request, ...rest }) => ({
    ...rest,
    request:
      request.ifNoneExist === undefined
        ? request
        : { ...request, ifNoneExist: decodeURIComponent(request.ifNoneExist) },
  }))
  return { ...named, entry }
}

/** A transaction of one visit: Patient, gateway, device, both clocks, and two measurements. */
const visit: Reading = {
  device: {
    systemId: '00-1C-05-04-00-00-78-25',
    address: { kind: 'bluetooth', value: '00-1C-05-00-78-25' },
    manufacturer: 'Nonin Medical, Inc.',
    model: 'Model 3150',
    serialNumber: '0400007825',
    versions: { firmware: '0.9C', continua: '1.0' },
    timeSync: 'none',
  },
  gateway: { systemId: '4C-4E-49-12-34-56-FF-FF', versions: { continua: '6.0' }, timeSync: 'ntpv4' },
  patient: {
    identifier: { system: 'urn:oid:2.999.1.2.3.4.5.6.7.8.10', value: 'sisansarahId', type: 'MR' },
    name: { family: 'Gyannea', given: ['Sisansarah'] },
  },
  time: shifted('2019-09-20T12:40:18.000', '2019-09-20T12:40:09.000', '2019-09-20T12:40:07.936-04:00'),
  measurements: [
    numeric('oxygen-saturation', '98', '%', { supplementalTypes: [150588] }),
    numeric('oximeter-pulse-rate', '47', '/min', { supplementalTypes: [150588] }),
  ],
}

const POOR = ['signal-pulse-questionable', 'signal-poor', 'signal-inadequate']
const DISPLACED = ['sensor-displaced', ...POOR]
const WEAK = [...DISPLACED, 'signal-low-perfusion']

/** A second of an oximeter that is worn: without a time stamp, so of its reception. */
function second(
  seconds: number,
  status: readonly string[],
  ...[oxygen, pulse, quality]: readonly string[]
): Reading {
  const measurements: Measurement[] = [
    ...(status.length === 0 ? [] : [{ kind: 'bits', type: 'oximeter-status', set: status } as const]),
    numeric('oxygen-saturation', String(oxygen), '%'),
    numeric('oximeter-pulse-rate', String(pulse), '/min'),
    numeric('oximeter-signal-quality', String(quality), '%'),
  ]
  return readingOf(
    nonin,
    { quality: 'none', gatewayTime: `2018-11-11T19:07:${seconds}-05:00` },
    ...measurements,
  )
}

const worn: readonly Reading[] = [
  readingOf(
    nonin,
    shifted('2018-11-11T19:07:35', '2018-11-11T19:07:35', '2018-11-11T19:07:36-05:00'),
    numeric('battery', '100', '%'),
  ),
  second(37, [], '99.0', '53.0', '102'),
  second(38, [], '100.0', '54.0', '88'),
  second(39, POOR, '100.0', '54.0', '82'),
  second(40, DISPLACED, '100.0', '54.0', '82'),
  second(41, DISPLACED, '100.0', '54.0', '83'),
  second(42, DISPLACED, '100.0', '54.0', '82'),
  second(43, DISPLACED, '100.0', '54.0', '20'),
  second(44, DISPLACED, '100.0', '54.0', '20'),
  second(45, DISPLACED, '100.0', '54.0', '20'),
  second(46, DISPLACED, '100.0', '54.0', '20'),
  second(47, WEAK, '100.0', '54.0', '5'),
  second(48, WEAK, '100.0', '54.0', 'NaN'),
]

const CONDITION = 'a plain create is doubled by a repeat; ours are conditional'

/** `-` only theirs, `+` only ours, `~` not the same → reason. */
const VISIT_OTHERWISE: Readonly<Record<string, string>> = {
  '~entry[Patient].request.ifNoneExist': 'theirs does not match its own patient: 2.9991 for 2.999.1',
  '-entry[531981].resource.property[532353]': CERTIFICATION,
  '-entry[531981].resource.property[532355]': CERTIFICATION,
  '-entry[531981].resource.property[532354.0]': CERTIFICATION,
  '-entry[531981].resource.property[68221]': CLOCK,
  '-entry[65573].resource.deviceName': 'a name that the user gave is not in a reading',
  '-entry[65573].resource.property[532353]': CERTIFICATION,
  '-entry[65573].resource.property[532354.0]': CERTIFICATION,
  '-entry[65573].resource.property[68219.0]': CLOCK,
  '-entry[65573].resource.property[68219.1]': CLOCK,
  '-entry[65573].resource.property[68219.2]': CLOCK,
  '-entry[65573].resource.property[68222]': CLOCK,
  '+entry[67975].request.ifNoneExist': CONDITION,
  '+entry[150456].resource.code.coding[59408-5]': SECOND_LOINC,
  '+entry[150456].request.ifNoneExist': CONDITION,
  '+entry[149530].request.ifNoneExist': CONDITION,
}
const WORN_OTHERWISE: Readonly<Record<string, string>> = {
  '+entry[67996].request.ifNoneExist': CONDITION,
  '+entry[150456].resource.code.coding[59408-5]': SECOND_LOINC,
  '+entry[150456].request.ifNoneExist': CONDITION,
  '+entry[149530].request.ifNoneExist': CONDITION,
  '+entry[150320].request.ifNoneExist': CONDITION,
  '+entry[150604].request.ifNoneExist': CONDITION,
  '~entry[150456].resource.code.coding[2708-6].display': 'one of theirs has another case than the others',
}

describe.skipIf(!guideIsPresent)('bundles of the guide', () => {
  test('bundle-example-1: everything of one visit', () => {
    const theirs = comparable(guideFile('bundle-example-1'))
    const ours = comparable(exactJson(stringifyExact(deviceBundle([visit]).bundle)) as Json)
    expect(others(differences(theirs, ours))).toEqual(Object.keys(VISIT_OTHERWISE))
  })

  test('bundle-continuousnonin: Observations of what the server knows', () => {
    const [first] = worn
    const learnt = deviceBundle(first === undefined ? [] : [first]).bundle?.entry.slice(0, 4) ?? []
    const ids = [
      'Patient/patientExample-1',
      'Device/phg-ecde3d4e58532d31.000000000000',
      'Device/phd-74E8FFFEFF051C00.001C05FFE874',
      'Observation/coin-example-1',
    ]
    const known = Object.fromEntries(
      learnt.map(({ request }, index) => [`${request.url}?${request.ifNoneExist}`, String(ids[index])]),
    )
    const theirs = comparable(guideFile('bundle-continuousnonin'))
    const ours = comparable(exactJson(stringifyExact(deviceBundle(worn, { known }).bundle)) as Json)
    expect(others(differences(theirs, ours))).toEqual(Object.keys(WORN_OTHERWISE))
  })
})
