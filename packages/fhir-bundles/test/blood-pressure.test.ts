import { describe, expect, test } from 'vitest'
import { decimal, type Measurement, stringifyExact } from '../src/index.js'
import { MDC, built, entriesOf, pressure, pulse, withMeasurements } from './built.js'
import { reading } from './fixtures.js'

const LOINC = 'http://loinc.org'
const DAR = 'http://terminology.hl7.org/CodeSystem/data-absent-reason'

describe('blood pressure', () => {
  test('is a PHD compound numeric and an R4 vital sign', () => {
    const [panel] = built([reading]).panels
    const component = (code: string, display: string, loinc: string, text: string, value: string) => ({
      code: {
        coding: [
          { system: MDC, code, display },
          { system: LOINC, code: loinc, display: text },
        ],
        text,
      },
      valueQuantity: {
        value: decimal(value),
        unit: 'mmHg',
        system: 'http://unitsofmeasure.org',
        code: 'mm[Hg]',
      },
    })
    expect(panel).toEqual({
      resourceType: 'Observation',
      meta: {
        profile: [
          'http://hl7.org/fhir/uv/phd/StructureDefinition/PhdCompoundNumericObservation',
          'http://hl7.org/fhir/uv/phd/StructureDefinition/PhdCompoundObservation',
        ],
      },
      extension: [
        {
          url: 'http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice',
          valueReference: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000002' },
        },
        {
          url: 'http://hl7.org/fhir/uv/phd/StructureDefinition/CoincidentTimeStampReference',
          valueReference: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000004' },
        },
      ],
      identifier: [
        {
          system: 'http://hl7.org/fhir/uv/phd/StructureDefinition/PhdBaseObservation',
          value: '001C050400007825-sisansarahId-urn:oid:2.999.1.2.3-150020-690897390',
        },
      ],
      status: 'final',
      category: [
        {
          coding: [
            {
              system: 'http://terminology.hl7.org/CodeSystem/observation-category',
              code: 'vital-signs',
              display: 'Vital Signs',
            },
          ],
        },
        {
          coding: [{ system: 'http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories', code: 'phd' }],
        },
      ],
      code: {
        coding: [
          { system: MDC, code: '150020', display: 'MDC_PRESS_BLD_NONINV' },
          { system: LOINC, code: '85354-9', display: 'Blood pressure panel with all children optional' },
        ],
        text: 'Blood pressure',
      },
      subject: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000001' },
      effectiveDateTime: '2021-11-22T11:56:35.250+01:00',
      device: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000003' },
      component: [
        component('150021', 'MDC_PRESS_BLD_NONINV_SYS', '8480-6', 'Systolic blood pressure', '120'),
        component('150022', 'MDC_PRESS_BLD_NONINV_DIA', '8462-4', 'Diastolic blood pressure', '80.0'),
        component('150023', 'MDC_PRESS_BLD_NONINV_MEAN', '8478-0', 'Mean blood pressure', '93.33'),
      ],
    })
  })

  test('without a mean there is no mean component', () => {
    const components = { systolic: decimal('120'), diastolic: decimal('80') }
    const [panel] = built([withMeasurements({ ...pressure, components })]).panels
    expect(panel?.component?.map(({ code }) => code.coding?.[0]?.code)).toEqual(['150021', '150022'])
  })

  test('kPa becomes mm[Hg] at the resolution of the input', () => {
    const components = { systolic: decimal('16.0'), diastolic: decimal('10.67'), mean: decimal('12') }
    const [panel] = built([withMeasurements({ ...pressure, components, unit: 'kPa' })]).panels
    expect(panel?.component?.map(({ valueQuantity }) => stringifyExact(valueQuantity))).toEqual([
      '{"value":120.0,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}',
      '{"value":80.03,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}',
      '{"value":90,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}',
    ])
  })

  test.each([
    ['NaN', 'not-a-number'],
    ['+INFINITY', 'positive-infinity'],
    ['-INFINITY', 'negative-infinity'],
    ['NRes', 'error'],
    ['RESERVED', 'error'],
  ] as const)('%s is the absent reason %s and no value', (special, code) => {
    const made = built([
      withMeasurements(
        { ...pressure, components: { ...pressure.components, mean: special } },
        { ...pulse, value: special },
      ),
    ])
    const mean = made.panels[0]?.component?.[2]
    expect(mean?.dataAbsentReason?.coding).toMatchObject([{ system: DAR, code }])
    expect(mean).not.toHaveProperty('valueQuantity')
    expect(made.pulses[0]?.dataAbsentReason?.coding).toMatchObject([{ system: DAR, code }])
    expect(made.pulses[0]).not.toHaveProperty('valueQuantity')
  })
})

describe('pulse and status', () => {
  test('the pulse is a numeric Observation of its own', () => {
    expect(built([reading]).pulses).toMatchObject([
      {
        meta: { profile: ['http://hl7.org/fhir/uv/phd/StructureDefinition/PhdNumericObservation'] },
        code: {
          coding: [
            { system: MDC, code: '149546', display: 'MDC_PULS_RATE_NON_INV' },
            { system: LOINC, code: '8867-4', display: 'Heart rate' },
          ],
        },
        valueQuantity: {
          value: decimal('62.0'),
          unit: 'beats/minute',
          system: 'http://unitsofmeasure.org',
          code: '/min',
        },
      },
    ])
  })

  test('status bits: only those that are set, derived from the pressure, no vital sign', () => {
    const bits: Measurement = {
      kind: 'bits',
      type: 'blood-pressure-status',
      set: ['improper-body-position', 'body-movement'],
    }
    // Derived from an Observation that stands behind it in the reading.
    const entries = entriesOf([withMeasurements(bits, pressure)])
    const panel = entries.find(
      ({ resource }) => 'code' in resource && resource.code.coding?.[0]?.code === '150020',
    )
    const status = built([withMeasurements(bits, pressure)]).coded('8410608')[0]
    expect(status).toMatchObject({
      meta: { profile: ['http://hl7.org/fhir/uv/phd/StructureDefinition/PhdBitsEnumerationObservation'] },
      category: [{ coding: [{ code: 'phd' }] }],
      code: { coding: [{ system: MDC, code: '8410608', display: 'MDC_BLOOD_PRESSURE_MEASUREMENT_STATUS' }] },
      derivedFrom: [{ reference: panel?.fullUrl }],
    })
    expect(status?.component).toEqual([
      {
        code: {
          coding: [
            {
              system: 'http://terminology.hl7.org/CodeSystem/ASN1ToHL7',
              code: '8410608.0',
              display: 'body-movement',
            },
          ],
          text: 'Body movement',
        },
        valueBoolean: true,
      },
      {
        code: {
          coding: [
            {
              system: 'http://terminology.hl7.org/CodeSystem/ASN1ToHL7',
              code: '8410608.5',
              display: 'improper-body-position',
            },
          ],
          text: 'Improper body position',
        },
        valueBoolean: true,
      },
    ])
  })

  test('a status with no bit set is no Observation', () => {
    const bits: Measurement = { kind: 'bits', type: 'blood-pressure-status', set: [] }
    const made = built([withMeasurements(pressure, bits)])
    expect([made.panels.length, made.coded('8410608').length]).toEqual([1, 0])
  })

  test('supplemental types become components and the end of the identifier', () => {
    const [made] = built([withMeasurements({ ...pulse, supplementalTypes: [150588, 150584] })]).pulses
    expect(made?.component).toMatchObject([
      {
        code: { coding: [{ code: '68193' }] },
        valueCodeableConcept: { coding: [{ system: MDC, code: '150588' }] },
      },
      {
        code: { coding: [{ code: '68193' }] },
        valueCodeableConcept: { coding: [{ system: MDC, code: '150584' }] },
      },
    ])
    expect(made?.identifier[0]?.value).toMatch(/-149546-690897390-150588-150584$/)
  })
})
