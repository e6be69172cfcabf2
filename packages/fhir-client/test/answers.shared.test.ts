import { describe, expect, it } from 'vitest'
import { createFhirClient, type FhirError, type FhirResponse } from '../src/index.js'
import { failureOf, printed } from './support/failure.js'
import { fhir, outcome, scriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'
const patient = { resourceType: 'Patient', name: [{ family: 'Hidden' }] }
const now = Date.UTC(2026, 0, 2, 3, 4, 5)

function post(reply: Response, expects?: 'fhir' | 'any' | 'bytes'): Promise<FhirResponse> {
  const client = createFhirClient({ baseUrl, send: scriptedSender(reply), now: () => now })
  return client.request({ method: 'POST', path: 'Patient', body: patient, expect: expects })
}

function failedPost(reply: Response, expects?: 'fhir' | 'any' | 'bytes'): Promise<FhirError> {
  return failureOf(post(reply, expects))
}

describe('success', () => {
  it('tells everything the server said', async () => {
    const stored = { ...patient, id: 'p1', meta: { versionId: '4' } }
    const response = await post(
      fhir(201, stored, {
        etag: 'W/"4"',
        location: 'https://internal:8080/fhir/Patient/p1/_history/4',
        'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
        'x-request-id': 'r-1',
        'set-cookie': 'session=secret',
        'x-secret': 'token',
      }),
    )
    expect(response).toEqual({
      status: 201,
      body: { kind: 'resource', resource: stored },
      resource: stored,
      text: JSON.stringify(stored),
      etag: 'W/"4"',
      version: '4',
      location: { type: 'Patient', id: 'p1', version: '4' },
      id: 'p1',
      lastModified: 'Fri, 02 Jan 2026 03:04:05 GMT',
      contentType: 'application/fhir+json',
      headers: { 'x-request-id': 'r-1' },
    })
  })

  it('keeps decimals in the text that JSON numbers lose', async () => {
    const text = '{"resourceType":"Observation","valueQuantity":{"value":37.00}}'
    expect((await post(new Response(text, { status: 201 }))).text).toBe(text)
  })

  it.each([200, 201, 202, 204])('takes an empty %i, whatever its content type says', async (status) => {
    const response = await post(fhir(status))
    expect(response.body).toEqual({ kind: 'empty' })
    expect(response).not.toHaveProperty('resource')
    expect(response).not.toHaveProperty('location')
    expect(response).not.toHaveProperty('version')
  })

  it('takes an OperationOutcome for what it is, even without issues', async () => {
    const response = await post(fhir(200, { resourceType: 'OperationOutcome' }))
    expect(response.body.kind).toBe('outcome')
    expect(response.outcome).toEqual({ resourceType: 'OperationOutcome' })
    expect(response).not.toHaveProperty('resource')
  })

  it('takes the version from Location when there is no ETag', async () => {
    expect((await post(fhir(201, undefined, { location: 'Patient/p1/_history/9' }))).version).toBe('9')
    const empty = await post(fhir(201, undefined, { etag: 'W/""', location: '/Patient/undefined' }))
    expect(empty).not.toHaveProperty('etag')
    expect(empty).not.toHaveProperty('version')
    expect(empty).not.toHaveProperty('location')
  })

  it('accepts FHIR JSON under another name and behind a byte order mark', async () => {
    const text = `\uFEFF${JSON.stringify(patient)}`
    const response = await post(new Response(text, { headers: { 'content-type': 'text/plain' } }))
    expect(response.resource).toEqual(patient)
  })
})

describe('success that is none', () => {
  const html = '<!doctype html><title>Sign in to Hotel</title>'
  it.each([
    ['a captive portal', new Response(html, { headers: { 'content-type': 'text/html' } }), 'fhir'],
    ['a captive portal', new Response(html, { headers: { 'content-type': 'text/html' } }), 'any'],
    ['the C3-PRO error habit', new Response("{'error':'queue down'}"), 'any'],
    ['the C3-PRO error habit', new Response("{'error':'queue down'}"), 'fhir'],
    ['an error in JSON', new Response('{"error":"x"}'), 'any'],
    ['an error that is null', new Response('{"error":null}'), 'any'],
    ['JSON without a type', new Response('{"ok":true}'), 'fhir'],
    ['an empty type', new Response('{"resourceType":""}'), 'fhir'],
    ['a list', new Response('[]'), 'fhir'],
    ['null', new Response('null'), 'fhir'],
  ] as const)('%s (%#)', async (_name, reply, expects) => {
    const error = await failedPost(reply, expects)
    expect(error).toMatchObject({ code: 'ERR_NOT_FHIR', status: 200, sent: 'maybe' })
    expect(printed({ ...error, issues: [] })).not.toContain('Hotel')
  })

  it.each([
    ['JSON of another kind', '{"name":"Hidden","error":"no"}'],
    ['a piece of a resource', '{"resourceType":"Patient","name":[{"family":"Hidden"'],
    ['a piece of a list', '[{"family":"Hidden"'],
    ['a list', '[{"family":"Hidden"}]'],
  ])('keeps nothing of %s', async (_name, body) => {
    const error = await failedPost(new Response(body))
    expect(error).toMatchObject({ code: 'ERR_NOT_FHIR', status: 200 })
    expect(printed(error)).not.toContain('Hidden')
  })

  it('an answer that is shorter than it says and does not parse was cut off', async () => {
    const reply = fhir(201, undefined, { location: 'Patient/p1' })
    const cut = new Response('{"resourceType":"Pa', {
      status: 201,
      headers: { ...Object.fromEntries(reply.headers), 'content-length': '900' },
    })
    expect(await failedPost(cut)).toMatchObject({
      code: 'ERR_TRUNCATED',
      sent: 'yes',
      status: 201,
      location: { type: 'Patient', id: 'p1' },
    })
  })

  it('other expectations take other bodies', async () => {
    expect((await post(new Response(null), 'any')).body).toEqual({ kind: 'empty' })
    expect((await post(new Response('{"ok":true}'), 'any')).body).toEqual({
      kind: 'json',
      value: { ok: true },
    })
    expect((await post(new Response('0'), 'any')).body).toEqual({ kind: 'json', value: 0 })
    const bytes = new Uint8Array([0xff, 0, 1])
    expect((await post(new Response(bytes), 'bytes')).body).toEqual({ kind: 'bytes', bytes })
  })
})

describe('error dialects', () => {
  it('reads an OperationOutcome', async () => {
    const error = await failedPost(
      fhir(422, {
        resourceType: 'OperationOutcome',
        issue: [
          { severity: 'error', code: 'structure', details: { text: 'bad' }, expression: ['Patient.name'] },
          { severity: 'fatal', code: 'invalid', diagnostics: 'worse', location: ['/f:Patient'] },
          { code: 'value', details: { coding: [{ code: 'MSG_X', display: 'Shown' }] } },
          { severity: 'error' },
          'nonsense',
        ],
      }),
    )
    expect(error).toMatchObject({
      code: 'ERR_HTTP',
      status: 422,
      sent: 'yes',
      method: 'POST',
      path: '/r4/Patient',
    })
    expect(error.issues).toEqual([
      { severity: 'error', code: 'structure', text: 'bad', path: 'Patient.name' },
      { severity: 'fatal', code: 'invalid', text: 'worse', path: '/f:Patient' },
      { code: 'value', text: 'Shown' },
      { severity: 'error', code: 'unknown' },
    ])
  })

  it.each([
    [
      'OAuth',
      '{"error":"invalid_token","error_description":"too old"}',
      [{ code: 'invalid_token', text: 'too old' }],
    ],
    [
      'a sentence in error',
      '{"error":"request entity too large"}',
      [{ code: 'unknown', text: 'request entity too large' }],
    ],
    ['msg', '{"msg":"no such field"}', [{ code: 'unknown', text: 'no such field' }]],
    ['message', '{"message":"nope"}', [{ code: 'unknown', text: 'nope' }]],
    ['a nested message', '{"error":{"message":"nope"}}', [{ code: 'unknown', text: 'nope' }]],
    [
      'text',
      'Token expired (simulated error)',
      [{ code: 'unknown', text: 'Token expired (simulated error)' }],
    ],
    ['HTML', '<html><body>502</body></html>', []],
    ['nothing', '', []],
    ['an outcome without issues', '{"resourceType":"OperationOutcome"}', []],
    ['a list', '[1]', [{ code: 'unknown', text: '[1]' }]],
  ])('reads %s', async (_name, body, issues) => {
    const error = await failedPost(new Response(body, { status: 500 }))
    expect(error.code).toBe('ERR_HTTP')
    expect(error.issues).toEqual(issues)
  })

  it('keeps issues within bounds', async () => {
    const issue = Array.from({ length: 100 }, () => ({ code: 'invalid', diagnostics: 'x'.repeat(2000) }))
    const error = await failedPost(fhir(400, { resourceType: 'OperationOutcome', issue }))
    expect(error.issues).toHaveLength(50)
    expect(error.issues[0]?.text).toHaveLength(1000)
  })

  it('believes no ETag and no Location of an error', async () => {
    const error = await failedPost(
      fhir(500, outcome('exception'), { etag: 'W/"1"', location: '/Patient/p9' }),
    )
    expect(error).not.toHaveProperty('location')
    expect(error).not.toHaveProperty('etag')
    expect(error).not.toHaveProperty('version')
  })

  it.each([
    304, 400, 403, 404, 405, 406, 408, 409, 410, 412, 413, 415, 422, 425, 428, 429, 500, 501, 502, 503, 504,
    507,
  ])('status %i is an answer', async (status) => {
    const reply = new Response(null, { status })
    expect(await failedPost(reply)).toMatchObject({ code: 'ERR_HTTP', status, sent: 'yes', issues: [] })
  })

  it('puts none of the server\u2019s words into the message', async () => {
    const error = await failedPost(fhir(400, outcome('invalid', 'family Hidden is wrong')))
    expect(error.message).toBe('POST /r4/Patient was answered with status 400.')
    expect(String(error.stack)).not.toContain('Hidden')
  })
})

describe('waiting times', () => {
  const day = 86_400_000
  it.each([
    ['seconds', 429, { 'retry-after': '7' }, 7000],
    ['zero', 503, { 'retry-after': '0' }, 0],
    ['fractions', 503, { 'retry-after': '1.5' }, 1500],
    ['a date', 503, { 'retry-after': 'Fri, 02 Jan 2026 03:05:05 GMT' }, 60_000],
    ['a date gone by', 503, { 'retry-after': 'Fri, 02 Jan 2026 03:00:00 GMT' }, 0],
    ['an absurd number', 503, { 'retry-after': '99999999999999' }, day],
    ['an absurd date', 503, { 'retry-after': 'Fri, 02 Jan 2099 03:00:00 GMT' }, day],
    ['a negative number', 503, { 'retry-after': '-5' }, 0],
    ['any failing status', 500, { 'retry-after': '2' }, 2000],
    ['vendor milliseconds', 429, { 'x-ms-retry-after-ms': '1234' }, 1234],
    ['plain milliseconds', 503, { 'retry-after-ms': '250' }, 250],
    ['seconds until a reset', 429, { 'ratelimit-reset': '30' }, 30_000],
    ['a moment of reset in seconds', 429, { 'x-ratelimit-reset': '1767323105' }, 60_000],
    ['a moment of reset in milliseconds', 429, { 'x-ratelimit-reset': '1767323105000' }, 60_000],
    ['an absurd moment of reset', 429, { 'x-ratelimit-reset': '99999999999' }, day],
    ['an exhausted limit', 429, { ratelimit: '"requests";r=59998;t=60, "points";r=0;t=12' }, 12_000],
    ['two exhausted limits', 429, { ratelimit: '"a";r=0;t=3, "b";r=0;t=12' }, 12_000],
    ['limits that all have room', 503, { ratelimit: '"a";r=1;t=3, "b";r=5;t=12' }, 12_000],
  ])('understands %s', async (_name, status, headers, expected) => {
    expect(await failedPost(fhir(status, outcome('throttled'), headers))).toMatchObject({
      retryAfterMs: expected,
    })
  })

  it.each([
    ['words', 503, { 'retry-after': 'soon' }],
    ['an empty value', 503, { 'retry-after': '' }],
    ['a month', 503, { 'retry-after': 'May' }],
    ['the rate limit of another failure', 400, { ratelimit: '"a";r=0;t=3' }],
    ['the reset of another failure', 500, { 'x-ratelimit-reset': '30' }],
    ['a malformed rate limit', 429, { ratelimit: 'r=0' }],
  ])('does not understand %s', async (_name, status, headers) => {
    expect(await failedPost(fhir(status, outcome('x'), headers))).not.toHaveProperty('retryAfterMs')
  })

  it('reads what Medplum hides in diagnostics', async () => {
    const diagnostics = '{"_remainingPoints":0,"_msBeforeNext":4321}'
    expect(
      (await failedPost(fhir(429, outcome('throttled', 'Too many', { diagnostics })))).retryAfterMs,
    ).toBe(4321)
  })

  it('reads what Google hides in details', async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' }]
    const body = { error: { code: 429, message: 'Quota exceeded', details } }
    expect(await failedPost(fhir(429, body))).toMatchObject({
      retryAfterMs: 1500,
      issues: [{ code: 'unknown', text: 'Quota exceeded' }],
    })
  })
})
