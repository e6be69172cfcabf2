import { MockServerError } from '../errors.js'
import { operationOutcome } from '../fhir/problem.js'
import { jsonText } from '../json.js'
import { rootOf } from './base-url.js'
import type { Call } from './call.js'
import { preflight, withCors, type CorsMode } from './cors.js'
import { captivePortal, drip, outage, truncate } from './fault-replies.js'
import type { FaultBoard, Strike } from './faults.js'
import type { ExchangeLog } from './log.js'
import { readBody } from './read-body.js'

export interface ExchangeParts {
  readonly log: ExchangeLog
  readonly faults: FaultBoard
  readonly maxBodyBytes: number
  readonly cors: CorsMode
  /** The configured root for absolute links; else the address of the request. */
  readonly baseUrl: string | undefined
  clock(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  route(call: Call): Promise<Response>
}

/** Where a request came in. */
export interface Arrival {
  readonly root: string
  /** Path below the root, starting with a slash. */
  readonly pathname: string
  /** There when a socket can be closed. */
  readonly goDown?: (ms: number | undefined) => void
}

export type Exchange = (request: Request, arrival: Arrival) => Promise<Response>

/** Tells the socket which Content-Length to claim; it never leaves the process. */
export const claimedLengthHeader = 'x-mock-claimed-length'

/**
 * One request from arrival to answer: logged, struck by faults, read, routed. An answer of type `error` stands for a
 * connection that ends without one. Preflights are answered before all that.
 */
export function createExchange(parts: ExchangeParts): Exchange {
  return async (request, arrival) => {
    const allowed = preflight(request, parts.cors)
    if (allowed !== undefined) return allowed
    const url = `${arrival.pathname}${new URL(request.url).search}`
    const strike = parts.faults.take(request.method, url)
    const { method, headers } = request
    const n = parts.log.start({ method, url, headers, faults: strike.kinds })
    const response = await answer(parts, request, arrival, strike, n)
    parts.log.finish(n, response.type === 'error' ? 'cut' : response.status)
    if (response.type === 'error') return response
    if (!response.headers.has('date')) {
      response.headers.set('date', new Date(parts.clock() + strike.clockSkewMs).toUTCString())
    }
    const readable = withCors(response, request.headers, parts.cors)
    if (method === 'HEAD' && readable.body !== null) {
      return new Response(null, { status: readable.status, headers: readable.headers })
    }
    return strike.drip === undefined ? readable : drip(readable, strike.drip, parts.sleep, request.signal)
  }
}

async function answer(
  parts: ExchangeParts,
  request: Request,
  arrival: Arrival,
  strike: Strike,
  n: number,
): Promise<Response> {
  const { fault } = strike
  if (strike.delayMs > 0) {
    const waited = await parts.sleep(strike.delayMs, request.signal).then(
      () => true,
      () => false,
    )
    if (!waited) return Response.error()
  }
  const processed = (): Promise<Response> => process(parts, request, arrival, strike, n)
  switch (fault?.kind) {
    case 'cut-before':
      return Response.error()
    case 'hang':
      await Promise.race([strike.removed, aborted(request.signal)])
      return Response.error()
    case 'refuse':
      needSocket(fault.kind, arrival)
      arrival.goDown?.(fault.ms)
      return Response.error()
    case 'status':
      if (fault.processed === true) await processed()
      return new Response(fault.body ?? null, { status: fault.status, headers: { ...fault.headers } })
    case 'redirect':
      return new Response(null, { status: fault.status ?? 307, headers: { location: fault.location } })
    case 'captive-portal':
      return captivePortal(fault.status ?? 200)
    case 'outage':
      return outage()
    case 'cut-after':
      await processed()
      return Response.error()
    case 'truncate':
      return truncate(await processed(), fault.bytes)
    case 'wrong-length': {
      needSocket(fault.kind, arrival)
      const response = await processed()
      const body = await response.arrayBuffer()
      const headers = new Headers(response.headers)
      headers.set(claimedLengthHeader, String(Math.max(0, body.byteLength + fault.by)))
      return new Response(body, { status: response.status, headers })
    }
    default:
      return processed()
  }
}

function needSocket(kind: string, arrival: Arrival): void {
  if (arrival.goDown !== undefined) return
  throw new MockServerError(
    'ERR_MOCK_FAULT_MODE',
    `The fault \`${kind}\` met a request that did not come over a socket.`,
    'Send it to the URL that `listen()` gave, or use `cut-before` or `truncate`.',
  )
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function fhirError(status: number, code: string, diagnostics: string): Response {
  return new Response(jsonText(operationOutcome('error', code, diagnostics)), {
    status,
    headers: { 'content-type': 'application/fhir+json;charset=utf-8' },
  })
}

async function process(
  parts: ExchangeParts,
  request: Request,
  arrival: Arrival,
  strike: Strike,
  n: number,
): Promise<Response> {
  const path = segmentsOf(arrival.pathname)
  if (path === undefined) return fhirError(400, 'invalid', 'The path has a broken escape.')
  const read = await readBody(request, parts.maxBodyBytes)
  if ('refused' in read) {
    switch (read.refused) {
      case 'gone':
        // The client went away while sending: nothing was processed.
        return Response.error()
      case 'encoding':
        return fhirError(
          415,
          'not-supported',
          'The body is not in an encoding that this server knows (gzip).',
        )
      case 'too-long':
        return fhirError(413, 'too-long', `A body may have ${parts.maxBodyBytes} bytes here.`)
    }
  }
  const { fault } = strike
  const call: Call = {
    method: request.method,
    root: rootOf(request.headers, parts.baseUrl ?? arrival.root),
    path,
    query: new URL(request.url).searchParams,
    headers: request.headers,
    body: read.body,
    n,
    now: parts.clock() + strike.clockSkewMs,
    trouble: {
      searchLagMs: strike.searchLagMs,
      ignoreConditions: strike.ignoreConditions,
      failEntries: fault?.kind === 'fail-entries' ? fault : undefined,
    },
  }
  try {
    if (fault?.kind === 'duplicate') await parts.route(call)
    return await parts.route(call)
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown'
    return fhirError(500, 'exception', `The mock server failed on this request (${name}).`)
  }
}

function segmentsOf(pathname: string): readonly string[] | undefined {
  try {
    return pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent)
  } catch {
    return undefined
  }
}
