import { describe, expect, test } from 'vitest'
import { deviceBundle } from '../src/index.js'
import { MDC, built } from './built.js'
import { codeOf, errorOf, reading } from './fixtures.js'

describe('devices', () => {
  test('PhdDevice', () => {
    const [device] = built([{ ...reading, device: { ...reading.device, timeSync: 'none' } }]).devices
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
    const [resource] = built([{ ...reading, device }]).devices
    expect(resource?.version?.map(({ type, value }) => [type.coding?.[0]?.code, value])).toEqual([
      ['531976', 'unknown'],
    ])
  })

  test('its own specialisations win over those of the measurements', () => {
    const device = { ...reading.device, specializations: [{ code: 528388, version: '2' }, { code: 528400 }] }
    const [resource] = built([{ ...reading, device }]).devices
    expect(
      resource?.specialization.map(({ systemType, version }) => [systemType.coding?.[0]?.code, version]),
    ).toEqual([
      ['528388', '2'],
      ['528400', '1'],
    ])
  })

  test('PhgDevice', () => {
    const [gateway] = built([
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
    const made = built([{ ...reading, device }])
    expect(made.devices[0]?.identifier.map(({ value }) => value)).toEqual(['00-1C-05-00-78-25'])
    expect(made.panels[0]?.identifier[0]?.value).toMatch(/^001C05007825-/)
  })

  test.each([
    ['ethernet', 'ETHMAC', 'http://hl7.org/fhir/sid/eui-48/ethernet', '00-1C-05-00-78-25'],
    ['zigbee', 'ZIGBEE', 'http://hl7.org/fhir/sid/eui-64/zigbee', '00-1C-05-00-78-25-01-02'],
  ] as const)('%s address', (kind, type, system, value) => {
    const { systemId: _, ...device } = reading.device
    const made = built([{ ...reading, device: { ...device, address: { kind, value: value.toLowerCase() } } }])
    expect(made.devices[0]?.identifier).toMatchObject([{ type: { coding: [{ code: type }] }, system, value }])
  })

  test('systemIdOrder: wire turns the System ID round, in the device and in every identifier', () => {
    const made = built([reading], { systemIdOrder: 'wire' })
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
    const made = built([reading, later])
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
    expect(built([reading]).patients).toEqual([
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
    expect(built([{ ...reading, patient }]).patients[0]).toMatchObject({
      identifier: [{ system: 'urn:x:y', value: '1' }],
      name: [{ family: 'Doe', given: ['Jane'] }],
    })
  })

  test.each([
    [{ given: ['X', 'Y'] }, { given: ['X'] }],
    [{ given: ['X'] }, { given: ['X', 'Y'] }],
    [{ family: 'Doe', given: ['X'] }, { family: 'Doe' }],
    [{ family: 'Doe' }, { given: ['X'] }],
  ])('of two names, %j and %j, the later one stands as a whole', (first, later) => {
    const identifier = { system: 'urn:x:y', value: '1' }
    const named = (name: object, more: object = {}) => ({
      ...reading,
      patient: { identifier: { ...identifier, ...more }, name },
    })
    const nameless = { ...reading, patient: { identifier } }
    const { patients } = built([named(first, { type: 'MR' }), named(later), nameless])
    expect(patients.map(({ name }) => name)).toEqual([[later]])
    // The kind of identifier is joined: the later reading has not told it.
    expect(patients[0]?.identifier).toMatchObject([{ type: { coding: [{ code: 'MR' }] }, ...identifier }])
  })

  test('a logical id is referenced and nothing is uploaded', () => {
    const made = built([{ ...reading, patient: { id: 'p-1' } }])
    expect(made.patients).toEqual([])
    expect(made.panels[0]?.subject).toEqual({ reference: 'Patient/p-1' })
    expect(made.panels[0]?.identifier[0]?.value).toBe('001C050400007825-p-1-150020-690897390')
  })

  test('two patients stay two, even with one value', () => {
    const other = { ...reading, patient: { identifier: { system: 'urn:other:1', value: 'sisansarahId' } } }
    const made = built([reading, other])
    expect(made.patients).toHaveLength(2)
    expect(made.panels.map(({ subject }) => subject.reference)).toEqual([
      'urn:uuid:00000000-0000-4000-8000-000000000001',
      'urn:uuid:00000000-0000-4000-8000-000000000002',
    ])
  })
})
