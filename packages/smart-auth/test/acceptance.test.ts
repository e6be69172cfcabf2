import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMockServer, type Listening, type MockServer } from '@fhir-outbox/mock-server'
import {
  backendServices,
  createClientKey,
  credentialsIn,
  dynamicClient,
  type ClientKey,
  type DynamicClient,
  type TokenSource,
} from '@fhir-outbox/smart-auth'
import { fileSecretStore, keyFromFile } from '@fhir-outbox/smart-auth/node'
import { failure } from './support/fake-fetch.js'

const scope = 'system/Observation.c'
const day = 86_400_000

/** An unattended gateway at a server that has good and bad days. */
describe('a gateway that nobody watches', () => {
  let time = 0
  const now = (): number => time
  let mock: MockServer
  let listening: Listening
  let key: ClientKey
  let directory = ''
  let fhir = ''
  beforeEach(async () => {
    time = Date.parse('2031-05-06T07:08:09Z')
    mock = createMockServer({ clock: now })
    listening = await mock.listen()
    fhir = `${listening.url}/fhir`
    key = await createClientKey()
    mock.state.addClient({
      clientId: 'gateway',
      jwks: { keys: [{ ...key.publicJwk, key_ops: ['verify'] }] },
      scope,
    })
    directory = await mkdtemp(join(tmpdir(), 'smart-auth-'))
  })
  afterEach(async () => {
    await listening.close()
    await rm(directory, { recursive: true, force: true })
  })

  const gateway = (more: { key?: ClientKey; now?: () => number } = {}): TokenSource =>
    backendServices({
      fhirBaseUrl: fhir,
      clientId: 'gateway',
      key: (more.key ?? key).privateJwk,
      scope,
      now: more.now ?? now,
    })
  /** A client that registered itself, with its secrets on the disk: each call is a new start of the process. */
  const device = (): DynamicClient =>
    dynamicClient({
      fhirBaseUrl: fhir,
      credentials: credentialsIn(
        fileSecretStore({ directory, key: keyFromFile(join(directory, 'key')) }),
        'gateway',
      ),
      registration: 'key',
      clientName: 'Gateway',
      scope,
      now,
    })
  const tokenRequests = (): number =>
    mock.log.filter(({ method, url }) => method === 'POST' && url.startsWith('/auth/token')).length

  /** One reading, sent the way a queue does it: a refused token is replaced once. */
  async function send(tokens: TokenSource): Promise<number> {
    const url = `${fhir}/Observation`
    const post = async (value: string): Promise<number> => {
      const headers = { authorization: `Bearer ${value}`, 'content-type': 'application/fhir+json' }
      const body = JSON.stringify({ resourceType: 'Observation', status: 'final', code: { text: 'weight' } })
      const response = await fetch(url, { method: 'POST', headers, body })
      await response.arrayBuffer()
      return response.status
    }
    const { value } = await tokens.getToken({ url })
    const status = await post(value)
    return status === 401 ? post((await tokens.getToken({ url, rejected: value })).value) : status
  }

  it('starts without a network, and goes on when there is one', async () => {
    await listening.pause()
    const tokens = gateway()
    for (let n = 0; n < 3; n += 1) {
      expect(await failure(send(tokens))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE' })
    }
    await listening.resume()
    expect(await send(tokens)).toBe(201)
  })

  it('waits for a token server that is down while the FHIR server is up', async () => {
    const down = mock.faults.add({ url: '/auth/token', fault: { kind: 'status', status: 502 } })
    const tokens = gateway()
    expect(await failure(send(tokens))).toMatchObject({ code: 'ERR_AUTH_UNREACHABLE', status: 502 })
    down.remove()
    expect(await send(tokens)).toBe(201)
  })

  it('asks for no token again while only the FHIR server is down', async () => {
    const tokens = gateway()
    await tokens.getToken({ url: fhir })
    const down = mock.faults.add({
      url: '/fhir/Observation',
      times: 5,
      fault: { kind: 'status', status: 503 },
    })
    for (let n = 0; n < 5; n += 1) expect(await send(tokens)).toBe(503)
    down.remove()
    expect(await send(tokens)).toBe(201)
    expect(tokenRequests()).toBe(1)
  })

  it('sends what has waited for days with a token of today', async () => {
    const tokens = gateway()
    expect(await send(tokens)).toBe(201)
    time += 9 * day
    expect(await send(tokens)).toBe(201)
    expect(tokenRequests()).toBe(2)
  })

  it('needs a person when its key was replaced, and works with the new one', async () => {
    const next = await createClientKey()
    mock.state.addClient({
      clientId: 'gateway',
      jwks: { keys: [{ ...next.publicJwk, key_ops: ['verify'] }] },
      scope,
    })
    expect(await failure(send(gateway()))).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      oauthError: 'invalid_client',
    })
    expect(await send(gateway({ key: next }))).toBe(201)
  })

  it.each([-140_000, 140_000])('is let in with a clock that is %i ms off', async (offset) => {
    expect(await send(gateway({ now: () => time + offset }))).toBe(201)
  })

  it('is the same client after a reboot between the token and the request', async () => {
    const before = device()
    await before.getToken({ url: fhir })
    expect(await send(device())).toBe(201)
    expect(mock.log.filter(({ method, url }) => method === 'POST' && url === '/auth/register')).toHaveLength(
      1,
    )
  })

  it('is one client for two processes that start at the same moment and drain one queue', async () => {
    const statuses = await Promise.all([device(), device()].map(send))
    expect(statuses).toEqual([201, 201])
    expect(mock.log.filter(({ method, url }) => method === 'POST' && url === '/auth/register')).toHaveLength(
      1,
    )
  })
})
