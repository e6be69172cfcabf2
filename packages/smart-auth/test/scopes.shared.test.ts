import { describe, expect, it } from 'vitest'
import {
  compareScopes,
  covers,
  loginScopes,
  parseResourceScope,
  splitScopes,
  toV1Scopes,
  toV2Scopes,
} from '@fhir-outbox/smart-auth'

describe('covers', () => {
  it.each([
    ['system/Observation.c', 'create', 'Observation', true],
    ['system/Observation.c', 'update', 'Observation', false],
    ['system/*.cud', 'create', 'Patient', true],
    ['user/Observation.write', 'create', 'Observation', true],
    ['user/Observation.write', 'read', 'Observation', false],
    ['patient/*.read', 'search', 'Observation', true],
    ['patient/*.*', 'delete', 'Observation', true],
    ['patient/Observation.rs', 'search', 'Patient', false],
    ['http://smarthealthit.org/fhir/scopes/patient/Observation.u', 'patch', 'Observation', true],
    ['openid launch/patient offline_access', 'read', 'Patient', false],
    ['patient/Observation.dus', 'delete', 'Observation', false],
    ['patient/observation.c', 'create', 'observation', false],
    ['patient/Observation.', 'create', 'Observation', false],
    ['patient/Observation.read?x=y', 'read', 'Observation', false],
    ['', 'read', 'Patient', false],
  ] as const)('%s, %s %s: %s', (granted, interaction, type, expected) => {
    expect(covers(granted, interaction, type)).toBe(expected)
    expect(covers(splitScopes(granted), interaction, type)).toBe(expected)
  })

  it('lets a narrowed scope cover only what is narrowed the same way', () => {
    const granted = 'patient/Observation.rs?category=laboratory&status=final'
    expect(covers(granted, 'search', 'Observation')).toBe(false)
    expect(covers(granted, 'search', 'Observation', { parameters: ['category=laboratory'] })).toBe(false)
    const parameters = ['status=final', 'category=laboratory', 'date=2031']
    expect(covers(granted, 'search', 'Observation', { parameters })).toBe(true)
  })

  it('keeps the levels apart when asked', () => {
    expect(covers('patient/*.rs', 'read', 'Patient', { level: 'user' })).toBe(false)
    expect(covers('user/*.rs', 'read', 'Patient', { level: 'user' })).toBe(true)
  })
})

describe('scopes', () => {
  it('differ by meaning, not by letters', () => {
    expect(compareScopes('patient/*.read openid', 'openid patient/*.rs')).toEqual({ missing: [], added: [] })
    expect(compareScopes('patient/*.cruds', 'patient/*.rs patient/*.cud')).toEqual({ missing: [], added: [] })
    expect(compareScopes('patient/*.rs openid', 'patient/Observation.rs launch')).toEqual({
      missing: ['patient/*.rs', 'openid'],
      added: ['launch'],
    })
    expect(compareScopes('patient/Observation.rs?a=b', 'patient/Observation.rs').missing).toEqual([])
    expect(compareScopes('patient/Observation.rs', 'patient/Observation.rs?a=b').missing).toHaveLength(1)
  })

  it('are written in either version', () => {
    expect(toV2Scopes('patient/*.read user/Observation.write system/*.* openid')).toBe(
      'patient/*.rs user/Observation.cud system/*.cruds openid',
    )
    expect(toV1Scopes('patient/*.rs user/Observation.c system/*.cruds openid patient/A.s?x=1')).toBe(
      'patient/*.read user/Observation.write system/*.* openid patient/A.read',
    )
  })

  it('survive the way to version 2 and back, whatever they are', () => {
    // Every scope of the grammar with these parts: converting never loses a right.
    const levels = ['patient', 'user', 'system']
    const rights = Array.from({ length: 31 }, (_, n) =>
      [...'cruds'].filter((_letter, bit) => ((n + 1) >> bit) & 1).join(''),
    )
    for (const level of levels) {
      for (const right of [...rights, 'read', 'write', '*']) {
        const scope = `${level}/Observation.${right}`
        expect(parseResourceScope(scope)).toMatchObject({ level, type: 'Observation' })
        expect(compareScopes(scope, toV2Scopes(scope))).toEqual({ missing: [], added: [] })
        expect(compareScopes(scope, toV1Scopes(scope)).missing).toEqual([])
        expect(toV2Scopes(toV2Scopes(scope))).toBe(toV2Scopes(scope))
      }
    }
  })

  it('of no meaning are left alone', () => {
    const odd = '__x https://a.example.test/s patient/ /.rs a/B.rs patient/*.sr \u202e'
    expect(toV2Scopes(odd)).toBe(splitScopes(odd).join(' '))
    expect(
      splitScopes(odd)
        .map(parseResourceScope)
        .filter((scope) => scope !== undefined),
    ).toEqual([])
  })

  it('of a login are each asked for once', () => {
    expect(loginScopes('openid offline_access  openid', 'single-patient')).toBe(
      'launch/patient openid fhirUser offline_access',
    )
    expect(loginScopes(['a', 'a'])).toBe('a')
  })
})
