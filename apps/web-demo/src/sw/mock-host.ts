// First: what the others need when they load.
import './local-storage.js'
import { createMockServer, type FaultHandle, type FaultRule, type MockServer } from '@fhir-outbox/mock-server'
import { getResponse } from 'msw'
import { parseTroubles, type Trouble } from '../platform/troubles.js'
import { addPeople } from './mock-people.js'
import { mockRecords } from './mock-records.js'

export interface MockHost {
  answer(request: Request): Promise<Response>
}

/** Where readings arrive, as they are or in envelopes. */
const url = /^\/(?:fhir|c3pro)(?:[/?]|$)/

/** What each trouble does to the mock, as fault rules. `ask-who` is a property of the server instead. */
const rules: Readonly<Record<Exclude<Trouble, 'ask-who'>, FaultRule>> = {
  down: { url, times: Infinity, fault: { kind: 'cut-before' } },
  'lose-replies': { method: 'POST', url, times: Infinity, fault: { kind: 'cut-after' } },
  'refuse-next': {
    method: 'POST',
    url,
    fault: {
      kind: 'status',
      status: 422,
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify({
        resourceType: 'OperationOutcome',
        issue: [
          {
            severity: 'error',
            code: 'business-rule',
            diagnostics: 'This server was told to refuse one reading.',
          },
        ],
      }),
    },
  },
  'pause-next': {
    method: 'POST',
    url,
    fault: { kind: 'status', status: 429, headers: { 'retry-after': '20' } },
  },
}

/**
 * The mock server of this browser. The browser ends a service worker whenever it likes, so everything a write
 * changed is stored before the write is answered: a server that forgets what it has confirmed would be a liar.
 */
export function openMockHost(root: string): MockHost {
  const records = mockRecords()
  const create = (open: boolean): MockServer =>
    createMockServer({
      origin: root,
      open,
      seed: 4,
      profiles: { c3pro: { tokens: open ? 'none' : 'any', knowsKeys: 'refuse' } },
    })
  let mock = create(true)
  let asksWho = false
  const active = new Map<Trouble, FaultHandle>()

  function setTroubles(wanted: readonly Trouble[]): void {
    if (wanted.includes('ask-who') !== asksWho) {
      asksWho = !asksWho
      const state = mock.state.export()
      mock = create(!asksWho)
      mock.state.restore(state)
    }
    mock.faults.clear()
    active.clear()
    for (const trouble of wanted) {
      if (trouble !== 'ask-who') active.set(trouble, mock.faults.add(rules[trouble]))
    }
  }

  /** Troubles that strike once are over when they have struck. */
  function current(): readonly Trouble[] {
    const lasting = [...active].filter(
      ([trouble, { hits }]) => trouble !== 'ask-who' && hits < (rules[trouble].times ?? 1),
    )
    return [...(asksWho ? (['ask-who'] as const) : []), ...lasting.map(([trouble]) => trouble)]
  }

  async function restore(): Promise<void> {
    const { state, troubles } = await records.load()
    if (state !== undefined) {
      try {
        mock.state.restore(state)
      } catch {
        // Another version wrote it. A mock server may start anew; a queue never would.
      }
    }
    addPeople(mock.state)
    setTroubles(parseTroubles(troubles))
  }

  const ready = restore()

  async function control(request: Request): Promise<Response> {
    if (request.method === 'PUT') {
      setTroubles(parseTroubles(await request.json()))
      await records.saveTroubles(current())
    }
    return Response.json(current(), { headers: { 'cache-control': 'no-store' } })
  }

  /** Reads and searches change nothing; logins do, whatever their method. */
  function mayChange({ method, url }: Request): boolean {
    return !['GET', 'HEAD'].includes(method) || !url.startsWith(`${root}/fhir`)
  }

  return {
    async answer(request) {
      await ready
      if (request.url === `${root}/troubles`) return control(request)
      const before = current()
      const changes = mayChange(request)
      const response = (await getResponse([...mock.handlers], request)) ?? new Response(null, { status: 404 })
      if (changes) await records.saveState(mock.state.export())
      if (current().length !== before.length) await records.saveTroubles(current())
      return response
    },
  }
}
