import { createMockServer, type MockServer } from '@fhir-outbox/mock-server'
import { setupServer } from 'msw/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFhirClient, type FhirClient, type FhirClientOptions, type TokenSource } from '../src/index.js'
import { failureOf } from './support/failure.js'

interface Setting {
  readonly root: string
  close(): Promise<void> | void
}

const settings: readonly (readonly [string, (mock: MockServer) => Promise<Setting>])[] = [
  [
    'a socket',
    async (mock) => {
      const listening = await mock.listen()
      return { root: listening.url, close: () => listening.close() }
    },
  ],
  [
    'MSW',
    async (mock) => {
      const server = setupServer(...mock.handlers)
      server.listen({ onUnhandledRequest: 'error' })
      return { root: 'https://mock.example', close: () => server.close() }
    },
  ],
]

/** A deliberately small token source: one client, no cache across refusals. */
function clientCredentials(root: string): TokenSource & { readonly refreshes: () => number } {
  let token: string | undefined
  let refreshes = 0
  return {
    refreshes: () => refreshes,
    getToken: async ({ rejected }) => {
      if (token === undefined || token === rejected) {
        if (rejected !== undefined) refreshes += 1
        const response = await fetch(`${root}/auth/token`, {
          method: 'POST',
          headers: { authorization: `Basic ${btoa('device:hush')}` },
          body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'system/*.*' }),
        })
        token = ((await response.json()) as { access_token: string }).access_token
      }
      return { value: token, type: 'Bearer' }
    },
  }
}

describe.each(settings)('the mock server over %s', (_name, open) => {
  let mock: MockServer
  let setting: Setting
  let tokens: ReturnType<typeof clientCredentials>

  beforeEach(async () => {
    mock = createMockServer()
    mock.state.addClient({ clientId: 'device', secret: 'hush' })
    setting = await open(mock)
    tokens = clientCredentials(setting.root)
  })
  afterEach(async () => {
    mock.faults.clear()
    await setting.close()
  })

  const client = (more: Partial<FhirClientOptions> = {}): FhirClient =>
    createFhirClient({ baseUrl: `${setting.root}/fhir`, tokens, ...more })

  const patient = (key: string) => ({
    resourceType: 'Patient',
    identifier: [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }],
  })
  const keyA = '5a0f5a4e-6a35-4b0e-9f1c-0d8f5f9f8a01'

  it('creates, reads, updates, deletes', async () => {
    const fhir = client()
    expect((await fhir.capabilities()).resource?.fhirVersion).toBe('4.0.1')
    const created = await fhir.create(patient(keyA))
    const id = created.location?.id ?? ''
    expect(created).toMatchObject({ status: 201, location: { type: 'Patient', id }, version: '1' })
    expect(mock.state.get('Patient', id)).toBeDefined()
    const read = await fhir.read('Patient', id)
    expect(read.resource).toMatchObject({ ...patient(keyA), id })
    const updated = await fhir.update({ ...patient(keyA), id, active: true }, { ifMatch: read.version })
    expect(updated).toMatchObject({ status: 200, version: '2' })
    const stale = await failureOf(fhir.update({ ...patient(keyA), id }, { ifMatch: '1' }))
    expect(stale).toMatchObject({ code: 'ERR_HTTP', status: 412, sent: 'yes' })
    expect((await fhir.vread('Patient', id, '1')).resource).not.toHaveProperty('active')
    expect((await fhir.delete('Patient', id)).status).toBeLessThan(300)
    expect(await failureOf(fhir.read('Patient', id))).toMatchObject({ code: 'ERR_HTTP', status: 410 })
    expect(await failureOf(fhir.read('Patient', 'nobody'))).toMatchObject({ code: 'ERR_HTTP', status: 404 })
  })

  it('creates once under a condition', async () => {
    const fhir = client()
    const ifNoneExist = { identifier: `urn:ietf:rfc:3986|urn:uuid:${keyA}` }
    expect((await fhir.create(patient(keyA), { ifNoneExist })).status).toBe(201)
    const again = await fhir.create(patient(keyA), { ifNoneExist, prefer: 'representation' })
    expect(again.status).toBe(200)
    expect(mock.state.resources('Patient').map((resource) => resource.id)).toEqual([again.resource?.id])
  })

  it('runs a transaction and reports a refused one', async () => {
    const fhir = client()
    const entry = (resource: object) => ({ resource, request: { method: 'POST', url: 'Patient' } })
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [entry(patient(keyA)), entry(patient('b'))],
    }
    const { resource } = await fhir.transaction(bundle)
    expect(resource?.entry?.map(({ response }) => response?.status.slice(0, 3))).toEqual(['201', '201'])
    const bad = { ...bundle, entry: [entry(patient('c')), entry({ resourceType: 'Observation' })] }
    const error = await failureOf(fhir.transaction(bad))
    expect(error).toMatchObject({ code: 'ERR_HTTP', sent: 'yes' })
    expect(error.issues.length).toBeGreaterThan(0)
    expect(mock.state.resources('Patient')).toHaveLength(2)
  })

  it('pages through a search, by GET and by POST', async () => {
    mock.state.load(Array.from({ length: 23 }, (_, index) => ({ resourceType: 'Patient', id: `p${index}` })))
    for (const via of ['get', 'post'] as const) {
      const ids: string[] = []
      for await (const page of client().pages('Patient', { _count: 5 }, { via })) {
        ids.push(...page.matches.map((match) => match.id ?? ''))
      }
      expect(new Set(ids).size).toBe(23)
      expect(ids).toHaveLength(23)
    }
  })

  it('gets a new token when the old one has run out', async () => {
    const fhir = client()
    await fhir.create(patient(keyA))
    mock.state.expireTokens()
    expect((await fhir.create(patient('b'))).status).toBe(201)
    expect(tokens.refreshes()).toBe(1)
    expect(mock.state.resources('Patient')).toHaveLength(2)
  })

  it('gives up after one refresh', async () => {
    mock.faults.add({ url: '/fhir/', times: Infinity, fault: { kind: 'status', status: 401 } })
    expect(await failureOf(client().create(patient(keyA)))).toMatchObject({
      code: 'ERR_UNAUTHORIZED',
      sent: 'yes',
    })
    expect(mock.log.filter(({ url }) => url.startsWith('/fhir/'))).toHaveLength(2)
  })

  it.each([
    ['cut-before', 0],
    ['cut-after', 1],
  ] as const)('cannot tell a connection %s: %i stored', async (kind, stored) => {
    mock.faults.add({ url: '/fhir/', fault: { kind } })
    expect(await failureOf(client().create(patient(keyA)))).toMatchObject({
      code: 'ERR_NETWORK',
      sent: 'maybe',
    })
    expect(mock.state.resources('Patient')).toHaveLength(stored)
    expect(mock.log.filter(({ url }) => url.startsWith('/fhir/'))).toHaveLength(1)
  })

  it('does not wait for ever', async () => {
    const hang = mock.faults.add({ url: '/fhir/', fault: { kind: 'hang' } })
    expect(await failureOf(client({ timeoutMs: 250 }).create(patient(keyA)))).toMatchObject({
      code: 'ERR_TIMEOUT',
      sent: 'maybe',
    })
    expect(hang.hits).toBe(1)
    expect(mock.state.resources('Patient')).toHaveLength(0)
  })

  it('a lost answer can be asked for again under the same condition', async () => {
    mock.faults.add({ url: '/fhir/', fault: { kind: 'status', status: 500, processed: true } })
    const ifNoneExist = { identifier: `urn:ietf:rfc:3986|urn:uuid:${keyA}` }
    const fhir = client()
    expect(await failureOf(fhir.create(patient(keyA), { ifNoneExist }))).toMatchObject({
      status: 500,
      sent: 'yes',
    })
    expect((await fhir.create(patient(keyA), { ifNoneExist })).status).toBe(200)
    expect(mock.state.resources('Patient')).toHaveLength(1)
  })

  it('says when to come back', async () => {
    mock.faults.add({
      url: '/fhir/',
      fault: { kind: 'status', status: 503, headers: { 'retry-after': '120' } },
    })
    expect(await failureOf(client().create(patient(keyA)))).toMatchObject({
      status: 503,
      retryAfterMs: 120_000,
    })
  })

  it('sees through a captive portal', async () => {
    const headers = { 'content-type': 'text/html' }
    mock.faults.add({
      url: '/fhir/',
      fault: { kind: 'status', status: 200, headers, body: '<html>Welcome</html>' },
    })
    expect(await failureOf(client().create(patient(keyA)))).toMatchObject({
      code: 'ERR_NOT_FHIR',
      sent: 'maybe',
    })
  })
})

describe('the mock server down', () => {
  it('is a refused connection, and up again an answer', async () => {
    const mock = createMockServer({ open: true })
    const listening = await mock.listen()
    try {
      const fhir = createFhirClient({ baseUrl: `${listening.url}/fhir` })
      await listening.pause()
      expect(await failureOf(fhir.create({ resourceType: 'Patient' }))).toMatchObject({
        code: 'ERR_CONNECT',
        sent: 'no',
      })
      await listening.resume()
      expect((await fhir.create({ resourceType: 'Patient' })).status).toBe(201)
    } finally {
      await listening.close()
    }
  })
})
