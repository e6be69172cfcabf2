import type { BaseUrl } from './base-url.js'
import { FhirError } from './errors.js'
import { versionOfEtag } from './etag.js'
import type { Answer } from './exchange.js'
import { parseJson, readComplaints } from './issues.js'
import { parseLocation, type ResourceAddress } from './location.js'
import {
  isRecord,
  isResource,
  type FhirResource,
  type OperationOutcome,
  type ResourceLike,
} from './resources.js'
import { retryAfterMs } from './retry-after.js'
import type { ResponseHeaders } from './sender.js'

/**
 * What a 2xx body must be.
 * - `fhir`: empty or a resource
 * - `any`: empty or JSON that is no error in disguise, such as the answer of an encrypted endpoint or `$graphql`
 * - `bytes`: anything, uninterpreted
 */
export type Expectation = 'fhir' | 'any' | 'bytes'

/** What a 2xx body was. */
export type ResponseBody<T extends ResourceLike = FhirResource> =
  | { readonly kind: 'empty' }
  | { readonly kind: 'resource'; readonly resource: T }
  | { readonly kind: 'outcome'; readonly outcome: OperationOutcome }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** A 2xx answer, or a 304 to a conditional read. Members are absent when the server did not say. */
export interface FhirResponse<T extends ResourceLike = FhirResource> {
  readonly status: number
  readonly body: ResponseBody<T>
  /** The resource of the body, unchecked beyond its `resourceType`. */
  readonly resource?: T
  /** The body, when it is an OperationOutcome; on success it holds information, not failure. */
  readonly outcome?: OperationOutcome
  /** The body as text, for those who need decimals exactly as they were written. */
  readonly text?: string
  /** As sent, e.g. `W/"3"`. */
  readonly etag?: string
  /** Version id from the ETag, else from `Location`, else from the body. Opaque; not always a number. */
  readonly version?: string
  /** From `Location`. Servers leave it out now and then: `id` looks further. */
  readonly location?: ResourceAddress
  /** Id from `Location`, else from the body. */
  readonly id?: string
  /** As sent. */
  readonly lastModified?: string
  readonly contentType?: string
  /** How long the server asks to wait before the next look, with a 202. */
  readonly retryAfterMs?: number
  /** A few harmless headers by lower-case name: `content-location`, `retry-after`, `x-request-id`, … */
  readonly headers: Readonly<Record<string, string>>
}

const keptHeaders = [
  'content-location',
  'date',
  'preference-applied',
  'ratelimit',
  'retry-after',
  'x-correlation-id',
  'x-progress',
  'x-request-id',
]

/** Turns an answer into a response, or throws what it means. */
export function toResponse(answer: Answer, expect: Expectation, now: () => number): FhirResponse {
  const unchanged = answer.status === 304 && answer.method === 'GET'
  if ((answer.status < 200 || answer.status > 299) && !unchanged) throw httpFailure(answer, now)
  const facts = factsOf((name) => answer.headers.get(name) ?? undefined)
  const { method, path, body } = answer
  const { lastModified: _lastModified, ...inHeaders } = facts
  const said = { method, path, status: answer.status, ...inHeaders }
  if (body.state === 'too-large') {
    throw new FhirError('ERR_RESPONSE_TOO_LARGE', `${method} ${path} was answered with more than allowed.`, {
      ...said,
      sent: 'yes',
    })
  }
  if (body.state !== 'complete') {
    const { cause } = body
    throw new FhirError('ERR_TRUNCATED', `${method} ${path} was accepted, but the answer broke off.`, {
      ...said,
      sent: 'yes',
      cause,
    })
  }
  const content = interpret(body.bytes, expect)
  if (content === undefined) {
    // A transport that does not count (a service worker, a proxy) can end a cut body like a whole one.
    if (isShort(answer, body.bytes)) {
      throw new FhirError('ERR_TRUNCATED', `${method} ${path} was accepted, but the answer is too short.`, {
        ...said,
        sent: 'yes',
      })
    }
    throw new FhirError('ERR_NOT_FHIR', `${method} ${path} was answered with something else than FHIR.`, {
      ...said,
      issues: complaintsOf(answer).issues,
      sent: 'maybe',
    })
  }
  const waitMs = retryAfterMs(answer.status, answer.headers, [], now)
  return {
    status: answer.status,
    ...content,
    ...facts,
    ...identity(facts, content.resource),
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    headers: keepHeaders(answer.headers),
  }
}

/** A response that came as an entry of a Bundle: `resource` is its body, `said` its `response` element. */
export function entryResponse(
  status: number,
  resource: FhirResource | undefined,
  said: Readonly<Record<string, unknown>>,
  headers: FhirResponse['headers'],
): FhirResponse {
  const names: Readonly<Record<string, string>> = { 'last-modified': 'lastModified' }
  const facts = factsOf((name) => someText(said[names[name] ?? name]))
  const body = resource ?? (isResource(said['outcome']) ? said['outcome'] : undefined)
  const content: Content = body === undefined ? { body: { kind: 'empty' } } : resourceContent(body)
  return { status, ...content, ...facts, ...identity(facts, content.resource), headers }
}

/** What the body says where the headers said nothing: proxies strip them, and browsers hide them. */
function identity(facts: Facts, resource: FhirResource | undefined): Pick<FhirResponse, 'id' | 'version'> {
  const id = facts.location?.id ?? someText(resource?.id)
  const version = facts.version ?? someText(resource?.meta?.versionId)
  return { ...(id === undefined ? {} : { id }), ...(version === undefined ? {} : { version }) }
}

function someText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

type Content = Pick<FhirResponse, 'body' | 'resource' | 'outcome' | 'text'>

/** Body and text of an answer; `undefined` for one that is not what was expected. */
export function interpret(bytes: Uint8Array, expect: Expectation): Content | undefined {
  if (bytes.byteLength === 0) return { body: { kind: 'empty' } }
  if (expect === 'bytes') return { body: { kind: 'bytes', bytes } }
  const text = new TextDecoder().decode(bytes)
  if (text.trim() === '') return { body: { kind: 'empty' } }
  const value = parseJson(text)
  if (isResource(value)) return { ...resourceContent(value), text }
  // C3-PRO servers answer some failures with status 200 and `{'error': …}`, which is not even JSON. The `error`
  // of a Bulk Data manifest is a list of files.
  const disguised = isRecord(value) && 'error' in value && !Array.isArray(value['error'])
  return expect === 'any' && value !== undefined && !disguised
    ? { body: { kind: 'json', value }, text }
    : undefined
}

function resourceContent(resource: FhirResource): Content {
  return isOutcome(resource)
    ? { body: { kind: 'outcome', outcome: resource }, outcome: resource }
    : { body: { kind: 'resource', resource }, resource }
}

function isOutcome(value: unknown): value is OperationOutcome {
  return isResource(value) && value.resourceType === 'OperationOutcome'
}

function isShort(answer: Answer, bytes: Uint8Array): boolean {
  if (answer.headers.get('content-encoding') !== null) return false
  return Number(answer.headers.get('content-length') ?? 0) > bytes.byteLength
}

type Facts = Pick<FhirResponse, 'etag' | 'version' | 'location' | 'contentType' | 'lastModified'>

/** ETag and Location are read from successes only: careless servers put nonsense into those of errors. */
function factsOf(get: (name: string) => string | undefined): Facts {
  const etag = get('etag')
  const location = parseLocation(get('location'))
  const version = versionOfEtag(etag) ?? location?.version
  const contentType = get('content-type')
  const lastModified = get('last-modified')
  return {
    ...(etag === undefined || etag === '' || etag === 'W/""' || etag === '""' ? {} : { etag }),
    ...(version === undefined ? {} : { version }),
    ...(location === undefined ? {} : { location }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(lastModified === undefined ? {} : { lastModified }),
  }
}

function keepHeaders(headers: ResponseHeaders): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {}
  for (const name of keptHeaders) {
    const value = headers.get(name)
    if (value !== null) kept[name] = value
  }
  return kept
}

function httpFailure(answer: Answer, now: () => number): FhirError {
  const { method, path, status } = answer
  const contentType = answer.headers.get('content-type') ?? undefined
  const { issues, diagnostics } = complaintsOf(answer)
  const wait = retryAfterMs(status, answer.headers, diagnostics, now)
  const code = status === 401 ? 'ERR_UNAUTHORIZED' : 'ERR_HTTP'
  return new FhirError(code, `${method} ${path} was answered with status ${status}.`, {
    method,
    path,
    status,
    sent: 'yes',
    issues,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
    ...(contentType === undefined ? {} : { contentType }),
  })
}

function complaintsOf(answer: Answer): ReturnType<typeof readComplaints> {
  if (answer.body.state !== 'complete') return { issues: [], diagnostics: [] }
  const contentType = answer.headers.get('content-type') ?? undefined
  return readComplaints(new TextDecoder().decode(answer.body.bytes), contentType)
}

/** Passes on an answer that holds the wanted type, or 304. Throws `ERR_NOT_FHIR` for any other. */
export function expectType<T extends ResourceLike>(
  context: { readonly base: BaseUrl },
  response: FhirResponse<T>,
  request: { readonly method: string; readonly path: string },
  type: string,
): FhirResponse<T> {
  if (response.resource?.resourceType === type || response.status === 304) return response
  const below = request.path.replace(/\?.*$/s, '').replace(/^\//, '')
  const path = below === '' ? context.base.path : `${context.base.path}/${below}`
  throw wrongType(response, request.method, path, type)
}

/** An `ERR_NOT_FHIR` for a 2xx whose resource is not the one the interaction must answer with. */
export function wrongType(
  response: Pick<FhirResponse, 'status'>,
  method: string,
  path: string,
  type: string,
): FhirError {
  return new FhirError('ERR_NOT_FHIR', `${method} ${path} was answered without a ${type}.`, {
    method,
    path,
    status: response.status,
    sent: 'maybe',
  })
}
