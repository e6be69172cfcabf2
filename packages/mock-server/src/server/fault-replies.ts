import { jsonText } from '../json.js'

/** What a guest network shows to whoever has not signed in. */
export function captivePortal(status: number): Response {
  return new Response(
    '<!doctype html>\n<html lang="en"><head><title>Welcome to Guest WiFi</title></head>' +
      '<body><h1>Welcome</h1><p>Please accept the terms of use to go online.</p></body></html>\n',
    { status, headers: { 'content-type': 'text/html;charset=utf-8' } },
  )
}

/** How one real server answers while its data base is away: the client's fault, says the status. */
export function outage(): Response {
  const text = 'connect ECONNREFUSED 127.0.0.1:5432'
  const issue = [{ severity: 'error', code: 'invalid', details: { text } }]
  return new Response(jsonText({ resourceType: 'OperationOutcome', issue }), {
    status: 400,
    headers: { 'content-type': 'application/fhir+json;charset=utf-8' },
  })
}

/** The answer promises its whole length and ends early. */
export async function truncate(response: Response, bytes: number): Promise<Response> {
  if (response.body === null) return response
  const body = new Uint8Array(await response.arrayBuffer())
  const headers = new Headers(response.headers)
  headers.set('content-length', String(body.length))
  if (bytes >= body.length) return new Response(body, { status: response.status, headers })
  let sent = false
  const stream = new ReadableStream<Uint8Array>({
    // One part per pull: an error thrown together with the part would discard it.
    pull: (controller) => {
      if (sent) {
        controller.error(new TypeError('The connection was cut.'))
        return
      }
      sent = true
      if (bytes > 0) controller.enqueue(body.subarray(0, bytes))
      else controller.error(new TypeError('The connection was cut.'))
    },
  })
  return new Response(stream, { status: response.status, headers })
}

/** The same answer, its body in small parts with a wait before each. */
export function drip(
  response: Response,
  pace: { readonly bytes: number; readonly everyMs: number },
  sleep: (ms: number, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Response {
  if (response.body === null) return response
  const reader = response.body.getReader()
  let rest: Uint8Array = new Uint8Array()
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      while (rest.length === 0) {
        const { done, value } = await reader.read()
        if (done) {
          controller.close()
          return
        }
        rest = value
      }
      await sleep(pace.everyMs, signal)
      controller.enqueue(rest.subarray(0, pace.bytes))
      rest = rest.subarray(pace.bytes)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return new Response(stream, { status: response.status, headers: response.headers })
}
