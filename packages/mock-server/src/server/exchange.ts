import { MockServerError } from '../errors.js'
import { operationOutcome } from '../fhir/problem.js'
import type { Call } from './call.js'
import type { FaultBoard, Strike } from './faults.js'
import type { ExchangeLog } from './log.js'
import { readBody } from './read-body.js'

export interface ExchangeParts {
  readonly log: ExchangeLog
  readonly faults: FaultBoard
  readonly maxBodyBytes: number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  route(call: Call): Promise<Response>
}

/** Where a request came in. `goDown` is there when a socket can be closed. */
export interface Arrival {
  readonly root: string
  /** Path below the root, starting with a slash. */
  readonly pathname: string
  readonly goDown?: (ms: number | undefined) => void
}

export type Exchange = (request: Request, arrival: Arrival) => Promise<Response>

/**
 * One request from arrival to answer: logged, struck by faults, read, routed. An answer of type `error` stands for a
 * connection that ends without one.
 */
export function createExchange(parts: ExchangeParts): Exchange {
  return async (request, arrival) => {
    const url = new URL(request.url)
    const shown = `${arrival.pathname}${url.search}`
    const n = parts.log.start(request.method, shown, request.headers)
    const strike = parts.faults.take(request.method, shown)
    const response = await answer(parts, request, arrival, strike, n)
    parts.log.finish(n, response.type === 'error' ? 'cut' : response.status)
    if (request.method !== 'HEAD' || response.body === null) return response
    return new Response(null, { status: response.status, headers: response.headers })
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
  switch (fault?.kind) {
    case 'cut-before':
      return Response.error()
    case 'hang':
      await Promise.race([strike.removed, aborted(request.signal)])
      return Response.error()
    case 'down':
      if (arrival.goDown === undefined) {
        throw new MockServerError(
          'ERR_MOCK_FAULT_MODE',
          'The fault `down` met a request that did not come over a socket.',
          'Send it to the URL that `listen()` gave, or use `cut-before`.',
        )
      }
      arrival.goDown(fault.ms)
      return Response.error()
    case 'status':
      if (fault.processed === true) await process(parts, request, arrival, n)
      return new Response(fault.body ?? null, { status: fault.status, headers: { ...fault.headers } })
    case 'cut-after':
      await process(parts, request, arrival, n)
      return Response.error()
    default:
      return process(parts, request, arrival, n)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function fhirError(status: number, code: string, diagnostics: string): Response {
  return new Response(JSON.stringify(operationOutcome('error', code, diagnostics)), {
    status,
    headers: { 'content-type': 'application/fhir+json;charset=utf-8' },
  })
}

async function process(
  parts: ExchangeParts,
  request: Request,
  arrival: Arrival,
  n: number,
): Promise<Response> {
  const path = segmentsOf(arrival.pathname)
  if (path === undefined) return fhirError(400, 'invalid', 'The path has a broken escape.')
  let body: Uint8Array | undefined
  try {
    body = await readBody(request, parts.maxBodyBytes)
  } catch {
    // The client went away while sending: nothing was processed.
    return Response.error()
  }
  if (body === undefined)
    return fhirError(413, 'too-long', `A body may have ${parts.maxBodyBytes} bytes here.`)
  const call: Call = {
    method: request.method,
    root: arrival.root,
    path,
    query: new URL(request.url).searchParams,
    headers: request.headers,
    body,
    n,
  }
  try {
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
