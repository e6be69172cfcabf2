/** Which FHIR server the app delivers to, and how. */
export interface ServerChoice {
  readonly kind: 'demo' | 'own'
  readonly baseUrl: string
  /** Encrypt what waits in the browser. */
  readonly sealed: boolean
  /** Short, for people. */
  readonly name: string
  /** Origins that the page may talk to: the server's, and that of its sign-in where it has one of its own. */
  readonly origins: readonly string[]
  /** The app's client id at the server; without one the app registers itself. */
  readonly clientId?: string
  /** How long its search may not show what it has just stored. */
  readonly searchLagMs?: number
  /** Where readings can be sent in envelopes. */
  readonly receiver?: Receiver
}

/** An endpoint that takes envelopes, of the same server. */
export interface Receiver {
  readonly endpoint: string
  /** Its JSON Web Key Set. */
  readonly keysUrl: string
}

export function receiverAt(endpoint: string): Receiver {
  return { endpoint, keysUrl: new URL('jwks', endpoint).href }
}

function httpUrl(text: string): URL | undefined {
  const url = URL.parse(text)
  return url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== ''
    ? undefined
    : url
}

/**
 * The server that the address of the page asks for: `?server=URL`, or the mock server in the service worker.
 * With `sealed`, what waits for it is encrypted; `auth` names the origin of its sign-in, `client` the app's client id,
 * `receiver` its endpoint for envelopes, which has its keys at `jwks` beside it, and `lag` the seconds that its search may
 * not show what it has just stored.
 * `undefined` when what it asks for is no http(s) URL.
 */
export function chooseServer(page: URL): ServerChoice | undefined {
  const query = page.searchParams
  const sealed = query.has('sealed')
  const wanted = query.get('server')
  if (wanted === null) {
    const baseUrl = new URL('mock/fhir', appRoot(page)).href
    // The demo server finds at once what it has stored: nobody need wait to be sure that it has not.
    const receiver = receiverAt(new URL('mock/c3pro/encfhir', appRoot(page)).href)
    const origins = [page.origin]
    return { kind: 'demo', sealed, baseUrl, name: 'Demo server', origins, searchLagMs: 0, receiver }
  }
  const url = httpUrl(wanted)
  const auth = query.has('auth') ? httpUrl(query.get('auth') ?? '') : url
  const receiver = query.has('receiver') ? httpUrl(query.get('receiver') ?? '') : url
  // It gets the same tokens, and they go to no other origin.
  if (url === undefined || auth === undefined || receiver?.origin !== url.origin) return undefined
  const clientId = query.get('client')
  const lag = query.get('lag') ?? ''
  return {
    kind: 'own',
    sealed,
    baseUrl: url.href.replace(/\/$/, ''),
    name: url.host,
    origins: [...new Set([url.origin, auth.origin])],
    ...(clientId === null ? {} : { clientId }),
    ...(receiver === url ? {} : { receiver: receiverAt(receiver.href.replace(/\/$/, '')) }),
    ...(/^\d{1,4}$/.test(lag) ? { searchLagMs: Number(lag) * 1000 } : {}),
  }
}

/** The folder that the app lives in. */
export function appRoot(page: URL): string {
  return new URL('.', page).href
}
