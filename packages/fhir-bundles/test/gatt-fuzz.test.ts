import { describe, expect, test } from 'vitest'
import * as gatt from '../src/gatt/index.js'
import { deviceBundle } from '../src/index.js'
import { simulateDevice } from '../src/simulate/index.js'
import { simulatedKinds } from './fixtures.js'

/** A million in the long form: GATT_PACKETS=1000000 npx vitest run --project node gatt-fuzz */
const packets = Number(process.env['GATT_PACKETS'] ?? 20_000)

const decoders: Readonly<Record<string, (octets: Uint8Array) => unknown>> = {
  '2A35': gatt.decodeBloodPressure,
  '2A36': gatt.decodeIntermediateCuffPressure,
  '2A18': gatt.decodeGlucose,
  '2A34': gatt.decodeGlucoseContext,
  '2A52': gatt.decodeRecordAccess,
  '2A37': gatt.decodeHeartRate,
  '2A1C': gatt.decodeTemperature,
  '2A1D': gatt.decodeTemperatureType,
  '2A9D': gatt.decodeWeight,
  '2A9C': gatt.decodeBodyComposition,
  '2A5E': gatt.decodePulseOximetrySpot,
  '2A5F': gatt.decodePulseOximetryContinuous,
  '2AA7': gatt.decodeContinuousGlucose,
  '2AAA': gatt.decodeSessionStartTime,
  '2A23': gatt.decodeSystemId,
  '2A24': gatt.decodeText,
  '2A29': gatt.decodeText,
  '2A25': gatt.decodeText,
  '2A50': gatt.decodePnpId,
  '2A19': gatt.decodeBattery,
  '2A08': gatt.decodeDateTime,
  '2A2B': gatt.decodeCurrentTime,
}
const characteristics = Object.keys(decoders)
const real = simulatedKinds.flatMap(
  (kind) => simulateDevice(kind, { seed: 1, clock: () => 1_772_400_000_000 }).packets,
)

const context: gatt.GattContext = {
  gateway: { systemId: '4C-4E-49-12-34-56-FF-FE' },
  patient: { id: 'p' },
  receivedAt: '2026-03-02T07:05:00.000+01:00',
  device: { address: { kind: 'bluetooth', value: 'B0-49-5F-00-10-71' } },
}

/** Deterministic, so that a failure comes again: xorshift. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function expectOnlyGattErrors(run: () => void): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (error instanceof gatt.GattError) return false
    throw error
  }
}

describe(`${packets} packets`, () => {
  test('random octets: a decoder returns or throws a GattError', () => {
    const random = numbers(0x2a35)
    const seen = { decoded: 0, refused: 0 }
    for (let index = 0; index < packets; index += 1) {
      const octets = Uint8Array.from({ length: random(24) }, () => random(256))
      const decode = decoders[characteristics[index % characteristics.length] ?? '']
      const good = expectOnlyGattErrors(() => decode?.(octets))
      seen[good ? 'decoded' : 'refused'] += 1
    }
    expect(seen.decoded).toBeGreaterThan(packets / 10)
    expect(seen.refused).toBeGreaterThan(packets / 10)
  })

  test('mutated packets of real shape: a reading that bundles, or a GattError', () => {
    const random = numbers(0x2a18)
    const seen = { reading: 0, refused: 0 }
    for (let index = 0; index < packets / 10; index += 1) {
      const values: Record<string, Uint8Array> = {}
      for (const [name, value] of Object.entries(real[random(real.length)]?.values ?? {})) {
        if (value instanceof Uint8Array) values[name] = mutated(value, random)
      }
      const good = expectOnlyGattErrors(() => expectBundles(gatt.readingFromGatt(values, context)))
      seen[good ? 'reading' : 'refused'] += 1
    }
    expect(seen.reading).toBeGreaterThan(packets / 100)
    expect(seen.refused).toBeGreaterThan(0)
  })

  test('every truncation of a real packet is refused, by its own flags', () => {
    for (const { values } of real.slice(0, 40)) {
      for (const [name, value] of Object.entries(values)) {
        // Texts have any length, and fewer intervals are intervals, too.
        if (!(value instanceof Uint8Array) || ['2A24', '2A25', '2A26', '2A29', '2A37'].includes(name))
          continue
        for (let length = 0; length < value.length; length += 1) {
          expect(() => decoders[name]?.(value.subarray(0, length))).toThrow(
            expect.objectContaining({ code: 'ERR_PACKET_TOO_SHORT' }) as Error,
          )
        }
      }
    }
  })
})

function mutated(value: Uint8Array, random: (below: number) => number): Uint8Array {
  const copy = Uint8Array.from(value)
  switch (random(6)) {
    case 0:
      return copy.subarray(0, random(copy.length + 1))
    case 1:
      return Uint8Array.from([...copy, random(256), random(256)])
    case 2:
    case 3:
      if (copy.length > 0) copy[random(copy.length)] = random(256)
      return copy
    default:
      return copy
  }
}

/** What the decoders make of strange octets must be a reading that `deviceBundle` takes. */
function expectBundles(reading: ReturnType<typeof gatt.readingFromGatt>): void {
  const { bundle, skipped } = deviceBundle([reading])
  if (bundle === undefined && skipped.length === 0) throw new Error('A reading without anything in it')
}
