import { decimal, type Reading } from '../src/index.js'
import type { SimulatedKind } from '../src/simulate/index.js'

/** A blood pressure reading in the JSON form, as a person would write it. */
export const readingJson = {
  device: {
    systemId: '001c050400007825',
    address: { kind: 'bluetooth', value: '00:1c:05:00:78:25' },
    manufacturer: 'Example Medical',
    model: 'BP-1',
    serialNumber: '0400007825',
    versions: { firmware: '1.2', hardware: '3' },
  },
  gateway: { systemId: '4C-4E-49-12-34-56-FF-FE', timeSync: 'ntpv4' },
  patient: { identifier: { system: 'urn:oid:2.999.1.2.3', value: 'sisansarahId', type: 'MR' } },
  time: {
    quality: 'unsynchronized',
    measuredAt: '2021-11-22T11:56:30',
    deviceTime: '2021-11-22T12:00:00',
    gatewayTime: '2021-11-22T12:00:05.250+01:00',
  },
  measurements: [
    {
      type: 'blood-pressure',
      components: { systolic: '120', diastolic: '80.0', mean: '93.33' },
      unit: 'mm[Hg]',
    },
    { type: 'pulse-rate', value: '62.0', unit: '/min' },
  ],
} as const

/** The same as a typed reading. */
export const reading: Reading = {
  ...readingJson,
  measurements: [
    {
      kind: 'compound',
      type: 'blood-pressure',
      components: { systolic: decimal('120'), diastolic: decimal('80.0'), mean: decimal('93.33') },
      unit: 'mm[Hg]',
    },
    { kind: 'numeric', type: 'pulse-rate', value: decimal('62.0'), unit: '/min' },
  ],
}

/** UUIDs in counting order, so that expectations can name them. */
export function countingUuid(): () => string {
  let next = 0
  return () => {
    next += 1
    return `00000000-0000-4000-8000-${String(next).padStart(12, '0')}`
  }
}

/** The code of the error a function throws. */
export function codeOf(run: () => unknown): unknown {
  return Reflect.get(errorOf(run), 'code')
}

export function errorOf(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('Nothing was thrown')
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/[0-9a-f]{2}/g) ?? [], (octet) => Number.parseInt(octet, 16))
}

export const simulatedKinds: readonly SimulatedKind[] = [
  'blood-pressure-cuff',
  'glucometer',
  'heart-rate-strap',
  'oximeter',
  'scale',
  'thermometer',
]
