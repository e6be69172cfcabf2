import { describe, expect, test } from 'vitest'
import {
  decimal,
  deviceBundle,
  type DeviceBundleOptions,
  type DeviceResource,
  type Measurement,
  type ObservationResource,
  type PatientResource,
  type Reading,
  stringifyExact,
} from '../src/index.js'
import { codeOf, countingUuid, errorOf, reading } from './fixtures.js'

const MDC = 'urn:iso:std:iso:11073:10101'
const LOINC = 'http://loinc.org'
const DAR = 'http://terminology.hl7.org/CodeSystem/data-absent-reason'

function entriesOf(readings: readonly Reading[], options: DeviceBundleOptions = {}) {
  return deviceBundle(readings, { uuid: countingUuid(), ...options }).bundle?.entry ?? []
}

function resources(readings: readonly Reading[], options: DeviceBundleOptions = {}) {
  const all = entriesOf(readings, options).map(({ resource }) => resource)
  const observations = all.filter((item): item is ObservationResource => item.resourceType === 'Observation')
  const devices = all.filter((item): item is DeviceResource => item.resourceType === 'Device')
  const withCode = (code: string) => observations.filter((item) => item.code.coding?.[0]?.code === code)
  return {
    patients: all.filter((item): item is PatientResource => item.resourceType === 'Patient'),
    gateways: devices.filter((item) => item.type.coding?.[0]?.code === '531981'),
    devices: devices.filter((item) => item.type.coding?.[0]?.code === '65573'),
    coincidences: observations.filter((item) => item.meta.profile[0]?.includes('Coincident')),
    panels: withCode('150020'),
    pulses: withCode('149546'),
    statuses: withCode('8410608'),
  }
}

const pressure = reading.measurements[0] as Extract<Measurement, { kind: 'compound' }>
const pulse = reading.measurements[1] as Extract<Measurement, { kind: 'numeric' }>
const withMeasurements = (...measurements: Measurement[]): Reading => ({ ...reading, measurements })
const withTime = (time: Reading['time']): Reading => ({ ...reading, time })

describe('the bundle', () => {
  test('is a transaction of conditional creates without ids, fullUrls lower-case urn:uuid', () => {
    const { bundle } = deviceBundle([reading])
    expect(bundle).toMatchObject({ resourceType: 'Bundle', type: 'transaction' })
    const entries = bundle?.entry ?? []
    expect(entries.map(({ request }) => request.url)).toEqual([
      'Patient',
      'Device',
      'Device',
      'Observation',
      'Observation',
      'Observation',
    ])
    for (const { fullUrl, resource, request } of entries) {
      expect(fullUrl).toMatch(
        /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      )
      expect(resource).not.toHaveProperty('id')
      expect(request.method).toBe('POST')
      expect(request.url).toBe(resource.resourceType)
    }
    expect(new Set(entries.map(({ fullUrl }) => fullUrl)).size).toBe(6)
  })

  test('every condition is met by the resource that carries it', () => {
    for (const { resource, request } of entriesOf([reading])) {
      const parameters = [...new URLSearchParams(request.ifNoneExist)]
      const [identifier] = resource.identifier
      expect(parameters).toEqual([['identifier', `${identifier?.system}|${identifier?.value}`]])
    }
  })

  test('conditions are escaped as tokens and percent-encoded', () => {
    const patient = { identifier: { system: 'urn:x:a|b', value: 'a&b c,d$e\\f+g=ü%' } }
    const [entry] = entriesOf([{ ...reading, patient }])
    expect(entry?.request.ifNoneExist).toBe(
      'identifier=urn%3Ax%3Aa%5C%7Cb%7Ca%26b%20c%5C%2Cd%5C%24e%5C%5Cf%2Bg%3D%C3%BC%25',
    )
    expect(new URLSearchParams(entry?.request.ifNoneExist).get('identifier')).toBe(
      'urn:x:a\\|b|a&b c\\,d\\$e\\\\f+g=ü%',
    )
  })

  test('holds no undefined member, no empty array, no empty object', () => {
    const visit = (value: unknown): void => {
      expect(value).not.toBeUndefined()
      if (typeof value !== 'object' || value === null) return
      expect(Object.keys(value)).not.toHaveLength(0)
      for (const item of Object.values(value)) visit(item)
    }
    const bits: Measurement = { kind: 'bits', type: 'blood-pressure-status', set: ['irregular-pulse'] }
    visit(
      deviceBundle([
        withMeasurements(pressure, pulse, bits),
        withTime({ quality: 'none', gatewayTime: '2024-05-01T08:00:00Z' }),
      ]).bundle,
    )
  })

  test('prints decimals as the device gave them', () => {
    const text = stringifyExact(deviceBundle([reading]).bundle)
    expect(text).toContain('"value":120,')
    expect(text).toContain('"value":80.0,')
    expect(text).toContain('"value":93.33,')
    expect(text).toContain('"value":62.0,')
  })

  test('without readings there is none', () => {
    expect(deviceBundle([])).toEqual({ bundle: undefined, skipped: [] })
  })

  test('a bad reading is refused with its index', () => {
    const bad = { ...reading, measurements: [] }
    expect(errorOf(() => deviceBundle([reading, bad]))).toMatchObject({
      code: 'ERR_INVALID_READING',
      path: 'readings[1].measurements',
    })
  })

  test.each([
    ['upper case', () => '00000000-0000-4000-8000-00000000000A'],
    ['no UUID', () => 'patient'],
    ['always the same', () => '00000000-0000-4000-8000-000000000001'],
  ])('refuses a uuid source that is %s', (_, uuid) => {
    expect(codeOf(() => deviceBundle([reading], { uuid }))).toBe('ERR_INVALID_OPTION')
  })
})

describe('devices', () => {
  test('PhdDevice', () => {
    const [device] = resources([{ ...reading, device: { ...reading.device, timeSync: 'none' } }]).devices
    expect(device).toEqual({
      resourceType: 'Device',
      meta: { profile: ['http://hl7.org/fhir/uv/phd/StructureDefinition/PhdDevice'] },
      identifier: [
        {
          type: {
            coding: [
              { system: 'http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers', code: 'SYSID' },
            ],
          },
          system: 'urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680',
          value: '00-1C-05-04-00-00-78-25',
        },
        {
          type: {
            coding: [
              { system: 'http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers', code: 'BTMAC' },
            ],
          },
          system: 'http://hl7.org/fhir/sid/eui-48/bluetooth',
          value: '00-1C-05-00-78-25',
        },
      ],
      manufacturer: 'Example Medical',
      serialNumber: '0400007825',
      modelNumber: 'BP-1',
      type: {
        coding: [{ system: MDC, code: '65573', display: 'MDC_MOC_VMS_MDS_SIMP' }],
        text: 'Personal health device',
      },
      specialization: [
        {
          systemType: {
            coding: [{ system: MDC, code: '528391', display: 'MDC_DEV_SPEC_PROFILE_BP' }],
            text: 'Blood pressure cuff',
          },
          version: '1',
        },
      ],
      version: [
        {
          type: {
            coding: [{ system: MDC, code: '531974', display: 'MDC_ID_PROD_SPEC_HW' }],
            text: 'Hardware revision',
          },
          value: '3',
        },
        {
          type: {
            coding: [{ system: MDC, code: '531976', display: 'MDC_ID_PROD_SPEC_FW' }],
            text: 'Firmware revision',
          },
          value: '1.2',
        },
      ],
      property: [
        {
          type: {
            coding: [{ system: MDC, code: '68220', display: 'MDC_TIME_SYNC_PROTOCOL' }],
            text: 'Time synchronisation',
          },
          valueCode: [
            {
              coding: [{ system: MDC, code: '532224', display: 'MDC_TIME_SYNC_NONE' }],
              text: 'Not synchronised',
            },
          ],
        },
      ],
    })
  })

  test('a device that reports no version gets the documented default', () => {
    const { versions: _, ...device } = reading.device
    const [resource] = resources([{ ...reading, device }]).devices
    expect(resource?.version?.map(({ type, value }) => [type.coding?.[0]?.code, value])).toEqual([
      ['531976', 'unknown'],
    ])
  })

  test('its own specialisations win over those of the measurements', () => {
    const device = { ...reading.device, specializations: [{ code: 528388, version: '2' }, { code: 528400 }] }
    const [resource] = resources([{ ...reading, device }]).devices
    expect(
      resource?.specialization.map(({ systemType, version }) => [systemType.coding?.[0]?.code, version]),
    ).toEqual([
      ['528388', '2'],
      ['528400', '1'],
    ])
  })

  test('PhgDevice', () => {
    const [gateway] = resources([
      { ...reading, gateway: { ...reading.gateway, versions: { continua: '6.0' } } },
    ]).gateways
    expect(gateway).toMatchObject({
      meta: { profile: ['http://hl7.org/fhir/uv/phd/StructureDefinition/PhgDevice'] },
      type: { coding: [{ system: MDC, code: '531981', display: 'MDC_MOC_VMS_MDS_AHD' }] },
      specialization: [{ systemType: { coding: [{ system: MDC, code: '528457' }] }, version: '2' }],
      version: [{ type: { coding: [{ code: '532352' }] }, value: '6.0' }],
      property: [{ type: { coding: [{ code: '68220' }] }, valueCode: [{ coding: [{ code: '532226' }] }] }],
    })
  })

  test('the address is the identity of a device without System ID', () => {
    const { systemId: _, ...device } = reading.device
    const made = resources([{ ...reading, device }])
    expect(made.devices[0]?.identifier.map(({ value }) => value)).toEqual(['00-1C-05-00-78-25'])
    expect(made.panels[0]?.identifier[0]?.value).toMatch(/^001C05007825-/)
  })

  test.each([
    ['ethernet', 'ETHMAC', 'http://hl7.org/fhir/sid/eui-48/ethernet', '00-1C-05-00-78-25'],
    ['zigbee', 'ZIGBEE', 'http://hl7.org/fhir/sid/eui-64/zigbee', '00-1C-05-00-78-25-01-02'],
  ] as const)('%s address', (kind, type, system, value) => {
    const { systemId: _, ...device } = reading.device
    const made = resources([
      { ...reading, device: { ...device, address: { kind, value: value.toLowerCase() } } },
    ])
    expect(made.devices[0]?.identifier).toMatchObject([{ type: { coding: [{ code: type }] }, system, value }])
  })

  test('systemIdOrder: wire turns the System ID round, in the device and in every identifier', () => {
    const made = resources([reading], { systemIdOrder: 'wire' })
    expect(made.devices[0]?.identifier[0]?.value).toBe('25-78-00-00-04-05-1C-00')
    expect(made.panels[0]?.identifier[0]?.value).toMatch(/^2578000004051C00-/)
    expect(made.gateways[0]?.identifier[0]?.value).toBe('4C-4E-49-12-34-56-FF-FE')
  })

  test('one entry per identity; details of later readings are joined', () => {
    const later = {
      ...reading,
      device: {
        ...reading.device,
        systemId: '00:1c:05:04:00:00:78:25',
        versions: { firmware: '1.3', software: '9' },
      },
    }
    const made = resources([reading, later])
    expect([made.patients.length, made.gateways.length, made.devices.length]).toEqual([1, 1, 1])
    expect(made.devices[0]?.version?.map(({ value }) => value)).toEqual(['3', '9', '1.3'])
  })

  test('two devices under one System ID are refused', () => {
    const serial = { ...reading, device: { ...reading.device, serialNumber: '1' } }
    expect(errorOf(() => deviceBundle([reading, serial]))).toMatchObject({
      code: 'ERR_CONFLICTING_IDENTITY',
      path: 'readings[1].device',
    })
    const address = {
      ...reading,
      device: { ...reading.device, address: { kind: 'bluetooth', value: '00-1C-05-00-78-26' } },
    } as const
    expect(codeOf(() => deviceBundle([reading, address]))).toBe('ERR_CONFLICTING_IDENTITY')
    const asGateway = { ...reading, gateway: { systemId: '00-1C-05-04-00-00-78-25' } }
    expect(codeOf(() => deviceBundle([asGateway]))).toBe('ERR_CONFLICTING_IDENTITY')
  })
})

describe('the patient', () => {
  test('PhdPatient with the identifier, and the name only when given', () => {
    expect(resources([reading]).patients).toEqual([
      {
        resourceType: 'Patient',
        meta: { profile: ['http://hl7.org/fhir/uv/phd/StructureDefinition/PhdPatient'] },
        identifier: [
          {
            type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] },
            system: 'urn:oid:2.999.1.2.3',
            value: 'sisansarahId',
          },
        ],
      },
    ])
    const patient = {
      identifier: { system: 'urn:x:y', value: '1' },
      name: { family: 'Doe', given: ['Jane'] },
    }
    expect(resources([{ ...reading, patient }]).patients[0]).toMatchObject({
      identifier: [{ system: 'urn:x:y', value: '1' }],
      name: [{ family: 'Doe', given: ['Jane'] }],
    })
  })

  test('a logical id is referenced and nothing is uploaded', () => {
    const made = resources([{ ...reading, patient: { id: 'p-1' } }])
    expect(made.patients).toEqual([])
    expect(made.panels[0]?.subject).toEqual({ reference: 'Patient/p-1' })
    expect(made.panels[0]?.identifier[0]?.value).toBe('001C050400007825-p-1-150020-690897390')
  })

  test('two patients stay two, even with one value', () => {
    const other = { ...reading, patient: { identifier: { system: 'urn:other:1', value: 'sisansarahId' } } }
    const made = resources([reading, other])
    expect(made.patients).toHaveLength(2)
    expect(made.panels.map(({ subject }) => subject.reference)).toEqual([
      'urn:uuid:00000000-0000-4000-8000-000000000001',
      'urn:uuid:00000000-0000-4000-8000-000000000002',
    ])
  })
})

describe('blood pressure', () => {
  test('is a PHD compound numeric and an R4 vital sign', () => {
    const [panel] = resources([reading]).panels
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
    const [panel] = resources([withMeasurements({ ...pressure, components })]).panels
    expect(panel?.component?.map(({ code }) => code.coding?.[0]?.code)).toEqual(['150021', '150022'])
  })

  test('kPa becomes mm[Hg] at the resolution of the input', () => {
    const components = { systolic: decimal('16.0'), diastolic: decimal('10.67'), mean: decimal('12') }
    const [panel] = resources([withMeasurements({ ...pressure, components, unit: 'kPa' })]).panels
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
    const made = resources([
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
    expect(resources([reading]).pulses).toMatchObject([
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
    const status = resources([withMeasurements(bits, pressure)]).statuses[0]
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
    const made = resources([withMeasurements(pressure, bits)])
    expect([made.panels.length, made.statuses.length]).toEqual([1, 0])
  })

  test('supplemental types become components and the end of the identifier', () => {
    const [made] = resources([withMeasurements({ ...pulse, supplementalTypes: [150588, 150584] })]).pulses
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

describe('states of a measurement', () => {
  const withStatus = (...status: NonNullable<Measurement['status']>) =>
    resources([withMeasurements({ ...pulse, status }, { ...pressure, status })])

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
    expect(withStatus(status).pulses[0]?.meta.security).toEqual([
      {
        system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
        code: 'HTEST',
        display: 'test health data',
      },
    ])
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

describe('known references', () => {
  const entries = entriesOf([reading])
  const keyOf = (index: number) => `${entries[index]?.request.url}?${entries[index]?.request.ifNoneExist}`

  test('leave entries out and are referenced; identifiers do not change', () => {
    const known = {
      [keyOf(0)]: 'Patient/p1',
      [keyOf(1)]: 'Device/g1',
      [keyOf(2)]: 'Device/d1',
      [keyOf(3)]: 'Observation/c1',
    }
    const made = resources([reading], { known })
    expect([made.patients, made.gateways, made.devices, made.coincidences]).toEqual([[], [], [], []])
    const [panel] = made.panels
    expect(panel).toMatchObject({ subject: { reference: 'Patient/p1' }, device: { reference: 'Device/d1' } })
    expect(panel?.extension?.map(({ valueReference }) => valueReference.reference)).toEqual([
      'Device/g1',
      'Observation/c1',
    ])
    expect(panel?.identifier).toEqual(resources([reading]).panels[0]?.identifier)
  })

  test('when everything is known there is nothing to send', () => {
    const known = Object.fromEntries(
      entries.map(({ request }, index) => [keyOf(index), `${request.url}/${index}`]),
    )
    expect(deviceBundle([reading], { known }).bundle).toBeUndefined()
  })

  test.each(['p1', 'Device/p1', 'Patient/', 'http://x/Patient/1'])(
    'refuses %j for a patient',
    (reference) => {
      expect(errorOf(() => deviceBundle([reading], { known: { [keyOf(0)]: reference } }))).toMatchObject({
        code: 'ERR_INVALID_OPTION',
        path: 'known',
      })
    },
  )
})

describe('the same measurement twice', () => {
  test('is one entry, also when the device sends it again in another connection', () => {
    const again = withTime({
      quality: 'unsynchronized',
      measuredAt: '2021-11-22T11:56:30',
      deviceTime: '2021-11-22T20:00:00',
      gatewayTime: '2021-11-22T20:00:06+01:00',
    })
    const made = resources([reading, reading, again])
    expect([made.panels.length, made.pulses.length, made.coincidences.length]).toEqual([1, 1, 2])
  })

  test('with another value it is refused', () => {
    const other = withMeasurements({ ...pulse, value: decimal('63.0') })
    expect(errorOf(() => deviceBundle([reading, other]))).toMatchObject({
      code: 'ERR_CONFLICTING_MEASUREMENT',
      path: 'readings[1].measurements[0]',
    })
  })
})
