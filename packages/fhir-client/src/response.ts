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

/**
 * What a 2xx body must be.
 * - `fhir`: empty or a resource
 * - `any`: empty or JSON without a member `error`, such as the answer of an encrypted endpoint
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

/** A 2xx answer. Members are absent when the server did not say. */
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
  /** Version id from the ETag, else from `Location`. Opaque; not always a number. */
  readonly version?: string
  /** From `Location`. Servers leave it out now and then: also look at `resource.id`. */
  readonly location?: ResourceAddress
  /** As sent. */
  readonly lastModified?: string
  readonly contentType?: string
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
  if (answer.status < 200 || answer.status > 299) throw httpFailure(answer, now)
  const facts = factsOf(answer)
  const { method, path, body } = answer
  const said = { method, path, status: answer.status, ...facts }
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
      ...complaintsOf(answer),
      sent: 'maybe',
    })
  }
  const lastModified = answer.headers.get('last-modified') ?? undefined
  return {
    status: answer.status,
    ...content,
    ...facts,
    ...(lastModified === undefined ? {} : { lastModified }),
    headers: keepHeaders(answer.headers),
  }
}

type Content = Pick<FhirResponse, 'body' | 'resource' | 'outcome' | 'text'>

function interpret(bytes: Uint8Array, expect: Expectation): Content | undefined {
  if (bytes.byteLength === 0) return { body: { kind: 'empty' } }
  if (expect === 'bytes') return { body: { kind: 'bytes', bytes } }
  const text = new TextDecoder().decode(bytes)
  if (text.trim() === '') return { body: { kind: 'empty' } }
  const value = parseJson(text)
  if (isOutcome(value)) return { body: { kind: 'outcome', outcome: value }, outcome: value, text }
  if (isResource(value)) return { body: { kind: 'resource', resource: value }, resource: value, text }
  // C3-PRO servers answer some failures with status 200 and `{'error': …}`, which is not even JSON.
  const acceptable = expect === 'any' && value !== undefined && !(isRecord(value) && 'error' in value)
  return acceptable ? { body: { kind: 'json', value }, text } : undefined
}

function isOutcome(value: unknown): value is OperationOutcome {
  return isResource(value) && value.resourceType === 'OperationOutcome'
}

function isShort(answer: Answer, bytes: Uint8Array): boolean {
  if (answer.headers.has('content-encoding')) return false
  return Number(answer.headers.get('content-length') ?? 0) > bytes.byteLength
}

type Facts = Pick<FhirResponse, 'etag' | 'version' | 'location' | 'contentType'>

/** ETag and Location are read from successes only: careless servers put nonsense into those of errors. */
function factsOf(answer: Answer): Facts {
  const etag = answer.headers.get('etag') ?? undefined
  const location = parseLocation(answer.headers.get('location'))
  const version = versionOfEtag(etag) ?? location?.version
  const contentType = answer.headers.get('content-type') ?? undefined
  return {
    ...(etag === undefined || etag === '' || etag === 'W/""' || etag === '""' ? {} : { etag }),
    ...(version === undefined ? {} : { version }),
    ...(location === undefined ? {} : { location }),
    ...(contentType === undefined ? {} : { contentType }),
  }
}

function keepHeaders(headers: Headers): Readonly<Record<string, string>> {
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
