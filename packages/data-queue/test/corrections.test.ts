import { describe, expect, it, onTestFinished } from 'vitest'
import { createFhirClient, type FhirClient } from '@fhir-outbox/fhir-client'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { openDataQueue, openEncryptedDataQueue } from '../src/index.js'
import { observation } from './bench.js'

const by = { actor: 'anna', reason: 'a slip of the pen' }

interface FussyServer {
  readonly client: FhirClient
  /** Method and path of every write, and its content. */
  readonly writes: { readonly call: string; readonly body: string }[]
  /** Refuses what comes for good. */
  refuses: (call: string) => boolean
}

function fussyServer(): FussyServer {
  const server: FussyServer = {
    writes: [],
    refuses: () => false,
    client: createFhirClient({
      baseUrl: 'https://fhir.example.org',
      send: async ({ method, url, body }) => {
        const call = `${method} ${new URL(url).pathname}`
        if (method === 'GET')
          return Response.json({ resourceType: 'OperationOutcome', issue: [] }, { status: 404 })
        server.writes.push({ call, body: typeof body === 'string' ? body : new TextDecoder().decode(body) })
        const issue = [{ severity: 'error', code: 'invariant' }]
        if (server.refuses(call))
          return Response.json({ resourceType: 'OperationOutcome', issue }, { status: 422 })
        return new Response(null, { status: 201, headers: { location: 'Observation/s1/_history/1' } })
      },
    }),
  }
  return server
}

function transaction(...resources: readonly { readonly resourceType: string }[]): object {
  const entry = resources.map((resource) => ({
    resource,
    request: { method: 'POST', url: resource.resourceType },
  }))
  return { resourceType: 'Bundle', type: 'transaction', entry }
}

describe('the correction of a dead letter', () => {
  it('of an update is an update of the same resource, under the same condition', async () => {
    const server = fussyServer()
    const queue = openDataQueue({ storage: memoryStorage(), fhir: server.client, plan: 'conditional-create' })
    onTestFinished(() => queue.close())
    const { sequence: of } = await queue.create(observation('a'))
    server.refuses = (call) => call.startsWith('PUT')
    const { sequence } = await queue.enqueue(observation('b'), { of })
    await queue.flush()
    server.refuses = () => false
    await queue.redrive(sequence, { ...by, resource: observation('c') })
    await queue.flush()
    expect(server.writes.map(({ call }) => call)).toEqual([
      'POST /Observation',
      'PUT /Observation/s1',
      'PUT /Observation/s1',
    ])
  })

  it('of a transaction is one, with its conditions, and never lets out what must be encrypted', async () => {
    const server = fussyServer()
    const queue = openEncryptedDataQueue({
      storage: memoryStorage(),
      fhir: server.client,
      encryption: {
        client: createFhirClient({
          baseUrl: 'https://sealed.example.org',
          send: () => Promise.reject(new Error()),
        }),
        sealer: { seal: async () => ({}) },
        shouldEncrypt: ({ resourceType }) => resourceType === 'QuestionnaireResponse',
      },
    })
    onTestFinished(() => queue.close())
    server.refuses = () => true
    const { sequence, state } = await queue.transaction(transaction({ resourceType: 'Observation' }))
    expect(state).toBe('rejected')
    server.refuses = () => false
    const secret = transaction({ resourceType: 'Observation' }, { resourceType: 'QuestionnaireResponse' })
    await expect(queue.redrive(sequence, { ...by, resource: secret })).rejects.toMatchObject({
      code: 'ERR_CANNOT_ENCRYPT',
    })
    await queue.redrive(sequence, { ...by, resource: transaction({ resourceType: 'Observation' }) })
    await queue.flush()
    expect(server.writes.map(({ call }) => call)).toEqual(['POST /', 'POST /'])
    expect(server.writes.at(-1)?.body).toContain('"ifNoneExist":"identifier=')
  })
})
