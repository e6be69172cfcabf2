import { describe, expect, it, vi } from 'vitest'
import { createFhirClient, type TokenRequest, type TokenSource } from '../src/index.js'
import { failureOf, printed, rejectionOf } from './support/failure.js'
import { fhir, outcome, scriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'
const patient = { resourceType: 'Patient', id: 'p1' }

function tokenSource(
  ...values: readonly string[]
): TokenSource & { readonly asked: Omit<TokenRequest, 'signal'>[] } {
  const asked: Omit<TokenRequest, 'signal'>[] = []
  return {
    asked,
    getToken: async ({ signal: _signal, ...request }) => {
      asked.push(request)
      return { value: values[Math.min(asked.length, values.length) - 1] ?? '', type: 'Bearer' }
    },
  }
}

describe('tokens', () => {
  it('travel with every request and are asked for without the query', async () => {
    const sender = scriptedSender(fhir(200, { resourceType: 'Bundle' }))
    const tokens = tokenSource('one')
    await createFhirClient({ baseUrl, tokens, send: sender }).search('Patient', { family: 'Secret' })
    expect(sender.sent[0]?.headers['authorization']).toBe('Bearer one')
    expect(tokens.asked).toEqual([{ url: `${baseUrl}/Patient` }])
  })

  it('are refreshed once on a 401, and the same bytes go again', async () => {
    const sender = scriptedSender(new Response('Token expired', { status: 401 }), fhir(201, patient))
    const tokens = tokenSource('one', 'two')
    const body = new TextEncoder().encode('{"resourceType":"Patient"}')
    const client = createFhirClient({ baseUrl, tokens, send: sender })
    const headers = { 'if-none-exist': 'identifier=k' }
    expect((await client.request({ method: 'POST', path: 'Patient', body, headers })).status).toBe(201)
    expect(tokens.asked).toEqual([
      { url: `${baseUrl}/Patient` },
      { url: `${baseUrl}/Patient`, rejected: 'one' },
    ])
    const [first, second] = sender.sent
    expect(first?.headers).toEqual({ ...second?.headers, authorization: 'Bearer one' })
    expect(second?.headers['authorization']).toBe('Bearer two')
    expect(second?.body).toBe(body)
  })

  it('that are refused twice end in ERR_UNAUTHORIZED', async () => {
    const sender = scriptedSender(fhir(401, outcome('login')), fhir(401, outcome('login', 'no')))
    const error = await failureOf(
      createFhirClient({ baseUrl, tokens: tokenSource('one', 'two'), send: sender }).create(patient),
    )
    expect(error).toMatchObject({ code: 'ERR_UNAUTHORIZED', status: 401, sent: 'yes' })
    expect(error.issues).toEqual([{ severity: 'error', code: 'login', text: 'no' }])
    expect(sender.sent).toHaveLength(2)
  })

  it('that cannot be refreshed are not tried again', async () => {
    const sender = scriptedSender(fhir(401))
    const client = createFhirClient({ baseUrl, tokens: tokenSource('one'), send: sender })
    expect(await failureOf(client.create(patient))).toMatchObject({ code: 'ERR_UNAUTHORIZED', status: 401 })
    expect(sender.sent).toHaveLength(1)
  })

  it('a 401 without a token source is ERR_UNAUTHORIZED too', async () => {
    const client = createFhirClient({ baseUrl, send: scriptedSender(fhir(401)) })
    expect(await failureOf(client.create(patient))).toMatchObject({ code: 'ERR_UNAUTHORIZED', sent: 'yes' })
  })

  it('can be left out of a request', async () => {
    const sender = scriptedSender(fhir(200, patient))
    const tokens = tokenSource('one')
    const client = createFhirClient({ baseUrl, tokens, send: sender })
    await client.request({ method: 'GET', path: 'Patient/p1', auth: 'none' })
    expect(tokens.asked).toHaveLength(0)
    expect(sender.sent[0]?.headers).not.toHaveProperty('authorization')
  })
})

describe('token sources that fail', () => {
  it.each(['ERR_AUTH_UNREACHABLE', 'ERR_LOGIN_REQUIRED', 'ERR_SOMETHING_NEW'])(
    '%s passes unchanged',
    async (code) => {
      const failure = Object.assign(new Error('x'), { code })
      const sender = scriptedSender(fhir(200))
      const client = createFhirClient({
        baseUrl,
        tokens: { getToken: () => Promise.reject(failure) },
        send: sender,
      })
      expect(await rejectionOf(client.create(patient))).toBe(failure)
      expect(sender.sent).toHaveLength(0)
    },
  )

  it('a refresh that fails passes unchanged', async () => {
    const failure = Object.assign(new Error('x'), { code: 'ERR_LOGIN_REQUIRED' })
    const tokens: TokenSource = {
      getToken: ({ rejected }) =>
        rejected === undefined ? Promise.resolve({ value: 'one', type: 'Bearer' }) : Promise.reject(failure),
    }
    const client = createFhirClient({ baseUrl, tokens, send: scriptedSender(fhir(401)) })
    expect(await rejectionOf(client.create(patient))).toBe(failure)
  })

  it.each([
    ['an error without a code', () => Promise.reject(new Error('x'))],
    [
      'a synchronous error',
      () => {
        throw new Error('x')
      },
    ],
    ['no token', () => Promise.resolve(undefined)],
    ['an empty token', () => Promise.resolve({ value: '', type: 'Bearer' })],
    ['a token with a line break', () => Promise.resolve({ value: 's3cret\r\nx: y', type: 'Bearer' })],
    ['a token of another type', () => Promise.resolve({ value: 's3cret', type: 'DPoP' })],
  ])('%s is ERR_TOKEN_SOURCE', async (_name, getToken) => {
    const sender = scriptedSender(fhir(200))
    const tokens = { getToken } as unknown as TokenSource
    const error = await failureOf(createFhirClient({ baseUrl, tokens, send: sender }).create(patient))
    expect(error).toMatchObject({ code: 'ERR_TOKEN_SOURCE', sent: 'no' })
    expect(printed(error)).not.toContain('s3cret')
    expect(sender.sent).toHaveLength(0)
  })

  it('a source that never answers runs into the time limit, and nothing was sent', async () => {
    vi.useFakeTimers()
    try {
      const tokens: TokenSource = { getToken: () => new Promise(() => {}) }
      const pending = failureOf(createFhirClient({ baseUrl, tokens, send: scriptedSender() }).create(patient))
      await vi.advanceTimersByTimeAsync(30_000)
      expect(await pending).toMatchObject({ code: 'ERR_TIMEOUT', sent: 'no' })
    } finally {
      vi.useRealTimers()
    }
  })

  it('an abort while waiting for a token sends nothing', async () => {
    const controller = new AbortController()
    const tokens: TokenSource = { getToken: () => new Promise(() => controller.abort()) }
    const client = createFhirClient({ baseUrl, tokens, send: scriptedSender() })
    const error = await rejectionOf(client.create(patient, { signal: controller.signal }))
    expect(error).toMatchObject({ name: 'AbortError', sent: 'no' })
  })
})

describe('insecure URLs', () => {
  const tokens = tokenSource('one')
  it.each([
    'http://fhir.example.test',
    'http://10.0.0.1/fhir',
    'http://127.evil.example',
    'http://localhost.evil.example',
    'http://[::2]',
  ])('no token goes to %s', (baseUrl) => {
    expect(() => createFhirClient({ baseUrl, tokens })).toThrow(
      expect.objectContaining({ code: 'ERR_INSECURE_URL', sent: 'no' }),
    )
    expect(createFhirClient({ baseUrl }).baseUrl).toBe(new URL(baseUrl).href.replace(/\/$/, ''))
  })

  it.each([
    'http://localhost:8080/fhir',
    'http://127.0.0.1',
    'http://127.1.2.3:1',
    'http://[::1]:8080',
    'https://fhir.example.test',
  ])('a token goes to %s', async (baseUrl) => {
    const sender = scriptedSender(fhir(200, patient))
    await createFhirClient({ baseUrl, tokens, send: sender }).read('Patient', 'p1')
    expect(sender.sent[0]?.headers['authorization']).toBe('Bearer one')
  })
})
