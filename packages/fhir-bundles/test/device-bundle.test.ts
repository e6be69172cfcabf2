import { describe, expect, test, vi } from 'vitest'
import { decimal, deviceBundle, type Measurement, type Reading, stringifyExact } from '../src/index.js'
import { built, entriesOf, pressure, pulse, withMeasurements } from './built.js'
import { codeOf, errorOf, reading } from './fixtures.js'

const withTime = (time: Reading['time']): Reading => ({ ...reading, time })

describe('the bundle', () => {
  test('is a transaction of conditional creates without ids, fullUrls lower-case urn:uuid', () => {
    const { bundle } = deviceBundle([reading])
    expect(bundle).toMatchObject({ resourceType: 'Bundle', type: 'transaction' })
    const entries = bundle?.entry ?? []
    expect(entries.map(({ request }) => request.url)).toEqual([
      'Patient',
      'Device',
      'Device',
      'Observation',
      'Observation',
      'Observation',
    ])
    for (const { fullUrl, resource, request } of entries) {
      expect(fullUrl).toMatch(
        /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      )
      expect(resource).not.toHaveProperty('id')
      expect(request.method).toBe('POST')
      expect(request.url).toBe(resource.resourceType)
    }
    expect(new Set(entries.map(({ fullUrl }) => fullUrl)).size).toBe(6)
  })

  test('every condition is met by the resource that carries it', () => {
    for (const { resource, request } of entriesOf([reading])) {
      const parameters = [...new URLSearchParams(request.ifNoneExist)]
      const [identifier] = resource.identifier
      expect(parameters).toEqual([['identifier', `${identifier?.system}|${identifier?.value}`]])
    }
  })

  test('conditions are escaped as tokens and percent-encoded', () => {
    const patient = { identifier: { system: 'urn:x:a|b', value: 'a&b c,d$e\\f+g=ü%' } }
    const [entry] = entriesOf([{ ...reading, patient }])
    expect(entry?.request.ifNoneExist).toBe(
      'identifier=urn%3Ax%3Aa%5C%7Cb%7Ca%26b%20c%5C%2Cd%5C%24e%5C%5Cf%2Bg%3D%C3%BC%25',
    )
    expect(new URLSearchParams(entry?.request.ifNoneExist).get('identifier')).toBe(
      'urn:x:a\\|b|a&b c\\,d\\$e\\\\f+g=ü%',
    )
  })

  test('holds no undefined member, no empty array, no empty object', () => {
    const visit = (value: unknown): void => {
      expect(value).not.toBeUndefined()
      if (typeof value !== 'object' || value === null) return
      expect(Object.keys(value)).not.toHaveLength(0)
      for (const item of Object.values(value)) visit(item)
    }
    const bits: Measurement = { kind: 'bits', type: 'blood-pressure-status', set: ['irregular-pulse'] }
    visit(
      deviceBundle([
        withMeasurements(pressure, pulse, bits),
        withTime({ quality: 'none', gatewayTime: '2024-05-01T08:00:00Z' }),
      ]).bundle,
    )
  })

  test('prints decimals as the device gave them', () => {
    const text = stringifyExact(deviceBundle([reading]).bundle)
    expect(text).toContain('"value":120,')
    expect(text).toContain('"value":80.0,')
    expect(text).toContain('"value":93.33,')
    expect(text).toContain('"value":62.0,')
  })

  test('without readings there is none', () => {
    expect(deviceBundle([])).toEqual({ bundle: undefined, skipped: [] })
  })

  test('a bad reading is refused with its index', () => {
    const bad = { ...reading, measurements: [] }
    expect(errorOf(() => deviceBundle([reading, bad]))).toMatchObject({
      code: 'ERR_INVALID_READING',
      path: 'readings[1].measurements',
    })
  })

  test('fullUrls are UUIDs also where the platform makes none: on plain-http pages', () => {
    const { crypto } = globalThis
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) })
    try {
      const readings = Array.from({ length: 40 }, (_, index) =>
        withTime({ quality: 'none', gatewayTime: `2024-05-01T08:00:${String(index).padStart(2, '0')}Z` }),
      )
      const fullUrls = deviceBundle(readings).bundle?.entry.map(({ fullUrl }) => fullUrl) ?? []
      expect(new Set(fullUrls).size).toBe(fullUrls.length)
      expect(fullUrls.length).toBeGreaterThan(80)
      for (const fullUrl of fullUrls) {
        expect(fullUrl).toMatch(
          /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        )
      }
    } finally {
      vi.unstubAllGlobals()
    }
  })

  test.each([
    ['upper case', () => '00000000-0000-4000-8000-00000000000A'],
    ['no UUID', () => 'patient'],
    ['always the same', () => '00000000-0000-4000-8000-000000000001'],
  ])('refuses a uuid source that is %s', (_, uuid) => {
    expect(codeOf(() => deviceBundle([reading], { uuid }))).toBe('ERR_INVALID_OPTION')
  })
})

describe('known references', () => {
  const entries = entriesOf([reading])
  const keyOf = (index: number) => `${entries[index]?.request.url}?${entries[index]?.request.ifNoneExist}`

  test('leave entries out and are referenced; identifiers do not change', () => {
    const known = {
      [keyOf(0)]: 'Patient/p1',
      [keyOf(1)]: 'Device/g1',
      [keyOf(2)]: 'Device/d1',
      [keyOf(3)]: 'Observation/c1',
    }
    const made = built([reading], { known })
    expect([made.patients, made.gateways, made.devices, made.coincidences]).toEqual([[], [], [], []])
    const [panel] = made.panels
    expect(panel).toMatchObject({ subject: { reference: 'Patient/p1' }, device: { reference: 'Device/d1' } })
    expect(panel?.extension?.map(({ valueReference }) => valueReference.reference)).toEqual([
      'Device/g1',
      'Observation/c1',
    ])
    expect(panel?.identifier).toEqual(built([reading]).panels[0]?.identifier)
  })

  test('when everything is known there is nothing to send', () => {
    const known = Object.fromEntries(
      entries.map(({ request }, index) => [keyOf(index), `${request.url}/${index}`]),
    )
    expect(deviceBundle([reading], { known }).bundle).toBeUndefined()
  })

  test.each(['p1', 'Device/p1', 'Patient/', 'http://x/Patient/1'])(
    'refuses %j for a patient',
    (reference) => {
      expect(errorOf(() => deviceBundle([reading], { known: { [keyOf(0)]: reference } }))).toMatchObject({
        code: 'ERR_INVALID_OPTION',
        path: 'known',
      })
    },
  )
})

describe('the same measurement twice', () => {
  test('is one entry, also when the device sends it again in another connection', () => {
    const again = withTime({
      quality: 'unsynchronized',
      measuredAt: '2021-11-22T11:56:30',
      deviceTime: '2021-11-22T20:00:00',
      gatewayTime: '2021-11-22T20:00:06+01:00',
    })
    const made = built([reading, reading, again])
    expect([made.panels.length, made.pulses.length, made.coincidences.length]).toEqual([1, 1, 2])
  })

  test.each([
    ['status questionable', { ...pulse, status: ['questionable'] }],
    ['status test', { ...pulse, status: ['test'] }],
    ['status manual', { ...pulse, status: ['manual'] }],
    ['status early', { ...pulse, status: ['early'] }],
    ['a special value', { ...pulse, value: 'NaN' }],
    ['a finer value', { ...pulse, value: decimal('62.00') }],
  ] as const)('with %s it is refused: that is not the same', (_, other) => {
    expect(codeOf(() => deviceBundle([reading, withMeasurements(other)]))).toBe('ERR_CONFLICTING_MEASUREMENT')
  })

  test('of two patients whose parts make one identifier it is refused, not filed under one of them', () => {
    const of = (value: string, system: string) => ({ ...reading, patient: { identifier: { system, value } } })
    expect(codeOf(() => deviceBundle([of('1-urn:x', 'urn:y'), of('1', 'urn:x-urn:y')]))).toBe(
      'ERR_CONFLICTING_MEASUREMENT',
    )
  })

  test('with another value it is refused', () => {
    const other = withMeasurements({ ...pulse, value: decimal('63.0') })
    expect(errorOf(() => deviceBundle([reading, other]))).toMatchObject({
      code: 'ERR_CONFLICTING_MEASUREMENT',
      path: 'readings[1].measurements[0]',
    })
  })
})
