import { getEventListeners } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createMockServer, type FaultRule, type MockServer } from '../src/index.js'
import { modes, openRig } from './rig.js'

const basic = { resourceType: 'Basic' }

/** The code of the system error behind a failed fetch. */
async function failure(request: Promise<Response>): Promise<string> {
  const error: unknown = await request.then(
    () => new Error('answered'),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(TypeError)
  const cause: unknown = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'none'
}

describe.each(modes)('faults over %s', (mode) => {
  const open = (sleep?: (ms: number) => Promise<void>) =>
    openRig(mode, { open: true, ...(sleep === undefined ? {} : { sleep }) })
  const create = (rig: Awaited<ReturnType<typeof open>>) => rig.write('POST', '/fhir/Basic', basic)

  it('cuts before processing', async () => {
    const rig = await open()
    const handle = rig.mock.faults.add({ fault: { kind: 'cut-before' } })
    expect(await failure(create(rig))).toBe(mode === 'socket' ? 'UND_ERR_SOCKET' : 'none')
    expect(rig.mock.state.commits).toEqual([])
    expect(handle.hits).toBe(1)
    expect((await create(rig)).status).toBe(201)
    expect(rig.mock.log.map((exchange) => exchange.status)).toEqual(['cut', 201])
  })

  it('cuts after the commit', async () => {
    const rig = await open()
    rig.mock.faults.add({ fault: { kind: 'cut-after' } })
    await failure(create(rig))
    expect(rig.mock.state.commits).toMatchObject([{ n: 1, requestId: 1, method: 'POST' }])
    expect(rig.mock.state.resources('Basic')).toHaveLength(1)
    expect(rig.mock.log[0]?.status).toBe('cut')
  })

  it('answers with a given status, unprocessed or processed', async () => {
    const rig = await open()
    const fault = { kind: 'status', status: 503, headers: { 'retry-after': '7' }, body: 'later' } as const
    rig.mock.faults.add({ fault })
    const response = await create(rig)
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
      503,
      '7',
      'later',
    ])
    expect(rig.mock.state.commits).toEqual([])
    rig.mock.faults.add({ fault: { ...fault, processed: true } })
    expect((await create(rig)).status).toBe(503)
    expect(rig.mock.state.commits).toHaveLength(1)
    rig.mock.faults.add({ fault: { kind: 'status', status: 204 } })
    expect((await create(rig)).status).toBe(204)
  })

  it('selects by method, URL, occurrence and number', async () => {
    const rig = await open()
    const fault = { kind: 'status', status: 500 } as const
    const skipped = rig.mock.faults.add({ method: 'post', url: /\/Basic$/g, skip: 1, times: 2, fault })
    const status = async () => (await create(rig)).status
    expect((await rig.send('/fhir/Basic')).status).toBe(200)
    expect((await rig.write('POST', '/fhir/Flag', { resourceType: 'Flag' })).status).toBe(201)
    expect([await status(), await status(), await status(), await status()]).toEqual([201, 500, 500, 201])
    expect(skipped.hits).toBe(2)

    const always = rig.mock.faults.add({ url: 'identifier=x', times: Infinity, fault })
    for (const _ of [1, 2, 3]) expect((await rig.send('/fhir/Basic?identifier=x')).status).toBe(500)
    expect((await rig.send('/fhir/Basic?identifier=y')).status).toBe(200)
    always.remove()
    expect((await rig.send('/fhir/Basic?identifier=x')).status).toBe(200)
    rig.mock.faults.add({ times: Infinity, fault })
    rig.mock.faults.clear()
    expect(await status()).toBe(201)
  })

  it('strikes the authorization and C3-PRO routes as well', async () => {
    const rig = await open()
    for (const path of ['/auth/token', '/c3pro/oauth', '/']) {
      rig.mock.faults.add({ url: path, fault: { kind: 'status', status: 502 } })
      expect((await rig.send(path)).status).toBe(502)
    }
  })

  it('delays through the injected timer, together with another fault', async () => {
    const waits: number[] = []
    const rig = await open(async (ms) => void waits.push(ms))
    rig.mock.faults.add({ times: 2, fault: { kind: 'delay', ms: 250 } })
    rig.mock.faults.add({ fault: { kind: 'status', status: 500 } })
    expect((await create(rig)).status).toBe(500)
    expect((await create(rig)).status).toBe(201)
    expect((await create(rig)).status).toBe(201)
    expect(waits).toEqual([250, 250])
  })

  it('hangs until the client gives up or the fault is removed', async () => {
    const rig = await open()
    rig.mock.faults.add({ fault: { kind: 'hang' } })
    const stop = new AbortController()
    const given = rig.send('/fhir/Basic', { signal: stop.signal })
    await vi.waitFor(() => expect(rig.mock.log[0]?.status).toBe('pending'))
    stop.abort()
    await expect(given).rejects.toMatchObject({ name: 'AbortError' })
    await vi.waitFor(() => expect(rig.mock.log[0]?.status).toBe('cut'))

    const handle = rig.mock.faults.add({ fault: { kind: 'hang' } })
    const hanging = create(rig)
    await vi.waitFor(() => expect(handle.hits).toBe(1))
    handle.remove()
    await failure(hanging)
    expect(rig.mock.state.commits).toEqual([])
  })

  it('writes a log without credentials', async () => {
    const rig = await open()
    await rig.send('/fhir/Basic?_id=1', {
      headers: { authorization: 'Bearer s3cret', antispam: 's3cret', 'x-a': 'b' },
    })
    expect(rig.mock.log).toMatchObject([
      {
        n: 1,
        method: 'GET',
        url: '/fhir/Basic?_id=1',
        status: 200,
        requestHeaders: { authorization: '[redacted]', antispam: '[redacted]', 'x-a': 'b' },
      },
    ])
    expect(JSON.stringify(rig.mock.log)).not.toContain('s3cret')
  })
})

describe('what needs a socket', () => {
  const listen = async (mock: MockServer) => {
    const listening = await mock.listen()
    onTestFinished(() => listening.close())
    return listening
  }

  it('refuses connections while paused and keeps its port', async () => {
    const mock = createMockServer({ open: true })
    const listening = await listen(mock)
    expect((await fetch(`${listening.url}/fhir/metadata`)).status).toBe(200)
    await listening.pause()
    await listening.pause()
    expect(await failure(fetch(listening.url))).toBe('ECONNREFUSED')
    await listening.resume()
    await listening.resume()
    expect((await fetch(listening.url)).status).toBe(200)
    await listening.close()
    await listening.close()
    await listening.resume()
    expect(await failure(fetch(listening.url))).toBe('ECONNREFUSED')
  })

  it('goes down on a request and comes back by resume()', async () => {
    const mock = createMockServer({ open: true })
    const listening = await listen(mock)
    const handle = mock.faults.add({ url: '/fhir/Basic', fault: { kind: 'refuse' } })
    await failure(fetch(`${listening.url}/fhir/Basic`))
    expect(handle.hits).toBe(1)
    expect(await failure(fetch(`${listening.url}/fhir/metadata`))).toBe('ECONNREFUSED')
    await listening.resume()
    expect((await fetch(`${listening.url}/fhir/Basic`)).status).toBe(200)
  })

  it('comes back by itself after the time given', async () => {
    let wake = (): void => undefined
    const sleep = vi.fn((_ms: number) => new Promise<void>((resolve) => (wake = resolve)))
    const mock = createMockServer({ open: true, sleep })
    const listening = await listen(mock)
    mock.faults.add({ fault: { kind: 'refuse', ms: 4000 } })
    await failure(fetch(listening.url))
    expect(await failure(fetch(listening.url))).toBe('ECONNREFUSED')
    expect(sleep.mock.calls[0]?.[0]).toBe(4000)
    wake()
    await vi.waitFor(async () => expect((await fetch(listening.url)).status).toBe(200))
  })

  it('says so when a port cannot go down', async () => {
    const mock = createMockServer({ open: true })
    const rule: FaultRule = { fault: { kind: 'refuse' } }
    expect(() => mock.faults.add(rule)).toThrow(expect.objectContaining({ code: 'ERR_MOCK_FAULT_MODE' }))
    await listen(mock)
    mock.faults.add(rule)
    await expect(mock.fetch(new Request('https://x.example/fhir/Basic'))).rejects.toMatchObject({
      code: 'ERR_MOCK_FAULT_MODE',
    })
  })

  it('refuses senseless rules', () => {
    const { faults } = createMockServer()
    const fault = { kind: 'cut-before' } as const
    for (const rule of [
      { fault, times: 0 },
      { fault, skip: -1 },
      { fault: { kind: 'status', status: 99 } },
      { fault: { kind: 'delay', ms: -1 } },
    ] satisfies FaultRule[]) {
      expect(() => faults.add(rule)).toThrow(expect.objectContaining({ code: 'ERR_MOCK_FAULT' }))
    }
  })

  it('reports a port that is taken', async () => {
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void blocker.close())
    const address = blocker.address()
    const port = typeof address === 'object' ? address?.port : undefined
    await expect(createMockServer().listen({ port: port ?? 0 })).rejects.toMatchObject({
      code: 'ERR_MOCK_LISTEN',
    })
  })

  it('answers 404 outside its routes and 400 for what no URL can say', async () => {
    const { url } = await listen(createMockServer())
    expect((await fetch(`${url}/elsewhere/fhir`)).status).toBe(404)
    expect((await fetch(`${url}/fhir/%E0%A4%A`)).status).toBe(400)
  })

  it('keeps a connection usable after an answer that did not need the body', async () => {
    const { url } = await listen(createMockServer())
    for (const _ of [1, 2, 3]) {
      const response = await fetch(`${url}/fhir/Basic`, { method: 'POST', body: 'x'.repeat(300_000) })
      expect(response.status).toBe(401)
    }
  })
})

it('a slow answer leaves nothing behind at the signal of its request', async () => {
  const mock = createMockServer({ open: true })
  mock.state.load([{ resourceType: 'Basic', id: 'b' }])
  mock.faults.add({ fault: { kind: 'drip', bytes: 10, everyMs: 0 } })
  const request = new Request('https://mock.example/fhir/Basic')
  const response = await mock.fetch(request)
  expect((await response.text()).length).toBeGreaterThan(150)
  expect(getEventListeners(request.signal, 'abort').length).toBeLessThan(5)
})
