import { FhirError } from './errors.js'

/** A checked base URL. */
export interface BaseUrl {
  /** Without trailing slash. */
  readonly href: string
  readonly origin: string
  /** Without trailing slash; empty when the base is the root of its host. */
  readonly path: string
  /** Whether a token may travel: https, or plain http to this machine. */
  readonly mayCarryToken: boolean
}

/** Throws `ERR_INVALID_URL`. Values are not repeated in the message: a wrong URL may hold credentials. */
export function parseBaseUrl(text: string): BaseUrl {
  const url = parseUrl(text)
  if (
    url === undefined ||
    (url.protocol !== 'https:' && url.protocol !== 'http:') ||
    url.username !== '' ||
    url.password !== '' ||
    /[?#]/.test(text)
  ) {
    throw new FhirError(
      'ERR_INVALID_URL',
      'The base URL is not an absolute http(s) URL without credentials, query and fragment.',
      { sent: 'no' },
    )
  }
  const path = url.pathname.replace(/\/+$/, '')
  return {
    href: url.origin + path,
    origin: url.origin,
    path,
    mayCarryToken: url.protocol === 'https:' || isLoopback(url.hostname),
  }
}

/** Names that never leave this machine. The URL parser has normalised `127.1` and its like. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

/**
 * The absolute URL of a path relative to the base: `''`, `'Patient/1'`, `'/Patient?name=x'`.
 * Throws `ERR_INVALID_URL` when it would lead elsewhere.
 */
export function resolvePath(base: BaseUrl, path: string): URL {
  const relative = path.startsWith('/') ? path.slice(1) : path
  // eslint-disable-next-line no-control-regex -- the URL parser would silently drop tabs and line breaks
  const suspicious = /[\u0000-\u001f\u007f\\#]/.test(relative)
  const foreign = relative.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(relative)
  const joined = base.href + (relative === '' || relative.startsWith('?') ? relative : `/${relative}`)
  const url = suspicious || foreign ? undefined : parseUrl(joined)
  if (url === undefined || !isBelow(base, url)) {
    throw new FhirError('ERR_INVALID_URL', 'The path of the request does not lead below the base URL.', {
      sent: 'no',
    })
  }
  return url
}

/** Parsed once: asking whether it can be would parse it as well. */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/**
 * A URL that a server printed, without fragment and credentials: nothing of either is ever sent on its say-so, and
 * `fetch` refuses the latter in words that repeat the whole URL.
 */
export function bareUrl(text: string, against: URL): URL | undefined {
  if (!URL.canParse(text, against)) return undefined
  const url = new URL(text, against)
  url.hash = ''
  url.username = ''
  url.password = ''
  return url
}

/** Whether a URL is the base or below it. */
export function isBelow(base: BaseUrl, url: URL): boolean {
  if (url.origin !== base.origin) return false
  return base.path === '' || url.pathname === base.path || url.pathname.startsWith(`${base.path}/`)
}
