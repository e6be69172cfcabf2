import { describe, expect, test } from 'vitest'
import { decimal, deviceBundle, type ObservationResource, type Reading } from '../src/index.js'
import { countingUuid, errorOf, reading } from './fixtures.js'

const COINCIDENT = 'http://hl7.org/fhir/uv/phd/StructureDefinition/PhdCoincidentTimeStampObservation'
const REFERENCE = 'http://hl7.org/fhir/uv/phd/StructureDefinition/CoincidentTimeStampReference'

function build(time: Reading['time'], duration?: string) {
  const measurement = {
    kind: 'numeric',
    type: 'pulse-rate',
    value: decimal('62'),
    unit: '/min',
    ...(duration === undefined ? {} : { duration: decimal(duration) }),
  } as const
  const result = deviceBundle([{ ...reading, patient: { id: 'p1' }, time, measurements: [measurement] }], {
    uuid: countingUuid(),
  })
  const entries = result.bundle?.entry ?? []
  const observations = entries
    .map(({ resource }) => resource)
    .filter((resource): resource is ObservationResource => resource.resourceType === 'Observation')
  const isCoincident = ({ meta }: ObservationResource) => meta.profile.includes(COINCIDENT)
  const pulse = observations.find((observation) => !isCoincident(observation))
  return { ...result, entries, pulse, coincident: observations.find(isCoincident) }
}

/** The identifier without its device, patient and type parts. */
function timePart(time: Reading['time'], duration?: string): string | undefined {
  return build(time, duration).pulse?.identifier[0]?.value.replace('001C050400007825-p1-149546-', '')
}

describe('current time line, not synchronised', () => {
  const time = {
    quality: 'unsynchronized',
    measuredAt: '2019-09-20T12:40:18.000',
    deviceTime: '2019-09-20T12:40:09.000',
    gatewayTime: '2019-09-20T12:40:07.936-04:00',
    syncMethod: 'manual',
  } as const

  test('is shifted by the difference of the clocks, exactly, with the offset of the gateway', () => {
    expect(build(time).pulse?.effectiveDateTime).toBe('2019-09-20T12:40:16.936-04:00')
  })

  test('the coincident time stamp follows its own profile and is referenced', () => {
    const { pulse, coincident, entries } = build(time)
    const fullUrl = entries.find(({ resource }) => resource === coincident)?.fullUrl
    expect(pulse?.extension).toContainEqual({ url: REFERENCE, valueReference: { reference: fullUrl } })
    expect(coincident).toEqual({
      resourceType: 'Observation',
      meta: { profile: [COINCIDENT] },
      identifier: [
        {
          system: 'urn:oid:2.25.79250627692709401424601792500409362385',
          value: '001C050400007825-4C4E49123456FFFE-67975-622298409.000-622312807.936',
        },
      ],
      status: 'final',
      code: {
        coding: [{ system: 'urn:iso:std:iso:11073:10101', code: '67975', display: 'MDC_ATTR_TIME_ABS' }],
        text: 'Absolute time',
      },
      // Subject is the device, device is the gateway.
      subject: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000002' },
      effectiveDateTime: '2019-09-20T12:40:07.936-04:00',
      valueDateTime: '2019-09-20T12:40:09.000-04:00',
      device: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000001' },
      component: [
        {
          code: {
            coding: [
              { system: 'urn:iso:std:iso:11073:10101', code: '68220', display: 'MDC_TIME_SYNC_PROTOCOL' },
            ],
            text: 'Time synchronisation',
          },
          valueCodeableConcept: {
            coding: [
              { system: 'urn:iso:std:iso:11073:10101', code: '532234', display: 'MDC_TIME_SYNC_EBWW' },
            ],
            text: 'Set by hand',
          },
        },
      ],
    })
  })

  test('the identifier has the device time, never the corrected one', () => {
    expect(timePart(time)).toBe('622298418.000')
  })

  test('a device that reports its offset: base-offset clock 68226, compared as UTC', () => {
    const { pulse, coincident } = build({
      quality: 'unsynchronized',
      measuredAt: '2024-05-01T08:00:00+02:00',
      deviceTime: '2024-05-01T06:10:00Z',
      gatewayTime: '2024-05-01T07:10:30+01:00',
    })
    expect(pulse?.effectiveDateTime).toBe('2024-05-01T07:00:30+01:00')
    expect(coincident?.code.coding?.[0]?.code).toBe('68226')
    expect(coincident?.valueDateTime).toBe('2024-05-01T06:10:00Z')
    expect(pulse?.identifier[0]?.value).toMatch(/-767865600\+8$/)
  })

  test('a tick counter: clock 67983, microseconds, seconds in the identifier', () => {
    const ticks = {
      quality: 'unsynchronized',
      measuredAt: '12345.678',
      deviceTime: '12400.000',
      gatewayTime: '2024-05-01T08:00:00Z',
    } as const
    const { pulse, coincident } = build(ticks)
    expect(pulse?.effectiveDateTime).toBe('2024-05-01T07:59:05.678Z')
    expect(timePart(ticks)).toBe('12345.678')
    expect(coincident).toMatchObject({
      code: { coding: [{ code: '67983' }] },
      valueQuantity: {
        value: { mantissa: 12400000n, exponent: 3 },
        system: 'http://unitsofmeasure.org',
        code: 'us',
      },
    })
    expect(coincident).not.toHaveProperty('valueDateTime')
  })

  test('a shift out of the calendar is refused', () => {
    const error = errorOf(() =>
      build({
        quality: 'unsynchronized',
        measuredAt: '999999999999999999',
        deviceTime: '1',
        gatewayTime: '2024-05-01T08:00:00Z',
      }),
    )
    expect(error).toMatchObject({ code: 'ERR_INVALID_READING', path: 'readings[0].time' })
  })
})

describe('the other rows of the time line', () => {
  test('synchronised, UTC: kept', () => {
    const { pulse, coincident } = build({ quality: 'synchronized-utc', measuredAt: '2024-05-01T08:00:00.5Z' })
    expect(pulse?.effectiveDateTime).toBe('2024-05-01T08:00:00.5Z')
    expect(pulse?.extension?.map(({ url }) => url)).toEqual([
      'http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice',
    ])
    expect(coincident).toBeUndefined()
  })

  test('synchronised, local: the offset is added', () => {
    const { pulse, coincident } = build({
      quality: 'synchronized-local',
      measuredAt: '2024-05-01T08:00:00',
      gatewayTime: '2024-05-01T09:00:00-03:30',
    })
    expect(pulse?.effectiveDateTime).toBe('2024-05-01T08:00:00-03:30')
    expect(coincident).toBeUndefined()
  })

  test('a fault of the clock: kept as reported, and the coincident time stamp says that nobody knows', () => {
    const fault = (measuredAt: string) =>
      build({ quality: 'time-fault', measuredAt, gatewayTime: '2024-05-01T09:00:00-03:30' })
    const { pulse, coincident, entries } = fault('2024-05-01T08:00:00')
    expect(pulse?.effectiveDateTime).toBe('2024-05-01T08:00:00-03:30')
    const fullUrl = entries.find(({ resource }) => resource === coincident)?.fullUrl
    expect(pulse?.extension).toContainEqual({ url: REFERENCE, valueReference: { reference: fullUrl } })
    expect(coincident).toMatchObject({
      identifier: [{ value: '001C050400007825-4C4E49123456FFFE-67975-unknown-767881800' }],
      effectiveDateTime: '2024-05-01T09:00:00-03:30',
      dataAbsentReason: { coding: [{ code: 'unknown' }] },
    })
    expect(coincident).not.toHaveProperty('valueDateTime')
    const zoned = fault('2024-05-01T08:00:00+02:00')
    expect(zoned.pulse?.effectiveDateTime).toBe('2024-05-01T08:00:00+02:00')
    expect(zoned.coincident?.code.coding?.[0]?.code).toBe('68226')
    expect(errorOf(() => fault('12345.678'))).toMatchObject({ path: 'readings[0].time.measuredAt' })
  })

  test('another time line: skipped and told', () => {
    const result = build({ quality: 'other-time-line', measuredAt: '1999-01-01T00:00:00' })
    expect(result.bundle).toBeUndefined()
    expect(result.skipped).toEqual([{ index: 0, reason: 'other-time-line' }])
  })

  test('no time stamp: reception time, no coincidence, an identifier of our own that survives a repeat', () => {
    const time = { quality: 'none', gatewayTime: '2021-11-22T12:56:30.25+01:00' } as const
    const { pulse, coincident, entries } = build(time)
    expect(coincident).toBeUndefined()
    expect(pulse?.effectiveDateTime).toBe('2021-11-22T12:56:30.25+01:00')
    expect(pulse?.identifier).toEqual([
      {
        system: 'urn:oid:2.25.257790535599238640109082714626681127814',
        value: '001C050400007825-p1-149546-690897390.25',
      },
    ])
    expect(entries.map(({ request }) => request)).toEqual(build(time).entries.map(({ request }) => request))
  })
})

describe('time part of the identifier', () => {
  const utc = (measuredAt: string) => ({ quality: 'synchronized-utc', measuredAt }) as const
  const local = (measuredAt: string) =>
    ({ quality: 'synchronized-local', measuredAt, gatewayTime: '2024-01-01T00:00:00Z' }) as const

  test.each([
    ['2000-01-01T00:00:00', '0'],
    ['2021-11-22T11:56:30', '690897390'],
    ['2021-11-22T11:56:30.567', '690897390.567'],
    ['2021-11-22T11:56:30.50', '690897390.50'],
    ['2024-02-29T00:00:00', '762480000'],
    ['1999-12-31T23:59:59', '-1'],
    ['1999-12-31T23:59:59.5', '-0.5'],
  ])('%s is %s', (measuredAt, part) => {
    expect(timePart(local(measuredAt))).toBe(part)
  })

  test.each([
    ['2021-11-22T11:56:30Z', '690897390'],
    ['2021-11-22T11:56:30.567+01:00', '690897390.567+4'],
    ['2021-11-22T11:56:30-03:30', '690897390-14'],
    ['2021-11-22T11:56:30+00:00', '690897390+0'],
  ])('%s is %s: seconds as reported, then the quarter hours', (measuredAt, part) => {
    expect(timePart(utc(measuredAt))).toBe(part)
  })

  test('a duration follows at the same resolution, and the time becomes a period', () => {
    const time = utc('2021-11-22T11:56:30.567+01:00')
    expect(timePart(time, '1')).toBe('690897390.567+4..1.000')
    expect(build(time, '1').pulse).toMatchObject({
      effectivePeriod: { start: '2021-11-22T11:56:30.567+01:00', end: '2021-11-22T11:56:31.567+01:00' },
    })
    expect(build(time, '1').pulse).not.toHaveProperty('effectiveDateTime')
  })

  test('without a time stamp the duration ends at the reception', () => {
    expect(build({ quality: 'none', gatewayTime: '2024-05-01T08:00:10Z' }, '10').pulse).toMatchObject({
      effectivePeriod: { start: '2024-05-01T08:00:00Z', end: '2024-05-01T08:00:10Z' },
    })
  })
})
