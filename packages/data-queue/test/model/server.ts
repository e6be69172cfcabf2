import { createFhirClient, type FhirClient, type SendRequest } from '@fhir-outbox/fhir-client'

/** How a modelled server behaves. The default does everything FHIR allows it to, and says so. */
export interface Behaviour {
  readonly conditionalCreate: 'honoured' | 'ignored' | 'refused'
  readonly clientIds: boolean
  readonly ifNoneMatch: boolean
  readonly ifMatch: boolean
  readonly transactions: 'atomic' | 'batch' | 'refused'
  readonly mostConditional: number
  readonly mostEntries: number
  /** What the CapabilityStatement says; `none` is 404. */
  readonly statement: 'truth' | 'boast' | 'modest' | 'none'
  readonly search: 'works' | 'forbidden' | 'ignores-parameters' | 'blind'
  readonly searchLagMs: number
  /** An entry with this text is refused, with or without saying which entry it was. */
  readonly poison: { readonly status: number; readonly issue: string; readonly named: boolean }
  readonly scope: string | undefined
}

const usual: Behaviour = {
  conditionalCreate: 'honoured',
  clientIds: true,
  ifNoneMatch: true,
  ifMatch: true,
  transactions: 'atomic',
  mostConditional: Infinity,
  mostEntries: Infinity,
  statement: 'truth',
  search: 'works',
  searchLagMs: 0,
  poison: { status: 422, issue: 'invariant', named: false },
  scope: undefined,
}

/** What happens to a request besides being answered. */
export type Mishap =
  | 'lost-before'
  | 'lost-after'
  | 'truncated'
  | '500-after'
  | 'refused'
  /** Nobody hears of it any more: for a process that dies. */
  | 'hang-before'
  | 'hang-after'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }

type Resource = Record<string, unknown> & { readonly resourceType: string; readonly id: string }

interface Stored {
  resource: Resource
  version: number
  readonly key: string | undefined
  readonly at: number
}

export interface ModelServer {
  readonly client: FhirClient
  /** What carries the requests of the client; for another client of the same server. */
  readonly send: (request: SendRequest) => Promise<Response>
  /** Keys in the order in which resources with them came to be. */
  readonly created: readonly string[]
  readonly requests: { readonly method: string; readonly path: string; readonly status: number }[]
  /** Called for each request; what it returns happens to it. */
  mishap: (request: SendRequest, path: string) => Mishap | undefined
  readonly store: ReadonlyMap<string, Stored>
  put(path: string, resource: Record<string, unknown>): void
  texts(): readonly unknown[]
}

const base = 'https://model.example/fhir'
const json = { 'content-type': 'application/fhir+json' }

class Refusal extends Error {
  readonly status: number
  readonly issue: string
  readonly path: string | undefined
  constructor(status: number, issue: string, path?: string) {
    super(`${status} ${issue}`)
    this.status = status
    this.issue = issue
    this.path = path
  }
}

interface Operation {
  readonly method: string
  readonly url: string
  readonly resource?: Record<string, unknown>
  readonly conditions: {
    readonly ifNoneExist?: string
    readonly ifNoneMatch?: string
    readonly ifMatch?: string
  }
}

/** A FHIR server without a network: it takes the requests of a client and forgets nothing. */
export function modelServer(
  behaviour: Partial<Behaviour> = {},
  now: () => number = () => Date.now(),
): ModelServer {
  const does = { ...usual, ...behaviour }
  let store = new Map<string, Stored>()
  let created: string[] = []
  let count = 0

  function keyOf(resource: Record<string, unknown>): string | undefined {
    const meta = resource['meta'] as { tag?: { code?: string }[] } | undefined
    const found = [resource['identifier'], meta?.tag].flat().flatMap((one) => {
      const { value, code } = (one ?? {}) as { value?: string; code?: string }
      const text = value ?? code ?? ''
      return text.startsWith('urn:uuid:') ? [text.slice(9)] : []
    })
    return found.at(-1)
  }

  function matching(type: string, query: string): Stored[] {
    const wanted = [...new URLSearchParams(query)].flatMap(([name, value]) =>
      name === 'identifier' || name === '_tag'
        ? [value.split(',').map((one) => one.split('|urn:uuid:')[1])]
        : [],
    )
    return [...store.values()].filter(
      ({ resource, key, at }) =>
        resource.resourceType === type &&
        now() - at >= does.searchLagMs &&
        wanted.every((keys) => keys.includes(key)),
    )
  }

  function write(operation: Operation): { readonly status: number; readonly stored?: Stored } {
    const { method, url, resource, conditions } = operation
    const [type = '', id] = url.split('/')
    const text = (resource?.['code'] as { text?: string } | undefined)?.text
    if (text?.startsWith('poison') === true) throw new Refusal(does.poison.status, does.poison.issue)
    const existing = id === undefined ? undefined : store.get(`${type}/${id}`)
    if (method === 'DELETE') {
      store.delete(url)
      return { status: 204 }
    }
    if (resource === undefined) throw new Refusal(400, 'required')
    if (method === 'PUT') {
      if (resource['id'] !== id) throw new Refusal(400, 'invariant')
      if (does.ifNoneMatch && conditions.ifNoneMatch === '*' && existing !== undefined)
        throw new Refusal(412, 'conflict')
      if (
        does.ifMatch &&
        conditions.ifMatch !== undefined &&
        conditions.ifMatch !== `W/"${existing?.version}"`
      ) {
        throw new Refusal(412, 'conflict')
      }
      if (existing === undefined && !does.clientIds) throw new Refusal(404, 'not-found')
      return { status: existing === undefined ? 201 : 200, stored: keep(url, resource, existing) }
    }
    if (conditions.ifNoneExist !== undefined && does.conditionalCreate !== 'ignored') {
      if (does.conditionalCreate === 'refused') throw new Refusal(412, 'not-supported')
      const [hit, ...more] = matching(type, conditions.ifNoneExist)
      if (more.length > 0) throw new Refusal(412, 'multiple-matches')
      if (hit !== undefined) return { status: 200, stored: hit }
    }
    return { status: 201, stored: keep(`${type}/s${++count}`, { ...resource, id: `s${count}` }, undefined) }
  }

  function keep(path: string, resource: Record<string, unknown>, before: Stored | undefined): Stored {
    const key = keyOf(resource)
    const stored = { resource: resource as Resource, version: (before?.version ?? 0) + 1, key, at: now() }
    store.set(path, stored)
    if (before === undefined && key !== undefined) created.push(key)
    return stored
  }

  function bundle(value: Record<string, unknown>): Response {
    if (does.transactions === 'refused') throw new Refusal(400, 'invalid')
    const entries = value['entry'] as {
      resource?: Record<string, unknown>
      request: Record<string, string>
    }[]
    if (entries.length > does.mostEntries) throw new Refusal(400, 'too-costly')
    const conditional = entries.filter(({ request }) => request['ifNoneExist'] !== undefined).length
    if (value['type'] === 'transaction' && conditional > does.mostConditional)
      throw new Refusal(400, 'too-costly')
    const before = { store: new Map(store), created: [...created] }
    const answers: object[] = []
    for (const [index, { resource, request }] of entries.entries()) {
      const { method = '', url = '', ...conditions } = request
      try {
        const { status, stored } = write({
          method,
          url,
          conditions,
          ...(resource === undefined ? {} : { resource }),
        })
        answers.push({ response: { status: String(status), ...whereabouts(stored) } })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        if (value['type'] === 'transaction' && does.transactions === 'atomic') {
          store = before.store
          created = before.created
          throw new Refusal(
            error.status,
            error.issue,
            does.poison.named ? `Bundle.entry[${index}].resource` : undefined,
          )
        }
        answers.push({ response: { status: String(error.status), outcome: outcome(error) } })
      }
    }
    return reply(200, { resourceType: 'Bundle', type: `${String(value['type'])}-response`, entry: answers })
  }

  function whereabouts(stored: Stored | undefined): object {
    if (stored === undefined) return {}
    const { resource, version } = stored
    return { location: `${resource.resourceType}/${resource.id}/_history/${version}`, etag: `W/"${version}"` }
  }

  function handle(request: SendRequest, path: string, query: string): Response {
    const headers = new Headers(request.headers)
    if (request.method === 'GET') return get(path, query)
    const body = request.body === undefined ? undefined : text(request.body)
    const value =
      body === undefined || body === '' ? undefined : (JSON.parse(body) as Record<string, unknown>)
    if (path === '') return bundle(value ?? {})
    const header = (name: string): string | undefined => headers.get(name) ?? undefined
    const ifNoneExist = header('if-none-exist')
    const ifNoneMatch = header('if-none-match')
    const ifMatch = header('if-match')
    const { status, stored } = write({
      method: request.method,
      url: path,
      ...(value === undefined ? {} : { resource: value }),
      conditions: {
        ...(ifNoneExist === undefined ? {} : { ifNoneExist }),
        ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
        ...(ifMatch === undefined ? {} : { ifMatch }),
      },
    })
    if (stored === undefined) return new Response(null, { status })
    const { resource, version } = stored
    const location = `${base}/${resource.resourceType}/${resource.id}/_history/${version}`
    return reply(status, resource, { location, etag: `W/"${version}"` })
  }

  function get(path: string, query: string): Response {
    if (path === 'metadata')
      return does.statement === 'none'
        ? reply(404, outcome(new Refusal(404, 'not-found')))
        : reply(200, statement())
    if (path.startsWith('.well-known')) return new Response('', { status: 404 })
    const [type = '', id] = path.split('/')
    if (id !== undefined) {
      if (does.search === 'forbidden') throw new Refusal(403, 'forbidden')
      const stored = store.get(path)
      if (stored === undefined) throw new Refusal(404, 'not-found')
      return reply(200, stored.resource, { etag: `W/"${stored.version}"` })
    }
    if (does.search === 'forbidden') throw new Refusal(403, 'forbidden')
    const found =
      does.search === 'ignores-parameters'
        ? [...store.values()].filter(({ resource }) => resource.resourceType === type).slice(0, 2)
        : does.search === 'blind'
          ? []
          : matching(type, query)
    const entry = found.map(({ resource }) => ({ resource, search: { mode: 'match' } }))
    // As servers do, it repeats the question with the parameters that it has heeded.
    const heeded = does.search === 'ignores-parameters' ? '' : `?${query}`
    const link = [{ relation: 'self', url: `${base}/${path}${heeded}` }]
    return reply(200, { resourceType: 'Bundle', type: 'searchset', link, entry })
  }

  function statement(): object {
    const boast = does.statement === 'boast'
    const modest = does.statement === 'modest'
    const search =
      does.search === 'works' ? ['identifier', '_tag'].map((name) => ({ name, type: 'token' })) : []
    const resource = ['Observation', 'Patient', 'Basic', 'Binary', 'QuestionnaireResponse'].map((type) => ({
      type,
      interaction: ['create', 'read', 'update', 'delete', 'search-type'].map((code) => ({ code })),
      updateCreate: boast || (does.clientIds && !modest),
      conditionalCreate: boast || (does.conditionalCreate === 'honoured' && !modest),
      ...(search.length > 0 || modest ? { searchParam: search } : {}),
    }))
    const interaction = does.transactions === 'refused' ? [] : [{ code: 'transaction' }, { code: 'batch' }]
    return {
      resourceType: 'CapabilityStatement',
      fhirVersion: '4.0.1',
      rest: [{ mode: 'server', resource, interaction }],
    }
  }

  const server: ModelServer = {
    client: createFhirClient({ baseUrl: base, send: { send }, now }),
    send,
    get created() {
      return created
    },
    get store() {
      return store
    },
    requests: [],
    mishap: () => undefined,
    put(path, resource) {
      keep(path, resource, store.get(path))
    },
    texts: () =>
      created.map((key) => {
        const found = [...store.values()].find((stored) => stored.key === key)
        return (found?.resource['code'] as { text?: string } | undefined)?.text
      }),
  }

  async function send(request: SendRequest): Promise<Response> {
    const url = new URL(request.url)
    const path = url.pathname.slice('/fhir'.length).replace(/^\//, '')
    const mishap = server.mishap(request, path)
    const log = (status: number): void => {
      server.requests.push({ method: request.method, path, status })
    }
    const never = (): Promise<Response> => new Promise(() => undefined)
    if (mishap === 'hang-before') return never()
    if (mishap === 'refused') throw fault('ERR_CONNECT', 'no')
    if (mishap === 'lost-before') {
      log(0)
      throw fault('ERR_NETWORK', 'maybe')
    }
    if (typeof mishap === 'object') {
      log(mishap.status)
      return new Response(mishap.status === 304 ? null : (mishap.body ?? ''), {
        status: mishap.status,
        ...(mishap.headers === undefined ? {} : { headers: mishap.headers }),
      })
    }
    let response: Response
    try {
      response = handle(request, path, url.search.slice(1))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      response = reply(error.status, outcome(error))
    }
    log(response.status)
    if (mishap === 'hang-after') return never()
    if (mishap === 'lost-after') throw fault('ERR_NETWORK', 'maybe')
    if (mishap === '500-after') return reply(500, outcome(new Refusal(500, 'exception')))
    if (mishap === 'truncated') {
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"resourceType":'))
        },
        pull(controller) {
          controller.error(new Error('cut'))
        },
      })
      return new Response(body, { status: response.status, headers: response.headers })
    }
    return response
  }

  return server
}

function text(body: Uint8Array | string): string {
  return typeof body === 'string' ? body : new TextDecoder().decode(body)
}

function reply(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { ...json, ...headers },
  })
}

function outcome({ issue, path }: Refusal): object {
  const expression = path === undefined ? {} : { expression: [path] }
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: issue, ...expression }] }
}

function fault(code: string, sent: 'no' | 'maybe'): Error {
  return Object.assign(new Error('network'), { code, sent })
}
