/** The request options this package hands to a `Fetch`. */
export interface FetchInit {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  headers: Record<string, string>
  body?: string
  redirect: 'manual'
  credentials: 'omit'
  cache: 'no-store'
  referrerPolicy: 'no-referrer'
  signal: AbortSignal
}

/** Anything shaped like `fetch`; a `ky` instance fits. It must not follow redirects when told `manual`. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>

/** Options shared by everything that talks to a server. */
export interface ConnectionOptions {
  /** Sends the requests. Default: the platform's `fetch`, looked up at call time. */
  readonly fetch?: Fetch
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly now?: () => number
  /** Limit for one request with its answer, in milliseconds. Default 30,000; for discovery 10,000. */
  readonly timeoutMs?: number
  /** A number from 0 up to 1; spreads renewals of many devices over time. Default: `Math.random`. */
  readonly random?: () => number
  /** Told about every step, for logs and support. Events hold no secret, no query and no patient. */
  readonly trace?: (event: TraceEvent) => void
}

/** One step, narrated. */
export interface TraceEvent {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly step:
    | 'request'
    | 'answer'
    | 'no-answer'
    | 'token-renewal'
    | 'token-adopted'
    | 'token-uncertain'
    | 'login-begun'
    | 'login-returned'
    | 'login-completed'
    | 'patient-resolved'
    | 'client-registered'
  /** Of a request: method, and URL without user name, query and fragment. */
  readonly method?: string
  readonly url?: string
  readonly status?: number
  /** An error's code. */
  readonly code?: string
  readonly oauthError?: string
  /** A fixed word or two that say which way the step went. */
  readonly detail?: string
}

/**
 * Which habits of the server are tolerated. `smart` follows SMART App Launch 2.2.0; `c3-pro` adds what the
 * published C3-PRO server does: a token answer with status 202, or without `token_type`, and a trailing comma in JSON.
 */
export type AuthProfile = 'smart' | 'c3-pro'

/** An access token. */
export interface AccessToken {
  readonly value: string
  readonly type: 'Bearer'
  /** Milliseconds since 1970; absent when the server did not say: valid until rejected. */
  readonly expiresAt?: number
  /** Granted scopes as the server stated them; what was asked for when it stated none. */
  readonly scope?: string
  /** Id of the patient in context, when the server named one. */
  readonly patient?: string
}

/** What a caller needs a token for. */
export interface TokenRequest {
  /** The request URL the token will be sent to. */
  readonly url: string
  /** The value of a token that the server has just refused with 401. */
  readonly rejected?: string
  readonly signal?: AbortSignal
}

/** Gives out access tokens, and gets new ones when needed. */
export interface TokenSource {
  /**
   * Resolves with a token that is believed to be valid.
   *
   * Concurrent calls share one token request. A token close to its end is renewed in the background and
   * stays in use while the renewal fails. `rejected` forces one new token, unless a newer one is already
   * there. Aborting `signal` rejects with an `AbortError` for this caller only.
   *
   * Errors: `ERR_AUTH_UNREACHABLE` (try later; `retryAfterMs` when the server said so),
   * `ERR_LOGIN_REQUIRED` (a person must act), `ERR_INSECURE_URL` and `ERR_WRONG_ORIGIN` for a `url` that
   * must not get the token.
   */
  getToken(request: TokenRequest): Promise<AccessToken>
}

/** Where the authorization server is, and where its tokens may go. */
export interface ServerOptions {
  /** FHIR base URL; the endpoints are discovered from it. */
  readonly fhirBaseUrl?: string
  /** Token endpoint; when given, nothing is discovered. */
  readonly tokenEndpoint?: string
  /**
   * Origins that may receive the token, besides the origin of `fhirBaseUrl`. Without both, any https URL
   * (or loopback) may.
   */
  readonly resourceOrigins?: readonly string[]
  /** Origins that discovered endpoints may be on, besides that of `fhirBaseUrl`. Default: any. */
  readonly endpointOrigins?: readonly string[]
}
