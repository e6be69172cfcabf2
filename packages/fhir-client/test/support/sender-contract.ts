import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Sender, SenderResponse, SendRequest } from '../../src/index.js'
import { discardBody, readBody } from '../../src/read-body.js'
import { startDeadline } from '../../src/deadline.js'
import { printed, rejectionOf } from './failure.js'
import type { SeenRequest } from './http-server.js'

/**
 * What a sender under test talks to. It must answer
 * - `/echo`: 200 with the request body
 * - `/status/<n>`: that status, with the body `{"status":<n>}` and `retry-after: 0`
 * - `/redirect/<n>`: that status with `location: /echo`
 * - `/hang`: never
 * - `/cut`: by breaking the connection once the request is there
 */
export interface SenderFixture {
  readonly sender: Sender
  readonly baseUrl: string
  readonly seen: readonly SeenRequest[]
  close(): Promise<void> | void
}

async function bytesOf(response: SenderResponse): Promise<Uint8Array> {
  const deadline = startDeadline(undefined, undefined)
  const read = await readBody(response, 10_000_000, deadline)
  deadline.end()
  if (read.state !== 'complete') throw new Error(`The body is ${read.state}.`, { cause: read.cause })
  return new Uint8Array(read.bytes)
}

async function textOf(response: SenderResponse): Promise<string> {
  return new TextDecoder().decode(await bytesOf(response))
}

/** The contract of `Sender`, for every sender over every transport. */
export function describeSenderContract(name: string, open: () => Promise<SenderFixture>): void {
  describe(`sender contract: ${name}`, () => {
    let fixture: SenderFixture
    beforeEach(async () => {
      fixture = await open()
    })
    afterEach(async () => {
      await fixture.close()
    })

    const request = (path: string, more: Partial<SendRequest> = {}): SendRequest => ({
      method: 'POST',
      url: fixture.baseUrl + path,
      headers: { 'content-type': 'application/fhir+json', authorization: 'Bearer t0ken-secret' },
      ...more,
    })

    it('takes a limit that is longer than timers last', async () => {
      const response = await fixture.sender.send(request('/status/200', { timeoutMs: 2 ** 31 }))
      expect(response.status).toBe(200)
      discardBody(response)
    })

    it('carries method, headers and every byte of the body', async () => {
      const body = Uint8Array.from({ length: 256 }, (_, index) => index)
      const response = await fixture.sender.send(
        request('/echo?a=%7C', {
          method: 'PUT',
          body,
          headers: { 'content-type': 'image/x', 'if-match': 'W/"3"' },
        }),
      )
      expect(response.status).toBe(200)
      expect(await bytesOf(response)).toEqual(body)
      const seen = fixture.seen[0]
      expect(fixture.seen).toHaveLength(1)
      expect(seen?.method).toBe('PUT')
      expect(seen?.url).toBe('/echo?a=%7C')
      expect(seen?.headers['content-type']).toBe('image/x')
      expect(seen?.headers['if-match']).toBe('W/"3"')
      expect(seen?.body).toEqual(body)
    })

    it('carries text as UTF-8 and an empty body as empty', async () => {
      const text = '{"text":"Ünïcode 🫀"}'
      expect(await textOf(await fixture.sender.send(request('/echo', { body: text })))).toBe(text)
      expect(await textOf(await fixture.sender.send(request('/echo', { body: '' })))).toBe('')
      expect(await textOf(await fixture.sender.send(request('/echo')))).toBe('')
      expect(fixture.seen.map((seen) => seen.body.byteLength)).toEqual([
        new TextEncoder().encode(text).byteLength,
        0,
        0,
      ])
    })

    it('does not change the bytes it was given', async () => {
      const body = new Uint8Array([1, 2, 3])
      await fixture.sender.send(request('/echo', { body }))
      expect(body).toEqual(new Uint8Array([1, 2, 3]))
    })

    it.each([200, 201, 400, 401, 404, 412, 429, 500, 503])(
      'resolves with status %i, once',
      async (status) => {
        const response = await fixture.sender.send(request(`/status/${status}`, { method: 'GET' }))
        expect(response.status).toBe(status)
        expect(JSON.parse(await textOf(response))).toEqual({ status })
        expect(response.headers.get('Retry-After')).toBe('0')
        expect(response.headers.get('x-none')).toBeNull()
        expect(fixture.seen).toHaveLength(1)
      },
    )

    it.each([301, 302, 303, 307, 308])('returns a %i without following it', async (status) => {
      for (const method of ['GET', 'POST']) {
        const response = await fixture.sender.send(request(`/redirect/${status}`, { method }))
        expect(response.status).toBe(status)
        expect(response.headers.get('location')).toBe('/echo')
        discardBody(response)
      }
      expect(fixture.seen.map((seen) => seen.url)).toEqual([`/redirect/${status}`, `/redirect/${status}`])
    })

    it('rejects when no answer comes in time, not knowing whether it was sent', async () => {
      const error = await rejectionOf(
        fixture.sender.send(request('/hang?name=Secret', { body: '{}', timeoutMs: 50 })),
      )
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT', sent: 'maybe' })
    })

    it.each(['GET', 'POST', 'PUT', 'DELETE'])(
      'sends a %s once, also when the connection breaks',
      async (method) => {
        const body = method === 'GET' ? {} : { body: '{}' }
        const error = await rejectionOf(fixture.sender.send(request('/cut', { method, ...body })))
        expect(error).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
        expect(fixture.seen).toHaveLength(1)
      },
    )

    it('rejects with AbortError when the caller aborts', async () => {
      const controller = new AbortController()
      const sending = fixture.sender.send(request('/hang', { body: '{}', signal: controller.signal }))
      await vi.waitFor(() => expect(fixture.seen).toHaveLength(1))
      controller.abort(new Error('enough'))
      expect(await rejectionOf(sending)).toMatchObject({
        name: 'AbortError',
        sent: 'maybe',
        cause: { message: 'enough' },
      })
    })

    it('sends nothing when the signal was aborted before', async () => {
      const signal = AbortSignal.abort()
      const error = await rejectionOf(fixture.sender.send(request('/echo', { signal })))
      expect(error).toMatchObject({ name: 'AbortError', sent: 'no' })
      expect(fixture.seen).toHaveLength(0)
    })

    it('keeps token, query and body out of its errors', async () => {
      for (const path of ['/hang?name=Secret', '/cut?name=Secret']) {
        const error = await rejectionOf(
          fixture.sender.send(request(path, { body: '{"family":"Hidden"}', timeoutMs: 50 })),
        )
        const text = printed(error)
        expect(text).not.toContain('t0ken-secret')
        expect(text).not.toContain('Secret')
        expect(text).not.toContain('Hidden')
      }
    })
  })
}
