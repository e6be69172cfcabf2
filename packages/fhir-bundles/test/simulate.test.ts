import { describe, expect, test } from 'vitest'
import * as gatt from '../src/gatt/index.js'
import * as simulate from '../src/simulate/index.js'
import {
  deviceBundle,
  packTransaction,
  parseReading,
  stringifyExact,
  stringifyReading,
} from '../src/index.js'
import { simulatedKinds } from './fixtures.js'

const clock = (): number => Date.UTC(2026, 2, 2, 15)

/** Encoder after decoder, by characteristic. */
const again: Readonly<Record<string, (octets: Uint8Array) => Uint8Array>> = {
  '2A35': (octets) => simulate.encodeBloodPressure(gatt.decodeBloodPressure(octets)),
  '2A18': (octets) => simulate.encodeGlucose(gatt.decodeGlucose(octets)),
  '2A34': (octets) => simulate.encodeGlucoseContext(gatt.decodeGlucoseContext(octets)),
  '2A37': (octets) => simulate.encodeHeartRate(gatt.decodeHeartRate(octets)),
  '2A1C': (octets) => simulate.encodeTemperature(gatt.decodeTemperature(octets)),
  '2A9D': (octets) => simulate.encodeWeight(gatt.decodeWeight(octets)),
  '2A5E': (octets) => simulate.encodePulseOximetrySpot(gatt.decodePulseOximetrySpot(octets)),
  '2A5F': (octets) => simulate.encodePulseOximetryContinuous(gatt.decodePulseOximetryContinuous(octets)),
  '2A2B': (octets) => simulate.encodeCurrentTime(gatt.decodeCurrentTime(octets)),
  '2A23': (octets) => simulate.encodeSystemId(gatt.decodeSystemId(octets).eui64),
}

describe.each(simulatedKinds)('%s', (kind) => {
  test('the seed decides, and nothing else', () => {
    const device = simulate.simulateDevice(kind, { seed: 7, clock })
    expect(simulate.simulateDevice(kind, { seed: 7, clock })).toEqual(device)
    expect(simulate.simulateDevice(kind, { seed: 8, clock })).not.toEqual(device)
  })

  test('what is decoded gives the same octets again, for fifty days', () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 50; seed += 1) {
      for (const { values } of simulate.simulateDevice(kind, { seed, clock }).packets) {
        for (const [characteristic, octets] of Object.entries(values)) {
          const encode = again[characteristic]
          if (encode === undefined || !(octets instanceof Uint8Array)) continue
          expect(encode(octets)).toEqual(octets)
          seen.add(characteristic)
        }
      }
    }
    expect(seen.size).toBeGreaterThanOrEqual(2)
  })

  test('a day makes readings in order, plausible and without conflict, that fit in bundles', () => {
    const device = simulate.simulateDevice(kind, { seed: 3, clock })
    const readings = device.packets.map(({ receivedAt, values }) =>
      gatt.readingFromGatt(values, {
        gateway: { systemId: '4C-4E-49-12-34-56-FF-FE' },
        patient: { id: 'p' },
        receivedAt,
      }),
    )
    expect(readings.length).toBeGreaterThanOrEqual(2)
    expect(readings.map((reading) => reading.device.systemId)).toEqual(readings.map(() => device.systemId))
    const times = device.packets.map(({ receivedAt }) => receivedAt)
    expect(times).toEqual(times.toSorted())
    expect(times.every((time) => time.startsWith('2026-03-02T'))).toBe(true)
    for (const reading of readings) {
      expect(parseReading(reading)).toEqual(reading)
      expect(parseReading(JSON.parse(stringifyReading(reading)))).toEqual(reading)
    }
    const { bundle, skipped } = deviceBundle(readings)
    expect(skipped).toEqual([])
    expect(packTransaction(bundle?.entry ?? [], { entries: 25 }).length).toBeGreaterThan(0)
    // Shifted by the clock, every measurement is where the gateway's clock was.
    for (const { resource } of bundle?.entry ?? []) {
      if (resource.resourceType !== 'Observation' || resource.effectiveDateTime === undefined) continue
      expect(times).toContain(resource.effectiveDateTime)
    }
    expect(stringifyExact(bundle)).not.toContain('dataAbsentReason')
  })
})

test('an encoder refuses what the format cannot hold', () => {
  const packet = gatt.decodeBloodPressure(Uint8Array.of(0, 120, 0, 80, 0, 93, 0))
  const tooFine = { mantissa: 12_345n, exponent: -2 }
  expect(() => simulate.encodeBloodPressure({ ...packet, systolic: tooFine })).toThrow(RangeError)
})
