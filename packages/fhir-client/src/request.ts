import { resolvePath, type BaseUrl } from './base-url.js'
import { encodeBody, type RequestBody } from './body.js'
import { invalid, preconditionHeaders, type Preconditions } from './conditions.js'
import { checkTimeout, type PreparedRequest } from './exchange.js'
import type { Expectation } from './response.js'

/** Options every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Time limit of one HTTP exchange, body included, in milliseconds. Default: the client's. */
  readonly timeoutMs?: number | undefined
  /** More request headers, e.g. `x-request-id`. `authorization` is the token source's business. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** A request as `client.request` takes it. */
export interface FhirRequest extends CallOptions, Preconditions {
  readonly method: string
  /** Below the base URL, query allowed: `Patient/1`, `Observation?code=8867-4`, `''` for the base itself. */
  readonly path: string
  /** Bytes and text leave untouched, a list of `Uint8Array` as one body; any other object leaves as JSON. */
  readonly body?: RequestBody | undefined
  /** What a 2xx body must be. Default: `'fhir'`. */
  readonly expect?: Expectation | undefined
  /** `'none'` sends no token, e.g. for public metadata. Default: `'token'`. */
  readonly auth?: 'token' | 'none' | undefined
}

/** Time limits of a client. */
export interface TimeLimits {
  readonly timeoutMs: number
  readonly bundleTimeoutMs: number
}

const fhirJson = 'application/fhir+json'
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// eslint-disable-next-line no-control-regex -- what a header must not contain
const fieldValue = /^[^\u0000-\u0008\u000a-\u001f\u007f\u0100-\u{10ffff}]*$/u

/** Checks a request and fills in what it left open. Nothing has been sent when it throws. */
export function prepare(base: BaseUrl, limits: TimeLimits, request: FhirRequest): PreparedRequest {
  const method = request.method.toUpperCase()
  if (!fieldName.test(method)) throw invalid('The method is not one.')
  const body = encodeBody(request.body)
  if (body !== undefined && (method === 'GET' || method === 'HEAD')) throw invalid(`${method} takes no body.`)
  // A POST to the base itself is a batch or transaction, and takes its time.
  const isBundle = method === 'POST' && /^\/?$/.test(request.path)
  return prepareFor(resolvePath(base, request.path), method, body, {
    signal: request.signal,
    // What the caller wrote itself comes last and wins.
    headers: { ...preconditionHeaders(request), ...request.headers },
    timeoutMs: request.timeoutMs ?? (isBundle ? limits.bundleTimeoutMs : limits.timeoutMs),
  })
}

/** The same for a URL that is known to lead to the server. */
export function prepareFor(
  url: URL,
  method: string,
  body: Uint8Array | string | undefined,
  options: CallOptions & { readonly timeoutMs: number },
): PreparedRequest {
  return {
    method,
    url,
    headers: mergeHeaders(body !== undefined, options.headers ?? {}),
    ...(body === undefined ? {} : { body }),
    timeoutMs: checkTimeout(options.timeoutMs),
    signal: options.signal,
  }
}

function mergeHeaders(
  hasBody: boolean,
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { accept: fhirJson }
  if (hasBody) headers['content-type'] = fhirJson
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (lower === 'authorization') throw invalid('The authorization header comes from the token source.')
    // `fetch` would refuse these too, but with a message that repeats the value.
    if (!fieldName.test(name) || !fieldValue.test(value))
      throw invalid(`The header ${JSON.stringify(lower)} is malformed.`)
    headers[lower] = value
  }
  return headers
}
