/** One HTTP request, ready to leave. */
export interface SendRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Time until the response headers must be there, in milliseconds. No limit when absent. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/**
 * What carries requests. A sender sends once: no retry, and no redirect followed (a 3xx answer, or in browsers
 * the opaque one, is returned as it is). Any HTTP status resolves.
 *
 * Rejects with an error that has `code` (`ERR_NETWORK`, `ERR_CONNECT`, `ERR_DNS`, `ERR_TLS`, `ERR_TIMEOUT`) and
 * `sent`: `'no'` only when no byte of the request can have reached the server's application. An abort rejects
 * with an error named `AbortError`.
 *
 * Time limit and signal end with the response headers; who reads the body cancels it.
 */
export interface Sender {
  send(request: SendRequest): Promise<Response>
}
