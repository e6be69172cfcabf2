import type { FhirClient, FhirRequest, FhirResponse } from '@fhir-outbox/fhir-client'
import { failureOf } from './classify.js'
import { runsAtomically } from './plan.js'
import { scopeAllows, type CanaryFindings, type Evidence } from './evidence.js'
import { isObject } from './json.js'
import { keyCondition, keySystem } from './key.js'

/** Which harmless resource may be created and deleted to try a server out. */
export interface CanaryOptions {
  /** A type with a list of identifiers. Default `Basic`. */
  readonly type?: string
  /** Members of the resource. Default: a `code` that says what it is. */
  readonly content?: object
  /** Makes lower-case UUIDs. Default: random ones. */
  readonly uuid?: () => string
}

interface Circumstances {
  readonly at: string
  readonly evidence: Evidence
  readonly signal: AbortSignal | undefined
}

interface Answer {
  readonly status: number
  readonly response?: FhirResponse
}

/**
 * Tries out on a harmless resource what the plans rely on: creating twice under one condition, ids of ours,
 * `If-None-Match`, a stale `If-Match`, a transaction with one bad entry. Deletes what it has made. A trial that tells
 * nothing (forbidden, unreachable) leaves its finding out.
 */
export async function runCanaries(
  client: FhirClient,
  options: CanaryOptions,
  { at, evidence, signal }: Circumstances,
): Promise<CanaryFindings | undefined> {
  const { type = 'Basic', uuid = () => crypto.randomUUID() } = options
  const content = options.content ?? { code: { text: 'FHIR Outbox: trying the server out' } }
  if (scopeAllows(evidence.scopes, type, 'c') === false) return undefined
  const made = new Set<string>()

  const resource = (key: string, id?: string): object => ({
    resourceType: type,
    ...(id === undefined ? {} : { id }),
    ...content,
    identifier: [{ system: keySystem, value: `urn:uuid:${key}` }],
  })

  /** Status 0: no answer, so nothing is known. */
  async function send(request: FhirRequest, until: AbortSignal | undefined): Promise<Answer> {
    try {
      const response = await client.request({ ...request, timeoutMs: 10_000, signal: until })
      const id = idOf(response)
      if (id !== undefined && request.method === 'POST' && request.path === type) made.add(`${type}/${id}`)
      return { status: response.status, response }
    } catch (error) {
      const { status = 0 } = failureOf(error)
      // Nobody knows: it may be there.
      if (status === 0 && request.method === 'PUT') made.add(request.path)
      until?.throwIfAborted()
      return { status }
    }
  }

  const ask = (request: FhirRequest): Promise<Answer> => send(request, signal)

  /** The entries of a search by key; `undefined` without an answer. The Bundle itself repeats the question. */
  async function search(key: string): Promise<readonly unknown[] | undefined> {
    const path = `${type}?${keyCondition('identifier', key)}`
    const { status, response } = await ask({ method: 'GET', path, headers: { 'cache-control': 'no-cache' } })
    const bundle: unknown = response?.resource
    if (status !== 200 || !isObject(bundle)) return undefined
    return Array.isArray(bundle['entry']) ? bundle['entry'] : []
  }

  async function isThere(key: string): Promise<boolean | undefined> {
    const found = await search(key)
    if (found === undefined) return undefined
    const ids = idsIn(found, type, key)
    for (const id of ids) made.add(id)
    return ids.length > 0
  }

  /** Whether a search shows what is there, and only that: one that ignores its parameters shows it as well. */
  async function findsAtOnce(key: string): Promise<boolean | undefined> {
    const there = await isThere(key)
    if (there !== true) return there
    const control = await search(uuid())
    return control === undefined || idsIn(control, type, key).length > 0 ? undefined : true
  }

  async function conditional(): Promise<Partial<CanaryFindings> & { readonly first?: FhirResponse }> {
    const key = uuid()
    const create = (): Promise<Answer> =>
      ask({
        method: 'POST',
        path: type,
        body: resource(key),
        headers: { 'if-none-exist': keyCondition('identifier', key) },
      })
    const first = await create()
    if (refuses(first.status) && first.status !== 403) return { conditionalCreate: false }
    if (!succeeds(first.status) || first.response === undefined) return {}
    const searchAtOnce = await findsAtOnce(key)
    const second = await create()
    // The search behind the condition may lag as well: then 201 says that it cannot be relied on.
    return {
      first: first.response,
      ...(searchAtOnce === undefined ? {} : { searchAtOnce }),
      ...(second.status === 200 ? { conditionalCreate: true } : {}),
      ...(second.status === 201 || refuses(second.status) ? { conditionalCreate: false } : {}),
    }
  }

  async function clientIds(): Promise<Partial<CanaryFindings>> {
    const id = uuid()
    const put = (): Promise<Answer> =>
      ask({ method: 'PUT', path: `${type}/${id}`, body: resource(id, id), headers: { 'if-none-match': '*' } })
    const first = await put()
    if (!succeeds(first.status)) {
      return [400, 404, 405, 409, 412, 422, 501].includes(first.status) ? { clientIds: false } : {}
    }
    made.add(`${type}/${id}`)
    const second = await put()
    return {
      clientIds: true,
      ...(succeeds(second.status) ? { ifNoneMatch: false } : {}),
      // 409 has other meanings as well: it would not tell what became of a request without an answer.
      ...([304, 412].includes(second.status) ? { ifNoneMatch: true } : {}),
    }
  }

  async function staleMatch(first: FhirResponse | undefined): Promise<Partial<CanaryFindings>> {
    const id = first === undefined ? undefined : idOf(first)
    const etag = first?.etag
    if (id === undefined || etag === undefined) return {}
    const path = `${type}/${id}`
    const body = (text: string): object => ({ ...resource(uuid(), id), language: text })
    const fresh = await ask({ method: 'PUT', path, body: body('en'), headers: { 'if-match': etag } })
    if (!succeeds(fresh.status)) return {}
    const stale = await ask({ method: 'PUT', path, body: body('fr'), headers: { 'if-match': etag } })
    if ([409, 412].includes(stale.status)) return { ifMatch: true }
    return succeeds(stale.status) ? { ifMatch: false } : {}
  }

  async function transaction(findings: Partial<CanaryFindings>): Promise<Partial<CanaryFindings>> {
    const key = uuid()
    const byId = findings.clientIds === true
    // Without a sure way to look, nothing could be concluded from not finding it.
    if (!byId && findings.searchAtOnce !== true) return {}
    const good = byId
      ? { resource: resource(key, key), request: { method: 'PUT', url: `${type}/${key}` } }
      : { fullUrl: `urn:uuid:${key}`, resource: resource(key), request: { method: 'POST', url: type } }
    const target = uuid()
    // The id in the body is not the one in the URL, which FHIR forbids.
    const bad = { resource: resource(target, uuid()), request: { method: 'PUT', url: `${type}/${target}` } }
    const body = { resourceType: 'Bundle', type: 'transaction', entry: [good, bad] }
    const { status, response } = await ask({ method: 'POST', path: '', body })
    const present = byId
      ? succeeds((await ask({ method: 'GET', path: `${type}/${key}` })).status)
      : await isThere(key)
    if (byId && present === true) made.add(`${type}/${key}`)
    if (succeeds(status)) {
      made.add(`${type}/${target}`)
      return hasFailedEntry(response?.resource) ? { transaction: false } : {}
    }
    if (!refuses(status) || present === undefined) return {}
    return { transaction: !present }
  }

  let findings: Partial<CanaryFindings> = {}
  try {
    const { first, ...conditions } = await conditional()
    findings = { ...conditions, ...(await clientIds()), ...(await staleMatch(first)) }
    if (runsAtomically(evidence, true) || evidence.transaction === undefined) {
      findings = { ...findings, ...(await transaction(findings)) }
    }
  } finally {
    // Also when we are to stop: nobody else would take them away.
    for (const path of made) await send({ method: 'DELETE', path }, undefined)
  }
  return Object.keys(findings).length === 0 ? undefined : { at, type, ...findings }
}

function succeeds(status: number): boolean {
  return status >= 200 && status < 300
}

function refuses(status: number): boolean {
  return status >= 400 && status < 500 && status !== 401 && status !== 429
}

function idOf({ location, resource }: FhirResponse): string | undefined {
  return (
    location?.id ?? (isObject(resource) && typeof resource['id'] === 'string' ? resource['id'] : undefined)
  )
}

function idsIn(entries: readonly unknown[], type: string, key: string): readonly string[] {
  return entries.flatMap((entry) => {
    const found = isObject(entry) ? entry['resource'] : undefined
    if (!isObject(found) || typeof found['id'] !== 'string') return []
    return JSON.stringify(found).includes(key) ? [`${type}/${found['id']}`] : []
  })
}

function hasFailedEntry(bundle: unknown): boolean {
  if (!isObject(bundle) || !Array.isArray(bundle['entry'])) return false
  return bundle['entry'].some((entry: unknown) => {
    const response = isObject(entry) ? entry['response'] : undefined
    return isObject(response) && Number.parseInt(String(response['status']), 10) >= 400
  })
}
