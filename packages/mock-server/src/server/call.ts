import { jsonText } from '../json.js'

/** One request after its body was read, as the services see it. */
export interface Call {
  readonly method: string
  /** Absolute URL of the mock's root as links show it, without a slash at the end. */
  readonly root: string
  /** Decoded path segments below the root; empty ones are left out. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: Uint8Array
  /** Number of the exchange in `log`. */
  readonly n: number
  /** The time of this exchange, in milliseconds since 1970. */
  readonly now: number
  readonly trouble: Trouble
}

/** What faults do to the processing of one request. */
export interface Trouble {
  readonly searchLagMs: number
  readonly ignoreConditions: boolean
  readonly failEntries: { readonly entries: readonly number[]; readonly status: number } | undefined
}

export const noTrouble: Trouble = { searchLagMs: 0, ignoreConditions: false, failEntries: undefined }

/** The media type without parameters, in lower case; empty when there is none. */
export function mediaType(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

export function jsonReply(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(jsonText(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}

export function htmlReply(
  status: number,
  html: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(html, {
    status,
    headers: {
      'content-type': 'text/html;charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
      ...headers,
    },
  })
}

/** The form members of a body; `undefined` when it is no form. */
export function formOf(call: Call): URLSearchParams | undefined {
  if (mediaType(call.headers) !== 'application/x-www-form-urlencoded') return undefined
  return new URLSearchParams(new TextDecoder().decode(call.body))
}
