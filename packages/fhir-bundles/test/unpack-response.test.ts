import { describe, expect, test } from 'vitest'
import { deviceBundle, knownFromResponse, unpackResponse } from '../src/index.js'
import { codeOf, countingUuid, reading } from './fixtures.js'

const request = {
  entry: [
    { request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=a%7C1' } },
    { request: { method: 'PUT', url: 'Device/d1' } },
    { request: { method: 'POST', url: 'Observation' } },
  ],
} as const

function response(...entry: unknown[]): unknown {
  return { resourceType: 'Bundle', type: 'transaction-response', entry }
}
const ok = (type: string) => ({ response: { status: '201', location: `${type}/x` } })

/** The first result of a one-entry transaction. */
function only(answer: unknown, method = 'POST', url = 'Patient') {
  return unpackResponse({ entry: [{ request: { method, url } }] }, response(answer)).results[0]
}

describe('unpackResponse', () => {
  test.each([
    ['201', 201],
    ['201 Created', 201],
    ['200 OK', 200],
    [' 204', 204],
    [201, 201],
  ])('takes the status %j', (status, expected) => {
    expect(only({ response: { status } })).toMatchObject({ result: 'done', status: expected })
  })

  test.each([undefined, '', 'Created', '20', '2010', '999', null, 20.1])(
    'cannot read the status %j',
    (status) => {
      expect(only({ response: { status } })).toEqual({ index: 0, result: 'unreadable' })
    },
  )

  test.each([
    ['Patient/1', { type: 'Patient', id: '1' }],
    ['Patient/1/_history/2', { type: 'Patient', id: '1', versionId: '2' }],
    ['/Patient/1/_history/2', { type: 'Patient', id: '1', versionId: '2' }],
    ['https://s.example/fhir/Patient/a-b.C/_history/17', { type: 'Patient', id: 'a-b.C', versionId: '17' }],
    ['http://s.example:8080/Patient/1?_format=json', { type: 'Patient', id: '1' }],
  ])('reads the location %s', (location, identity) => {
    expect(only({ response: { status: '201', location } })).toEqual({
      index: 0,
      result: 'done',
      status: 201,
      ...identity,
    })
  })

  test('the version may come from the ETag', () => {
    expect(
      only({
        response: {
          status: '201',
          location: 'Patient/1',
          etag: 'W/"5"',
          lastModified: '2024-05-01T08:00:00Z',
        },
      }),
    ).toEqual({
      index: 0,
      result: 'done',
      status: 201,
      type: 'Patient',
      id: '1',
      versionId: '5',
      etag: 'W/"5"',
      lastModified: '2024-05-01T08:00:00Z',
    })
  })

  test('the identity may come from the returned resource, or from the URL of a PUT', () => {
    const resource = { resourceType: 'Patient', id: '7', meta: { versionId: '3' } }
    expect(only({ response: { status: '201' }, resource })).toMatchObject({
      type: 'Patient',
      id: '7',
      versionId: '3',
      resource,
    })
    expect(only({ response: { status: '200' } }, 'PUT', 'Patient/9')).toMatchObject({
      type: 'Patient',
      id: '9',
    })
    expect(only({ response: { status: '204' } }, 'DELETE', 'Patient/9')).toMatchObject({
      result: 'done',
      id: '9',
    })
    expect(only({ response: { status: '412' } }, 'PUT', 'Patient/9')).not.toHaveProperty('id')
    expect(only({ response: { status: '200' } }, 'PUT', 'Patient?identifier=a|b')).not.toHaveProperty('id')
  })

  test('keeps the outcome of successes and failures', () => {
    const outcome = { resourceType: 'OperationOutcome', issue: [] }
    expect(only({ response: { status: '201', outcome } })).toMatchObject({ result: 'done', outcome })
    expect(only({ response: { status: '422', outcome } })).toMatchObject({
      result: 'failed',
      status: 422,
      outcome,
    })
  })

  test('matches by index: a transaction that ran as a batch shows its failed entry', () => {
    const unpacked = unpackResponse(
      request,
      response(ok('Patient'), { response: { status: '400' } }, ok('Observation')),
    )
    expect(unpacked.results.map(({ result }) => result)).toEqual(['done', 'failed', 'done'])
    expect(unpacked).toMatchObject({ aligned: true, complete: false, extra: 0 })
  })

  test('all done is complete', () => {
    expect(unpackResponse(request, response(ok('Patient'), ok('Device'), ok('Observation')))).toMatchObject({
      type: 'transaction-response',
      aligned: true,
      complete: true,
      extra: 0,
    })
  })

  test('missing and extra entries are flagged', () => {
    const short = unpackResponse(request, response(ok('Patient')))
    expect(short.results.map(({ result }) => result)).toEqual(['done', 'missing', 'missing'])
    expect(short).toMatchObject({ aligned: false, complete: false, extra: 0 })
    const long = unpackResponse(
      request,
      response(ok('Patient'), ok('Device'), ok('Observation'), ok('Basic')),
    )
    expect(long).toMatchObject({ aligned: false, complete: false, extra: 1 })
    expect(unpackResponse(request, { resourceType: 'Bundle', type: 'batch-response' })).toMatchObject({
      type: 'batch-response',
      aligned: false,
    })
  })

  test('another type at an index means that answers are out of place', () => {
    expect(unpackResponse(request, response(ok('Device'), ok('Patient'), ok('Observation')))).toMatchObject({
      aligned: false,
      complete: false,
    })
  })

  test('holes and strange entries are unreadable, not a crash', () => {
    const { results } = unpackResponse(request, response(null, { response: 'x' }, 7))
    expect(results.map(({ result }) => result)).toEqual(['unreadable', 'unreadable', 'unreadable'])
  })

  test.each([
    null,
    'text',
    {},
    { resourceType: 'OperationOutcome' },
    { resourceType: 'Bundle', type: 'searchset' },
    { resourceType: 'Bundle', type: 'transaction-response', entry: {} },
  ])('refuses %j', (answer) => {
    expect(codeOf(() => unpackResponse(request, answer))).toBe('ERR_INVALID_RESPONSE')
  })
})

describe('knownFromResponse', () => {
  const { bundle } = deviceBundle([reading], { uuid: countingUuid() })
  const answer = response(
    { response: { status: '200', location: 'http://s.example/fhir/Patient/p1/_history/4' } },
    { response: { status: '201 Created', location: 'Device/g1/_history/1' } },
    { response: { status: '201', location: 'Device/d1' } },
    ...[1, 2, 3].map((id) => ({ response: { status: '201', location: `Observation/${id}` } })),
  )

  test('the next bundle leaves out what the response told', () => {
    const known = knownFromResponse(bundle ?? {}, unpackResponse(bundle ?? {}, answer))
    expect(known).toEqual({
      'Patient?identifier=urn%3Aoid%3A2.999.1.2.3%7CsisansarahId': 'Patient/p1',
      'Device?identifier=urn%3Aoid%3A1.2.840.10004.1.1.1.0.0.1.0.0.1.2680%7C4C-4E-49-12-34-56-FF-FE':
        'Device/g1',
      'Device?identifier=urn%3Aoid%3A1.2.840.10004.1.1.1.0.0.1.0.0.1.2680%7C00-1C-05-04-00-00-78-25':
        'Device/d1',
    })
    const next = deviceBundle([reading], { known }).bundle
    expect(next?.entry.map(({ request }) => request.url)).toEqual([
      'Observation',
      'Observation',
      'Observation',
    ])
  })

  test('other types on demand', () => {
    const known = knownFromResponse(bundle ?? {}, unpackResponse(bundle ?? {}, answer), ['Observation'])
    expect(Object.values(known)).toEqual(['Observation/1', 'Observation/2', 'Observation/3'])
  })

  test('nothing from failed entries, nothing from a response that does not align', () => {
    const failed = response(
      { response: { status: '412' } },
      { response: { status: '201', location: 'Device/g1' } },
      ...[1, 2, 3, 4].map(() => ({ response: { status: '500' } })),
    )
    expect(Object.values(knownFromResponse(bundle ?? {}, unpackResponse(bundle ?? {}, failed)))).toEqual([
      'Device/g1',
    ])
    const short = response({ response: { status: '201', location: 'Patient/p1' } })
    expect(knownFromResponse(bundle ?? {}, unpackResponse(bundle ?? {}, short))).toEqual({})
  })
})
