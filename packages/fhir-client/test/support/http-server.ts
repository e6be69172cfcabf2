import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as the server saw it. */
export interface SeenRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

export interface HttpServer {
  readonly url: string
  readonly seen: readonly SeenRequest[]
  close(): Promise<void>
}

export type Handler = (request: SeenRequest, response: ServerResponse, incoming: IncomingMessage) => void

/** A real server on a free loopback port. The handler runs when the whole body is there. */
export async function startHttpServer(handler: Handler): Promise<HttpServer> {
  const seen: SeenRequest[] = []
  const server = createServer((incoming, response) => {
    const chunks: Uint8Array[] = []
    incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    incoming.on('end', () => {
      const headers: Record<string, string | undefined> = {}
      for (const [name, value] of Object.entries(incoming.headers)) headers[name] = String(value)
      const request = {
        method: incoming.method ?? '',
        url: incoming.url ?? '',
        headers,
        body: new Uint8Array(Buffer.concat(chunks)),
      }
      seen.push(request)
      handler(request, response, incoming)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections()
        server.close((error) => (error === undefined ? resolve() : reject(error)))
      }),
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers })
  response.end(JSON.stringify(body))
}
