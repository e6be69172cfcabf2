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

/** Header fields of an answer, as `Headers` has them: names in any case, several fields joined by a comma. */
export interface ResponseHeaders {
  get(name: string): string | null
}

/** An answer whose body has not been read yet. The `Response` of `fetch` is one. */
export interface SenderResponse {
  /** 0 only for answers the platform hides. */
  readonly status: number
  readonly headers: ResponseHeaders
  /** Content-Encoding undone. Leaving the iteration early lets go of the connection. */
  readonly body: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null
  /** `opaqueredirect` for a redirect whose status the platform hides. */
  readonly type?: string
}

/**
 * What carries requests. A sender sends once: no retry, and no redirect followed (a 3xx answer, or in browsers
 * the opaque one, is returned as it is). Any HTTP status resolves.
 *
 * Rejects with an error that has `code` (`ERR_NETWORK`, `ERR_CONNECT`, `ERR_DNS`, `ERR_TLS`, `ERR_TIMEOUT`) and
 * `sent`: `'no'` only when no byte of the request can have reached the server's application. An abort rejects
 * with an error named `AbortError` that has `sent` too.
 *
 * Time limit and signal end with the response headers; who reads the body cancels it.
 */
export interface Sender {
  send(request: SendRequest): Promise<SenderResponse>
}
