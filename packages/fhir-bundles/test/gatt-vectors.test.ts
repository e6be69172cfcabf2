import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as gatt from '../src/gatt/index.js'
import { decimalText, isDecimal } from '../src/index.js'
import { bytesOf } from './fixtures.js'

interface Vector {
  readonly characteristic: string
  readonly hex: string
  readonly expected: Readonly<Record<string, unknown>>
  readonly derived?: Readonly<Record<string, unknown>>
}

const decoders: Readonly<Record<string, (value: Uint8Array) => object>> = {
  '2A35': gatt.decodeBloodPressure,
  '2A36': gatt.decodeIntermediateCuffPressure,
  '2A18': gatt.decodeGlucose,
  '2A34': gatt.decodeGlucoseContext,
  '2A52': gatt.decodeRecordAccess,
  '2A37': gatt.decodeHeartRate,
  '2A1C': gatt.decodeTemperature,
  '2A9D': gatt.decodeWeight,
  '2A9C': gatt.decodeBodyComposition,
  '2A5E': gatt.decodePulseOximetrySpot,
  '2A5F': gatt.decodePulseOximetryContinuous,
  '2AA7': gatt.decodeContinuousGlucose,
  '2A23': gatt.decodeSystemId,
  '2A50': gatt.decodePnpId,
  '2A08': gatt.decodeDateTime,
  '2A2B': gatt.decodeCurrentTime,
  SFLOAT: (value) => ({ value: gatt.sfloatOf(word(value)) }),
  FLOAT: (value) => ({ value: gatt.floatOf(word(value)) }),
}

/** One of each kind, made from the layouts; the public ones lie beside the repository. */
const own: readonly Vector[] = [
  {
    characteristic: '2A35',
    hex: '1f7bf050f05ef0ea0703020700000af0ff4100',
    expected: {
      flags: 31,
      unit: 'kPa',
      systolic: 12.3,
      diastolic: 8,
      meanArterialPressure: 9.4,
      timestamp: '2026-03-02T07:00:00',
      pulseRate: 1,
      userId: 255,
      measurementStatus: 65,
    },
  },
  {
    characteristic: '2A18',
    hex: '0f0700ea0703020700001e005ad0180200',
    expected: {
      flags: 15,
      sequenceNumber: 7,
      baseTime: '2026-03-02T07:00:00',
      timeOffsetMinutes: 30,
      concentration: 0.09,
      unit: 'mol/L',
      type: 8,
      sampleLocation: 1,
      sensorStatus: 2,
      contextFollows: false,
    },
  },
  { characteristic: '2A37', hex: '065a', expected: { flags: 6, heartRate: 90, contact: true } },
  { characteristic: '2A37', hex: '045a', expected: { flags: 4, heartRate: 90, contact: false } },
  { characteristic: '2A23', hex: '7110 00fe ff5f 49b0', expected: { eui64: 'B0-49-5F-FF-FE-00-10-71' } },
  {
    characteristic: '2A9C',
    hex: '0000ffff',
    expected: { flags: 0, massUnit: 'kg', bodyFatPercent: 'UNSUCCESSFUL', multiplePacket: false },
  },
  { characteristic: '2A52', hex: '0500010203', expected: { error: 'a count of three octets' } },
  { characteristic: '2AA7', hex: '0500640001', expected: { error: 'a record of five octets' } },
  { characteristic: '2AA7', hex: '080064000100ffff', expected: { error: 'a CRC that does not fit' } },
]

const file = new URL('../../../../shared/spec/gatt-vectors.json', import.meta.url)
const published = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Vector[]) : []
if (published.length === 0) console.info('The published vectors are left out: their file is not there')

describe.each([
  ['our own', own],
  ['published', published],
])('vectors: %s', (_, vectors) => {
  it
    .skipIf(vectors.length === 0)
    .each(vectors.map((vector) => [vector.characteristic, vector.hex, vector] as const))(
    '%s %s',
    (characteristic, hex, { expected, derived }) => {
      const octets = bytesOf(hex)
      const decode = decoders[characteristic]
      if (decode === undefined) throw new Error(`There is no decoder of ${characteristic}.`)
      if ('error' in expected) {
        expect(() => decode(octets)).toThrow(expect.objectContaining({ name: 'GattError' }) as Error)
        return
      }
      const decoded = decode(octets)
      const fields = Object.fromEntries(Object.entries(expected).filter(([name]) => name !== 'note'))
      expect(plain(decoded)).toEqual(fields)
      if (derived?.['decimalText'] !== undefined) expect(texts(decoded)).toContain(derived['decimalText'])
      if (derived?.['mgPerDl'] !== undefined) {
        const { concentration, unit } = gatt.decodeGlucose(octets)
        if (concentration === undefined || unit === undefined) throw new Error('There is no concentration.')
        expect(plain(gatt.glucoseInUsualUnit(concentration, unit))).toEqual({
          value: derived['mgPerDl'],
          unit: 'mg/dL',
        })
      }
    },
  )
})

/** Decimals as the numbers that the vectors are written with. */
function plain(value: unknown): unknown {
  if (isDecimal(value)) return Number(decimalText(value))
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

function texts(decoded: object): readonly string[] {
  return Object.values(decoded).filter(isDecimal).map(decimalText)
}

function word(octets: Uint8Array): number {
  return octets.reduceRight((number, octet) => number * 256 + octet, 0)
}
