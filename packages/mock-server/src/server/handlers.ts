import { http, type HttpHandler } from 'msw'
import type { Arrival, Exchange } from './exchange.js'

/** First path segments that the mock answers; the empty one is the index page. */
const areas = ['', 'fhir', 'auth', 'c3pro', '.well-known', 'patient-login', 'authorize-app'] as const

/**
 * One MSW handler list for every mode. `origin` is an absolute URL of the mock's root (a path is allowed), or `*`:
 * then any host is answered, and absolute links use the host of the request.
 */
export function createHandlers(
  origin: string,
  exchange: Exchange,
  goDown?: (ms: number | undefined) => void,
): readonly HttpHandler[] {
  const anywhere = origin === '*'
  const rootPath = anywhere ? '' : new URL(origin).pathname.replace(/\/$/, '')

  const answer = async (request: Request, area: string): Promise<Response | undefined> => {
    const url = new URL(request.url)
    const pathname = url.pathname.slice(rootPath.length)
    // `*` also matches deeper paths, such as /elsewhere/fhir.
    if (area === '' ? pathname !== '/' && pathname !== '' : pathname.split('/')[1] !== area) return undefined
    const arrival: Arrival = { root: anywhere ? url.origin : origin, pathname, ...(goDown && { goDown }) }
    return exchange(request, arrival)
  }

  return areas.flatMap((area) => {
    const patterns = area === '' ? [`${origin}/`] : [`${origin}/${area}`, `${origin}/${area}/*`]
    return patterns.map((pattern) => http.all(pattern, ({ request }) => answer(request, area)))
  })
}
