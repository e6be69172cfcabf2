import { type GattContext, type GattValues, readingFromGatt } from '../src/gatt/index.js'
import type { Measurement, Reading } from '../src/index.js'
import { bytesOf } from './fixtures.js'

/** What a radio would give of a blood pressure cuff, and readings of it. */

export const context: GattContext = {
  gateway: { systemId: '4C-4E-49-12-34-56-FF-FE' },
  patient: { identifier: { system: 'urn:x:y', value: '1' } },
  receivedAt: '2026-03-02T07:05:00.000+01:00',
}
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const information: GattValues = {
  '2A23': bytesOf('711000feff5f49b0'),
  '2A29': text('Example Medical\0\0'),
  '2A24': text(' BP-1 '),
  '2A25': text('0042'),
  '2A26': text('1.2'),
  '2A27': text('3'),
  '2A28': text('4.5'),
}
/** 2026-03-02T07:00:00 */
export const stamp = 'ea070302070000'
export const cuff: Uint8Array = bytesOf(`1e780050006200${stamp}4800012500`)

export const read = (values: GattValues, more: Partial<GattContext> = {}): Reading =>
  readingFromGatt({ ...information, ...values }, { ...context, ...more })
export const named = (measurements: readonly Measurement[], type: string): readonly Measurement[] =>
  measurements.filter((measurement) => measurement.type === type)
