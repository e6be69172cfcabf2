import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One write as the modelled server sees it. */
export interface ModelWrite {
  readonly key: string
  readonly lane: string
  /** Position in its lane, given by the enqueuing process. */
  readonly n: number
  /** A guarded write is conditional on its key; an unguarded one is applied each time it arrives. */
  readonly guarded: boolean
}

/** A server that keeps what it applied, and loses replies now and then. */
export interface ModelServer {
  readonly port: number
  /** Every effect in the order in which it became real. */
  readonly applied: readonly ModelWrite[]
  /** Replies that were lost before or after the effect. */
  readonly lost: number
  close(): Promise<void>
}

/** Loses about one reply in `oneIn`, half of them after the commit. */
export async function startModelServer(random: () => number, oneIn: number): Promise<ModelServer> {
  const applied: ModelWrite[] = []
  const keys = new Set<string>()
  let lost = 0

  function answer(incoming: IncomingMessage, body: string, response: ServerResponse): void {
    if (incoming.method === 'GET') {
      const key = new URL(incoming.url ?? '/', 'http://model').searchParams.get('key') ?? ''
      response.end(JSON.stringify({ applied: keys.has(key) }))
      return
    }
    const unlucky = random() * oneIn < 1
    const before = unlucky && random() < 0.5
    if (before) {
      lost += 1
      response.destroy()
      return
    }
    const writes = JSON.parse(body) as ModelWrite[]
    for (const write of writes) {
      if (write.guarded && keys.has(write.key)) continue
      keys.add(write.key)
      applied.push(write)
    }
    if (unlucky) {
      lost += 1
      response.destroy()
      return
    }
    response.end('{}')
  }

  const server: Server = createServer((incoming, response) => {
    let body = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => {
      body += chunk
    })
    incoming.on('end', () => answer(incoming, body, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    applied,
    get lost() {
      return lost
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
