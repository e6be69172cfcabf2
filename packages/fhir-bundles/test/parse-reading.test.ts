import { describe, expect, test } from 'vitest'
import { decimal, isBundleError, parseReading, stringifyReading } from '../src/index.js'
import { errorOf, readingJson, reading } from './fixtures.js'

/** The reading JSON with one member replaced (or removed by undefined). */
function withMember(path: string, value: unknown): unknown {
  const copy = structuredClone(readingJson) as unknown
  const steps = path.split('.')
  const last = steps.pop() ?? ''
  let at = copy as Record<string, unknown>
  for (const step of steps) at = at[step] as Record<string, unknown>
  if (value === undefined) delete at[last]
  else at[last] = value
  return copy
}

describe('parseReading', () => {
  test('gives the typed reading: one spelling of ids, exact decimals, kinds filled in', () => {
    expect(parseReading(JSON.parse(JSON.stringify(readingJson)))).toEqual({
      ...reading,
      device: {
        ...readingJson.device,
        systemId: '00-1C-05-04-00-00-78-25',
        address: { kind: 'bluetooth', value: '00-1C-05-00-78-25' },
      },
    })
  })

  test('takes back what stringifyReading has written, to the digit', () => {
    const tens = {
      ...reading.measurements[1],
      value: decimal('6e1'),
    } as (typeof reading.measurements)[number]
    const once = parseReading({ ...reading, measurements: [...reading.measurements, tens] })
    const written = stringifyReading(once, 2)
    expect(written).toContain('"diastolic": "80.0"')
    expect(written).toContain('"value": "6e1"')
    expect(parseReading(JSON.parse(written))).toEqual(once)
  })

  test('takes its own result again', () => {
    const once = parseReading(readingJson)
    expect(parseReading(once)).toEqual(once)
  })

  test('whole numbers may be bare; the special values are texts', () => {
    const parsed = parseReading(
      withMember('measurements', [
        { type: 'pulse-rate', value: 62, unit: '/min', status: ['questionable'] },
        { type: 'pulse-rate', value: 'NRes', unit: '/min', supplementalTypes: [150588], duration: '1.0' },
      ]),
    )
    expect(parsed.measurements).toEqual([
      { kind: 'numeric', type: 'pulse-rate', value: decimal('62'), unit: '/min', status: ['questionable'] },
      {
        kind: 'numeric',
        type: 'pulse-rate',
        value: 'NRes',
        unit: '/min',
        supplementalTypes: [150588],
        duration: decimal('1.0'),
      },
    ])
  })

  test('a decimal with a positive exponent keeps it', () => {
    const value = decimal(6n, 1)
    const parsed = parseReading({ ...reading, measurements: [{ type: 'pulse-rate', value, unit: '/min' }] })
    expect(parsed.measurements[0]).toMatchObject({ value: { mantissa: 6n, exponent: 1 } })
  })

  test.each<[string, unknown, string?]>([
    ['device', undefined],
    ['device.manufacturer', undefined],
    ['device.manufacturer', ''],
    ['device.manufacturer', '  '],
    ['device.model', 7],
    ['device.model', 'half \ud800'],
    ['device.model', 'line\nbreak'],
    ['device.systemId', '00-1C-05'],
    ['device.systemId', '00-1C-05-04-00-00-78-2G'],
    ['device.systemId', '00-1C:05-04-00-00-78-25'],
    ['device.systemId', '00-00-00-00-00-00-00-00'],
    ['device.systemId', 'ffffffffffffffff'],
    ['device.address.kind', 'usb'],
    ['device.address.value', '00-1C-05-04-00-00-78-25'],
    ['device.versions.colour', 'red'],
    ['device.serial', '1'],
    ['device.specializations', [{ code: 150020 }], 'device.specializations[0].code'],
    ['gateway.systemId', undefined, 'gateway'],
    ['gateway.timeSync', 'sundial'],
    ['patient', {}],
    ['patient', { id: 'a', identifier: { system: 'urn:x:y', value: 'z' } }],
    ['patient', { id: 'a b' }, 'patient.id'],
    ['patient', { id: 'a', name: { family: 'X' } }, 'patient.name'],
    ['patient.identifier.system', 'no uri'],
    ['patient.identifier.value', ''],
    ['patient.name', {}],
    ['time.quality', 'fine'],
    ['time.measuredAt', undefined],
    ['time.measuredAt', '2021-11-22'],
    ['time.measuredAt', '2021-02-29T10:00:00'],
    ['time.measuredAt', '2021-11-22T24:00:00'],
    ['time.measuredAt', '2021-11-22T11:56:30+01:10'],
    ['time.deviceTime', '2021-11-22T12:00:00Z'],
    ['time.deviceTime', '12345.5'],
    ['time.gatewayTime', '2021-11-22T12:00:05'],
    ['time.gatewayTime', '2021-11-22T12:00:05+15:00'],
    ['time', { quality: 'synchronized-utc', measuredAt: '2021-11-22T12:00:05' }, 'time.measuredAt'],
    [
      'time',
      {
        quality: 'synchronized-local',
        measuredAt: '2021-11-22T12:00:05Z',
        gatewayTime: '2021-11-22T12:00:05Z',
      },
      'time.measuredAt',
    ],
    ['time', { quality: 'none', gatewayTime: '2021-11-22T12:00:05Z', measuredAt: 'x' }, 'time.measuredAt'],
    ['measurements', []],
    ['measurements', {}],
    ['measurements.0.type', 'mood', 'measurements[0].type'],
    ['measurements.0.kind', 'numeric', 'measurements[0].kind'],
    ['measurements.0.unit', 'mmHg', 'measurements[0].unit'],
    ['measurements.0.components.diastolic', undefined, 'measurements[0].components.diastolic'],
    ['measurements.0.components.systolc', '120', 'measurements[0].components.systolc'],
    ['measurements.0.components.systolic', 120.5, 'measurements[0].components.systolic'],
    ['measurements.0.components.systolic', '120 mmHg', 'measurements[0].components.systolic'],
    ['measurements.0.components.systolic', null, 'measurements[0].components.systolic'],
    ['measurements.0.value', '120', 'measurements[0].value'],
    ['measurements.1.status', ['odd'], 'measurements[1].status[0]'],
    ['measurements.1.duration', '-1', 'measurements[1].duration'],
    ['measurements.1.supplementalTypes', [1.5], 'measurements[1].supplementalTypes[0]'],
    ['extra', 1],
  ])('refuses %s = %j, naming the place and not the value', (path, value, named = path) => {
    const error = errorOf(() => parseReading(withMember(path, value), 'readings[4]'))
    expect(isBundleError(error)).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_INVALID_READING', path: `readings[4].${named}` })
    expect(error.message.startsWith(`readings[4].${named} `)).toBe(true)
  })

  test.each([null, 'x', 1, [], undefined])('refuses %j', (json) => {
    expect(errorOf(() => parseReading(json))).toMatchObject({ code: 'ERR_INVALID_READING', path: '' })
  })

  test('no error message repeats a value of the reading', () => {
    const secret = 'Sisansarah-777'
    for (const path of [
      'patient.identifier.system',
      'time.measuredAt',
      'device.systemId',
      'measurements.0.type',
    ]) {
      const error = errorOf(() => parseReading(withMember(path, secret)))
      expect(error.message).not.toContain(secret)
    }
  })

  test('members of the prototype are no members', () => {
    expect(errorOf(() => parseReading(Object.create(readingJson)))).toMatchObject({ path: 'measurements' })
  })
})
