import { setupServer } from 'msw/node'
import { onTestFinished } from 'vitest'
import { createMockServer, type MockServer, type MockServerOptions } from '../src/index.js'

export { json, type Json } from './json.js'

export const modes = ['msw', 'socket'] as const
export type Mode = (typeof modes)[number]

export interface Rig {
  readonly mock: MockServer
  readonly root: string
  /** Fetches a path below the root. */
  send(path: string, init?: RequestInit): Promise<Response>
  /** Sends JSON as FHIR. */
  write(method: string, path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  /** Advances the mock's clock. */
  advance(ms: number): void
}

export const startTime: number = Date.UTC(2026, 0, 2, 3, 4, 5)

/** A mock with a fake clock, reached through MSW's fetch or through a real port; closed after the test. */
export async function openRig(mode: Mode, options: MockServerOptions = {}): Promise<Rig> {
  let now = startTime
  const mock = createMockServer({ clock: () => now, ...options })
  let root = 'https://mock.example'
  if (mode === 'msw') {
    const server = setupServer(...mock.handlers)
    server.listen({ onUnhandledRequest: 'error' })
    onTestFinished(() => server.close())
  } else {
    const listening = await mock.listen()
    onTestFinished(() => listening.close())
    root = listening.url
  }
  const send: Rig['send'] = (path, init) => fetch(`${root}${path}`, init)
  return {
    mock,
    root,
    send,
    write: (method, path, body, headers = {}) =>
      send(path, {
        method,
        headers: { 'content-type': 'application/fhir+json', ...headers },
        body: JSON.stringify(body),
      }),
    advance: (ms) => {
      now += ms
    },
  }
}

export function form(values: Record<string, string>): RequestInit {
  return { method: 'POST', body: new URLSearchParams(values) }
}
