import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MockServer } from '../src/index.js'
import { ids, json, links, type Json } from './json.js'

export interface Reached {
  readonly mock: MockServer
  /** Root of the mock, without a slash at the end. */
  readonly root: string
  close(): Promise<void> | void
}

/** What every way to reach the mock must show alike: MSW in Node and in a browser, and a real port. */
export function behaves(way: string, reach: () => Promise<Reached>): void {
  describe(`the mock reached through ${way}`, () => {
    let reached: Reached
    let token = ''
    beforeEach(async () => {
      reached = await reach()
      reached.mock.state.addClient({ clientId: 'c', secret: 's+/=' })
      token = String((await askToken({ client_id: 'c', client_secret: 's+/=' }))['access_token'])
    })
    afterEach(() => reached.close())

    const send = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(path.startsWith('http') ? path : `${reached.root}${path}`, {
        ...init,
        headers: {
          authorization: `Bearer ${token}`,
          ...(init.headers as Record<string, string> | undefined),
        },
      })
    const write = (method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
      send(path, {
        method,
        headers: { 'content-type': 'application/fhir+json', ...headers },
        body: JSON.stringify(body),
      })
    const askToken = async (values: Record<string, string>): Promise<Json> => {
      const body = new URLSearchParams({ grant_type: 'client_credentials', ...values })
      return json(fetch(`${reached.root}/auth/token`, { method: 'POST', body }))
    }

    it('keeps resources: create, read, update, patch, delete, history', async () => {
      const created = await write('POST', '/fhir/Basic', { resourceType: 'Basic' })
      expect([created.status, created.headers.get('etag')]).toEqual([201, 'W/"1"'])
      const { id } = (await created.json()) as { id: string }
      expect(created.headers.get('location')).toBe(`${reached.root}/fhir/Basic/${id}/_history/1`)
      const stale = await write(
        'PUT',
        `/fhir/Basic/${id}`,
        { resourceType: 'Basic', id },
        { 'if-match': 'W/"7"' },
      )
      expect(stale.status).toBe(412)
      const patch = [{ op: 'add', path: '/language', value: 'en' }]
      const patched = await write('PATCH', `/fhir/Basic/${id}`, patch, {
        'content-type': 'application/json-patch+json',
      })
      expect([patched.status, (await json(patched))['language']]).toEqual([200, 'en'])
      expect((await send(`/fhir/Basic/${id}`, { method: 'DELETE' })).status).toBe(204)
      expect((await send(`/fhir/Basic/${id}`)).status).toBe(410)
      expect((await json(send(`/fhir/Basic/${id}/_history`)))['total']).toBe(3)
      expect((await send(`/fhir/Basic/${id}`, { method: 'HEAD' })).status).toBe(410)
    })

    it('runs transactions whole or not at all', async () => {
      const entry = ['a', 'b'].map((value) => ({
        resource: { resourceType: 'Basic', identifier: [{ value }] },
        request: { method: 'POST', url: 'Basic', ifNoneExist: `identifier=${value}` },
      }))
      const bundle = (entries: readonly object[]) => ({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: entries,
      })
      const missing = { request: { method: 'GET', url: 'Basic/none' } }
      expect((await write('POST', '/fhir', bundle([...entry, missing]))).status).toBe(404)
      expect(reached.mock.state.resources()).toEqual([])
      for (const _ of [1, 2]) expect((await write('POST', '/fhir', bundle(entry))).status).toBe(200)
      expect(reached.mock.state.resources()).toHaveLength(2)
    })

    it('finds, pages, and shows the result as it stood', async () => {
      reached.mock.state.load(['a', 'b', 'c'].map((id) => ({ resourceType: 'Basic', id })))
      const first = await json(send('/fhir/Basic?_count=2'))
      expect(ids(first)).toEqual(['a', 'b'])
      await send('/fhir/Basic/c', { method: 'DELETE' })
      expect(ids(await json(send(links(first)['next'] ?? '')))).toEqual(['c'])
      const form = { method: 'POST', body: new URLSearchParams({ _id: 'a,c' }) }
      expect(ids(await json(send('/fhir/Basic/_search', form)))).toEqual(['a'])
    })

    it('answers later when asked to', async () => {
      const accepted = await send('/fhir/Basic?_summary=count', { headers: { prefer: 'respond-async' } })
      const url = accepted.headers.get('content-location') ?? ''
      expect([accepted.status, url.startsWith(`${reached.root}/fhir/__async-status/`)]).toEqual([202, true])
      const poll = await send(url)
      expect([poll.status, poll.headers.get('x-progress')]).toEqual([202, 'ready'])
      expect((await send(url, { method: 'DELETE' })).status).toBe(202)
    })

    it('takes assertions once, and codes with their verifier', async () => {
      const { privateKey, publicKey } = await generateKeyPair('ES384')
      reached.mock.state.addClient({
        clientId: 'k',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: '1' }] },
      })
      const assertion = await new SignJWT({ jti: 'j' })
        .setProtectedHeader({ alg: 'ES384', kid: '1', typ: 'JWT' })
        .setIssuer('k')
        .setSubject('k')
        .setAudience(`${reached.root}/auth/token`)
        .setExpirationTime(Math.floor(reached.mock.clock() / 1000) + 60)
        .sign(privateKey)
      const values = {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
        scope: 'system/Basic.rs',
      }
      expect((await askToken(values))['scope']).toBe('system/Basic.rs')
      expect((await askToken(values))['error']).toBe('invalid_client')

      const app = { client_id: 'app', redirect_uri: 'https://app.example/cb' }
      reached.mock.state.addClient({ clientId: 'app', redirectUris: [app.redirect_uri] })
      reached.mock.state.addUser({ username: 'u', password: 'p', fhirUser: 'Patient/p' })
      reached.mock.state.approveLogins({ username: 'u' })
      const verifier = 'v'.repeat(43)
      const hash = await globalThis.crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
      const challenge = btoa(String.fromCharCode(...new Uint8Array(hash)))
      const query = new URLSearchParams({
        ...app,
        response_type: 'code',
        scope: 'launch/patient patient/*.rs',
        state: 'x',
        aud: `${reached.root}/fhir`,
        code_challenge: challenge.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
        code_challenge_method: 'S256',
      })
      // Where a redirection leads cannot be read in a browser: this step goes without the network.
      const answer = await reached.mock.fetch(
        new Request(`${reached.root}/auth/authorize?${query.toString()}`),
      )
      const code = new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? ''
      const tokens = await askToken({
        ...app,
        grant_type: 'authorization_code',
        code,
        code_verifier: verifier,
      })
      expect(tokens).toMatchObject({ token_type: 'Bearer', patient: 'p' })
    })

    it('refuses who has no token, and registers devices', async () => {
      expect((await send('/fhir/Basic', { headers: { authorization: 'Bearer x' } })).status).toBe(401)
      reached.mock.state.addReceipt('cg==')
      reached.mock.state.addAntispam('a')
      const registered = await send('/c3pro/register', {
        method: 'POST',
        headers: { antispam: 'a' },
        body: '{"receipt-data":"cg=="}',
      })
      expect(registered.status).toBe(201)
    })

    it('cuts, truncates and drips as scripted', async () => {
      const { faults, state } = reached.mock
      faults.add({ method: 'POST', fault: { kind: 'cut-after' } })
      await expect(write('POST', '/fhir/Basic', { resourceType: 'Basic' })).rejects.toThrow(TypeError)
      expect(state.resources()).toHaveLength(1)
      faults.add({ fault: { kind: 'truncate', bytes: 10 } })
      await expect(send('/fhir/Basic').then((response) => response.text())).rejects.toThrow(TypeError)
      faults.add({ fault: { kind: 'drip', everyMs: 0, bytes: 100 } })
      expect((await json(send('/fhir/Basic')))['total']).toBe(1)
      faults.add({ fault: { kind: 'status', status: 503, headers: { 'retry-after': '3' } } })
      const busy = await send('/fhir/Basic')
      expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '3'])
    })
  })
}
