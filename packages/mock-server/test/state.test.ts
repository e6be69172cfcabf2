import { describe, expect, it } from 'vitest'
import { createMockServer } from '../src/index.js'
import { json } from './rig.js'

const at = Date.UTC(2026, 0, 1)

function make(seed = 1) {
  const mock = createMockServer({ seed, clock: () => at })
  const send = (path: string, init?: RequestInit) => mock.fetch(new Request(`https://x.example${path}`, init))
  return { mock, send }
}

describe('state', () => {
  it('gives the same ids and tokens for the same seed, others for another', async () => {
    const run = async (seed: number) => {
      const { mock, send } = make(seed)
      mock.state.addClient({ clientId: 'c', secret: 's' })
      mock.state.load([{ resourceType: 'Basic' }, { resourceType: 'Basic' }])
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: 'c',
        client_secret: 's',
      })
      const token = await json(send('/auth/token', { method: 'POST', body }))
      return [...mock.state.resources().map((resource) => resource.id), token['access_token']]
    }
    const [first, again, other] = [await run(1), await run(1), await run(2)]
    expect(again).toEqual(first)
    expect(new Set([...first, ...other]).size).toBe(first.length * 2)
    expect(first[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('goes out and comes back as JSON, keys included', async () => {
    const { mock, send } = make()
    mock.state.addClient({ clientId: 'c', secret: 's', scope: 'system/Basic.cruds' })
    mock.state.addReceipt('cg==')
    mock.state.addAntispam('a')
    mock.state.load([
      { resourceType: 'Basic', id: 'b' },
      { resourceType: 'Basic', id: 'b' },
    ])
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'c', client_secret: 's' })
    const token = await json(send('/auth/token', { method: 'POST', body }))
    const certificate = await mock.state.c3pro.certificatePem()

    const copy = make(9)
    copy.mock.state.restore(mock.state.export())
    expect(copy.mock.state.export()).toBe(mock.state.export())
    expect(await copy.mock.state.c3pro.certificatePem()).toBe(certificate)
    const headers = { authorization: `Bearer ${token['access_token']}` }
    const read = await copy.send('/fhir/Basic/b/_history/1', { headers })
    expect(read.status).toBe(200)
    const registered = await copy.send('/c3pro/register', {
      method: 'POST',
      headers: { antispam: 'a' },
      body: '{"receipt-data":"cg=="}',
    })
    expect(registered.status).toBe(201)
    copy.mock.state.load([{ resourceType: 'Basic' }])
    mock.state.load([{ resourceType: 'Basic' }])
    expect(copy.mock.state.commits).toHaveLength(3)
  })

  it('takes an export from before there were bundle jobs, and no damaged one', async () => {
    const { mock } = make()
    mock.state.load([{ resourceType: 'Basic', id: 'b' }])
    await mock.state.c3pro.certificatePem()
    const { bundleJobs, ...earlier } = JSON.parse(mock.state.export()) as Record<string, unknown>
    expect(bundleJobs).toEqual([])
    const copy = make(9).mock.state
    copy.restore(JSON.stringify(earlier))
    expect(JSON.parse(copy.export())).toEqual(JSON.parse(mock.state.export()))
    const damaged = JSON.stringify({ ...earlier, bundleJobs: null })
    expect(() => copy.restore(damaged)).toThrow(expect.objectContaining({ code: 'ERR_MOCK_STATE' }))
  })

  it('gives every key an id of its own, whatever the seed and whatever is restored', async () => {
    const { c3pro } = make().mock.state
    const other = make().mock.state
    expect(other.c3pro.keyId).not.toBe(c3pro.keyId)

    // Saved before its key was made: the same place may go back, another one would make another key.
    const early = other.export()
    const { keyId } = other.c3pro
    const certificate = await other.c3pro.certificatePem()
    other.restore(early)
    expect([other.c3pro.keyId, await other.c3pro.certificatePem()]).toEqual([keyId, certificate])
    const stranger = make().mock.state
    stranger.restore(early)
    expect(stranger.c3pro.keyId).not.toBe(keyId)
    await expect(stranger.c3pro.certificatePem(keyId)).rejects.toMatchObject({ code: 'ERR_MOCK_OPTIONS' })
    stranger.restore(other.export())
    expect([stranger.c3pro.keyId, await stranger.c3pro.certificatePem()]).toEqual([keyId, certificate])
  })

  it.each(['', '{', '{}', 'null', '{"format":"fhir-outbox-mock-state/1"}'])(
    'refuses to restore %j',
    (text) => {
      const { mock } = make()
      mock.state.load([{ resourceType: 'Basic', id: 'b' }])
      expect(() => mock.state.restore(text)).toThrow(expect.objectContaining({ code: 'ERR_MOCK_STATE' }))
      expect(mock.state.get('Basic', 'b')).toBeDefined()
    },
  )

  it('hands out copies', () => {
    const { mock } = make()
    const given = { resourceType: 'Basic', id: 'b', code: { text: 'x' } }
    mock.state.load([given])
    given.code.text = 'changed'
    const got = mock.state.get('Basic', 'b')
    Object.assign(got?.['code'] ?? {}, { text: 'changed' })
    expect(mock.state.get('Basic', 'b')).toMatchObject({ code: { text: 'x' } })
    expect(mock.state.resources('Patient')).toEqual([])
  })

  it('keeps mocks apart, and at least the asked number of log entries', async () => {
    const mock = createMockServer({ limits: { logEntries: 2 } })
    for (const _ of [1, 2, 3, 4, 5]) await mock.fetch(new Request('https://x.example/fhir/metadata'))
    expect(mock.log.map((exchange) => [exchange.n, exchange.status])).toEqual([
      [4, 200],
      [5, 200],
    ])
    expect(make().mock.log).toEqual([])
  })

  it('answers below a path, and refuses origins that are none', async () => {
    const mock = createMockServer({ origin: 'https://demo.example/mock' })
    const { getResponse } = await import('msw')
    const answer = await getResponse(
      [...mock.handlers],
      new Request('https://demo.example/mock/fhir/metadata'),
    )
    expect(await json(answer ?? Response.error())).toMatchObject({
      implementation: { url: 'https://demo.example/mock/fhir' },
    })
    expect(
      await getResponse([...mock.handlers], new Request('https://demo.example/fhir/metadata')),
    ).toBeUndefined()
    for (const origin of ['', 'mock.example', 'https://mock.example/', 'ftp://mock.example', 'https://a?b']) {
      expect(() => createMockServer({ origin })).toThrow(
        expect.objectContaining({ code: 'ERR_MOCK_OPTIONS' }),
      )
    }
  })
})
