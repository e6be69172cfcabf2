import { AuthError } from '../errors.js'

const secureHint =
  'Use an https URL without user name, password or fragment; plain http is for loopback only.'

export function isLoopback(url: URL): boolean {
  // The URL parser has already turned every spelling of an IPv4 address into four decimal numbers.
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(url.hostname)
}

/** The URL as it may be shown: no user name, no query, no fragment. */
export function displayUrl(url: URL): string {
  return `${url.origin}${url.pathname}`
}

/** Refuses URLs over which a secret must not travel. `what` names the option or member in the message. */
export function assertSecure(url: URL, what: string): void {
  const refuse = (reason: string): never => {
    throw new AuthError('ERR_INSECURE_URL', `${what} ${reason}`, { hint: secureHint })
  }
  if (url.username !== '' || url.password !== '') refuse('must not contain a user name or password')
  if (url.hash !== '') refuse('must not contain a fragment')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url))) {
    refuse('must be https, or plain http on loopback')
  }
}

/** Parses a URL option. The text itself stays out of the error: it may contain a password. */
export function parseUrlOption(text: string, what: string): URL {
  if (!URL.canParse(text)) {
    throw new AuthError('ERR_INVALID_OPTIONS', `${what} is not an absolute URL`, {
      hint: 'Give an absolute https URL.',
    })
  }
  const url = new URL(text)
  assertSecure(url, what)
  return url
}

/** Parses an address that a server states; `against` is what a relative one is relative to. */
export function parseStated(text: string, what: string, against?: URL): URL {
  if (URL.canParse(text, against)) return new URL(text, against)
  throw new AuthError('ERR_DISCOVERY_FAILED', `${what} is not a URL`, {
    hint: 'Report it to the operator of the server.',
  })
}

/**
 * Refuses an address that a server states: one over which no secret may travel, one on this machine that a remote server
 * sends us to, and one outside the given origins.
 */
export function assertStated(
  url: URL,
  what: string,
  base: URL,
  endpointOrigins: readonly string[] | undefined,
): void {
  assertSecure(url, what)
  if (url.protocol === 'http:' && !isLoopback(base)) {
    throw new AuthError('ERR_INSECURE_URL', `${what} must be https`, {
      hint: 'Report it to the operator of the server.',
    })
  }
  const allowed = endpointOrigins?.map((text) => parseUrlOption(text, 'endpointOrigins').origin)
  if (allowed !== undefined && ![base.origin, ...allowed].includes(url.origin)) {
    throw new AuthError('ERR_WRONG_ORIGIN', `${what} is on ${url.origin}`, {
      hint: 'List the origin in endpointOrigins if it belongs to this server.',
    })
  }
}

/** Parses a FHIR base URL; the result has no trailing slash, so that paths can be appended. */
export function parseFhirBase(text: string): URL {
  const url = parseUrlOption(text, 'fhirBaseUrl')
  if (url.search !== '') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'fhirBaseUrl must not contain a query', {
      hint: 'Give the base URL of the FHIR server, for instance https://fhir.example.org/r4.',
    })
  }
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

export function appendPath(base: URL, path: string): URL {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/${path}`
  return url
}
