import { describe, expect, it } from 'vitest'
import { classify, outcomeOf } from '../src/classify.js'

const minute = 60_000
const http = (status: number, more: object = {}): object => ({
  code: 'ERR_HTTP',
  sent: 'yes',
  status,
  ...more,
})
const entry = (
  attempts: number,
  troubledForMs: number,
): { sequence: number; attempts: number; troubledForMs: number } => ({
  sequence: 7,
  attempts,
  troubledForMs,
})

function outcome(error: object, at = entry(0, 0), wasUnknown = false): object {
  const verdict = classify(Object.assign(new Error('failed'), error))
  return verdict.kind === 'applied' ? verdict : outcomeOf(verdict, at, wasUnknown)
}

describe('what a failed request means', () => {
  it.each<[string, object, object]>([
    [
      'no connection',
      { code: 'ERR_CONNECT', sent: 'no' },
      { kind: 'not-sent', closesGate: { needsPerson: false } },
    ],
    ['no name', { code: 'ERR_DNS', sent: 'no' }, { kind: 'not-sent', closesGate: { needsPerson: false } }],
    [
      'a bad certificate',
      { code: 'ERR_TLS', sent: 'no' },
      { kind: 'not-sent', closesGate: { needsPerson: true } },
    ],
    [
      'token server away',
      { code: 'ERR_AUTH_UNREACHABLE' },
      { kind: 'not-sent', closesGate: { needsPerson: false } },
    ],
    [
      'sign-in needed',
      { code: 'ERR_LOGIN_REQUIRED' },
      { kind: 'not-sent', closesGate: { needsPerson: true } },
    ],
    [
      'a token source of its own kind',
      { code: 'ERR_INVALID_KEY' },
      { kind: 'not-sent', closesGate: { needsPerson: true } },
    ],
    [
      'a second 401',
      { code: 'ERR_UNAUTHORIZED', sent: 'yes', status: 401 },
      { kind: 'not-sent', closesGate: { needsPerson: true } },
    ],
    [
      'a redirected write',
      { code: 'ERR_REDIRECTED', sent: 'yes', status: 302 },
      { kind: 'not-sent', closesGate: { needsPerson: true } },
    ],
    ['a broken connection', { code: 'ERR_NETWORK', sent: 'maybe' }, { kind: 'unknown', spent: true }],
    ['a time-out', { code: 'ERR_TIMEOUT', sent: 'maybe' }, { kind: 'unknown', spent: true }],
    [
      'HTML instead of FHIR',
      { code: 'ERR_NOT_FHIR', sent: 'maybe', status: 200 },
      { kind: 'unknown', closesGate: { needsPerson: true } },
    ],
    [
      'a truncated answer with a location',
      {
        code: 'ERR_TRUNCATED',
        sent: 'yes',
        status: 201,
        location: { type: 'Patient', id: '1', version: '2' },
      },
      { kind: 'applied', receipt: { status: 201, id: 'Patient/1', version: '2' } },
    ],
    [
      'a truncated answer without one',
      { code: 'ERR_TRUNCATED', sent: 'yes', status: 200 },
      { kind: 'unknown' },
    ],
    ['429', http(429, { retryAfterMs: 5 }), { kind: 'not-sent', closesGate: { retryAfterMs: 5 } }],
    [
      '503 with Retry-After',
      http(503, { retryAfterMs: 5 }),
      { kind: 'not-sent', closesGate: { retryAfterMs: 5 } },
    ],
    ['503 without', http(503), { kind: 'unknown', closesGate: {} }],
    ['507', http(507), { kind: 'not-sent', closesGate: { needsPerson: true } }],
    ['408', http(408), { kind: 'unknown', spent: true }],
    ['500', http(500), { kind: 'unknown', spent: true }],
    ['502', http(502), { kind: 'unknown', spent: true }],
    ['504', http(504), { kind: 'unknown', spent: true }],
    ['409', http(409), { kind: 'not-sent', spent: true }],
    ['400 that names the content', http(400, { issues: [{ code: 'structure' }] }), { kind: 'rejected' }],
    ['400 without a reason', http(400, { issues: [{ code: 'invalid' }] }), { kind: 'not-sent', spent: true }],
    ['403', http(403), { kind: 'rejected' }],
    ['404', http(404), { kind: 'rejected' }],
    ['412', http(412), { kind: 'rejected' }],
    ['413', http(413), { kind: 'rejected' }],
    ['422', http(422), { kind: 'rejected' }],
    ['an error nobody knows', {}, { kind: 'unknown' }],
  ])('%s', (_name, error, expected) => {
    expect(outcome(error)).toMatchObject(expected)
  })

  it('tries an unexplained 400 three times over ten minutes before it is final', () => {
    expect(outcome(http(400), entry(2, 9 * minute))).toMatchObject({ kind: 'not-sent' })
    expect(outcome(http(400), entry(1, 11 * minute))).toMatchObject({ kind: 'not-sent' })
    expect(outcome(http(400), entry(2, 10 * minute))).toMatchObject({ kind: 'rejected' })
  })

  it('parks what the server fails on five times; how long to ask about what nobody answers is for the outbox to say', () => {
    expect(outcome(http(500), entry(4, 9 * minute))).toMatchObject({ kind: 'unknown' })
    expect(outcome(http(500), entry(4, 10 * minute))).toMatchObject({ kind: 'parked' })
    const cut = { code: 'ERR_NETWORK', sent: 'maybe' }
    expect(outcome(cut, entry(99, 48 * 60 * minute))).toMatchObject({ kind: 'unknown' })
  })

  it('leaves unknown what was unknown before and was not sent again', () => {
    const away = { code: 'ERR_CONNECT', sent: 'no' }
    expect(outcome(away, entry(0, 0), true)).toMatchObject({ kind: 'unknown', closesGate: {} })
  })

  it('keeps what the server said, shortened, and nothing else of the error', () => {
    const said = { code: 'invariant', text: 'x'.repeat(400), path: 'Patient.name', diagnostics: 'secret' }
    const result = outcome(http(422, { issues: [said], token: 'secret', body: 'secret' }))
    expect(result).toMatchObject({
      failure: { status: 422, issues: [{ code: 'invariant', path: 'Patient.name' }] },
    })
    expect(JSON.stringify(result)).not.toContain('secret')
    expect(JSON.stringify(result).length).toBeLessThan(600)
  })
})
