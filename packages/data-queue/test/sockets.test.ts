import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { expect, it, onTestFinished } from 'vitest'
import { openDataQueue } from '../src/index.js'

/** A port that somebody listens on, and what happens to a connection there. */
async function listening(serve: (socket: Socket) => void): Promise<string> {
  const server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A port that nobody listens on. */
async function silent(): Promise<string> {
  const server = createHttpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return `127.0.0.1:${port}`
}

/** Reads the request whole, then ends as told. */
const afterReading = (end: (socket: Socket) => void) => (socket: Socket) => {
  socket.on('error', () => undefined)
  socket.once('data', () => setImmediate(() => end(socket)))
}

it.each<[string, () => Promise<string>, object]>([
  [
    'a refused connection',
    async () => `http://${await silent()}/fhir`,
    { state: 'waiting', code: 'ERR_CONNECT', person: false },
  ],
  [
    'a name that nobody has',
    async () => 'http://no-such-host.invalid/fhir',
    { state: 'waiting', code: 'ERR_DNS', person: false },
  ],
  [
    'TLS where there is none',
    async () =>
      `https://${await listening(afterReading((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))}/fhir`,
    { state: 'waiting', code: 'ERR_TLS', person: true },
  ],
  [
    'a connection that closes without an answer',
    async () => `http://${await listening(afterReading((socket) => socket.destroy()))}/fhir`,
    { state: 'unknown', code: 'ERR_NETWORK', person: undefined },
  ],
  [
    'an answer that is no HTTP',
    async () => `http://${await listening(afterReading((socket) => socket.end('hello?\r\n\r\n')))}/fhir`,
    { state: 'unknown', code: 'ERR_NETWORK', person: undefined },
  ],
])(
  'over a socket: %s',
  async (
    _name,
    address,
    { state, code, person }: { state?: string; code?: string; person?: boolean | undefined },
  ) => {
    const queue = openDataQueue({
      storage: memoryStorage(),
      fhir: createFhirClient({ baseUrl: await address() }),
    })
    onTestFinished(() => queue.close())
    const { sequence } = await queue.enqueue({ resourceType: 'Observation', status: 'final' })
    const told = new Promise<string>((resolve) => {
      queue.subscribe((event) => {
        if (event.type === 'unknown' || event.type === 'retried') resolve(event.failure.code)
      })
    })
    queue.start()
    expect(await told).toBe(code)
    await queue.stop()
    expect(await queue.outbox.read(sequence)).toMatchObject({ state, attempts: state === 'unknown' ? 1 : 0 })
    const [gate] = queue.outbox.gates()
    expect(gate?.state === 'closed' ? gate.needsPerson === true : undefined).toBe(person)
  },
)
