import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A stretch of wire before a server, with somebody who listens. */
export interface Wire {
  /** Address of its near end. */
  readonly url: string
  /** Everything that was sent to the server since this was asked last; a byte is a character. */
  overheard(): string
}

export async function wireTo(url: string): Promise<Wire> {
  let heard = ''
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1')
    near.on('data', (bytes) => (heard += bytes.toString('latin1')))
    near.pipe(far).pipe(near)
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(end)
      end.on('error', () => undefined)
      end.on('close', () => {
        sockets.delete(end)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The wire has no port.')
  return {
    url: `http://127.0.0.1:${address.port}`,
    overheard() {
      const all = heard
      heard = ''
      return all
    },
  }
}
