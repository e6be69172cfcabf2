import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import type { TLSSocket } from 'node:tls'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Agent } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { createFhirClient, type SenderResponse, type SendRequest } from '../src/index.js'
import { keepAliveSender, type KeepAliveSender, type KeepAliveSenderOptions } from '../src/node/index.js'
import { failureOf, printed, rejectionOf } from './support/failure.js'
import { selfSigned } from './support/self-signed.js'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

interface Listening {
  readonly url: string
  readonly sockets: readonly Socket[]
}

async function listen(server: TcpServer, scheme = 'http'): Promise<Listening> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => {
    sockets.push(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  cleanups.push(
    () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(resolve)
      }),
  )
  return { url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

const serve = (listener: RequestListener): Promise<Listening> => listen(createServer(listener))

function open(options: KeepAliveSenderOptions = {}): KeepAliveSender {
  const sender = keepAliveSender(options)
  cleanups.push(() => sender.close())
  return sender
}

const post = (url: string, more: Partial<SendRequest> = {}): SendRequest => ({
  method: 'POST',
  url: `${url}/Patient`,
  headers: {},
  body: '{}',
  ...more,
})

async function readAll({ body }: SenderResponse): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  if (body !== null) for await (const chunk of body) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}

describe('connections', () => {
  it('are used again', async () => {
    const { url, sockets } = await serve((_request, response) => response.end('ok'))
    const sender = open()
    for (let index = 0; index < 20; index += 1) await readAll(await sender.send(post(url)))
    // A connection rests for a turn of the event loop after an answer, and meanwhile another one steps in.
    expect(sockets.length).toBeLessThanOrEqual(2)
  })

  it('carry one request at a time, and others wait for a free one', async () => {
    let inFlight = 0
    let most = 0
    const { url, sockets } = await serve((_request, response) => {
      inFlight += 1
      most = Math.max(most, inFlight)
      setImmediate(() => {
        inFlight -= 1
        response.end('ok')
      })
    })
    const sender = open({ connections: 2 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => sender.send(post(url))))
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200))
    expect(sockets).toHaveLength(2)
    expect(most).toBeLessThanOrEqual(2)
  })

  it('close with the sender, when all answers have come', async () => {
    const { url } = await serve((_request, response) => setImmediate(() => response.end('ok')))
    const sender = keepAliveSender()
    const sending = sender.send(post(url)).then(readAll)
    await Promise.all([sending, sender.close()])
    expect(new TextDecoder().decode(await sending)).toBe('ok')
    expect(await rejectionOf(sender.send(post(url)))).toMatchObject({ sent: 'no' })
  })

  it('of a foreign dispatcher are its business', async () => {
    const { url } = await serve((_request, response) => response.end('ok'))
    const dispatcher = new Agent()
    cleanups.push(() => dispatcher.close())
    const sender = keepAliveSender({ dispatcher })
    await sender.close()
    expect((await sender.send(post(url))).status).toBe(200)
  })
})

describe('what was sent', () => {
  it('is unknown when a used connection breaks under a request, and the request is not repeated', async () => {
    const seen: number[] = []
    let connections = 0
    const { url } = await listen(
      createTcpServer((socket) => {
        connections += 1
        const connection = connections
        let requests = 0
        socket.on('error', () => {})
        socket.on('data', () => {
          requests += 1
          seen.push(connection)
          if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
          else socket.resetAndDestroy()
        })
      }),
    )
    const sender = open({ connections: 1 })
    for (const method of ['POST', 'GET', 'PUT']) {
      seen.length = 0
      const first = { method, url: `${url}/x`, headers: {} }
      await readAll(await sender.send(first))
      expect(await rejectionOf(sender.send(first))).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
      expect(seen).toHaveLength(2)
    }
  })

  it('is nothing while waiting for a connection', async () => {
    let seen = 0
    const release: (() => void)[] = []
    const { url } = await serve((_request, response) => {
      seen += 1
      release.push(() => response.end('ok'))
    })
    const sender = open({ connections: 1 })
    const first = sender.send(post(url))
    await expect.poll(() => seen).toBe(1)
    const controller = new AbortController()
    const aborted = rejectionOf(sender.send(post(url, { signal: controller.signal })))
    const late = rejectionOf(sender.send(post(url, { timeoutMs: 20 })))
    controller.abort()
    expect(await aborted).toMatchObject({ name: 'AbortError', sent: 'no' })
    expect(await late).toMatchObject({ code: 'ERR_TIMEOUT', sent: 'no' })
    release[0]?.()
    await readAll(await first)
    // Those given up never leave, and a later one does.
    const third = sender.send(post(url))
    await expect.poll(() => seen).toBe(2)
    release[1]?.()
    expect((await third).status).toBe(200)
    expect(seen).toBe(2)
  })

  it('is nothing when TLS is not made in time', async () => {
    const { url } = await listen(
      createTcpServer((socket) => socket.on('error', () => {})),
      'https',
    )
    const sender = open({ connectTimeoutMs: 50 })
    expect(await rejectionOf(sender.send(post(url)))).toMatchObject({ code: 'ERR_CONNECT', sent: 'no' })
  })

  it('is nothing for a request that is none', async () => {
    const sender = open()
    expect(await rejectionOf(sender.send({ ...post('http://x'), url: 'nonsense' }))).toMatchObject({
      code: 'ERR_INVALID_URL',
      sent: 'no',
    })
    const split = { ...post('http://127.0.0.1:9'), headers: { 'x-a': 'b\r\nx-c: d' } }
    expect(await rejectionOf(sender.send(split))).toMatchObject({ sent: 'no' })
  })

  it('does not put what came over the wire into errors', async () => {
    const { url } = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end('{"family":"Hidden"}\r\n\r\n'))
      }),
    )
    const error = await rejectionOf(open().send(post(url)))
    expect(error).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
    expect(printed(error)).not.toContain('Hidden')
  })
})

describe('bodies of answers', () => {
  const text = JSON.stringify({ resourceType: 'Patient', text: 'ü'.repeat(100_000) })
  it.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['identity', Buffer.from(text)],
  ])('are decoded: %s', async (encoding, packed) => {
    let accepted: string | undefined
    const { url } = await serve((request, response) => {
      accepted = request.headers['accept-encoding']
      response.setHeader('content-encoding', encoding)
      response.end(packed)
    })
    const sender = open()
    expect(new TextDecoder().decode(await readAll(await sender.send(post(url))))).toBe(text)
    expect(accepted).toBe('gzip, deflate, br')
  })

  it('may be missing where headers announce one', async () => {
    const { url } = await serve((request, response) => {
      response.writeHead(request.method === 'DELETE' ? 204 : 200, { 'content-encoding': 'gzip' })
      response.end()
    })
    const sender = open()
    for (const method of ['HEAD', 'DELETE', 'GET']) {
      expect(await readAll(await sender.send({ method, url, headers: {} }))).toHaveLength(0)
    }
  })

  it('do not explode', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' })
      response.end(bomb)
    })
    const client = createFhirClient({ baseUrl: url, send: open(), maxResponseBytes: 1_000_000 })
    expect(await failureOf(client.read('Patient', 'p1'))).toMatchObject({ code: 'ERR_RESPONSE_TOO_LARGE' })
  })

  it('that are large are held back until they are read', async () => {
    const size = 30_000_000
    const { url, sockets } = await serve((_request, response) => {
      response.end(Buffer.alloc(size, 1))
    })
    const response = await open().send(post(url))
    const iterator = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
    let read = 0
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    // What the kernel and the buffer do not hold is still at the server.
    expect(sockets[0]?.writableLength).toBeGreaterThan(size / 3)
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      read += next.value.byteLength
    }
    expect(read).toBe(size)
  })

  it.each(['identity', 'gzip'])('that nobody wants close their connection (%s)', async (encoding) => {
    const { url, sockets } = await serve((_request, response) => {
      response.setHeader('content-encoding', encoding)
      response.write('x')
    })
    const response = await open().send(post(url))
    await (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().return?.()
    await expect.poll(() => sockets[0]?.destroyed).toBe(true)
  })

  it('end as broken when the connection does', async () => {
    const { url, sockets } = await serve((_request, response) => {
      response.write('x', () => sockets[0]?.destroy())
    })
    const reading = open().send(post(url)).then(readAll)
    expect(await rejectionOf(reading)).toBeInstanceOf(Error)
  })
})

describe('HTTP', () => {
  it('early hints are not the answer', async () => {
    const { url } = await serve((_request, response) => {
      response.writeEarlyHints({ link: '</x>; rel=preload' })
      response.statusCode = 201
      response.end('ok')
    })
    const response = await open().send(post(url))
    expect(response.status).toBe(201)
    expect(new TextDecoder().decode(await readAll(response))).toBe('ok')
  })

  it('an answer may come before the request is read', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(413, { connection: 'close' })
      response.end('too large')
    })
    const body = new Uint8Array(5_000_000)
    expect((await open().send(post(url, { body }))).status).toBe(413)
  })

  it('repeated header fields are joined', async () => {
    const { url } = await serve((_request, response) => {
      response.setHeader('RateLimit', ['"a";r=1;t=3', '"b";r=0;t=5'])
      response.end()
    })
    const { headers } = await open().send(post(url))
    expect(headers.get('RateLimit')).toBe('"a";r=1;t=3, "b";r=0;t=5')
  })
})

describe('TLS', () => {
  it('trusts the authorities it is told, and shows its own certificate', async () => {
    const { key, cert } = selfSigned('localhost')
    let shown: boolean | undefined
    const server = createTlsServer(
      { key, cert, ca: cert, requestCert: true, rejectUnauthorized: false },
      (request: IncomingMessage, response) => {
        shown = (request.socket as TLSSocket).authorized
        response.end('ok')
      },
    )
    const url = (await listen(server, 'https')).url.replace('127.0.0.1', 'localhost')
    expect(await rejectionOf(open().send(post(url)))).toMatchObject({ code: 'ERR_TLS', sent: 'no' })
    expect((await open({ tls: { ca: cert } }).send(post(url))).status).toBe(200)
    expect(shown).toBe(false)
    expect((await open({ tls: { ca: [cert], cert, key } }).send(post(url))).status).toBe(200)
    expect(shown).toBe(true)
  })
})
