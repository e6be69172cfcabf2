import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getResponse, type HttpHandler } from 'msw'
import { MockServerError } from '../errors.js'
import { claimedLengthHeader } from '../server/exchange.js'

export interface ListenOptions {
  /** Default 0: a free port. */
  readonly port?: number
  /** Default `127.0.0.1`. */
  readonly host?: string
}

export interface Listening {
  /** Root of the mock, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Closes the port and every connection: clients see a refused connection. */
  pause(): Promise<void>
  /** Opens the same port again. */
  resume(): Promise<void>
  /** Ends for good. */
  close(): Promise<void>
}

/** Serves MSW handlers over `node:http`. The Node modules load here, so that the package stays usable in browsers. */
export async function listen(
  makeHandlers: (goDown: (ms: number | undefined) => void) => readonly HttpHandler[],
  options: ListenOptions,
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
): Promise<Listening> {
  const [{ createServer }, { Readable }] = await Promise.all([import('node:http'), import('node:stream')])
  const { host = '127.0.0.1' } = options
  let port = options.port ?? 0
  let closed = false
  const ended = new AbortController()

  const goDown = (ms: number | undefined): void => {
    pause().catch(() => undefined)
    if (ms === undefined) return
    sleep(ms, ended.signal)
      .then(() => resume())
      .catch(() => undefined)
  }
  const handlers = [...makeHandlers(goDown)]

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const gone = new AbortController()
    outgoing.on('close', () => gone.abort())
    const request = toRequest(
      incoming,
      gone.signal,
      (stream) => Readable.toWeb(stream) as ReadableStream<Uint8Array>,
    )
    if (request === undefined) {
      outgoing.writeHead(400).end()
      return
    }
    const response = (await getResponse(handlers, request)) ?? new Response(null, { status: 404 })
    if (response.type === 'error') {
      outgoing.destroy()
      return
    }
    // An unread body would keep the connection from being used again.
    if (!incoming.complete) outgoing.setHeader('connection', 'close')
    for (const [name, value] of response.headers) {
      if (name !== 'set-cookie' && name !== claimedLengthHeader) outgoing.setHeader(name, value)
    }
    const claimed = response.headers.get(claimedLengthHeader)
    if (claimed !== null) {
      outgoing.setHeader('content-length', claimed)
      // Else the client would wait for the missing bytes on a connection that stays open.
      outgoing.setHeader('connection', 'close')
    }
    const cookies = response.headers.getSetCookie()
    if (cookies.length > 0) outgoing.setHeader('set-cookie', cookies)
    outgoing.writeHead(response.status)
    if (response.body === null) outgoing.end()
    else await send(response.body.getReader(), outgoing)
  }

  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(500).end()
    })
  })
  server.keepAliveTimeout = 60_000

  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        reject(
          new MockServerError(
            'ERR_MOCK_LISTEN',
            `Port ${port} on ${host} cannot be opened.`,
            'Choose another port.',
            error,
          ),
        )
      }
      server.once('error', failed)
      server.listen(port, host, () => {
        server.off('error', failed)
        resolve()
      })
    })

  let closing = Promise.resolve()
  async function pause(): Promise<void> {
    if (server.listening) {
      closing = new Promise((resolve) => {
        server.close(() => resolve())
      })
      server.closeAllConnections()
    }
    await closing
  }
  async function resume(): Promise<void> {
    await closing
    if (!server.listening && !closed) await start()
  }

  await start()
  ;({ port } = server.address() as AddressInfo)
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return {
    url: `http://${shownHost.includes(':') ? `[${shownHost}]` : shownHost}:${port}`,
    port,
    pause,
    resume,
    close: async () => {
      closed = true
      ended.abort()
      await pause()
    },
  }
}

/** Writes the body as it comes. A body that breaks off ends the connection after what was there of it. */
async function send(body: ReadableStreamDefaultReader<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  outgoing.on('close', () => void body.cancel().catch(() => undefined))
  try {
    for (;;) {
      const { done, value } = await body.read()
      if (done) break
      // Also called when the client went away.
      await new Promise<void>((resolve) => outgoing.write(value, () => resolve()))
    }
    outgoing.end()
  } catch {
    outgoing.destroy()
  }
}

function toRequest(
  incoming: IncomingMessage,
  signal: AbortSignal,
  toWeb: (stream: IncomingMessage) => ReadableStream<Uint8Array>,
): Request | undefined {
  const method = incoming.method ?? 'GET'
  const headers = new Headers()
  try {
    for (const [name, values] of Object.entries(incoming.headersDistinct)) {
      for (const value of values ?? []) headers.append(name, value)
    }
    const url = new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? 'localhost'}`)
    // MSW throws on broken escapes while it matches.
    decodeURIComponent(url.pathname)
    const body = method === 'GET' || method === 'HEAD' ? null : toWeb(incoming)
    // `duplex` is needed for streamed bodies and missing from the DOM types.
    const init: RequestInit & { duplex: 'half' } = { method, headers, body, signal, duplex: 'half' }
    return new Request(url, init)
  } catch {
    // Methods and addresses that fetch or MSW cannot express.
    return undefined
  }
}
