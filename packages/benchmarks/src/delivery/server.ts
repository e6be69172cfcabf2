import { Worker } from 'node:worker_threads'

/** A FHIR server that does nothing but answer, on a thread of its own. */
export interface BenchServer {
  readonly url: string
  /** Writes since the last call, and how many resources they brought. */
  take(): Promise<{ readonly requests: number; readonly resources: number }>
  /** From now on an answer takes this long. */
  delay(ms: number): void
  close(): Promise<unknown>
}

/** The thread's program. It reads the body whole and answers as a server would, with ids; it stores nothing. */
const program = `
const { createServer } = require('node:http')
const { parentPort } = require('node:worker_threads')
let delay = 0, requests = 0, resources = 0, id = 0
const statement = JSON.stringify({
  resourceType: 'CapabilityStatement', fhirVersion: '4.0.1', software: { name: 'bench' },
  rest: [{ mode: 'server', interaction: [{ code: 'transaction' }, { code: 'batch' }],
    resource: [{ type: 'Observation', conditionalCreate: true, interaction: ['create', 'read', 'search-type'].map((code) => ({ code })),
      searchParam: [{ name: 'identifier', type: 'token' }, { name: '_tag', type: 'token' }] }] }],
})
const empty = JSON.stringify({ resourceType: 'Bundle', type: 'searchset', entry: [] })
const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    let status = 200, body = '', headers = { 'content-type': 'application/fhir+json' }
    if (request.method === 'GET') body = request.url.includes('metadata') ? statement : empty
    else {
      requests++
      if (request.url.length > 6) {
        resources++
        status = 201
        headers = { location: '/fhir/Observation/' + ++id + '/_history/1', etag: 'W/"1"', ...headers }
        body = '{"resourceType":"Observation","id":"' + id + '"}'
      } else {
        const count = Buffer.concat(chunks).toString('latin1').split('"request":{').length - 1
        resources += count
        const entry = Array.from({ length: count }, () => ({ response: { status: '201', location: 'Observation/' + ++id + '/_history/1', etag: 'W/"1"' } }))
        body = JSON.stringify({ resourceType: 'Bundle', type: 'transaction-response', entry })
      }
    }
    const answer = () => { response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }); response.end(body) }
    if (delay === 0 || request.method === 'GET') answer()
    else setTimeout(answer, delay)
  })
})
server.keepAliveTimeout = 60000
server.listen(0, '127.0.0.1', () => parentPort.postMessage({ port: server.address().port }))
parentPort.on('message', (message) => {
  if (message.delay !== undefined) delay = message.delay
  if (message.take) { parentPort.postMessage({ requests, resources }); requests = 0; resources = 0 }
})
`

export async function startServer(): Promise<BenchServer> {
  const worker = new Worker(program, { eval: true })
  const next = <T>(): Promise<T> => new Promise((resolve) => worker.once('message', resolve))
  const { port } = await next<{ port: number }>()
  return {
    url: `http://127.0.0.1:${port}/fhir`,
    take() {
      const answer = next<{ requests: number; resources: number }>()
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ take: true })
      return answer
    },
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    delay: (ms) => worker.postMessage({ delay: ms }),
    close: () => worker.terminate(),
  }
}
