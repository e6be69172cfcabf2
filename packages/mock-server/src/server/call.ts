/** One request after its body was read, as the services see it. */
export interface Call {
  readonly method: string
  /** Absolute URL of the mock's root, without a slash at the end. */
  readonly root: string
  /** Decoded path segments below the root; empty ones are left out. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: Uint8Array
  /** Number of the exchange in `log`. */
  readonly n: number
}

/** The media type without parameters, in lower case; empty when there is none. */
export function mediaType(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

export function jsonReply(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}

/** The form members of a body; `undefined` when it is no form. */
export function formOf(call: Call): URLSearchParams | undefined {
  if (mediaType(call.headers) !== 'application/x-www-form-urlencoded') return undefined
  return new URLSearchParams(new TextDecoder().decode(call.body))
}
