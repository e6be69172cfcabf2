import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A FHIR server of another origin than the page's: it reads what it gets whole and answers with ids; it stores nothing. */
export interface UploadServer {
  /** Base URL. `GET {url}/arrived` says how many resources have arrived since it was last asked. */
  readonly url: string
  close(): void
}

interface Body {
  readonly resourceType: string
  readonly entry?: readonly unknown[]
}

/** A usual server: it honours conditions, and can be asked for what it has. */
const observations = {
  type: 'Observation',
  conditionalCreate: true,
  interaction: ['create', 'read', 'search-type'].map((code) => ({ code })),
  searchParam: [{ name: 'identifier', type: 'token' }],
}
const statement = {
  resourceType: 'CapabilityStatement',
  fhirVersion: '4.0.1',
  rest: [{ mode: 'server', interaction: [{ code: 'transaction' }], resource: [observations] }],
}

const crossOrigin = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Allow-Methods': '*',
  'Access-Control-Expose-Headers': '*',
  'Access-Control-Max-Age': '7200',
}

export async function startUploadServer(): Promise<UploadServer> {
  let arrived = 0
  let last = 0

  function answer(response: ServerResponse, status: number, body: unknown, headers = {}): void {
    response.writeHead(status, { ...crossOrigin, 'Content-Type': 'application/fhir+json', ...headers })
    response.end(JSON.stringify(body))
  }

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { resourceType, entry = [] } = (await json(request)) as Body
    if (resourceType !== 'Bundle') {
      arrived += 1
      const id = String((last += 1))
      const headers = { Location: `/fhir/Observation/${id}/_history/1`, ETag: 'W/"1"' }
      answer(response, 201, { resourceType, id }, headers)
      return
    }
    arrived += entry.length
    const done = entry.map(() => ({
      response: { status: '201', location: `Observation/${(last += 1)}/_history/1`, etag: 'W/"1"' },
    }))
    answer(response, 200, { resourceType, type: 'transaction-response', entry: done })
  }

  const server = createServer((request, response) => {
    if (request.method === 'OPTIONS') response.writeHead(204, crossOrigin).end()
    else if (request.method === 'POST') void take(request, response)
    else if (request.url === '/fhir/arrived') {
      answer(response, 200, arrived)
      arrived = 0
    } else answer(response, 200, statement)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/fhir`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
