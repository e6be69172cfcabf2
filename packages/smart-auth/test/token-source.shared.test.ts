import { describe, expect, it, vi } from 'vitest'
import { clientCredentials, type TokenSource } from '@fhir-outbox/smart-auth'
import { deferred, failure, fakeFetch, json, token, type FakeFetch } from './support/fake-fetch.js'

const url = 'https://fhir.example.test/r4/Observation'
const start = 1_700_000_000_000

function source(server: FakeFetch, now: () => number = () => start): TokenSource {
  return clientCredentials({
    tokenEndpoint: 'https://auth.example.test/token',
    clientId: 'gateway',
    clientSecret: 'marker-secret',
    scope: 'system/Observation.c',
    fetch: server.fetch,
    now,
  })
}

describe('a token source', () => {
  it('asks nothing before the first call and once for many', async () => {
    const server = fakeFetch((_sent, n) => token(`t${n}`, { scope: 'system/*.c', patient: 'p1' }))
    const tokens = source(server)
    expect(server.sent).toHaveLength(0)
    const all = await Promise.all([1, 2, 3].map(() => tokens.getToken({ url })))
    all.push(await tokens.getToken({ url }))
    expect(server.sent).toHaveLength(1)
    expect(new Set(all).size).toBe(1)
    expect(all[0]).toEqual({
      value: 't0',
      type: 'Bearer',
      expiresAt: start + 300_000,
      scope: 'system/*.c',
      patient: 'p1',
    })
  })

  it('gives the scope that was asked for when the server states none, and an empty one when it says so', async () => {
    const silent = await source(fakeFetch(() => token('t'))).getToken({ url })
    expect(silent.scope).toBe('system/Observation.c')
    const empty = await source(fakeFetch(() => token('t', { scope: '' }))).getToken({ url })
    expect(empty.scope).toBe('')
  })

  it('renews ahead of the end in the background', async () => {
    let time = start
    const server = fakeFetch((_sent, n) => token(`t${n}`))
    const tokens = source(server, () => time)
    await tokens.getToken({ url })
    time = start + 269_999
    expect((await tokens.getToken({ url })).value).toBe('t0')
    expect(server.sent).toHaveLength(1)
    time = start + 270_000
    expect((await tokens.getToken({ url })).value).toBe('t0')
    await vi.waitFor(async () => expect((await tokens.getToken({ url })).value).toBe('t1'))
    expect(server.sent).toHaveLength(2)
  })

  it('keeps using an unexpired token while renewal fails, and does not hammer', async () => {
    let time = start
    const server = fakeFetch((_sent, n) => (n === 0 ? token('t0', { expires_in: 3000 }) : json({}, 503)))
    const tokens = source(server, () => time)
    /** Asks at a moment of the token's life and lets a renewal in the background come to its end. */
    async function askAt(seconds: number): Promise<number> {
      time = start + seconds * 1000
      expect((await tokens.getToken({ url })).value).toBe('t0')
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0))
      return server.sent.length
    }
    expect(await askAt(0)).toBe(1)
    expect(await askAt(2700)).toBe(2)
    expect(await askAt(2701)).toBe(2)
    expect(await askAt(2729.999)).toBe(2)
    expect(await askAt(2730)).toBe(3)
    expect(await askAt(2999.999)).toBe(4)
    time = start + 3_000_000
    expect(await failure(tokens.getToken({ url }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      status: 503,
    })
  })

  it('waits with the next renewal as long as the server asks', async () => {
    let time = start
    const busy = (): Response => json({}, 429, { 'retry-after': '120' })
    const server = fakeFetch((_sent, n) => (n === 0 ? token('t0', { expires_in: 3000 }) : busy()))
    const tokens = source(server, () => time)
    await tokens.getToken({ url })
    for (const [seconds, requests] of [
      [2700, 2],
      [2819, 2],
      [2820, 3],
    ] as const) {
      time = start + seconds * 1000
      await tokens.getToken({ url })
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0))
      expect(server.sent).toHaveLength(requests)
    }
  })

  it('waits for a new token once the old one has expired', async () => {
    let time = start
    const server = fakeFetch((_sent, n) => token(`t${n}`))
    const tokens = source(server, () => time)
    await tokens.getToken({ url })
    time = start + 7 * 86_400_000
    expect((await tokens.getToken({ url })).value).toBe('t1')
  })

  it('believes a token without expires_in until it is rejected', async () => {
    let time = start
    const server = fakeFetch((_sent, n) => token(`t${n}`, { expires_in: undefined }))
    const tokens = source(server, () => time)
    expect(await tokens.getToken({ url })).not.toHaveProperty('expiresAt')
    time = start + 365 * 86_400_000
    expect((await tokens.getToken({ url })).value).toBe('t0')
    expect((await tokens.getToken({ url, rejected: 't0' })).value).toBe('t1')
  })

  it.each([
    ['"300"', '300', start + 300_000],
    ['300', 300, start + 300_000],
    ['-5', -5, undefined],
    ['"soon"', 'soon', undefined],
    ['"300abc"', '300abc', undefined],
    ['1e300', 1e300, undefined],
    ['null', null, undefined],
  ])('reads expires_in %s', async (_name, value, expiresAt) => {
    const server = fakeFetch(() => token('t', { expires_in: value }))
    expect((await source(server).getToken({ url })).expiresAt).toBe(expiresAt)
  })

  it('asks again each time when a token lives no time at all', async () => {
    const server = fakeFetch((_sent, n) => token(`t${n}`, { expires_in: 0 }))
    const tokens = source(server)
    expect((await tokens.getToken({ url })).value).toBe('t0')
    expect((await tokens.getToken({ url })).value).toBe('t1')
  })

  it('replaces a rejected token once, however many report it', async () => {
    const server = fakeFetch((_sent, n) => token(`t${n}`))
    const tokens = source(server)
    await tokens.getToken({ url })
    const again = await Promise.all([1, 2, 3].map(() => tokens.getToken({ url, rejected: 't0' })))
    expect(again.map(({ value }) => value)).toEqual(['t1', 't1', 't1'])
    expect((await tokens.getToken({ url, rejected: 't0' })).value).toBe('t1')
    expect(server.sent).toHaveLength(2)
  })

  it('never returns a rejected token, not even while the server is away', async () => {
    const server = fakeFetch((_sent, n) => (n === 0 ? token('t0') : json({}, 503)))
    const tokens = source(server)
    await tokens.getToken({ url })
    expect(await failure(tokens.getToken({ url, rejected: 't0' }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
    })
    expect(await failure(tokens.getToken({ url }))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE' })
  })

  it('tries again after a failure', async () => {
    const server = fakeFetch((_sent, n) => (n === 0 ? json({}, 500) : token('t')))
    const tokens = source(server)
    await failure(tokens.getToken({ url }))
    expect((await tokens.getToken({ url })).value).toBe('t')
  })

  it('lets one caller abort without harm to the others, and cancels when all have left', async () => {
    const gate = deferred<Response>()
    const server = fakeFetch((_sent, n) => (n === 0 ? gate.promise : token('late')))
    const tokens = source(server)
    const controllers = [new AbortController(), new AbortController()]
    const waits = controllers.map(({ signal }) => tokens.getToken({ url, signal }))
    await vi.waitFor(() => expect(server.sent).toHaveLength(1))
    controllers[0]?.abort()
    await expect(waits[0]).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.sent[0]?.signal.aborted).toBe(false)
    controllers[1]?.abort()
    await expect(waits[1]).rejects.toMatchObject({ name: 'AbortError' })
    await vi.waitFor(() => expect(server.sent[0]?.signal.aborted).toBe(true))
    gate.resolve(token('abandoned'))
    expect((await tokens.getToken({ url })).value).toBe('late')
  })

  it('does not start for a caller that has already aborted', async () => {
    const server = fakeFetch(() => token('t'))
    await expect(source(server).getToken({ url, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(server.sent).toHaveLength(0)
  })

  it('gives the token only to secure URLs of the server it is for', async () => {
    const server = fakeFetch(({ url: asked }) =>
      asked.endsWith('smart-configuration')
        ? json({ token_endpoint: 'https://a.example.test/t' })
        : token('t'),
    )
    const tokens = clientCredentials({
      fhirBaseUrl: 'https://fhir.example.test/r4',
      clientId: 'gateway',
      clientSecret: 'marker-secret',
      resourceOrigins: ['https://files.example.test'],
      fetch: server.fetch,
    })
    const ask = (target: string): Promise<unknown> => tokens.getToken({ url: target })
    expect(await failure(ask('https://evil.example.test/r4'))).toMatchObject({ code: 'ERR_WRONG_ORIGIN' })
    expect(await failure(ask('http://fhir.example.test/r4'))).toMatchObject({ code: 'ERR_INSECURE_URL' })
    expect(await failure(ask('Observation'))).toMatchObject({ code: 'ERR_INVALID_OPTIONS' })
    expect(server.sent).toHaveLength(0)
    await expect(ask('https://files.example.test/x?y=1#z')).resolves.toMatchObject({ value: 't' })
    await expect(ask('https://fhir.example.test/r4/Patient')).resolves.toMatchObject({ value: 't' })
  })

  it('discovers once, and looks again after a failure', async () => {
    let moved = false
    const server = fakeFetch(({ url: asked }) => {
      if (asked.endsWith('smart-configuration')) {
        return json({ token_endpoint: `https://a.example.test/${moved ? 'new' : 'old'}` })
      }
      return asked.endsWith('/old') === moved
        ? new Response('gone', { status: 404 })
        : token('t', { expires_in: 0 })
    })
    const tokens = clientCredentials({
      fhirBaseUrl: 'https://fhir.example.test/r4',
      clientId: 'gateway',
      clientSecret: 'marker-secret',
      fetch: server.fetch,
    })
    await tokens.getToken({ url })
    await tokens.getToken({ url })
    expect(server.sent).toHaveLength(3)
    moved = true
    expect(await failure(tokens.getToken({ url }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      status: 404,
    })
    await expect(tokens.getToken({ url })).resolves.toMatchObject({ value: 't' })
  })

  it('limits the time of discovery as it is told, and takes no limit for none', async () => {
    const hanging = fakeFetch(() => new Promise<Response>(() => undefined))
    const options = { fhirBaseUrl: 'https://fhir.example.test/r4', clientId: 'c', clientSecret: 'secret' }
    const error = await failure(
      clientCredentials({ ...options, fetch: hanging.fetch, timeoutMs: 20 }).getToken({
        url: options.fhirBaseUrl,
      }),
    )
    expect(error.message).toContain('within 20 ms')
    const slow = fakeFetch(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return token('t')
    })
    const endless = {
      tokenEndpoint: 'https://auth.example.test/token',
      timeoutMs: Infinity,
      fetch: slow.fetch,
    }
    const source = clientCredentials({ ...options, ...endless })
    expect(await source.getToken({ url: options.fhirBaseUrl })).toMatchObject({ value: 't' })
  })

  it('reports a failed discovery as "try later"', async () => {
    const server = fakeFetch(() => json({}, 404))
    const tokens = clientCredentials({
      fhirBaseUrl: 'https://fhir.example.test/r4',
      clientId: 'gateway',
      clientSecret: 'marker-secret',
      fetch: server.fetch,
    })
    const error = await failure(tokens.getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', cause: { code: 'ERR_DISCOVERY_FAILED' } })
  })

  it('calls for a person when the discovered endpoint is not secure', async () => {
    const server = fakeFetch(() => json({ token_endpoint: 'http://a.example.test/t' }))
    const tokens = clientCredentials({
      fhirBaseUrl: 'https://fhir.example.test/r4',
      clientId: 'gateway',
      clientSecret: 'marker-secret',
      fetch: server.fetch,
    })
    const error = await failure(tokens.getToken({ url }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_INSECURE_URL' } })
    expect(server.sent).toHaveLength(1)
  })
})
