import { describe, expect, test } from 'vitest'
import { type Measurement } from '../src/index.js'
import { built, pressure, pulse, withMeasurements } from './built.js'

describe('states of a measurement', () => {
  const withStatus = (...status: NonNullable<Measurement['status']>) =>
    built([withMeasurements({ ...pulse, status }, { ...pressure, status })])

  test('invalid: entered in error, absent reason error, also in every component', () => {
    const { pulses, panels } = withStatus('invalid')
    expect(pulses[0]).toMatchObject({
      status: 'entered-in-error',
      dataAbsentReason: { coding: [{ code: 'error' }] },
    })
    expect(pulses[0]).not.toHaveProperty('valueQuantity')
    expect(panels[0]?.status).toBe('entered-in-error')
    expect(panels[0]?.component?.map((item) => item.dataAbsentReason?.coding?.[0]?.code)).toEqual([
      'error',
      'error',
      'error',
    ])
    expect(panels[0]).not.toHaveProperty('dataAbsentReason')
  })

  test('not available: not performed', () => {
    const { pulses } = withStatus('not-available')
    expect(pulses[0]).toMatchObject({
      status: 'final',
      dataAbsentReason: { coding: [{ code: 'not-performed' }] },
    })
  })

  test('early: preliminary with an interpretation', () => {
    const { pulses } = withStatus('early')
    expect(pulses[0]).toMatchObject({
      status: 'preliminary',
      interpretation: [
        {
          coding: [
            { system: 'http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status', code: 'early-indication' },
          ],
        },
      ],
    })
  })

  test.each([
    ['ongoing', 'msmt-ongoing'],
    ['calibrating', 'calibration-ongoing'],
    ['questionable', 'questionable'],
    ['validated', 'validated-data'],
    ['in-alarm', 'in-alarm'],
    ['alarm-inhibited', 'alarm-inhibited'],
  ] as const)('%s: interpretation %s, the value stays', (status, code) => {
    const { pulses } = withStatus(status)
    expect(pulses[0]).toMatchObject({ status: 'final', interpretation: [{ coding: [{ code }] }] })
    expect(pulses[0]).toHaveProperty('valueQuantity')
  })

  test.each(['test', 'demo'] as const)('%s: the resource is marked as test data', (status) => {
    const security = withStatus(status).pulses[0]?.meta.security
    expect(security).toEqual([
      {
        system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
        code: 'HTEST',
        display: 'test health data',
      },
    ])
    expect(() => Object.assign(security?.[0] ?? {}, { code: 'other' })).toThrow(TypeError)
  })

  test('manual: a note', () => {
    expect(withStatus('manual').pulses[0]?.note).toEqual([{ text: 'Entered by hand' }])
  })

  test('states add up, the gravest status wins', () => {
    const { pulses } = withStatus('early', 'questionable', 'invalid', 'not-available')
    expect(pulses[0]).toMatchObject({
      status: 'entered-in-error',
      dataAbsentReason: { coding: [{ code: 'error' }] },
      interpretation: [{ coding: [{ code: 'early-indication' }] }, { coding: [{ code: 'questionable' }] }],
    })
  })
})
