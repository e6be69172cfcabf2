import type { Answer, PreparedRequest } from './exchange.js'

/**
 * When request bodies are sent compressed.
 * - `never`
 * - `advertised`: once the server has named `gzip` in the `Accept-Encoding` of an answer, see
 *   https://www.rfc-editor.org/rfc/rfc7694
 * - `always`: for servers known to take it
 */
export type CompressRequests = 'never' | 'advertised' | 'always'

/** What one client knows about compressed requests to its server. */
export interface Compression {
  readonly mode: CompressRequests
  /** Smaller bodies are not worth it. */
  readonly minBytes: number
  /** What the server said: by `Accept-Encoding`, or by 415. */
  taken: boolean | undefined
}

/**
 * Sends a large body as gzip where the server takes it. A 415 means that it does not: the request was refused
 * unread, is sent once more as it was, and nothing is compressed any more.
 */
export async function exchangeCompressed(
  compression: Compression,
  request: PreparedRequest,
  send: (request: PreparedRequest) => Promise<Answer>,
): Promise<Answer> {
  const body = mayCompress(compression, request) ? await smaller(request.body) : undefined
  if (body === undefined) return learnFrom(compression, await send(request))
  const headers = { ...request.headers, 'content-encoding': 'gzip' }
  const answer = await send({ ...request, headers, body })
  if (answer.status !== 415) return learnFrom(compression, answer)
  compression.taken = false
  return send(request)
}

function mayCompress({ mode, minBytes, taken }: Compression, { body, headers }: PreparedRequest): boolean {
  if (mode === 'never' || taken === false || (mode === 'advertised' && taken === undefined)) return false
  // UTF-8 is never shorter than the count of code units.
  const size = typeof body === 'string' ? body.length : (body?.byteLength ?? 0)
  return size >= minBytes && headers['content-encoding'] === undefined
}

async function smaller(body: Uint8Array | string | undefined): Promise<Uint8Array | undefined> {
  if (body === undefined) return undefined
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : new Uint8Array(body)
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))
  const result = new Uint8Array(await new Response(packed).arrayBuffer())
  return result.byteLength < bytes.byteLength ? result : undefined
}

function learnFrom(compression: Compression, answer: Answer): Answer {
  const named = answer.headers.get('accept-encoding')
  // A refusal by 415 is remembered for good: what a proxy advertises, the server behind it has refused.
  if (named !== null && compression.taken !== false) {
    compression.taken = named.split(',').some(isGzip) ? true : undefined
  }
  return answer
}

function isGzip(item: string): boolean {
  const [coding, ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
  const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  return (coding === 'gzip' || coding === 'x-gzip') && !refused
}
