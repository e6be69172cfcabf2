import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:https'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFhirClient, kySender, type FhirError, type Sender } from '../src/index.js'
import { keepAliveSender } from '../src/node/index.js'
import { failureOf, rejectionOf } from './support/failure.js'
import { json, startHttpServer, type Handler, type HttpServer } from './support/http-server.js'
import { selfSigned } from './support/self-signed.js'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function listen(handler: Handler): Promise<HttpServer> {
  const server = await startHttpServer(handler)
  cleanups.push(() => server.close())
  return server
}

async function listenRaw(server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => {
    sockets.add(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  cleanups.push(
    () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  )
  return (server.address() as AddressInfo).port
}

const patient = { resourceType: 'Patient', name: [{ family: 'Hidden' }] }

let send: Sender

async function createAt(baseUrl: string, more: { timeoutMs?: number } = {}): Promise<FhirError> {
  return failureOf(createFhirClient({ send, baseUrl, ...more }).create(patient))
}

const senders: readonly (readonly [string, () => Sender & { close?(): Promise<void> }])[] = [
  ['ky', () => kySender()],
  ['undici', () => keepAliveSender()],
]

describe.each(senders)('over %s', (_name, make) => {
  beforeEach(() => {
    const made = make()
    send = made
    if (made.close !== undefined) cleanups.push(() => made.close?.() ?? Promise.resolve())
  })

  describe('requests that certainly did not arrive', () => {
    it('nobody listens', async () => {
      const server = await startHttpServer(() => {})
      await server.close()
      expect(await createAt(`${server.url}/fhir`)).toMatchObject({ code: 'ERR_CONNECT', sent: 'no' })
    })

    it('the host name does not resolve', async () => {
      const error = await createAt('http://nowhere.invalid/fhir')
      expect(error).toMatchObject({ code: 'ERR_DNS', sent: 'no', path: '/fhir/Patient' })
    })

    it('the certificate is not trusted', async () => {
      const server = createTlsServer(selfSigned(), (_request, response) => json(response, 201, patient))
      const port = await listenRaw(server)
      expect(await createAt(`https://127.0.0.1:${port}`)).toMatchObject({ code: 'ERR_TLS', sent: 'no' })
    })

    it('the server speaks no TLS', async () => {
      const server = await listen((_request, response) => json(response, 201, patient))
      const error = await createAt(server.url.replace('http:', 'https:'))
      expect(error).toMatchObject({ code: 'ERR_TLS', sent: 'no' })
      expect(server.seen).toHaveLength(0)
    })

    it('the server hangs up during the handshake', async () => {
      const port = await listenRaw(
        createTcpServer((socket) => {
          socket.once('data', () => socket.destroy())
          socket.on('error', () => {})
        }),
      )
      expect(await createAt(`https://127.0.0.1:${port}`)).toMatchObject({ code: 'ERR_TLS', sent: 'no' })
    })
  })

  describe('requests that may have been applied', () => {
    it('the connection is cut before the request was read', async () => {
      const port = await listenRaw(
        createTcpServer((socket) => {
          socket.on('error', () => {})
          socket.destroy()
        }),
      )
      expect(await createAt(`http://127.0.0.1:${port}`)).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
    })

    it('the connection is cut after the request was read', async () => {
      const server = await listen((_request, _response, incoming) => incoming.socket.destroy())
      expect(await createAt(server.url)).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
      expect(server.seen).toHaveLength(1)
    })

    it('the server never answers', async () => {
      const server = await listen(() => {})
      expect(await createAt(server.url, { timeoutMs: 60 })).toMatchObject({
        code: 'ERR_TIMEOUT',
        sent: 'maybe',
      })
      expect(server.seen).toHaveLength(1)
    })

    it('the answer is not HTTP', async () => {
      const port = await listenRaw(
        createTcpServer((socket) => {
          socket.on('error', () => {})
          socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n'))
        }),
      )
      expect(await createAt(`http://127.0.0.1:${port}`)).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
    })

    it('the caller aborts while waiting', async () => {
      const controller = new AbortController()
      const server = await listen(() => controller.abort(new Error('enough')))
      const client = createFhirClient({ send, baseUrl: server.url })
      const error = await rejectionOf(client.create(patient, { signal: controller.signal }))
      expect(error).toMatchObject({ name: 'AbortError', sent: 'maybe' })
      expect(error).toHaveProperty('cause.message', 'enough')
    })
  })

  describe('answers that break off', () => {
    const accepted = { location: '/fhir/Patient/p1/_history/4', etag: 'W/"4"' }
    const settled = {
      code: 'ERR_TRUNCATED',
      sent: 'yes',
      status: 201,
      location: { type: 'Patient', id: 'p1', version: '4' },
      version: '4',
      etag: 'W/"4"',
    }

    it('a shorter body than announced', async () => {
      const server = await listen((_request, response, incoming) => {
        response.writeHead(201, { ...accepted, 'content-length': '1000' })
        response.write('{"resourceType":"Pat', () => incoming.socket.end())
      })
      expect(await createAt(server.url)).toMatchObject(settled)
    })

    it('chunks without an end', async () => {
      const server = await listen((_request, response, incoming) => {
        response.writeHead(201, accepted)
        response.write('{"resourceType":"Pat', () => incoming.socket.destroy())
      })
      expect(await createAt(server.url)).toMatchObject(settled)
    })

    it('a body that stalls', async () => {
      const server = await listen((_request, response) => {
        response.writeHead(201, accepted)
        response.write('{"resourceType":"Pat')
      })
      expect(await createAt(server.url, { timeoutMs: 80 })).toMatchObject(settled)
    })

    it('damaged compression', async () => {
      const server = await listen((_request, response) => {
        response.writeHead(201, { ...accepted, 'content-encoding': 'gzip' })
        response.end('this is not gzip')
      })
      expect(await createAt(server.url)).toMatchObject(settled)
    })

    it('an error body that breaks off leaves the status', async () => {
      const server = await listen((_request, response, incoming) => {
        response.writeHead(503, { ...accepted, 'retry-after': '7', 'content-length': '1000' })
        response.write('{"resourceType":"Oper', () => incoming.socket.end())
      })
      const error = await createAt(server.url)
      expect(error).toMatchObject({
        code: 'ERR_HTTP',
        status: 503,
        sent: 'yes',
        retryAfterMs: 7000,
        issues: [],
      })
      expect(error).not.toHaveProperty('location')
    })

    it('the caller aborts during the body', async () => {
      const controller = new AbortController()
      const server = await listen((_request, response) => {
        response.writeHead(201, accepted)
        response.write('{"resourceType":"Pat', () => controller.abort())
      })
      const client = createFhirClient({ send, baseUrl: server.url })
      const error = await rejectionOf(client.create(patient, { signal: controller.signal }))
      expect(error).toMatchObject({ name: 'AbortError', sent: 'maybe' })
    })

    it('a longer body than announced is read to its announced end', async () => {
      const text = JSON.stringify({ resourceType: 'Patient', id: 'p1' })
      const port = await listenRaw(
        createTcpServer((socket) => {
          socket.on('error', () => {})
          socket.once('data', () =>
            socket.end(
              `HTTP/1.1 201 Created\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}junk`,
            ),
          )
        }),
      )
      const response = await createFhirClient({ send, baseUrl: `http://127.0.0.1:${port}` }).create(patient)
      expect(response.resource).toEqual({ resourceType: 'Patient', id: 'p1' })
    })
  })

  describe('sizes', () => {
    it('refuses a success beyond the limit, announced or not, and says where the resource is', async () => {
      for (const announced of [true, false]) {
        const body = JSON.stringify({ resourceType: 'Patient', text: 'x'.repeat(5000) })
        const server = await listen((_request, response) => {
          const size: Record<string, string> = announced ? { 'content-length': String(body.length) } : {}
          response.writeHead(201, { location: 'Patient/p1', ...size })
          response.end(body)
        })
        const client = createFhirClient({ send, baseUrl: server.url, maxResponseBytes: 1000 })
        expect(await failureOf(client.create(patient))).toMatchObject({
          code: 'ERR_RESPONSE_TOO_LARGE',
          sent: 'yes',
          status: 201,
          location: { type: 'Patient', id: 'p1' },
        })
      }
    })

    it('does not read the whole of a huge error', async () => {
      const server = await listen((_request, response) => {
        response.writeHead(500)
        response.end('x'.repeat(2_000_000))
      })
      expect(await createAt(server.url)).toMatchObject({ code: 'ERR_HTTP', status: 500, issues: [] })
    })
  })

  describe('redirects', () => {
    const page = { resourceType: 'Patient', id: 'p1' }
    const redirecting: Handler = ({ url }, response) => {
      if (url.startsWith('/old')) {
        response.writeHead(Number(url.slice(5, 8)), { location: `/new${url.slice(8)}` })
        response.end()
      } else json(response, 200, page)
    }

    it.each([301, 302, 303, 307, 308])('a write is never sent on (%i)', async (status) => {
      const server = await listen(redirecting)
      const client = createFhirClient({ send, baseUrl: `${server.url}/old/${status}` })
      expect(await failureOf(client.create(patient))).toMatchObject({
        code: 'ERR_REDIRECTED',
        status,
        sent: 'yes',
      })
      expect(server.seen.map((seen) => seen.method)).toEqual(['POST'])
    })

    it('a read is followed within the origin, token included', async () => {
      const server = await listen(redirecting)
      const tokens = { getToken: async () => ({ value: 'abc', type: 'Bearer' as const }) }
      const client = createFhirClient({ send, baseUrl: `${server.url}/old/302`, tokens })
      expect((await client.read('Patient', 'p1')).resource).toEqual(page)
      expect(server.seen.map((seen) => [seen.url, seen.headers['authorization']])).toEqual([
        ['/old/302/Patient/p1', 'Bearer abc'],
        ['/new/Patient/p1', 'Bearer abc'],
      ])
    })

    it('a read is not followed to another origin', async () => {
      const other = await listen((_request, response) => json(response, 200, page))
      const server = await listen((_request, response) => {
        response.writeHead(302, { location: `${other.url}/fhir/Patient/p1` })
        response.end()
      })
      const client = createFhirClient({ send, baseUrl: server.url })
      expect(await failureOf(client.read('Patient', 'p1'))).toMatchObject({
        code: 'ERR_REDIRECTED',
        status: 302,
      })
      expect(other.seen).toHaveLength(0)
    })

    it('a ring of redirects ends', async () => {
      const server = await listen(({ url }, response) => {
        response.writeHead(302, { location: url })
        response.end()
      })
      const client = createFhirClient({ send, baseUrl: server.url })
      expect(await failureOf(client.read('Patient', 'p1'))).toMatchObject({ code: 'ERR_REDIRECTED' })
      expect(server.seen).toHaveLength(6)
    })
  })
})

it('ports that fetch blocks are no addresses', async () => {
  const client = createFhirClient({ baseUrl: 'http://127.0.0.1:25/fhir' })
  expect(await failureOf(client.create(patient))).toMatchObject({ code: 'ERR_INVALID_URL', sent: 'no' })
})
