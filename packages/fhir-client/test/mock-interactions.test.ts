import { createMockServer, type MockServer, type MockServerOptions } from '@fhir-outbox/mock-server'
import { setupServer } from 'msw/node'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createFhirClient, type AsyncJob, type FhirClient, type FhirClientOptions } from '../src/index.js'
import { keepAliveSender } from '../src/node/index.js'
import { failureOf } from './support/failure.js'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

interface Setting {
  readonly mock: MockServer
  /** Lets the server's clock go on. */
  pass(ms: number): void
  client(more?: Partial<FhirClientOptions>): FhirClient
}

type Open = (options?: MockServerOptions) => Promise<Setting>

/** The server believes that it is reached at a host that nobody can reach. */
const baseUrl = 'http://blaze.internal:8080'

async function setUp(
  options: MockServerOptions,
  connect: (mock: MockServer) => Promise<Pick<FhirClientOptions, 'baseUrl' | 'send'>>,
): Promise<Setting> {
  let now = Date.parse('2026-01-02T03:04:05Z')
  const clock = () => now
  const mock = createMockServer({ open: true, baseUrl, clock, ...options })
  const connected = await connect(mock)
  return {
    mock,
    pass: (ms) => {
      now += ms
    },
    client: (more = {}) => createFhirClient({ ...connected, ...more }),
  }
}

const overSocket: Open = (options = {}) =>
  setUp(options, async (mock) => {
    const listening = await mock.listen()
    cleanups.push(() => listening.close())
    const send = keepAliveSender()
    cleanups.push(() => send.close())
    return { baseUrl: `${listening.url}/fhir`, send }
  })

const overMsw: Open = (options = {}) =>
  setUp(options, async (mock) => {
    const server = setupServer(...mock.handlers)
    server.listen({ onUnhandledRequest: 'error' })
    cleanups.push(() => server.close())
    return { baseUrl: 'https://mock.example/fhir' }
  })

const observation = (id: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
})
const identified = { resourceType: 'Patient', identifier: [{ system: 'urn:x', value: 'k' }] }
const where = { identifier: 'urn:x|k' }

describe.each([
  ['undici over a socket', overSocket],
  ['ky over MSW', overMsw],
])('%s', (_name, open) => {
  it('patches, under conditions too', async () => {
    const { mock, client } = await open()
    const fhir = client()
    const { id = '' } = await fhir.create(identified)
    const patched = await fhir.patch('Patient', id, [{ op: 'add', path: '/active', value: true }], {
      ifMatch: '1',
    })
    expect(patched).toMatchObject({ status: 200, version: '2', resource: { active: true } })
    const off = [{ op: 'replace', path: '/active', value: false }] as const
    expect(await failureOf(fhir.patch('Patient', id, off, { ifMatch: '1' }))).toMatchObject({ status: 412 })
    expect((await fhir.patchWhere('Patient', where, off)).version).toBe('3')
    expect(mock.state.get('Patient', id)).toMatchObject({ active: false })
    const wrong = [{ op: 'test', path: '/active', value: true }] as const
    expect((await failureOf(fhir.patch('Patient', id, wrong))).code).toBe('ERR_HTTP')
  })

  it('updates and deletes what a condition finds', async () => {
    const { mock, client } = await open()
    const fhir = client()
    const created = await fhir.updateWhere(identified, where)
    expect(created.status).toBe(201)
    const updated = await fhir.updateWhere({ ...identified, active: true }, where)
    expect(updated).toMatchObject({ status: 200, id: created.id, version: '2' })
    await fhir.create(identified)
    expect(await failureOf(fhir.updateWhere(identified, where))).toMatchObject({ status: 412 })
    await fhir.delete('Patient', created.id ?? '')
    expect((await fhir.deleteWhere('Patient', where)).status).toBeLessThan(300)
    expect(mock.state.resources('Patient')).toHaveLength(0)
  })

  it('reads again only what has changed', async () => {
    const { client } = await open()
    const fhir = client()
    const { id = '' } = await fhir.create(identified)
    const { etag, lastModified } = await fhir.read('Patient', id)
    expect((await fhir.read('Patient', id, { ifNoneMatch: etag })).status).toBe(304)
    expect((await fhir.read('Patient', id, { ifModifiedSince: lastModified })).status).toBe(304)
    await fhir.update({ ...identified, id, active: true })
    const again = await fhir.read('Patient', id, { ifNoneMatch: etag })
    expect(again).toMatchObject({ status: 200, version: '2', resource: { active: true } })
    const statement = await fhir.capabilities()
    expect((await fhir.capabilities({ ifNoneMatch: statement.etag })).status).toBe(304)
  })

  it('tells what happened, and forgets it', async () => {
    const { client } = await open()
    const fhir = client()
    const { id = '' } = await fhir.create(identified)
    await fhir.update({ ...identified, id, active: true })
    await fhir.delete('Patient', id)
    const versions: unknown[] = []
    for await (const page of fhir.historyPages({ type: 'Patient', id, params: { _count: 1 } })) {
      versions.push(...page.versions.map(({ address, deleted }) => [address, deleted]))
    }
    expect(versions).toEqual([
      [{ type: 'Patient', id, version: '3' }, true],
      [{ type: 'Patient', id, version: '2' }, false],
      [{ type: 'Patient', id, version: '1' }, false],
    ])
    expect((await fhir.history()).versions).toHaveLength(3)
    expect((await fhir.history({ type: 'Patient' })).versions).toHaveLength(3)
    await fhir.update({ ...identified, id })
    await fhir.deleteHistory('Patient', id)
    expect((await fhir.history({ type: 'Patient', id })).versions).toHaveLength(1)
  })

  it('fetches everything about a patient', async () => {
    const { mock, client } = await open()
    mock.state.load([
      { resourceType: 'Patient', id: 'p1' },
      ...Array.from({ length: 7 }, (_, index) => ({
        ...observation(`o${index}`),
        subject: { reference: 'Patient/p1' },
      })),
      observation('other'),
    ])
    const fhir = client()
    const ids = new Set<string>()
    const everything = { type: 'Patient', id: 'p1', params: { _count: 3 } }
    for await (const page of fhir.operationPages('$everything', everything)) {
      for (const { id = '' } of [...page.matches, ...page.included]) ids.add(id)
    }
    expect(ids).toEqual(new Set(['p1', 'o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o6']))
  })

  it('sends compressed bodies', async () => {
    const { mock, client } = await open()
    const text = {
      status: 'generated',
      div: `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(20_000)}</div>`,
    }
    const { id = '' } = await client({ compressRequests: 'always' }).create({ ...identified, text })
    expect(mock.state.get('Patient', id)).toMatchObject({ text })
    expect(mock.log.at(-1)?.requestHeaders['content-encoding']).toBe('gzip')
  })

  it('waits for the answer of Blaze', async () => {
    const { mock, client, pass } = await open({ profiles: { fhir: 'blaze' }, asyncSeconds: 60 })
    mock.state.load([observation('o1'), observation('o2')])
    const request = { method: 'GET', path: 'Observation?status=final&_summary=count' }
    const step = await client().respondAsync(request)
    if (step.state !== 'pending') throw new Error('The answer came at once.')
    const job = JSON.parse(JSON.stringify(step.job)) as AsyncJob
    const later = client({ now: mock.clock })
    expect(await later.jobs.poll(job)).toMatchObject({ state: 'pending', progress: 'ready' })
    pass(30_000)
    expect(await later.jobs.poll(job)).toMatchObject({ state: 'pending', progress: 'in-progress' })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    cleanups.push(() => vi.useRealTimers())
    const looks: string[] = []
    const onPoll = ({ state }: { state: string }): void => {
      looks.push(state)
      pass(10_000)
    }
    const waiting = later.jobs.wait(job, { minPauseMs: 0, maxPauseMs: 0, onPoll })
    let over = false
    void waiting.finally(() => (over = true))
    while (!over) {
      vi.advanceTimersByTime(0)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { response } = await waiting
    expect(looks).toEqual(['pending', 'pending', 'pending', 'done'])
    expect(response.resource).toMatchObject({ resourceType: 'Bundle', type: 'searchset', total: 2 })
    expect((await later.jobs.cancel(job)).outcome).toBe('too-late')
  })

  it('is answered at once where Blaze does not care', async () => {
    const { client } = await open({ profiles: { fhir: 'blaze' } })
    const step = await client().respondAsync({ method: 'GET', path: 'Observation?status=final' })
    expect(step).toMatchObject({ state: 'done', synchronous: true, response: { status: 200 } })
  })

  it('cancels', async () => {
    const { client } = await open({ profiles: { fhir: 'blaze' }, asyncSeconds: 60 })
    const fhir = client()
    const step = await fhir.respondAsync({ method: 'GET', path: 'Observation?status=x&_summary=count' })
    if (step.state !== 'pending') throw new Error('The answer came at once.')
    const { outcome, job } = await fhir.jobs.cancel(step.job)
    expect(outcome).toBe('requested')
    expect(await failureOf(fhir.jobs.poll(job))).toMatchObject({ code: 'ERR_ASYNC_GONE', status: 404 })
    expect((await fhir.jobs.cancel(job)).outcome).toBe('too-late')
  })

  it('does not notice writes while it pages through Blaze', async () => {
    const { mock, client } = await open({ profiles: { fhir: 'blaze' } })
    mock.state.load(Array.from({ length: 10 }, (_, index) => observation(`o${index}`)))
    const fhir = client()
    const ids: string[] = []
    const params = { status: 'final', _count: 3 }
    for await (const page of fhir.pages('Observation', params, { via: 'post', lookAhead: 0 })) {
      ids.push(...page.matches.map(({ id = '' }) => id))
      if (page.ordinal === 0) {
        await fhir.delete('Observation', 'o9')
        await fhir.create({ resourceType: 'Observation', status: 'final', code: { text: 'new' } })
      }
    }
    expect(ids.toSorted()).toEqual(Array.from({ length: 10 }, (_, index) => `o${index}`))
  })

  it('says that a page is gone when Blaze has let it go', async () => {
    const { mock, client, pass } = await open({ profiles: { fhir: 'blaze' } })
    mock.state.load(Array.from({ length: 10 }, (_, index) => observation(`o${index}`)))
    const first = await client().search('Observation', { _count: 3 })
    expect((await first.follow('next'))?.ordinal).toBe(1)
    pass(6 * 3_600_000)
    expect(await failureOf(first.follow('next'))).toMatchObject({ code: 'ERR_PAGE_EXPIRED', status: 404 })
  })

  it.each(['strict', 'blaze', 'medplum'] as const)('finds all of them at a %s server', async (fhir) => {
    const { mock, client } = await open({ profiles: { fhir } })
    const uuid = (n: number) => `5a0f5a4e-6a35-4b0e-9f1c-${String(n).padStart(12, '0')}`
    mock.state.load(Array.from({ length: 45 }, (_, index) => observation(uuid(index))))
    const ids = new Set<string>()
    for await (const { matches } of client().pages('Observation', { _count: 100 }, { lookAhead: 2 })) {
      for (const { id = '' } of matches) ids.add(id)
    }
    expect(ids.size).toBe(45)
  })
})

it('walks through ten thousand resources of a real server', async () => {
  const { mock, client } = await overSocket({ profiles: { fhir: 'blaze' } })
  mock.state.load(Array.from({ length: 10_000 }, (_, index) => observation(`o${index}`)))
  const seen = new Set<string>()
  for await (const { matches } of client().pages('Observation', { _count: 500 })) {
    for (const { id = '' } of matches) seen.add(id)
  }
  expect(seen.size).toBe(10_000)
})
