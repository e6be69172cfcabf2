import { setupServer } from 'msw/node'
import { createFhirClient, type FhirClient } from '@fhir-outbox/fhir-client'
import { createMockServer, type MockServer } from '@fhir-outbox/mock-server'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { clientCredentials } from '@fhir-outbox/smart-auth'
import { onTestFinished } from 'vitest'
import { openDataQueue, type DataQueue, type DataQueueOptions } from '../src/index.js'

/** How requests reach the mock. */
export type Wire = 'msw' | 'socket'
export const wires: readonly Wire[] = ['msw', 'socket']

export interface Bench {
  readonly mock: MockServer
  readonly url: string
  readonly fhir: FhirClient
  /** Opens a queue that is closed after the test. */
  open(options?: Partial<DataQueueOptions>): DataQueue
  /** A client for another endpoint of the mock, with C3-PRO credentials. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/** Waits short enough for tests that really wait. */
export const quick = {
  laneBackoff: { baseMs: 1, capMs: 5 },
  gateBackoff: { baseMs: 1, capMs: 5 },
  unknownFirstMs: 1,
  retryAfter: { minMs: 1, maxMs: 50 },
}

/** A mock server behind one wire, with a client of its own that is let in by a token. */
export async function bench(wire: Wire): Promise<Bench> {
  const mock = createMockServer({ origin: 'https://mock.example' })
  mock.state.addClient({ clientId: 'queue', secret: 'hush' })
  let url = 'https://mock.example'
  let pause = (): Promise<void> => Promise.reject(new Error('Only a socket can be refused.'))
  let resume = pause
  if (wire === 'msw') {
    const server = setupServer(...mock.handlers)
    server.listen({ onUnhandledRequest: 'error' })
    onTestFinished(() => server.close())
  } else {
    const listening = await mock.listen()
    ;({ url, pause, resume } = listening)
    onTestFinished(() => listening.close())
  }
  const baseUrl = `${url}/fhir`
  const tokens = clientCredentials({ fhirBaseUrl: baseUrl, clientId: 'queue', clientSecret: 'hush' })
  const fhir = createFhirClient({ baseUrl, tokens })
  return {
    mock,
    url,
    fhir,
    pause,
    resume,
    open(options = {}) {
      const queue = openDataQueue({
        storage: memoryStorage(),
        fhir,
        defaults: quick,
        searchLagMs: 50,
        ...options,
      })
      onTestFinished(() => queue.close())
      return queue
    },
  }
}

export const observation = (text: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
})

/** Texts of the observations at the server, in the order in which they became real. */
export function arrived(mock: MockServer): readonly unknown[] {
  return mock.state.commits
    .filter(({ type }) => type === 'Observation')
    .map(({ type, id }) => {
      const code = mock.state.get(type, id)?.['code']
      return typeof code === 'object' && code !== null && 'text' in code ? code.text : undefined
    })
}
