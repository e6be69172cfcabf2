import { assembleMockServer, type MockServerOptions, type Tables } from '../src/create-mock-server.js'
import { interactions, type InteractionName } from '../src/fhir/interactions.js'
import type { MockServer } from '../src/index.js'
import type { FaultKind } from '../src/server/faults.js'
import { json, type Json } from './json.js'
import { startTime } from './rig.js'

export { ids, links } from './json.js'

export interface TableRig {
  readonly mock: MockServer
  send(path: string, init?: RequestInit): Promise<Response>
  write(method: string, path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  get(path: string, headers?: Record<string, string>): Promise<Json>
  advance(ms: number): void
}

const root = 'https://x.example'

/** A mock without a network, from which rows of its tables can be missing. */
export function tableRig(
  options: MockServerOptions = {},
  missing: {
    readonly interaction?: InteractionName | undefined
    readonly fault?: FaultKind | undefined
  } = {},
): TableRig {
  let now = startTime
  const tables: Tables = {
    interactions: interactions.filter(({ name }) => name !== missing.interaction),
    missingFaults: new Set(missing.fault === undefined ? [] : [missing.fault]),
  }
  const mock = assembleMockServer({ open: true, clock: () => now, ...options }, tables)
  const send: TableRig['send'] = (path, init) =>
    mock.fetch(new Request(path.startsWith('http') ? path : `${root}${path}`, init))
  return {
    mock,
    send,
    write: (method, path, body, headers = {}) =>
      send(path, {
        method,
        headers: { 'content-type': 'application/fhir+json', ...headers },
        body: JSON.stringify(body),
      }),
    get: (path, headers = {}) => json(send(path, { headers })),
    advance: (ms) => {
      now += ms
    },
  }
}

/** Whether the case holds. */
export async function holds(check: () => Promise<void>): Promise<boolean> {
  try {
    await check()
    return true
  } catch {
    return false
  }
}
