import { describe, expect, it } from 'vitest'
import type { EntryState } from '@fhir-outbox/queue-core'
import type { DataQueueOptions } from '../src/index.js'
import type { Behaviour, Mishap } from './model/server.js'
import { hour, world, type World } from './model/time.js'

/** What one request leads to, right after it and in the end. One row for each row of docs/delivery-taxonomy.md. */
interface Row {
  readonly fault: Mishap | readonly Mishap[]
  readonly state: EntryState
  /** Attempts of the entry that were spent. */
  readonly spent: number
  readonly gate: 'open' | 'closed' | 'needs-person'
  /** What becomes of it when the trouble is over. */
  readonly end: 'delivered' | 'rejected' | 'parked'
  readonly behaviour?: Partial<Behaviour>
  readonly options?: Partial<DataQueueOptions>
  readonly write?: (queue: World['queue']) => Promise<unknown>
  /** Where the server has it already when the request comes. */
  readonly before?: (world: World) => void
}

const json = { 'content-type': 'application/fhir+json' }
const issue = (code: string, text?: string): string =>
  JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code, diagnostics: text }],
  })
const status = (code: number, body = '', headers: Record<string, string> = json): Mishap => ({
  status: code,
  body,
  headers,
})
const observation = { resourceType: 'Observation', status: 'final', code: { text: 'one' } }
const patient = { resourceType: 'Patient', id: 'p1', active: true }
const putPatient = (queue: World['queue']): Promise<unknown> => queue.enqueue(patient)
const putVersion = (queue: World['queue']): Promise<unknown> => queue.enqueue(patient, { ifMatch: '1' })
const sent = { state: 'waiting', spent: 0, gate: 'closed', end: 'delivered' } as const
const unknown = { state: 'unknown', spent: 1, gate: 'open', end: 'delivered' } as const
const refused = { state: 'dead', spent: 0, gate: 'open', end: 'rejected' } as const
const person = { state: 'waiting', spent: 0, gate: 'needs-person', end: 'delivered' } as const
const done = { state: 'delivered', spent: 0, gate: 'open', end: 'delivered' } as const

const rows: Readonly<Record<string, Row>> = {
  'no connection': { ...sent, fault: 'refused' },
  'a connection that breaks before the server reads': { ...unknown, fault: 'lost-before' },
  'a connection that breaks after the server has written': { ...unknown, fault: 'lost-after' },
  'a success whose body is cut': { ...done, fault: 'truncated' },
  'a success that is a page in HTML': {
    ...unknown,
    spent: 0,
    gate: 'needs-person',
    fault: status(200, '<html>Welcome</html>', { 'content-type': 'text/html' }),
  },
  'a 200 without body and Location': { ...unknown, fault: status(200) },
  'a 201 without Location, found by its key': { ...done, fault: 'no-location' as Mishap },
  '202, put off': { ...unknown, fault: status(202) },
  '301 of a write': { ...person, fault: status(301, '', { location: 'https://else.example/' }) },
  '302 of a write': { ...person, fault: status(302, '', { location: 'https://else.example/' }) },
  '303 of a write': { ...person, fault: status(303, '', { location: 'https://else.example/' }) },
  '307 of a write': { ...person, fault: status(307, '', { location: 'https://else.example/' }) },
  '308 of a write': { ...person, fault: status(308, '', { location: 'https://else.example/' }) },
  '304 to a PUT with If-None-Match': { ...done, fault: status(304), options: { plan: 'put-if-none-match' } },
  '400 about the content': { ...refused, fault: status(400, issue('structure')) },
  '400 without a reason, once': { ...sent, spent: 1, gate: 'open', fault: status(400, issue('invalid')) },
  '400 to a condition that is not supported': { ...done, fault: status(400, issue('not-supported')) },
  '401 twice': { ...person, fault: status(401) },
  '403, once': { ...refused, fault: status(403, issue('forbidden')) },
  '404 to a create where others worked': { ...refused, fault: status(404, issue('not-found')) },
  '404 to a create where nothing ever worked': {
    ...person,
    fault: status(404),
    behaviour: { statement: 'none' },
  },
  '404 to a PUT under an id of ours': {
    ...done,
    fault: status(404),
    behaviour: { conditionalCreate: 'ignored' },
  },
  '404 to an update': { ...refused, fault: status(404, issue('not-found')), write: putPatient },
  '405 to a PUT under an id of ours': {
    ...done,
    fault: status(405),
    behaviour: { conditionalCreate: 'ignored' },
  },
  '405': { ...refused, fault: status(405) },
  '406, then another content type': { ...done, fault: status(406) },
  '415, then another content type': { ...done, fault: status(415) },
  '406 whatever the content type': { ...person, fault: [status(406), status(406)] },
  '408': { ...unknown, fault: status(408) },
  '409 to a create that is not there': {
    ...sent,
    spent: 1,
    gate: 'open',
    fault: status(409, issue('conflict')),
  },
  '409 to a create that is there': {
    ...done,
    fault: '409-after' as Mishap,
  },
  '409 to an update with a version that is ours already': {
    ...done,
    fault: status(409, issue('conflict')),
    write: putVersion,
    before: ({ server }) => server.put('Patient/p1', patient),
  },
  '410 to an update': { ...refused, fault: status(410, issue('deleted')), write: putPatient },
  '412 to an update of what somebody else has changed': {
    ...refused,
    end: 'parked',
    fault: status(412, issue('conflict')),
    write: putVersion,
    before: ({ server }) => server.put('Patient/p1', { ...patient, active: false }),
  },
  '412 to a PUT with If-None-Match': { ...done, fault: status(412), options: { plan: 'put-if-none-match' } },
  '412 to a create with several matches': {
    ...refused,
    end: 'parked',
    fault: status(412, issue('multiple-matches')),
  },
  '412 to a condition that is not supported': { ...done, fault: status(412, issue('processing')) },
  '413 to a single resource': { ...refused, fault: status(413) },
  '414': { ...refused, fault: status(414) },
  '422': { ...refused, fault: status(422, issue('invariant')) },
  '425': { ...sent, gate: 'open', fault: status(425) },
  '428 to an update': {
    ...done,
    fault: status(428),
    write: putPatient,
    before: ({ server }) => server.put('Patient/p1', { ...patient, active: false }),
  },
  '429': { ...sent, fault: status(429, '', { 'retry-after': '60' }) },
  '431': { ...refused, fault: status(431) },
  '500': { ...unknown, fault: status(500, issue('exception')) },
  '500 after the work was done': { ...unknown, fault: '500-after' },
  '501': { ...refused, fault: status(501), write: putPatient },
  '502': { ...unknown, fault: status(502) },
  '503 with Retry-After': { ...sent, fault: status(503, '', { 'retry-after': '60' }) },
  '503 without Retry-After': { ...sent, state: 'unknown', fault: status(503) },
  '504': { ...unknown, fault: status(504) },
  '507': { ...person, fault: status(507) },
}

describe('one write that meets', () => {
  it.each(Object.entries(rows))('%s', async (_name, row) => {
    const set = world(row.behaviour, row.options)
    const { queue, server, time } = set
    await queue.plan()
    row.before?.(set)
    const faults = [row.fault].flat()
    let struck = 0
    server.mishap = (request, path) => {
      if (request.method === 'GET') return undefined
      const fault = faults[struck++]
      if (fault === ('no-location' as Mishap) || fault === ('409-after' as Mishap)) {
        // It is written all the same, as one request of ours before would have done.
        server.put(`${path}/s0`, {
          ...(JSON.parse(new TextDecoder().decode(request.body as Uint8Array)) as object),
          id: 's0',
        })
        return fault === ('no-location' as Mishap) ? status(201) : status(409, issue('conflict'))
      }
      return fault
    }
    await (row.write ?? ((one: World['queue']) => one.enqueue(observation)))(queue)
    queue.start()
    await time.pass(0)
    expect(struck).toBeGreaterThan(0)
    const [gate] = queue.outbox.gates()
    const entry = await queue.outbox.read(1)
    expect({
      state: entry?.state,
      spent: entry?.attempts,
      gate: gate?.state === 'closed' && gate.needsPerson === true ? 'needs-person' : gate?.state,
    }).toEqual({ state: row.state, spent: row.spent, gate: row.gate })
    await time.pass(30 * hour)
    const settled = await queue.outbox.settled(1)
    expect(settled.state === 'dead' ? settled.reason : settled.state).toBe(row.end)
    if (row.end === 'delivered' && row.write === undefined)
      expect(server.created).toHaveLength(row.options?.plan === undefined ? 1 : 0)
  })

  it.each([400, 500])('%i again and again ends with a person', async (code) => {
    const { queue, server, time } = world()
    await queue.plan()
    server.mishap = ({ method }) => (method === 'GET' ? undefined : status(code, issue('exception')))
    await queue.enqueue(observation)
    queue.start()
    await time.pass(2 * hour)
    expect(await queue.outbox.settled(1)).toMatchObject({
      state: 'dead',
      reason: code === 400 ? 'rejected' : 'parked',
      failure: { status: code },
    })
    const tries = server.requests.filter(({ method }) => method === 'POST').length
    expect(tries).toBeGreaterThanOrEqual(code === 400 ? 3 : 5)
  })

  it('403 again and again is about us: the destination closes and nobody else is refused', async () => {
    const { queue, server, time } = world()
    await queue.plan()
    server.mishap = ({ method }) => (method === 'GET' ? undefined : status(403, issue('forbidden')))
    await queue.enqueueAll(Array.from({ length: 6 }, () => ({ resource: observation })))
    queue.start()
    await time.pass(hour)
    expect(await queue.stats()).toMatchObject({ dead: 3, waiting: 3 })
    expect(queue.outbox.gates()).toMatchObject([{ state: 'closed', needsPerson: true }])
  })

  it('a 200 to a create whose content is another: it is told', async () => {
    const { queue, server, time, events } = world()
    const { key } = await queue.enqueue(observation)
    const other = {
      ...observation,
      code: { text: 'other' },
      identifier: [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }],
    }
    server.put('Observation/o1', { ...other, id: 'o1' })
    queue.start()
    await time.pass(0)
    expect(await queue.receipt(1)).toMatchObject({ id: 'Observation/o1', alreadyThere: true, differs: true })
    expect(events).toContainEqual({ type: 'content-differs', sequence: 1, gate: server.client.baseUrl })
  })
})
