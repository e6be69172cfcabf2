/** `full`: a web app of any origin may read everything. `origin-only`: no header is exposed. `none`: none at all. */
export type CorsMode = 'full' | 'origin-only' | 'none'

const exposed = [
  'content-location',
  'date',
  'etag',
  'last-modified',
  'link',
  'location',
  'ratelimit',
  'retry-after',
  'www-authenticate',
  'x-progress',
].join(', ')

/** The answer to a preflight; `undefined` for any other request. */
export function preflight(request: Request, mode: CorsMode): Response | undefined {
  if (mode === 'none' || request.method !== 'OPTIONS') return undefined
  if (!request.headers.has('origin') || !request.headers.has('access-control-request-method'))
    return undefined
  return withCors(
    new Response(null, {
      status: 204,
      headers: {
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
        'access-control-max-age': '86400',
        vary: 'origin, access-control-request-headers',
      },
    }),
    request.headers,
    mode,
  )
}

/** The same answer, readable for the web app that asked. Credentials are never allowed: tokens travel in headers. */
export function withCors(response: Response, requestHeaders: Headers, mode: CorsMode): Response {
  if (mode === 'none' || !requestHeaders.has('origin') || response.type === 'error') return response
  const headers = new Headers(response.headers)
  headers.set('access-control-allow-origin', '*')
  if (mode === 'full') headers.set('access-control-expose-headers', exposed)
  return new Response(response.body, { status: response.status, headers })
}
