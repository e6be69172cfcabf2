import { describe, expect, it, vi } from 'vitest'
import { createFhirClient, isFhirError, type SendRequest } from '../src/index.js'
import { failureOf, printed, rejectionOf } from './support/failure.js'
import { fhir, scriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'
const patient = { resourceType: 'Patient', id: 'p1' }

describe('base URLs', () => {
  it.each([
    ['https://h.example/r4/', 'https://h.example/r4', 'https://h.example/r4/Patient/p1'],
    ['https://h.example', 'https://h.example', 'https://h.example/Patient/p1'],
    ['http://h.example:8080/a/b', 'http://h.example:8080/a/b', 'http://h.example:8080/a/b/Patient/p1'],
  ])('%s', async (given, normal, url) => {
    const sender = scriptedSender(fhir(200, patient))
    const client = createFhirClient({ baseUrl: given, send: sender })
    expect(client.baseUrl).toBe(normal)
    await client.read('Patient', 'p1')
    expect(sender.sent[0]?.url).toBe(url)
  })

  it.each([
    '',
    'fhir',
    '/fhir',
    'ftp://h.example',
    'https://u:p@h.example',
    'https://h.example/?a=b',
    'https://h.example/#a',
    'https://h.example/fhir?',
  ])('refuses %j', (given) => {
    expect(() => createFhirClient({ baseUrl: given })).toThrow(
      expect.objectContaining({ name: 'FhirError', code: 'ERR_INVALID_URL', sent: 'no' }),
    )
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])(
    'refuses the time limit %d',
    (timeoutMs) => {
      expect(() => createFhirClient({ baseUrl, timeoutMs })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_REQUEST' }),
      )
    },
  )
})

describe('the raw door', () => {
  it.each([
    ['', `${baseUrl}`],
    ['/', `${baseUrl}`],
    ['Patient/p1', `${baseUrl}/Patient/p1`],
    ['/Patient/p1', `${baseUrl}/Patient/p1`],
    [
      'Observation?code=http://loinc.org%7C8867-4&_count=0',
      `${baseUrl}/Observation?code=http://loinc.org%7C8867-4&_count=0`,
    ],
    ['?_type=Patient', `${baseUrl}?_type=Patient`],
    ['Patient/p1/_history/2', `${baseUrl}/Patient/p1/_history/2`],
  ])('sends %j to %s', async (path, url) => {
    const sender = scriptedSender(fhir(200, patient))
    await createFhirClient({ baseUrl, send: sender }).request({ method: 'GET', path })
    expect(sender.sent[0]?.url).toBe(url)
  })

  it.each([
    '//evil.example/x',
    'https://evil.example/x',
    '../admin',
    'a/../../admin',
    '%2e%2e/admin',
    '\\\\evil.example',
    '/\\evil.example',
    'Patient#x',
    'Pat\nient',
  ])('does not send %j anywhere', async (path) => {
    const sender = scriptedSender(fhir(200, patient))
    const client = createFhirClient({ baseUrl, send: sender })
    expect(await failureOf(client.request({ method: 'GET', path }))).toMatchObject({
      code: 'ERR_INVALID_URL',
      sent: 'no',
    })
    expect(sender.sent).toHaveLength(0)
  })

  it('leaves bytes and text untouched and writes objects as JSON', async () => {
    const sender = scriptedSender(fhir(200), fhir(200), fhir(200), fhir(200))
    const client = createFhirClient({ baseUrl, send: sender })
    const bytes = new Uint8Array([0xff, 0])
    for (const body of [bytes, ' {"a":1.0} ', patient, ''])
      await client.request({ method: 'POST', path: 'X', body })
    expect(sender.sent.map((sent) => sent.body)).toEqual([bytes, ' {"a":1.0} ', JSON.stringify(patient), ''])
    expect(sender.sent[0]?.body).toBe(bytes)
  })

  it('fills in FHIR headers that the caller may replace', async () => {
    const sender = scriptedSender(fhir(200), fhir(200), fhir(200))
    const client = createFhirClient({ baseUrl, send: sender })
    await client.request({ method: 'get', path: 'Patient/p1' })
    await client.request({ method: 'POST', path: 'Patient', body: patient })
    const headers = { 'Content-Type': 'image/png', Accept: '*/*', 'If-None-Exist': 'identifier=a%7Cb' }
    await client.request({ method: 'POST', path: 'Binary', body: new Uint8Array(1), headers })
    expect(sender.sent.map((sent) => sent.headers)).toEqual([
      { accept: 'application/fhir+json' },
      { accept: 'application/fhir+json', 'content-type': 'application/fhir+json' },
      { accept: '*/*', 'content-type': 'image/png', 'if-none-exist': 'identifier=a%7Cb' },
    ])
    expect(sender.sent[0]?.method).toBe('GET')
  })

  it.each([
    ['an authorization header', { method: 'GET', path: '', headers: { Authorization: 'Bearer s3cret' } }],
    ['a header with a line break', { method: 'GET', path: '', headers: { 'x-a': 's3cret\r\nx-b: 1' } }],
    ['a header outside Latin-1', { method: 'GET', path: '', headers: { 'if-none-exist': 'name=s3cret€' } }],
    ['a header name that is none', { method: 'GET', path: '', headers: { 'a b': '1' } }],
    ['a method that is none', { method: 'GET /', path: '' }],
    ['a body to a GET', { method: 'GET', path: '', body: 's3cret' }],
    ['a body that is no JSON', { method: 'POST', path: '', body: { s3cret: 1n } }],
    ['bytes of another kind', { method: 'POST', path: '', body: new Uint16Array(1) }],
    ['a time limit that is none', { method: 'GET', path: '', timeoutMs: 0 }],
  ])('refuses %s before anything leaves', async (_name, request) => {
    const sender = scriptedSender(fhir(200))
    const error = await failureOf(createFhirClient({ baseUrl, send: sender }).request(request))
    expect(error).toMatchObject({ code: 'ERR_INVALID_REQUEST', sent: 'no' })
    expect(printed(error)).not.toContain('s3cret')
    expect(sender.sent).toHaveLength(0)
  })

  it('gives bundles more time', async () => {
    const sender = scriptedSender(fhir(200), fhir(200), fhir(200))
    const client = createFhirClient({ baseUrl, send: sender, timeoutMs: 1000, bundleTimeoutMs: 5000 })
    await client.request({ method: 'POST', path: '', body: '{}' })
    await client.request({ method: 'POST', path: 'Patient', body: '{}' })
    await client.request({ method: 'POST', path: '', body: '{}', timeoutMs: 7 })
    expect(sender.sent.map((sent) => sent.timeoutMs)).toEqual([5000, 1000, 7])
  })
})

describe('senders of others', () => {
  const client = (send: (request: SendRequest) => Promise<Response>) => createFhirClient({ baseUrl, send })

  it('may be a function', async () => {
    expect((await client(async () => fhir(200, patient)).read('Patient', 'p1')).resource).toEqual(patient)
  })

  it.each([
    [
      { code: 'ERR_CONNECT', sent: 'no' },
      { code: 'ERR_CONNECT', sent: 'no' },
    ],
    [
      { code: 'ERR_TIMEOUT', sent: 'maybe' },
      { code: 'ERR_TIMEOUT', sent: 'maybe' },
    ],
    [
      { code: 'ERR_SPECIAL', sent: 'no' },
      { code: 'ERR_NETWORK', sent: 'no' },
    ],
    [{ code: 'ECONNREFUSED' }, { code: 'ERR_CONNECT', sent: 'no' }],
    [{}, { code: 'ERR_NETWORK', sent: 'maybe' }],
  ])('fail with %j', async (thrown, expected) => {
    const cause = Object.assign(new Error('x'), thrown)
    const error = await failureOf(client(() => Promise.reject(cause)).create(patient))
    expect(error).toMatchObject({ ...expected, method: 'POST', path: '/r4/Patient' })
    expect(error.cause).toMatchObject({ message: 'x' })
    // Errors of platforms carry what came over the wire: nothing but words and codes is kept of them.
    expect(error.cause).not.toHaveProperty('sent')
  })

  it('may throw at once', async () => {
    const error = await failureOf(
      client(() => {
        throw new Error('x')
      }).create(patient),
    )
    expect(error).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
  })

  it('cannot hang a request by being deaf to the signal', async () => {
    vi.useFakeTimers()
    try {
      const pending = failureOf(
        createFhirClient({ baseUrl, send: () => new Promise(() => {}) }).create(patient),
      )
      await vi.advanceTimersByTimeAsync(30_000)
      expect(await pending).toMatchObject({ code: 'ERR_TIMEOUT', sent: 'maybe' })
    } finally {
      vi.useRealTimers()
    }
  })

  it('leave no timer and no listener behind', async () => {
    const controller = new AbortController()
    const add = vi.spyOn(controller.signal, 'addEventListener')
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    vi.useFakeTimers()
    try {
      await client(async () => fhir(200, patient)).create(patient, { signal: controller.signal })
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
    expect(add).toHaveBeenCalled()
    expect(remove.mock.calls.length).toBeGreaterThanOrEqual(add.mock.calls.length)
  })

  it('are not asked when the caller has aborted already', async () => {
    const sender = scriptedSender(fhir(200))
    const error = await rejectionOf(
      createFhirClient({ baseUrl, send: sender }).create(patient, { signal: AbortSignal.abort() }),
    )
    expect(error).toMatchObject({ name: 'AbortError', sent: 'no' })
    expect(isFhirError(error)).toBe(false)
    expect(sender.sent).toHaveLength(0)
  })

  it('may bring a response that shows nothing', async () => {
    const error = await failureOf(client(async () => Response.error()).create(patient))
    expect(error).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
    expect(error).not.toHaveProperty('status')
  })

  it('are not led to an address with a password', async () => {
    const { origin } = new URL(baseUrl)
    const location = `${origin.replace('//', '//me:pass@')}/r4/Patient/p2?x=1`
    const sender = scriptedSender(
      new Response(null, { status: 307, headers: { location } }),
      fhir(200, patient),
    )
    await createFhirClient({ baseUrl, send: sender }).read('Patient', 'p1')
    expect(sender.sent[1]?.url).toBe(`${origin}/r4/Patient/p2?x=1`)
  })

  it('may show a redirect the way browsers do', async () => {
    const opaque = Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    const error = await failureOf(client(async () => opaque).read('Patient', 'p1'))
    expect(error).toMatchObject({ code: 'ERR_REDIRECTED', sent: 'yes' })
  })
})

describe('errors', () => {
  it('name the path and never the query', async () => {
    const client = createFhirClient({
      baseUrl,
      send: scriptedSender(fhir(400), new TypeError('Failed to fetch')),
    })
    for (let round = 0; round < 2; round += 1) {
      const error = await failureOf(client.search('Patient', { family: 'Secret' }))
      expect(error.path).toBe('/r4/Patient')
      expect(printed(error)).not.toContain('Secret')
    }
  })

  it('keep the query out of the words of the platform', async () => {
    const said = new TypeError(
      'request to https://fhir.example/r4/Patient?family=Secret failed, reason: reset',
      {
        cause: new Error('Failed to parse URL from https://me:Secret@fhir.example/r4?x=Secret'),
      },
    )
    const client = createFhirClient({ baseUrl, send: scriptedSender(said) })
    const error = await failureOf(client.search('Patient', { family: 'Secret' }))
    expect(error.cause).toMatchObject({ message: expect.stringContaining('failed, reason: reset') as string })
    expect(printed(error)).not.toContain('Secret')
  })

  it('are recognised across copies of the package', () => {
    const foreign = { [Symbol.for('@fhir-outbox/fhir-client/FhirError')]: true }
    expect(isFhirError(foreign)).toBe(true)
    for (const other of [new Error('x'), null, undefined, 'FhirError']) expect(isFhirError(other)).toBe(false)
  })

  it('do not have members they know nothing about', async () => {
    const client = createFhirClient({ baseUrl, send: scriptedSender(new TypeError('Failed to fetch')) })
    const error = await failureOf(client.create(patient))
    expect(Object.keys(error).sort()).toEqual(['code', 'hint', 'issues', 'method', 'name', 'path', 'sent'])
  })
})
