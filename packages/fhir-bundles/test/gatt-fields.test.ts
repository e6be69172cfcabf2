import { describe, expect, test } from 'vitest'
import { type GattValues, readingFromGatt } from '../src/gatt/index.js'
import { deviceBundle, type ObservationResource, stringifyExact } from '../src/index.js'
import { bytesOf } from './fixtures.js'

// From every single bit and number of a layout to the code that leaves: what each stands for is copied from the GATT
// Specification Supplement and from the nomenclature, not from the tables of the source.

const stamp = 'ea070302070000'

function observationsOf(values: GattValues): readonly ObservationResource[] {
  const reading = readingFromGatt(values, {
    gateway: { systemId: '4C-4E-49-12-34-56-FF-FE' },
    patient: { id: 'p' },
    receivedAt: '2026-03-02T07:05:00+01:00',
    device: {
      address: { kind: 'bluetooth', value: 'B0-49-5F-00-10-71' },
      manufacturer: 'Example Medical',
      model: 'X',
    },
  })
  return (deviceBundle([reading]).bundle?.entry ?? []).flatMap(({ resource }) =>
    resource.resourceType === 'Observation' ? [resource] : [],
  )
}

const codeOf = ({ code }: Pick<ObservationResource, 'code'>) => code.coding?.[0]?.code

/** Codes of the bits that are told, of whatever is measured. */
function bitsOf(values: GattValues): readonly (string | undefined)[] {
  return observationsOf(values).flatMap(({ component = [] }) =>
    component.flatMap((one) => (one.valueBoolean === undefined ? [] : [codeOf(one)])),
  )
}

const little = (value: number, octets: number): string =>
  Array.from({ length: octets }, (_, index) =>
    ((value >>> (8 * index)) & 255).toString(16).padStart(2, '0'),
  ).join('')
const one = (bit: number, octets: number): string => little(1 << bit, octets)

describe('status bits, one at a time', () => {
  test.each([
    [0, '8410608.0'],
    [1, '8410608.1'],
    [2, '8410608.2'],
    [3, '8410608.3'],
    [4, '8410608.4'],
    [5, '8410608.5'],
    [6, undefined],
    [15, undefined],
  ])('blood pressure, bit %i: %s', (bit, code) => {
    expect(bitsOf({ '2A35': bytesOf(`10780050006200${one(bit, 2)}`) })).toEqual(
      code === undefined ? [] : [code],
    )
  })

  test.each<readonly [number, string | undefined]>([
    ...Array.from({ length: 11 }, (_, bit) => [bit, `8417752.${bit}`] as const),
    // A time fault, and reserved ones.
    [11, undefined],
    [12, undefined],
    [15, undefined],
  ])('glucose meter, bit %i: %s', (bit, code) => {
    const packet = bytesOf(`0a0700${stamp}70b011${one(bit, 2)}`)
    expect(bitsOf({ '2A18': packet })).toEqual(code === undefined ? [] : [code])
  })

  test.each<readonly [number, string | undefined]>([
    // Bluetooth counts from the display to the sensor, the nomenclature from the sensor to the display.
    ...Array.from({ length: 16 }, (_, bit) => [bit, `150604.${15 - bit}`] as const),
    [16, undefined],
    [23, undefined],
  ])('oximeter, bit %i: %s', (bit, code) => {
    const expected = code === undefined ? [] : [code]
    expect(bitsOf({ '2A5E': bytesOf(`0462004800${one(bit, 3)}`) })).toEqual(expected)
    expect(bitsOf({ '2A5F': bytesOf(`0862004800${one(bit, 3)}`) })).toEqual(expected)
  })

  test.each([
    // Status, calibration and temperature, warning: three octets with a flag each.
    ['80', 0, 0],
    ['80', 1, undefined],
    ['80', 2, 2],
    ['80', 3, 3],
    ['80', 4, 4],
    ['80', 5, undefined],
    ['40', 0, undefined],
    ['40', 1, 7],
    ['40', 2, 8],
    ['40', 3, 9],
    ['40', 4, 10],
    ['40', 5, 11],
    ['40', 6, undefined],
    ['20', 0, 12],
    ['20', 1, 13],
    ['20', 2, 14],
    ['20', 3, 15],
    ['20', 4, 16],
    ['20', 5, 17],
    ['20', 6, 18],
    ['20', 7, 19],
  ])('continuous monitor, flag %s, bit %i: bit %s of the guide', (flag, bit, expected) => {
    const packet = bytesOf(`07${flag}6e000000${one(bit, 1)}`)
    expect(bitsOf({ '2AA7': packet })).toEqual(expected === undefined ? [] : [`8418060.${expected}`])
  })

  test.each([
    [5, { interpretation: 'msmt-ongoing' }],
    [6, { status: 'preliminary', interpretation: 'early-indication' }],
    [7, { interpretation: 'validated-data' }],
    [8, {}],
    [9, {}],
    [10, { security: 'HTEST' }],
    [11, { security: 'HTEST' }],
    [12, { interpretation: 'calibration-ongoing' }],
    [13, { absent: 'not-performed' }],
    [14, { interpretation: 'questionable' }],
    [15, { status: 'entered-in-error', absent: 'error' }],
    [0, {}],
  ])('measurement status of an oximeter, bit %i: %j', (bit, expected) => {
    const packets: GattValues[] = [
      { '2A5E': bytesOf(`0362004800${stamp}${one(bit, 2)}`) },
      { '2A5F': bytesOf(`0462004800${one(bit, 2)}`) },
    ]
    for (const values of packets) {
      const made = observationsOf(values)
      expect(made).toHaveLength(2)
      for (const { status, interpretation, meta, dataAbsentReason, valueQuantity } of made) {
        expect({
          status,
          interpretation: interpretation?.[0]?.coding?.[0]?.code,
          security: meta.security?.[0]?.code,
          absent: dataAbsentReason?.coding?.[0]?.code,
        }).toEqual({
          status: 'final',
          interpretation: undefined,
          security: undefined,
          absent: undefined,
          ...expected,
        })
        expect(valueQuantity === undefined).toBe('absent' in expected)
      }
    }
  })
})

describe('numbers that stand for something', () => {
  test.each([
    [1, '160184'],
    [2, '160188'],
    [3, '160192'],
    [4, '160196'],
    [5, '160200'],
    [6, '160204'],
    [7, '160364'],
    [8, '160368'],
    [9, '160212'],
    [10, '160208'],
  ])('type %i of a glucose sample: %s', (type, code) => {
    // 112 mg/dL; where it was taken is not available.
    const [made, ...others] = observationsOf({
      '2A18': bytesOf(`020700${stamp}70b0${little(type | 0xf0, 1)}`),
    })
    expect(others).toEqual([])
    expect(made && codeOf(made)).toBe(code)
    expect(stringifyExact(made?.valueQuantity)).toContain('{"value":112,"unit":"mg/dL"')
  })

  test.each([
    [1, '8417848'],
    [2, '8417852'],
    [3, '8417856'],
    [4, '8417860'],
    [5, '8417849'],
  ])('location %i of a glucose sample: %s', (location, code) => {
    const values = { '2A18': bytesOf(`020700${stamp}70b0${little((location << 4) | 1, 1)}`) }
    expect(coded(values)).toEqual([['8417844', code]])
  })

  /** A record of which nothing but the context is of interest. */
  const context = (flags: string, rest: string): GattValues => ({
    '2A18': bytesOf(`120700${stamp}70b0f1`),
    '2A34': bytesOf(`${flags}0700${rest}`),
  })
  const coded = (values: GattValues) =>
    observationsOf(values).flatMap((made) =>
      made.valueCodeableConcept === undefined
        ? []
        : [[codeOf(made), made.valueCodeableConcept.coding?.[0]?.code ?? made.valueCodeableConcept.text]],
    )

  test.each([
    [1, '8417868'],
    [2, '8417872'],
    [3, '8417876'],
    [4, '8417880'],
    [5, 'Bedtime'],
  ])('meal %i: %s', (meal, code) => {
    expect(coded(context('02', little(meal, 1)))).toEqual([['8417864', code]])
  })

  test.each([
    [1, '8417888', '8417824'],
    [2, '8417892', '8417828'],
    [3, '8417896', '8417832'],
  ])('tester %i: %s, and so the health: %s', (number, tester, health) => {
    expect(coded(context('04', little(number | (number << 4), 1)))).toEqual([
      ['8417884', tester],
      ['8417820', health],
    ])
  })

  test.each([
    [4, '8417836'],
    [5, '8417840'],
  ])('health %i: %s', (health, code) => {
    expect(coded(context('04', little(0xf | (health << 4), 1)))).toEqual([['8417820', code]])
  })

  test.each([0, 6, 255])('meal %i is reserved and is not told', (meal) => {
    expect(coded(context('02', little(meal, 1)))).toEqual([])
  })

  /** Codes and quantities beyond the glucose itself. */
  const measured = (values: GattValues) =>
    observationsOf(values)
      .slice(1)
      .map((made) => [codeOf(made), stringifyExact(made.valueQuantity).replace(/,"unit".*"code"/, '')])

  test.each([
    [1, '8417768'],
    [2, '8417772'],
    [3, '8417776'],
    [4, '8417780'],
    [5, '8417784'],
    [6, '8417788'],
    [7, '8417792'],
    [0, '8417764'],
    [8, '8417764'],
  ])('carbohydrates %i: %s, in grams', (food, code) => {
    expect(measured(context('01', `${little(food, 1)}2dd0`))).toEqual([[code, '{"value":45:"g"}']])
  })

  test.each([
    [1, '8417800'],
    [2, '8417804'],
    [3, '8417808'],
    [4, '8417812'],
    [5, '8417816'],
    [0, '8417796'],
    [6, '8417796'],
  ])('medication %i: %s, in milligrams or millilitres', (drug, code) => {
    expect(measured(context('10', `${little(drug, 1)}0ca0`))).toEqual([[code, '{"value":12:"mg"}']])
    expect(measured(context('30', `${little(drug, 1)}05d0`))).toEqual([[code, '{"value":5:"mL"}']])
  })

  test('exercise: so hard, for so long; longer than can be told is no period', () => {
    const periods = (seconds: string) =>
      observationsOf(context('08', `${seconds}3c`))
        .slice(1)
        .map(({ effectivePeriod, effectiveDateTime }) => effectivePeriod ?? effectiveDateTime)
    expect(measured(context('08', '08073c'))).toEqual([['8417760', '{"value":60:"%"}']])
    expect(periods('0807')).toEqual([
      { start: '2026-03-02T07:00:00+01:00', end: '2026-03-02T07:30:00+01:00' },
    ])
    expect(periods('ffff')).toEqual(['2026-03-02T07:00:00+01:00'])
  })
})

describe('special values in every float of a layout', () => {
  const SFLOATS = [
    ['ff07', 'not-a-number'],
    ['0008', 'error'],
    ['0108', 'error'],
    ['fe07', 'positive-infinity'],
    ['0208', 'negative-infinity'],
  ] as const
  const reasons = (values: GattValues) =>
    observationsOf(values).flatMap(({ dataAbsentReason, component = [] }) =>
      [dataAbsentReason, ...component.map((part) => part.dataAbsentReason)].flatMap(
        (reason) => reason?.coding?.[0]?.code ?? [],
      ),
    )

  test.each(SFLOATS)('SFLOAT %s: %s', (word, code) => {
    const all = (count: number) => Array.from({ length: count }, () => code)
    expect(reasons({ '2A35': bytesOf(`04${word}${word}${word}${word}`) })).toEqual(all(4))
    expect(reasons({ '2A18': bytesOf(`020700${stamp}${word}f1`) })).toEqual(all(1))
    expect(reasons({ '2A5E': bytesOf(`08${word}${word}${word}`) })).toEqual(all(3))
    expect(reasons({ '2A5F': bytesOf(`13${word.repeat(7)}`) })).toEqual(all(7))
    expect(reasons({ '2AA7': bytesOf(`0a03${word}0000${word}${word}`) })).toEqual(all(2))
    const context = bytesOf(`510700 01${word} 01${word} ${word}`)
    expect(reasons({ '2A18': bytesOf(`120700${stamp}70b0f1`), '2A34': context })).toEqual(all(3))
  })

  test.each([
    ['ffff7f00', 'not-a-number'],
    ['00008000', 'error'],
    ['01008000', 'error'],
    ['feff7f00', 'positive-infinity'],
    ['02008000', 'negative-infinity'],
  ])('FLOAT %s: %s', (word, code) => {
    expect(reasons({ '2A1C': bytesOf(`00${word}`) })).toEqual([code])
  })
})
