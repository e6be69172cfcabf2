import type { ResourceAddress } from './location.js'

/** Every code this package's errors carry. The README says what to do about each. */
export type FhirErrorCode =
  | 'ERR_INVALID_URL'
  | 'ERR_INSECURE_URL'
  | 'ERR_INVALID_REQUEST'
  | 'ERR_TOKEN_SOURCE'
  | 'ERR_DNS'
  | 'ERR_CONNECT'
  | 'ERR_TLS'
  | 'ERR_NETWORK'
  | 'ERR_TIMEOUT'
  | 'ERR_REDIRECTED'
  | 'ERR_UNAUTHORIZED'
  | 'ERR_HTTP'
  | 'ERR_NOT_FHIR'
  | 'ERR_TRUNCATED'
  | 'ERR_RESPONSE_TOO_LARGE'
  | 'ERR_BAD_LINK'
  | 'ERR_PAGE_EXPIRED'
  | 'ERR_ASYNC_NO_STATUS'
  | 'ERR_ASYNC_FAILED'
  | 'ERR_ASYNC_GONE'

/**
 * Whether the request reached the server.
 * - `no`: certainly not; it may be sent again without thought
 * - `maybe`: it may have been applied and nobody knows
 * - `yes`: the server answered it
 */
export type Sent = 'no' | 'maybe' | 'yes'

/** One complaint of a server, whatever dialect it spoke. */
export interface FhirIssue {
  readonly severity?: string
  /** Issue type of an OperationOutcome, `error` of an OAuth answer, else `unknown`. */
  readonly code: string
  /** The server's words, at most 1,000 characters. They may repeat what was sent: do not log them. */
  readonly text?: string
  /** FHIRPath or location of the element in question. */
  readonly path?: string
}

/** What an error may know beyond its code. */
export interface FhirErrorDetails {
  readonly sent: Sent
  readonly method?: string
  /** URL path without query string. */
  readonly path?: string
  readonly status?: number
  readonly issues?: readonly FhirIssue[]
  readonly retryAfterMs?: number
  readonly location?: ResourceAddress
  readonly etag?: string
  readonly version?: string
  readonly contentType?: string
  readonly cause?: unknown
}

const hints: Readonly<Record<FhirErrorCode, string>> = {
  ERR_INVALID_URL: 'Give an absolute http(s) base URL without query, and paths that stay below it.',
  ERR_INSECURE_URL: 'Use https: a token is sent over plain http to loopback addresses only.',
  ERR_INVALID_REQUEST: 'Correct the request; nothing was sent.',
  ERR_TOKEN_SOURCE: 'The token source failed without a code or returned no usable bearer token.',
  ERR_DNS: 'The host name could not be resolved; try again when the network is back.',
  ERR_CONNECT: 'No connection could be made; try again later.',
  ERR_TLS: 'The TLS connection failed; check the certificate, its trust and the clock of this device.',
  ERR_NETWORK: 'The connection broke; the server may have applied the request.',
  ERR_TIMEOUT:
    'No complete answer came in time; unless `sent` is "no", the server may have applied the request.',
  ERR_REDIRECTED: 'Configure the address the server redirects to; it was not followed.',
  ERR_UNAUTHORIZED: 'The server refused the token, also after a refresh; sign in again or check the client.',
  ERR_HTTP: 'Look at `status` and `issues`.',
  ERR_NOT_FHIR:
    'The answer did not come from a FHIR server, or hides an error behind a success status; look for a proxy or a captive portal.',
  ERR_TRUNCATED:
    'The server accepted the request, but its answer was cut off; read the resource back if needed.',
  ERR_RESPONSE_TOO_LARGE: 'Ask for smaller pages or raise `maxResponseBytes`.',
  ERR_BAD_LINK: 'The link of this page does not lead to the configured server; check its base URL setting.',
  ERR_PAGE_EXPIRED: 'The paging session is over; start the search again.',
  ERR_ASYNC_NO_STATUS:
    'The server works on the request, but its status URL cannot be read or leads elsewhere; in a browser, have `Content-Location` exposed by CORS.',
  ERR_ASYNC_FAILED: 'Look at `status` and `issues`: they are what the request would have been answered with.',
  ERR_ASYNC_GONE: 'Cancelled, expired or never there; find out whether the request was applied.',
}

const facts = [
  'method',
  'path',
  'status',
  'retryAfterMs',
  'location',
  'etag',
  'version',
  'contentType',
] as const

const brand = Symbol.for('@fhir-outbox/fhir-client/FhirError')

/**
 * A failed request. Carries no body, no token and no query string; `issues` hold the server's words, which
 * may repeat patient data and are therefore not part of the message.
 */
export class FhirError extends Error {
  override readonly name = 'FhirError'
  readonly code: FhirErrorCode
  readonly hint: string
  readonly sent: Sent
  /** Empty when the server said nothing that could be understood. */
  readonly issues: readonly FhirIssue[]
  declare readonly method?: string
  declare readonly path?: string
  declare readonly status?: number
  /** How long the server asks to wait, in milliseconds, between 0 and 24 hours. */
  declare readonly retryAfterMs?: number
  /** Only with a 2xx status: where the headers say the resource is. */
  declare readonly location?: ResourceAddress
  /** Only with a 2xx status. */
  declare readonly etag?: string
  /** Only with a 2xx status. */
  declare readonly version?: string
  declare readonly contentType?: string

  constructor(code: FhirErrorCode, message: string, details: FhirErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = hints[code]
    this.sent = details.sent
    this.issues = details.issues ?? []
    // An absent fact is an absent member, so that `'status' in error` is an answer. Nothing else gets in.
    for (const name of facts) {
      const value = details[name]
      if (value !== undefined) Object.defineProperty(this, name, { value, enumerable: true })
    }
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether something thrown is a `FhirError`, also of another copy of this package. */
export function isFhirError(error: unknown): error is FhirError {
  return typeof error === 'object' && error !== null && brand in error
}

/** The rejection of a request its caller aborted: an `Error` named `AbortError` that tells `sent`. */
export interface RequestAborted extends Error {
  readonly name: 'AbortError'
  readonly sent: Sent
}

export function requestAborted(sent: Sent, reason: unknown): RequestAborted {
  const error = new Error('The request was aborted.', { cause: reason })
  return Object.assign(error, { name: 'AbortError' as const, sent })
}
