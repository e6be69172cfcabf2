import { createMockServer, type MockServer } from '@fhir-outbox/mock-server'
import { onTestFinished } from 'vitest'

export interface Mock {
  readonly mock: MockServer
  /** Root of the server. */
  readonly url: string
  /** Its FHIR base. */
  readonly fhir: string
  readonly port: number
}

type MockOptions = Pick<NonNullable<Parameters<typeof createMockServer>[0]>, 'open' | 'profiles'>

/** A mock on a free port, closed after the test. */
export async function startMock(options: MockOptions = { open: true }): Promise<Mock> {
  const mock = createMockServer({ seed: 11, ...options })
  const listening = await mock.listen()
  onTestFinished(() => listening.close())
  return { mock, url: listening.url, fhir: `${listening.url}/fhir`, port: listening.port }
}

/** The base URL of a port where nothing listens, and a way to let something listen there. */
export async function closedPort(): Promise<{ readonly fhir: string; open(): Promise<MockServer> }> {
  const mock = createMockServer({ seed: 12, open: true })
  const first = await mock.listen()
  await first.pause()
  onTestFinished(() => first.close())
  return {
    fhir: `${first.url}/fhir`,
    async open() {
      await first.resume()
      return mock
    },
  }
}
