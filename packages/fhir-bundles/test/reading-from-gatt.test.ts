import { describe, expect, test } from 'vitest'
import { type GattValues, readingFromGatt } from '../src/gatt/index.js'
import { deviceBundle, type Measurement, type ObservationResource, stringifyExact } from '../src/index.js'
import { bytesOf, codeOf, countingUuid } from './fixtures.js'
import { context, cuff, named, read, stamp, text } from './gatt-values.js'

describe('the device', () => {
  test('is what Device Information tells, and its kind what it measures', () => {
    expect(read({ '2A35': cuff }).device).toEqual({
      systemId: 'B0-49-5F-FF-FE-00-10-71',
      manufacturer: 'Example Medical',
      model: 'BP-1',
      serialNumber: '0042',
      versions: { firmware: '1.2', hardware: '3', software: '4.5' },
      specializations: [{ code: 528391 }],
    })
  })

  test('what the application knows wins', () => {
    const address = { kind: 'bluetooth', value: 'B0-49-5F-00-10-71' } as const
    const device = {
      address,
      model: 'BP-2',
      versions: { firmware: '9' },
      specializations: [{ code: 528400 }],
    }
    expect(read({ '2A35': cuff }, { device }).device).toMatchObject({
      address,
      model: 'BP-2',
      versions: { firmware: '9', hardware: '3' },
      specializations: [{ code: 528400 }],
    })
  })

  test('PnP stands in for a missing maker and model', () => {
    const values = { '2A23': bytesOf('711000feff5f49b0'), '2A50': bytesOf('01870034120001'), '2A35': cuff }
    expect(readingFromGatt(values, context).device).toMatchObject({
      manufacturer: 'Bluetooth company 135',
      model: 'Product 4660',
    })
  })

  test.each<[string, GattValues]>([
    ['identity', { '2A29': text('x'), '2A24': text('y') }],
    ['identity of its own', { '2A23': bytesOf('0000000000000000'), '2A29': text('x'), '2A24': text('y') }],
    ['maker', { '2A23': bytesOf('711000feff5f49b0'), '2A24': text('y') }],
    ['model', { '2A23': bytesOf('711000feff5f49b0'), '2A29': text('x'), '2A24': text(' ') }],
  ])('without %s there is no reading', (_, values) => {
    expect(codeOf(() => readingFromGatt({ ...values, '2A35': cuff }, context))).toBe('ERR_INCOMPLETE_READING')
  })

  test('full UUIDs are names, too; unknown ones and non-packets are refused', () => {
    expect(read({ '00002a35-0000-1000-8000-00805f9b34fb': cuff }).measurements).toHaveLength(3)
    expect(codeOf(() => read({ '2A35': cuff, '2A77': cuff }))).toBe('ERR_UNKNOWN_CHARACTERISTIC')
    expect(codeOf(() => read({ 'blood pressure': cuff }))).toBe('ERR_UNKNOWN_CHARACTERISTIC')
    expect(codeOf(() => read({ '2A35': 'cuff' as unknown as Uint8Array }))).toBe('ERR_NO_PACKET')
  })

  test('one measurement makes one reading', () => {
    expect(codeOf(() => read({}))).toBe('ERR_INCOMPLETE_READING')
    expect(codeOf(() => read({ '2A35': [cuff, cuff] }))).toBe('ERR_INCOMPLETE_READING')
    expect(codeOf(() => read({ '2A35': cuff, '2A37': bytesOf('0040') }))).toBe('ERR_INCOMPLETE_READING')
    expect(codeOf(() => read({ '2A36': bytesOf('0050000000 0000') }))).toBe('ERR_INCOMPLETE_READING')
  })

  test('the user number finds the patient; 255 is nobody', () => {
    const patient = (user: number | undefined) => ({ id: `user-${user}` })
    expect(read({ '2A35': cuff }, { patient }).patient).toEqual({ id: 'user-1' })
    const unknown = cuff.slice()
    unknown[16] = 255
    expect(read({ '2A35': unknown }, { patient }).patient).toEqual({ id: 'user-undefined' })
  })
})

const plain = (measurements: readonly Measurement[]): unknown => JSON.parse(stringifyExact(measurements))

describe('what is measured', () => {
  test('blood pressure with pulse and the bits that are set', () => {
    expect(plain(read({ '2A35': cuff }).measurements)).toEqual([
      {
        kind: 'compound',
        type: 'blood-pressure',
        components: { systolic: 120, diastolic: 80, mean: 98 },
        unit: 'mm[Hg]',
      },
      { kind: 'numeric', type: 'pulse-rate', value: 72, unit: '/min' },
      {
        kind: 'bits',
        type: 'blood-pressure-status',
        set: ['body-movement', 'irregular-pulse', 'improper-body-position'],
      },
    ])
  })

  test.each([
    [0b01000, 'pulse-rate-above-range'],
    [0b10000, 'pulse-rate-below-range'],
    [0b11000, undefined],
  ])('the pulse range is one number: %i', (status, name) => {
    const packet = bytesOf(`10780050006200${status.toString(16).padStart(2, '0')}00`)
    expect(named(read({ '2A35': packet }).measurements, 'blood-pressure-status')).toEqual(
      name === undefined ? [] : [{ kind: 'bits', type: 'blood-pressure-status', set: [name] }],
    )
  })

  test('negative numbers that cannot be are absent', () => {
    const [pressure] = read({ '2A35': bytesOf('00ffffff0780 00') }).measurements
    expect(pressure).toMatchObject({ components: { systolic: 'NaN', diastolic: 'NaN' } })
  })

  const glucose = (flags: string, rest: string): Uint8Array => bytesOf(`${flags}0700${stamp}${rest}`)

  test('glucose with the context of its sequence number', () => {
    const values = {
      '2A18': glucose('1f', '1e0055d012 0100'),
      '2A34': [bytesOf('02060001'), bytesOf('5f0700 0228f0 02 21 0807 1e 0405e0 41f0')],
    }
    const reading = read(values)
    expect(reading.time).toMatchObject({ measuredAt: '2026-03-02T07:30:00' })
    expect(plain(reading.measurements)).toEqual([
      { kind: 'numeric', type: 'glucose-capillary-plasma', value: 0.085, unit: 'mol/L' },
      { kind: 'coded', type: 'glucose-sample-location', value: 'finger' },
      { kind: 'bits', type: 'glucose-meter-status', set: ['battery-low'] },
      { kind: 'coded', type: 'meal-context', value: 'after-meal' },
      { kind: 'coded', type: 'glucose-tester', value: 'self' },
      { kind: 'coded', type: 'health', value: 'major-issues' },
      { kind: 'numeric', type: 'carbohydrates-lunch', value: 4, unit: 'kg' },
      { kind: 'numeric', type: 'medication-long-acting', value: 0.05, unit: 'kg' },
      { kind: 'numeric', type: 'exercise', value: 30, unit: '%', duration: 1800 },
      { kind: 'numeric', type: 'hba1c', value: 6.5, unit: '%' },
    ])
    expect(named(read({ ...values, '2A34': bytesOf('02060001') }).measurements, 'meal-context')).toEqual([])
  })

  test('a time fault makes the value questionable, and is no bit of the guide', () => {
    const { measurements } = read({ '2A18': glucose('0a', '70b011 0008') })
    expect(measurements[0]).toMatchObject({ type: 'glucose-capillary-whole-blood', status: ['questionable'] })
    expect(named(measurements, 'glucose-meter-status')).toEqual([])
  })

  test('the time of a record with a time fault is not vouched for, whatever the clock shows now', () => {
    const clock = { '2A2B': bytesOf('ea070302091e00010000') }
    const timed = (status: string, values: object) =>
      read({ '2A18': glucose('0a', `70b011 ${status}`), ...values })
    expect(timed('0000', clock).time.quality).toBe('unsynchronized')
    const { time } = timed('0008', {})
    expect(time).toMatchObject({ quality: 'time-fault', measuredAt: '2026-03-02T07:00:00' })
    const faulty = timed('0008', clock)
    expect(faulty.time).toEqual(time)
    const observations = (deviceBundle([faulty]).bundle?.entry ?? []).flatMap(({ resource }) =>
      resource.resourceType === 'Observation' ? [resource] : [],
    )
    const [stamp] = observations.filter(({ subject }) => subject !== observations.at(-1)?.subject)
    expect(stamp).not.toHaveProperty('valueDateTime')
    expect(stamp?.dataAbsentReason?.coding).toMatchObject([{ code: 'unknown' }])
    expect(observations.at(-1)?.effectiveDateTime).toBe('2026-03-02T07:00:00+01:00')
  })

  test('a record without concentration, and one of a reserved type', () => {
    expect(codeOf(() => read({ '2A18': glucose('00', '') }))).toBe('ERR_INCOMPLETE_READING')
    expect(codeOf(() => read({ '2A18': glucose('02', '70b01f') }))).toBe('ERR_PACKET_MALFORMED')
  })

  test('heart rate: contact, energy, and intervals one after the other up to now', () => {
    const reading = read({ '2A37': bytesOf('1c4b0a0000040002') })
    expect(plain(reading.measurements)).toEqual([
      { kind: 'numeric', type: 'heart-rate', value: 75, unit: '/min', status: ['questionable'] },
      { kind: 'numeric', type: 'energy-expended', value: 10, unit: 'kJ' },
      { kind: 'numeric', type: 'rr-interval', value: 1000, unit: 'ms', duration: 1, offset: -0.5 },
      { kind: 'numeric', type: 'rr-interval', value: 500, unit: 'ms', duration: 0.5 },
    ])
    const periods = (deviceBundle([reading]).bundle?.entry ?? []).flatMap(({ resource }) =>
      resource.resourceType === 'Observation' ? (resource.effectivePeriod ?? []) : [],
    )
    expect(periods).toEqual([
      { start: '2026-03-02T07:04:58.5000+01:00', end: '2026-03-02T07:04:59.5000+01:00' },
      { start: '2026-03-02T07:04:59.5000+01:00', end: '2026-03-02T07:05:00.0000+01:00' },
    ])
  })

  test('a heart rate of nothing without contact was not measured', () => {
    expect(read({ '2A37': bytesOf('0400') }).measurements).toEqual([
      { kind: 'numeric', type: 'heart-rate', value: 'NaN', unit: '/min', status: ['not-available'] },
    ])
    // A strap that cannot tell about contact is believed.
    expect(plain(read({ '2A37': bytesOf('0000') }).measurements)).toMatchObject([{ value: 0 }])
  })

  test.each([
    [undefined, undefined, 'body-temperature'],
    [1, undefined, 'body-temperature-axilla'],
    [2, 1, 'body-temperature'],
    [undefined, 3, 'body-temperature-ear'],
    [4, undefined, 'body-temperature-finger'],
    [5, undefined, 'body-temperature-gastro-intestinal'],
    [6, undefined, 'body-temperature-oral'],
    [7, undefined, 'body-temperature-rectal'],
    [8, undefined, 'body-temperature-toe'],
    [9, undefined, 'body-temperature-tympanic'],
    [77, undefined, 'body-temperature'],
  ])('temperature of type %s, static type %s: %s', (type, fixed, name) => {
    const packet = bytesOf(`${type === undefined ? '00' : '04'}6e0100ff`)
    const values = {
      '2A1C': type === undefined ? packet : Uint8Array.of(...packet, type),
      ...(fixed === undefined ? {} : { '2A1D': Uint8Array.of(fixed) }),
    }
    expect(plain(read(values).measurements)).toEqual([
      { kind: 'numeric', type: name, value: 36.6, unit: 'Cel' },
    ])
  })

  test('weight, height and body mass index; a failed weighing is not available', () => {
    expect(plain(read({ '2A9D': bytesOf('08 803e e600 0e07') }).measurements)).toEqual([
      { kind: 'numeric', type: 'body-weight', value: 80, unit: 'kg' },
      { kind: 'numeric', type: 'body-height', value: 1.806, unit: 'm' },
      { kind: 'numeric', type: 'body-mass-index', value: 23, unit: 'kg/m2' },
    ])
    expect(plain(read({ '2A9D': bytesOf('09ffff00000000') }).measurements)).toEqual([
      { kind: 'numeric', type: 'body-weight', value: 'NaN', unit: '[lb_av]', status: ['not-available'] },
    ])
  })

  test('body composition, in one packet or two', () => {
    const first = bytesOf('f813 fa00 401f 9001 e02e 8038 c02b 4033 8813')
    expect(codeOf(() => read({ '2A9C': [bytesOf('0000fa00'), bytesOf('0000fa00')] }))).toBe(
      'ERR_INCOMPLETE_READING',
    )
    const second = bytesOf('001c fa00 803e 0e07')
    expect(plain(read({ '2A9C': [first, second] }).measurements)).toEqual([
      { kind: 'numeric', type: 'body-fat', value: 25, unit: '%' },
      { kind: 'numeric', type: 'basal-metabolism', value: 8000, unit: 'kJ' },
      { kind: 'numeric', type: 'muscle-percentage', value: 40, unit: '%' },
      { kind: 'numeric', type: 'muscle-mass', value: 60, unit: 'kg' },
      { kind: 'numeric', type: 'fat-free-mass', value: 72.32, unit: 'kg' },
      { kind: 'numeric', type: 'soft-lean-mass', value: 56, unit: 'kg' },
      { kind: 'numeric', type: 'body-water-mass', value: 65.6, unit: 'kg' },
      { kind: 'numeric', type: 'body-impedance', value: 500, unit: 'Ohm' },
      { kind: 'numeric', type: 'body-weight', value: 80, unit: 'kg' },
      { kind: 'numeric', type: 'body-height', value: 1.806, unit: 'm' },
    ])
  })

  test('oximeter: modalities, states, amplitude and the guide’s bits', () => {
    const packet = bytesOf('1f 6200 4800 6100 4900 6000 4a00 2060 012080 2af0')
    const more = { status: ['ongoing', 'not-available', 'questionable'] }
    expect(plain(read({ '2A5F': packet }).measurements)).toEqual([
      { kind: 'numeric', type: 'oxygen-saturation', value: 98, unit: '%', ...more },
      { kind: 'numeric', type: 'oximeter-pulse-rate', value: 72, unit: '/min', ...more },
      {
        kind: 'numeric',
        type: 'oxygen-saturation',
        value: 97,
        unit: '%',
        supplementalTypes: [150580],
        ...more,
      },
      {
        kind: 'numeric',
        type: 'oximeter-pulse-rate',
        value: 73,
        unit: '/min',
        supplementalTypes: [150580],
        ...more,
      },
      {
        kind: 'numeric',
        type: 'oxygen-saturation',
        value: 96,
        unit: '%',
        supplementalTypes: [150584],
        ...more,
      },
      {
        kind: 'numeric',
        type: 'oximeter-pulse-rate',
        value: 74,
        unit: '/min',
        supplementalTypes: [150584],
        ...more,
      },
      { kind: 'numeric', type: 'pulse-amplitude-index', value: 4.2, unit: '%' },
      { kind: 'bits', type: 'oximeter-status', set: ['device-extended-update', 'sensor-displaced'] },
    ])
    expect(deviceBundle([read({ '2A5F': packet })]).bundle?.entry).toHaveLength(11)
  })

  test('a continuous monitor: from the start of the session, or back from now', () => {
    const records = bytesOf('06006e000000 09816f00050001ffff')
    const fromStart = read({ '2AA7': records, '2AAA': bytesOf(`${stamp}80ff`) })
    expect(fromStart.time).toMatchObject({ quality: 'synchronized-local', measuredAt: '2026-03-02T07:00:00' })
    expect(plain(fromStart.measurements)).toEqual([
      { kind: 'numeric', type: 'glucose-interstitial-fluid', value: 110, unit: 'mg/dL' },
      { kind: 'numeric', type: 'glucose-interstitial-fluid', value: 111, unit: 'mg/dL', offset: 300 },
      { kind: 'numeric', type: 'glucose-trend', value: -0.1, unit: 'mg/dL/min', offset: 300 },
      { kind: 'bits', type: 'glucose-monitor-status', set: ['session-stopped'], offset: 300 },
    ])
    const times = (values: GattValues) =>
      (deviceBundle([read(values)], { uuid: countingUuid() }).bundle?.entry ?? [])
        .map(({ resource }) => resource)
        .filter((resource): resource is ObservationResource => resource.resourceType === 'Observation')
        .map(({ effectiveDateTime }) => effectiveDateTime)
    expect(times({ '2AA7': records, '2AAA': bytesOf(`${stamp}0400`) })).toEqual([
      '2026-03-02T07:00:00+01:00',
      ...Array.from({ length: 3 }, () => '2026-03-02T07:05:00+01:00'),
    ])
    // Without a start, and with one that the monitor does not know.
    for (const start of [{}, { '2AAA': bytesOf('000000000000000400') }]) {
      expect(times({ '2AA7': [records], ...start })).toEqual([
        '2026-03-02T07:00:00.000+01:00',
        ...Array.from({ length: 3 }, () => '2026-03-02T07:05:00.000+01:00'),
      ])
    }
  })

  const minute = bytesOf('06006e000000')
  test.each([
    // Quarter hours of the zone, of daylight saving time.
    ['04', '00', '+01:00'],
    ['04', '04', '+02:00'],
    ['f2', '02', '-03:00'],
    ['17', '00', '+05:45'],
    ['00', '00', '+00:00'],
  ])('a session start with the zone %s and daylight saving %s has its own offset %s', (zone, dst, offset) => {
    const values = { '2AA7': minute, '2AAA': bytesOf(`${stamp}${zone}${dst}`) }
    expect(read(values).time).toEqual({
      quality: 'synchronized-utc',
      measuredAt: `2026-03-02T07:00:00${offset}`,
      gatewayTime: context.receivedAt,
    })
    // A clock tells no zone, so that both are compared as they show.
    expect(read({ ...values, '2A08': bytesOf('ea070302070500') }).time).toMatchObject({
      quality: 'unsynchronized',
      measuredAt: '2026-03-02T07:00:00',
      deviceTime: '2026-03-02T07:05:00',
    })
  })

  test.each(['80ff', '8000', '04ff', '7f00', '0403', '04c8'])(
    'of a zone like %s nothing is known',
    (zone) => {
      const values = { '2AA7': minute, '2AAA': bytesOf(`${stamp}${zone}`) }
      expect(read(values).time).toMatchObject({
        quality: 'synchronized-local',
        measuredAt: '2026-03-02T07:00:00',
      })
    },
  )
})
