import { describe, expect, it } from 'vitest'
import { checkKey, derivedKey, keyCondition, writeKey } from '../src/key.js'

const key = '0b4e4f6c-8f5e-4a57-9f3e-0d6c1c0c7a11'
const own = { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }

describe('where the key goes', () => {
  it('is the end of an identifier list, and never twice', () => {
    const resource: Record<string, unknown> = { resourceType: 'Observation', identifier: [{ value: 'a' }] }
    expect(writeKey(resource, key)).toBe('identifier')
    expect(resource['identifier']).toEqual([{ value: 'a' }, own])
    writeKey(resource, key)
    expect(resource['identifier']).toEqual([{ value: 'a' }, own])
  })

  it('is a single identifier that is free', () => {
    const resource: Record<string, unknown> = { resourceType: 'QuestionnaireResponse' }
    expect(writeKey(resource, key)).toBe('identifier')
    expect(resource['identifier']).toEqual(own)
  })

  it.each([
    [
      'a single identifier that is taken',
      { resourceType: 'QuestionnaireResponse', identifier: { value: 'mine' } },
    ],
    ['a type without identifier', { resourceType: 'Provenance' }],
    ['a type nobody knows', { resourceType: 'Rocket', identifier: [{ value: 'mine' }] }],
    ['an identifier of the wrong shape', { resourceType: 'Patient', identifier: { value: 'mine' } }],
  ])('is a tag for %s, and the rest stays', (_name, given) => {
    const resource: Record<string, unknown> = { ...given, meta: { profile: ['p'], tag: [{ code: 'x' }] } }
    expect(writeKey(resource, key)).toBe('tag')
    expect(resource).toEqual({
      ...given,
      meta: { profile: ['p'], tag: [{ code: 'x' }, { system: own.system, code: own.value }] },
    })
  })

  it('is found by a bare query without a question mark', () => {
    expect(keyCondition('identifier', key)).toBe(`identifier=urn%3Aietf%3Arfc%3A3986%7Curn%3Auuid%3A${key}`)
    expect(keyCondition('tag', key)).toBe(`_tag=urn%3Aietf%3Arfc%3A3986%7Curn%3Auuid%3A${key}`)
  })
})

describe('keys', () => {
  it('are lower-case UUIDs', () => {
    expect(checkKey(key)).toBe(key)
    for (const wrong of ['', 'x', key.toUpperCase(), `${key} `]) {
      expect(() => checkKey(wrong)).toThrowError(expect.objectContaining({ code: 'ERR_INVALID_KEY' }))
    }
  })

  it('of parts are stable, different, and UUIDs', () => {
    const first = derivedKey(key, 0)
    expect(first).toBe(derivedKey(key, 0))
    expect(first).not.toBe(derivedKey(key, 1))
    expect(first).toBe('2290a767-9216-836c-a780-20d75419821f')
    expect(checkKey(first)).toMatch(/^.{14}8.{4}[89ab]/)
  })
})
