import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decimal,
  decimalText,
  deviceBundle,
  type Measurement,
  type ObservationResource,
  parseReading,
  type Reading,
  sampleScale,
  stringifyExact,
} from '../src/index.js'
import { built, entriesOf, withMeasurements } from './built.js'
import { codeOf, errorOf, reading } from './fixtures.js'

function observation(one: Reading, mdc: string): ObservationResource | undefined {
  return built([one]).coded(mdc)[0]
}

const weight: Measurement = { kind: 'numeric', type: 'body-weight', value: decimal('80.5'), unit: 'kg' }
const height: Measurement = { kind: 'numeric', type: 'body-height', value: decimal('1.806'), unit: 'm' }
const index: Measurement = { kind: 'numeric', type: 'body-mass-index', value: decimal('24.7'), unit: 'kg/m2' }

describe('derived measurements', () => {
  test('the body mass index names weight and height, wherever they stand', () => {
    const one = withMeasurements(index, height, weight)
    const fullUrl = (mdc: string) =>
      entriesOf([one]).find(
        ({ resource }) => resource.resourceType === 'Observation' && resource.code.coding?.[0]?.code === mdc,
      )?.fullUrl
    expect(observation(one, '188752')?.derivedFrom).toEqual([
      { reference: fullUrl('188736') },
      { reference: fullUrl('188740') },
    ])
    expect(observation(withMeasurements(index), '188752')).not.toHaveProperty('derivedFrom')
  })
})

describe('settings', () => {
  const level: Measurement = {
    kind: 'numeric',
    type: 'personal-best-peak-flow',
    value: decimal('510'),
    unit: 'L/min',
    status: ['setting'],
  }

  test('are about the device', () => {
    const made = observation(withMeasurements(level), '152585')
    expect(made?.subject).toEqual(made?.device)
    expect(made?.valueQuantity).toMatchObject({ code: 'L/min' })
  })

  test('are no vital signs', () => {
    const one = withMeasurements({ ...weight, status: ['setting'] })
    expect(errorOf(() => deviceBundle([one]))).toMatchObject({
      code: 'ERR_INVALID_READING',
      path: 'readings[0].measurements[0].status',
    })
  })
})

describe('bits', () => {
  test('states are told either way, events only when they are set', () => {
    const power: Measurement = {
      kind: 'bits',
      type: 'power-status',
      set: ['on-battery', 'charging-full'],
      clear: ['on-mains'],
    }
    const made = observation(withMeasurements(power), '67925')
    expect(made?.component?.map(({ code, valueBoolean }) => [code.coding?.[0]?.code, valueBoolean])).toEqual([
      ['67925.0', false],
      ['67925.1', true],
      ['67925.8', true],
    ])
  })

  test('a state that does not hold is something to say', () => {
    const power: Measurement = { kind: 'bits', type: 'power-status', set: [], clear: ['charging-off'] }
    expect(observation(withMeasurements(power), '67925')?.component).toHaveLength(1)
  })
})

describe('offsets', () => {
  test('move the measurement on both clocks, and so its identifier', () => {
    const later: Measurement = { ...weight, offset: decimal('90') }
    const made = entriesOf([withMeasurements(weight, later)]).flatMap(({ resource }) =>
      resource.resourceType === 'Observation' && resource.code.coding?.[0]?.code === '188736'
        ? [[resource.effectiveDateTime, resource.identifier[0]?.value.split('-').at(-1)]]
        : [],
    )
    expect(made).toEqual([
      ['2021-11-22T11:56:35.250+01:00', '690897390'],
      ['2021-11-22T11:58:05.250+01:00', '690897480'],
    ])
  })

  test('out of the calendar they are refused', () => {
    const far: Measurement = { ...weight, offset: decimal('1e15') }
    expect(errorOf(() => deviceBundle([withMeasurements(far)]))).toMatchObject({
      code: 'ERR_INVALID_READING',
      path: 'readings[0].measurements[0].offset',
    })
  })
})

describe('samples', () => {
  const wave: Measurement = {
    kind: 'samples',
    type: 'ecg-lead-1',
    unit: 'mV',
    period: decimal('4.0'),
    ...sampleScale([decimal('-3300'), decimal('3300')], [0, 4000]),
    samples: [0, 2000, 4000],
  }

  test('are printed with origin, period in ms and factor', () => {
    expect(stringifyExact(observation(withMeasurements(wave), '131329')?.valueSampledData)).toBe(
      '{"origin":{"value":-3300,"unit":"mV","system":"http://unitsofmeasure.org","code":"mV"},' +
        '"period":4.0,"factor":1.65,"dimensions":1,"data":"0 2000 4000"}',
    )
  })

  test.each([
    ['samples', []],
    ['samples[0]', [1.5]],
    ['period', '0'],
    ['unit', 'V'],
  ])('a wrong %s is refused', (path, value) => {
    const name = path.replace(/\[.*/, '')
    const json = { ...reading, measurements: [{ ...wave, [name]: value }] }
    expect(errorOf(() => parseReading(json))).toMatchObject({ path: `measurements[0].${path}` })
  })

  test('a scale maps both ends of the range', () => {
    const ends = fc.tuple(fc.integer({ min: -5000, max: 5000 }), fc.integer({ min: -5000, max: 5000 }))
    fc.assert(
      fc.property(ends, ends, ([a, b], [i, j]) => {
        fc.pre(i !== j)
        const { origin, factor } = sampleScale([decimal(a, -2), decimal(b, -2)], [i, j])
        for (const [value, sample] of [
          [a / 100, i],
          [b / 100, j],
        ] as const) {
          expect(Number(decimalText(origin)) + Number(decimalText(factor)) * sample).toBeCloseTo(value, 6)
        }
      }),
    )
    expect(codeOf(() => sampleScale([decimal('0'), decimal('1')], [5, 5]))).toBe('ERR_INVALID_OPTION')
  })
})

test.each<[string, object]>([
  ['measurements[0].value', { type: 'meal-context', value: 'elevenses' }],
  ['measurements[0].value', { type: 'program-id', value: '' }],
  ['measurements[0].clear[0]', { type: 'power-status', set: [], clear: ['charging-full'] }],
  ['measurements[0].clear[0]', { type: 'power-status', set: ['on-mains'], clear: ['on-mains'] }],
  ['measurements[0].unit', { type: 'body-weight', value: '1', unit: 'lb' }],
  ['measurements[0].set[0]', { type: 'oximeter-status', set: ['sensor-lost'] }],
])('%s is refused in %j', (path, measurement) => {
  expect(errorOf(() => parseReading({ ...reading, measurements: [measurement] }))).toMatchObject({ path })
})

test('a parsed reading is frozen, so that it need not be checked again; a changed copy is', () => {
  const parsed = parseReading(reading)
  expect(Object.isFrozen(parsed.measurements[0])).toBe(true)
  expect(() => Object.assign(parsed.device, { model: '' })).toThrow(TypeError)
  const copy = { ...parsed, device: { ...parsed.device, model: '' } }
  expect(codeOf(() => deviceBundle([copy]))).toBe('ERR_INVALID_READING')
})

test('changing a resource does not change the next one', () => {
  const [first] = entriesOf([withMeasurements(weight)]).slice(-1)
  const code = first?.resource.resourceType === 'Observation' ? first.resource.code : {}
  expect(() => Object.assign(code, { text: 'other' })).toThrow(TypeError)
  const references =
    first?.resource.resourceType === 'Observation' ? [first.resource.subject, first.resource.extension] : []
  for (const shared of references) expect(Object.isFrozen(shared)).toBe(true)
  expect(stringifyExact({ ...code, text: 'mine' })).toContain('"text":"mine"')
  expect(stringifyExact(code)).toContain('"text":"Body weight"')
  expect(stringifyExact(code, 1)).toBe(JSON.stringify(code, null, 1))
})
