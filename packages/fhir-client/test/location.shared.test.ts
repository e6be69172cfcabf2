import { describe, expect, it } from 'vitest'
import { parseLocation } from '../src/index.js'
import { conditionTag, versionOfEtag } from '../src/etag.js'

const p1 = { type: 'Patient', id: 'p1' }
const p1v4 = { ...p1, version: '4' }

describe('parseLocation', () => {
  it.each([
    ['absolute and versioned', 'https://h.example/fhir/Patient/p1/_history/4', p1v4],
    ['absolute without a version', 'https://h.example/fhir/Patient/p1', p1],
    ['of another host and port', 'http://internal:8080/fhir/Patient/p1/_history/4', p1v4],
    ['relative to the base', 'Patient/p1/_history/4', p1v4],
    ['relative without a version', 'Patient/p1', p1],
    ['relative to the root', '/Patient/p1', p1],
    ['relative to the host', '/fhir/r4/Patient/p1/_history/4', p1v4],
    ['of another scheme', '//h.example/Patient/p1', p1],
    ['with a trailing slash', 'https://h.example/Patient/p1/', p1],
    ['with an unfinished history', 'https://h.example/Patient/p1/_history/', p1],
    ['with query and fragment', 'https://h.example/Patient/p1?_format=json#x', p1],
    ['with spaces around', '  Patient/p1  ', p1],
    ['below a base that looks like a type', 'https://h.example/Device/1/Patient/p1', p1],
    [
      'with UUIDs',
      'Observation/0b0e1c9e-9c4a-4a44-8a8e-6f6a1d1d9d55/_history/8f14e45f-ceea-467f-ae1b-5a2f2a3b0c11',
      {
        type: 'Observation',
        id: '0b0e1c9e-9c4a-4a44-8a8e-6f6a1d1d9d55',
        version: '8f14e45f-ceea-467f-ae1b-5a2f2a3b0c11',
      },
    ],
    ['with an id of falsy look', 'Patient/0/_history/0', { type: 'Patient', id: '0', version: '0' }],
  ])('reads a location %s', (_name, value, address) => {
    expect(parseLocation(value)).toEqual(address)
  })

  it.each([
    null,
    undefined,
    '',
    '/',
    'https://h.example',
    'https://Patient/p1',
    '/Patient/undefined',
    'Patient/null',
    'Patient/..',
    'patient/p1',
    'Patient',
    'Patient/p 1',
    '/fhir/__async-status/DD7MLX6H7OGJN7SD',
    '_history/4',
  ])('finds nothing in %j', (value) => {
    expect(parseLocation(value)).toBeUndefined()
  })
})

describe('entity tags', () => {
  it.each([
    ['W/"3"', '3'],
    ['"3"', '3'],
    [' W/"a-b.c" ', 'a-b.c'],
    ['W/"0"', '0'],
    ['W/""', undefined],
    ['""', undefined],
    ['3', undefined],
    [undefined, undefined],
  ])('the version of %j is %j', (etag, version) => {
    expect(versionOfEtag(etag)).toBe(version)
  })

  it.each([
    ['3', 'W/"3"'],
    ['W/"3"', 'W/"3"'],
    ['"3"', '"3"'],
    ['W/"3", W/"4"', 'W/"3", W/"4"'],
    ['*', '*'],
  ])('the condition of %j is %j', (value, tag) => {
    expect(conditionTag(value)).toBe(tag)
  })
})
