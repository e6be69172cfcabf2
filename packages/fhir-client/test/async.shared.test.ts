import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createFhirClient, type AsyncJob, type AsyncStep, type FhirClient } from '../src/index.js'
import { failureOf, rejectionOf } from './support/failure.js'
import { fhir, outcome, scriptedSender, type Reply, type ScriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://gw.example.test/proxy/fhir'
const statusUrl = `${baseUrl}/__async-status/DD7MLX6H7OGJN7SD`
const count = { method: 'GET', path: 'Observation?code=x&_summary=count' }
const started: AsyncJob = {
  format: 1,
  statusUrl,
  method: 'GET',
  path: '/proxy/fhir/Observation',
  startedAt: 1000,
}
const tokens = { getToken: async () => ({ value: 'one', type: 'Bearer' as const }) }

function setUp(...replies: readonly Reply[]): { client: FhirClient; sender: ScriptedSender } {
  const sender = scriptedSender(...replies)
  const client = createFhirClient({ baseUrl, send: sender, tokens, now: () => Date.now(), random: () => 0.5 })
  return { client, sender }
}

const accepted = (contentLocation: string): Response =>
  new Response(null, { status: 202, headers: { 'content-location': contentLocation } })
const inProgress = (headers: Record<string, string> = {}): Response =>
  new Response(null, { status: 202, headers: { 'x-progress': 'in-progress', ...headers } })
const wrapped = (response: object, resource?: object): Response =>
  fhir(200, { resourceType: 'Bundle', type: 'batch-response', entry: [{ response, resource }] })

beforeEach(() => {
  vi.useFakeTimers({ now: 1000 })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('asking for an answer later', () => {
  it.each([
    ['Blaze', 'http://localhost:8080/fhir/__async-status/DD7', '/__async-status/DD7'],
    ['Blaze on its own base', `${baseUrl}/__async-status/DD7`, '/__async-status/DD7'],
    ['Medplum', 'https://internal/fhir/R4/job/7f3/status', '/job/7f3/status'],
    ['HAPI', 'http://internal/hapi/fhir/$export-poll-status?_jobId=7', '/$export-poll-status?_jobId=7'],
    ['a server of the same context path', 'http://internal/fhir/tasks/7', '/tasks/7'],
    ['a relative URL', 'tasks/7', '/tasks/7'],
    ['a server that prints a password', `${baseUrl.replace('//', '//me:pass@')}/tasks/7`, '/tasks/7'],
  ])('takes the status URL of %s', async (_name, contentLocation, expected) => {
    const { client, sender } = setUp(accepted(contentLocation))
    const step = await client.respondAsync(count)
    expect(step).toEqual({ state: 'pending', job: { ...started, statusUrl: baseUrl + expected } })
    expect(sender.sent[0]).toMatchObject({ method: 'GET', url: `${baseUrl}/${count.path}` })
    // Medplum understands exactly this and nothing added to it.
    expect(sender.sent[0]?.headers['prefer']).toBe('respond-async')
    expect(JSON.parse(JSON.stringify(step))).toEqual(step)
  })

  it('keeps the query of the request out of the record', async () => {
    const { client } = setUp(accepted(statusUrl))
    const step = await client.respondAsync({ method: 'get', path: '/Patient?name=Hidden' })
    expect(JSON.stringify(step)).not.toContain('Hidden')
    expect(step).toMatchObject({ job: { method: 'GET', path: '/proxy/fhir/Patient' } })
  })

  it('copes with an answer at once', async () => {
    const total = { resourceType: 'Bundle', type: 'searchset', total: 5 }
    const { client } = setUp(fhir(200, total))
    const step = await client.respondAsync(count)
    expect(step).toMatchObject({
      state: 'done',
      synchronous: true,
      response: { status: 200, resource: total },
    })
  })

  it('reads the status URL from the body where the header is hidden', async () => {
    const url = 'https://internal/fhir/R4/job/7f3/status'
    const { client } = setUp(fhir(202, outcome('informational', 'Accepted', { diagnostics: url })))
    const step = await client.respondAsync(count)
    expect(step).toMatchObject({ state: 'pending', job: { statusUrl: `${baseUrl}/job/7f3/status` } })
  })

  it('says so when there is none to be read', async () => {
    const { client } = setUp(new Response(null, { status: 202 }))
    expect(await failureOf(client.respondAsync(count))).toMatchObject({
      code: 'ERR_ASYNC_NO_STATUS',
      status: 202,
      sent: 'yes',
    })
  })

  it('does not follow a status URL that leads elsewhere, and knows that the request was taken', async () => {
    const { client, sender } = setUp(accepted('https://evil.example/collect'))
    const error = await failureOf(client.respondAsync(count))
    expect(error).toMatchObject({ code: 'ERR_ASYNC_NO_STATUS', status: 202, sent: 'yes' })
    expect(sender.sent).toHaveLength(1)
  })

  it('refuses another preference besides', async () => {
    const { client, sender } = setUp(accepted(statusUrl))
    const both = client.respondAsync({ ...count, prefer: 'minimal' })
    expect(await failureOf(both)).toMatchObject({ code: 'ERR_INVALID_REQUEST', sent: 'no' })
    expect(sender.sent).toHaveLength(0)
  })
})

describe('looking once', () => {
  const total = { resourceType: 'Bundle', type: 'searchset', total: 1689 }

  it('tells how far it is', async () => {
    const { client, sender } = setUp(inProgress({ 'retry-after': '7' }))
    expect(await client.jobs.poll(started)).toEqual({
      state: 'pending',
      job: started,
      progress: 'in-progress',
      retryAfterMs: 7000,
    })
    expect(sender.sent[0]).toMatchObject({ method: 'GET', url: statusUrl })
    expect(sender.sent[0]?.headers['authorization']).toBe('Bearer one')
  })

  it('takes the answer out of its envelope', async () => {
    const { client } = setUp(wrapped({ status: '200' }, total))
    const step = await client.jobs.poll(started)
    expect(step).toMatchObject({
      state: 'done',
      synchronous: false,
      response: { status: 200, resource: total },
    })
  })

  it('keeps what the entry says about a write', async () => {
    const { client } = setUp(
      wrapped({ status: '201 Created', location: 'Patient/p1/_history/3', etag: 'W/"3"', lastModified: 'x' }),
    )
    const step = await client.jobs.poll({ ...started, method: 'POST' })
    expect(step).toMatchObject({
      response: {
        status: 201,
        id: 'p1',
        version: '3',
        etag: 'W/"3"',
        lastModified: 'x',
        location: { type: 'Patient', id: 'p1', version: '3' },
        body: { kind: 'empty' },
      },
    })
  })

  it('finds the failure inside an HTTP 200', async () => {
    const { client } = setUp(wrapped({ status: '400', outcome: outcome('invalid', 'no such code') }))
    expect(await failureOf(client.jobs.poll(started))).toMatchObject({
      code: 'ERR_ASYNC_FAILED',
      status: 400,
      sent: 'yes',
      issues: [{ code: 'invalid', text: 'no such code' }],
    })
  })

  it('leaves the answer of a batch alone, and takes it out where it is wrapped', async () => {
    const job: AsyncJob = { ...started, method: 'POST', isBundle: true }
    const batch = {
      resourceType: 'Bundle',
      type: 'batch-response',
      entry: [{ response: { status: '404' } }],
    }
    for (const reply of [fhir(200, batch), wrapped({ status: '200' }, batch)]) {
      const { client } = setUp(reply)
      expect(await client.jobs.poll(job)).toMatchObject({ state: 'done', response: { resource: batch } })
    }
  })

  it('takes what is no FHIR, such as a manifest', async () => {
    const manifest = { transactionTime: '2026', output: [], error: [] }
    const { client } = setUp(new Response(JSON.stringify(manifest), { status: 200 }))
    expect(await client.jobs.poll(started)).toMatchObject({
      response: { body: { kind: 'json', value: manifest } },
    })
  })

  it.each([404, 410])('says that the job is gone (%i)', async (status) => {
    const reply = () => fhir(status, outcome('not-found', 'is cancelled'))
    const { client } = setUp(reply(), reply())
    const error = await failureOf(client.jobs.poll(started))
    expect(error).toMatchObject({ code: 'ERR_ASYNC_GONE', status, sent: 'maybe' })
    const cancelled = await failureOf(client.jobs.poll({ ...started, cancelRequested: true }))
    expect(cancelled.message).toContain('was cancelled')
  })

  it.each<[string, unknown]>([
    ['of another server', { ...started, statusUrl: 'https://evil.example/__async-status/x' }],
    ['of a later format', { ...started, format: 2 }],
    ['without a URL', { ...started, statusUrl: 7 }],
    ['of nothing', null],
  ])('refuses a record %s', async (_name, job) => {
    const { client, sender } = setUp(inProgress())
    const poll = client.jobs.poll(job as AsyncJob)
    expect(await failureOf(poll)).toMatchObject({ code: 'ERR_INVALID_REQUEST', sent: 'no' })
    expect(sender.sent).toHaveLength(0)
  })
})

describe('the jobs of Medplum', () => {
  const job = (status: string, more: object = {}): object => ({ resourceType: 'AsyncJob', status, ...more })
  const results = {
    output: {
      resourceType: 'Parameters',
      parameter: [{ name: 'results', valueReference: { reference: 'Binary/b1' } }],
    },
  }
  const batch = { resourceType: 'Bundle', type: 'batch-response', entry: [{ response: { status: '201' } }] }

  it('are pending whatever the status, as long as their body says so', async () => {
    for (const reply of [fhir(202, job('active')), fhir(200, job('accepted'))]) {
      const { client } = setUp(reply)
      expect(await client.jobs.poll(started)).toMatchObject({ state: 'pending' })
    }
  })

  it.each([
    ['as it is', batch],
    ['inside a Binary', { resourceType: 'Binary', data: btoa(JSON.stringify(batch)) }],
  ])('are done one hop further, %s', async (_name, held) => {
    const { client, sender } = setUp(fhir(200, job('completed', results)), fhir(200, held))
    const step = await client.jobs.poll({ ...started, isBundle: true })
    expect(step).toMatchObject({ state: 'done', response: { status: 200, resource: batch } })
    expect(sender.sent[1]?.url).toBe(`${baseUrl}/Binary/b1`)
  })

  it('fail with the words of their output', async () => {
    const output = { parameter: [{ name: 'outcome', resource: outcome('exception', 'out of memory') }] }
    const { client } = setUp(fhir(200, job('error', { output })))
    expect(await failureOf(client.jobs.poll(started))).toMatchObject({
      code: 'ERR_ASYNC_FAILED',
      issues: [{ code: 'exception', text: 'out of memory' }],
    })
  })

  it('are cancelled though they answer 202', async () => {
    const { client } = setUp(fhir(202, job('cancelled')))
    expect(await failureOf(client.jobs.poll(started))).toMatchObject({
      code: 'ERR_ASYNC_GONE',
      sent: 'maybe',
    })
  })
})

describe('waiting', () => {
  const done = () => wrapped({ status: '200' }, { resourceType: 'Bundle', type: 'searchset', total: 1 })

  it('survives a restart: the record is all it takes', async () => {
    const before = setUp(accepted(statusUrl))
    const step = await before.client.respondAsync(count)
    const record = JSON.parse(JSON.stringify(step)) as Extract<AsyncStep, { state: 'pending' }>
    const after = setUp(done())
    expect((await after.client.jobs.wait(record.job)).response.resource).toMatchObject({ total: 1 })
  })

  it('pauses longer and longer, up to a limit', async () => {
    const { client, sender } = setUp(...Array.from({ length: 7 }, () => inProgress()), done())
    const at: number[] = []
    const waiting = client.jobs.wait(started, {
      minPauseMs: 1000,
      maxPauseMs: 8000,
      onPoll: () => at.push(Date.now()),
    })
    await vi.runAllTimersAsync()
    expect((await waiting).response.status).toBe(200)
    expect(at.slice(1).map((time, index) => time - (at[index] ?? 0))).toEqual([
      750, 1500, 3000, 6000, 6000, 6000, 6000,
    ])
    expect(sender.sent).toHaveLength(8)
  })

  it('waits as long as the server asks', async () => {
    const { client } = setUp(inProgress({ 'retry-after': '100' }), done())
    const waiting = client.jobs.wait(started)
    await vi.advanceTimersByTimeAsync(99_000)
    await vi.advanceTimersByTimeAsync(1000)
    expect((await waiting).state).toBe('done')
    expect(Date.now()).toBe(101_000)
  })

  it.each<[string, Reply]>([
    ['a job on hold', fhir(500, outcome('exception'))],
    ['too many looks', fhir(429)],
    ['a gateway', new Response('<html>', { status: 502 })],
    ['no network', Object.assign(new Error('x'), { code: 'ERR_CONNECT', sent: 'no' })],
  ])('gets over %s', async (_name, trouble) => {
    const { client, sender } = setUp(trouble, done())
    const waiting = client.jobs.wait(started)
    await vi.runAllTimersAsync()
    expect((await waiting).state).toBe('done')
    expect(sender.sent).toHaveLength(2)
  })

  it('gets over an authorization server that is away for a while', async () => {
    const away = Object.assign(new Error('x'), { code: 'ERR_AUTH_UNREACHABLE', retryAfterMs: 90_000 })
    const sender = scriptedSender(done())
    let asked = 0
    const getToken = async (): Promise<{ value: string; type: 'Bearer' }> => {
      asked += 1
      if (asked === 1) throw away
      return { value: 'one', type: 'Bearer' }
    }
    const client = createFhirClient({ baseUrl, send: sender, tokens: { getToken }, random: () => 0.5 })
    const waiting = client.jobs.wait(started)
    await vi.runAllTimersAsync()
    expect((await waiting).state).toBe('done')
    expect(Date.now()).toBe(91_000)
  })

  it.each([Number.NaN, -1, 'soon'])(
    'makes its own pauses when a token source says %s',
    async (retryAfterMs) => {
      const away = Object.assign(new Error('x'), { code: 'ERR_AUTH_UNREACHABLE', retryAfterMs })
      const tokens = { getToken: () => Promise.reject(away) }
      const client = createFhirClient({ baseUrl, send: scriptedSender(), tokens, random: () => 1 })
      let looks = 0
      const waiting = failureOf(client.jobs.wait(started, { maxWaitMs: 7000, onPoll: () => (looks += 1) }))
      await vi.runAllTimersAsync()
      expect(await waiting).toMatchObject({ code: 'ERR_TIMEOUT' })
      expect([Date.now(), looks]).toEqual([8000, 0])
    },
  )

  it('does not get over a login that is needed', async () => {
    const needed = Object.assign(new Error('x'), { code: 'ERR_LOGIN_REQUIRED' })
    const client = createFhirClient({
      baseUrl,
      send: scriptedSender(done()),
      tokens: { getToken: () => Promise.reject(needed) },
    })
    expect(await rejectionOf(client.jobs.wait(started))).toBe(needed)
  })

  it.each([
    ['forward', 7 * 86_400_000],
    ['back', -7 * 86_400_000],
  ])('takes a clock that is set %s for what it is', async (_name, jump) => {
    const { client } = setUp(...Array.from({ length: 99 }, () => inProgress()))
    const began = performance.now()
    const waiting = failureOf(client.jobs.wait(started, { maxWaitMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(10_000)
    vi.setSystemTime(Date.now() + jump)
    await vi.runAllTimersAsync()
    expect(await waiting).toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(performance.now() - began).toBe(60_000)
  })

  it.each([400, 403, 501])('does not get over a %i', async (status) => {
    const { client, sender } = setUp(fhir(status, outcome('processing')), done())
    expect(await failureOf(client.jobs.wait(started))).toMatchObject({ code: 'ERR_HTTP', status })
    expect(sender.sent).toHaveLength(1)
  })

  it('gives up in the end, and leaves the job running', async () => {
    const { client, sender } = setUp(...Array.from({ length: 99 }, () => inProgress()))
    const waiting = failureOf(client.jobs.wait(started, { maxWaitMs: 60_000 }))
    await vi.runAllTimersAsync()
    expect(await waiting).toMatchObject({ code: 'ERR_TIMEOUT', sent: 'yes' })
    expect(Date.now()).toBe(61_000)
    expect(sender.sent.every(({ method }) => method === 'GET')).toBe(true)
  })

  it('can be aborted between two looks', async () => {
    const { client, sender } = setUp(inProgress())
    const controller = new AbortController()
    const waiting = rejectionOf(client.jobs.wait(started, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(10)
    controller.abort(new Error('enough'))
    expect(await waiting).toMatchObject({ name: 'AbortError', cause: { message: 'enough' } })
    expect(sender.sent).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('refuses limits that are none', async () => {
    const { client } = setUp()
    const waiting = client.jobs.wait(started, { minPauseMs: 10, maxPauseMs: 5 })
    expect(await failureOf(waiting)).toMatchObject({ code: 'ERR_INVALID_REQUEST' })
  })
})

describe('cancelling', () => {
  it.each<[Reply, string, boolean]>([
    [new Response(null, { status: 202 }), 'requested', true],
    [new Response(null, { status: 204 }), 'requested', true],
    [fhir(409, outcome('conflict', "can't be cancelled because it's already completed.")), 'too-late', false],
    [fhir(404, outcome('not-found')), 'gone', true],
  ])('%#: %s', async (reply, expected, remembered) => {
    const { client, sender } = setUp(reply)
    const { outcome: got, job } = await client.jobs.cancel(started)
    expect(got).toBe(expected)
    expect(job).toEqual(remembered ? { ...started, cancelRequested: true } : started)
    expect(sender.sent[0]).toMatchObject({ method: 'DELETE', url: statusUrl })
  })

  it('may fail like any request', async () => {
    const { client } = setUp(fhir(500))
    expect(await failureOf(client.jobs.cancel(started))).toMatchObject({ code: 'ERR_HTTP', status: 500 })
  })
})
