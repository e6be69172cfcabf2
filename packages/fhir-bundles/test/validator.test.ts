import fhir from 'fhir'
import { describe, expect, test } from 'vitest'
import { deviceBundle, type Measurement, type Reading, stringifyExact, toPlainJson } from '../src/index.js'
import { hollowMembers } from './built.js'
import { reading } from './fixtures.js'

// A validator that others wrote: base R4 structure, required bindings, no unknown members.
const validator = new fhir.Fhir()

function errors(resource: unknown): string[] {
  const { messages } = validator.validate(resource as object, { errorOnUnexpected: true })
  return messages
    .filter(({ severity }) => String(severity) === 'error' || String(severity) === 'fatal')
    .map(({ location, message }) => `${location}: ${message}`)
}

const [pressure, pulse] = reading.measurements as [Measurement, Measurement]
const bits: Measurement = {
  kind: 'bits',
  type: 'blood-pressure-status',
  set: ['irregular-pulse', 'cuff-too-loose'],
}
const named = {
  identifier: { system: 'urn:x:y', value: '1', type: 'MR' },
  name: { family: 'Doe', given: ['Jane'] },
}
const ticks = {
  quality: 'unsynchronized',
  measuredAt: '12345.678',
  deviceTime: '12400.000',
  gatewayTime: '2024-05-01T08:00:00Z',
  syncMethod: 'none',
} as const

const cases: Record<string, Reading> = {
  'blood pressure and pulse': reading,
  'status bits': { ...reading, measurements: [pressure, pulse, bits] },
  'special values': {
    ...reading,
    measurements: [
      { ...pressure, components: { systolic: 'NaN', diastolic: '+INFINITY', mean: 'NRes' } } as Measurement,
      { ...pulse, value: '-INFINITY' } as Measurement,
    ],
  },
  'every state': {
    ...reading,
    measurements: [
      {
        ...pulse,
        status: ['early', 'questionable', 'in-alarm', 'test', 'manual'],
        supplementalTypes: [150588],
      },
      { ...pressure, status: ['invalid'] },
      { ...bits, status: ['not-available'] },
    ],
  },
  'named patient, tick counter, duration': {
    ...reading,
    patient: named,
    time: ticks,
    measurements: [{ ...pulse, duration: { mantissa: 10n, exponent: 0 } }],
  },
  'no device time': { ...reading, time: { quality: 'none', gatewayTime: '2024-05-01T08:00:00+05:45' } },
}

describe.each(Object.entries(cases))('%s', (_, example) => {
  const { bundle } = deviceBundle([example])

  test('the bundle and each of its resources are valid R4', () => {
    expect(errors(toPlainJson(bundle))).toEqual([])
    for (const { resource } of bundle?.entry ?? []) expect(errors(toPlainJson(resource))).toEqual([])
  })

  test('what validators do not see: references, one value, units, dates', () => {
    expect(hollowMembers(bundle)).toEqual([])
    const fullUrls = new Set(bundle?.entry.map(({ fullUrl }) => fullUrl))
    for (const { resource } of bundle?.entry ?? []) {
      for (const [, reference = ''] of stringifyExact(resource).matchAll(/"reference":"([^"]*)"/g)) {
        expect(fullUrls).toContain(reference)
      }
      if (resource.resourceType !== 'Observation') continue
      for (const item of [resource, ...(resource.component ?? [])]) {
        const values = Object.keys(item).filter(
          (name) => name.startsWith('value') || name === 'dataAbsentReason',
        )
        expect(values.length).toBeLessThanOrEqual(1)
        if (item.valueQuantity !== undefined) {
          expect(Object.keys(item.valueQuantity)).toEqual(['value', 'unit', 'system', 'code'])
          expect(['mm[Hg]', '/min', 'us']).toContain(item.valueQuantity.code)
        }
      }
      const times = [
        resource.effectiveDateTime,
        resource.effectivePeriod?.start,
        resource.effectivePeriod?.end,
        resource.valueDateTime,
      ].filter((time) => time !== undefined)
      expect(times.length).toBeGreaterThan(0)
      for (const time of times) {
        expect(time).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/)
      }
    }
  })

  test('vital signs: category, patient, LOINC; the panel has exactly one systolic and one diastolic', () => {
    for (const { resource } of bundle?.entry ?? []) {
      if (resource.resourceType !== 'Observation') continue
      const codes = resource.category?.flatMap(({ coding }) => coding?.map(({ code }) => code) ?? []) ?? []
      const loinc =
        resource.code.coding?.filter(({ system }) => system === 'http://loinc.org').map(({ code }) => code) ??
        []
      expect(codes.includes('vital-signs')).toBe(loinc.length > 0)
      if (loinc.length === 0) continue
      expect(codes).toContain('phd')
      expect(
        bundle?.entry.find(({ fullUrl }) => fullUrl === resource.subject.reference)?.resource.resourceType,
      ).toBe('Patient')
      if (!loinc.includes('85354-9')) continue
      const parts =
        resource.component?.flatMap(({ code }) => code.coding?.map(({ code }) => code) ?? []) ?? []
      for (const code of ['8480-6', '8462-4']) expect(parts.filter((part) => part === code)).toEqual([code])
      for (const item of resource.component ?? []) {
        expect(item.valueQuantity === undefined).toBe(item.dataAbsentReason !== undefined)
      }
    }
  })
})

test('the validator does see faults', () => {
  const [entry] = deviceBundle([reading]).bundle?.entry.slice(4) ?? []
  const good = toPlainJson(entry?.resource) as Record<string, unknown>
  expect(errors({ ...good, status: 'finished' })).not.toEqual([])
  expect(errors({ ...good, colour: 'red' })).not.toEqual([])
})
