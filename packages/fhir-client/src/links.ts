import { bareUrl, isBelow, type BaseUrl } from './base-url.js'
import { FhirError } from './errors.js'
import { isRecord, type BundleLink, type OperationOutcome } from './resources.js'
import type { FhirResponse } from './response.js'

/** What a page says about itself and its neighbours. */
export interface LinkContext {
  readonly base: BaseUrl
  /** The URL the page was asked from. */
  readonly pageUrl: URL
  /** First path segment of what was asked for; where it stands in a foreign URL shows the server's own base. */
  readonly anchor: string
  /** Path of the base as the server knows it, when an earlier page has shown it. */
  readonly serverBase: string | undefined
  /** `false`: links that do not lie below the base are refused instead of rewritten. */
  readonly rebase: boolean
}

/** The URL of a relation, e.g. `next`; `undefined` when the page has no such link. */
export function linkUrl(links: readonly BundleLink[] | undefined, relation: string): string | undefined {
  if (!Array.isArray(links)) return undefined
  const found: unknown = links.find((link: BundleLink | null) => link?.relation === relation)?.url
  return typeof found === 'string' && found !== '' ? found : undefined
}

/**
 * Where to ask for a linked page: always the configured server. Servers behind proxies print the host they know,
 * so another origin or path prefix is replaced by the base and the rest of the path is kept. Throws
 * `ERR_BAD_LINK` when nothing of the link can be recognised.
 */
export function followableUrl(context: LinkContext, link: string): URL {
  const { base, pageUrl, rebase } = context
  const url = bareUrl(link, pageUrl)
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw badLink(pageUrl)
  if (isBelow(base, url)) return url
  if (!rebase) throw badLink(pageUrl)
  const tail = tailOf(context, url)
  if (tail !== undefined) return new URL(base.href + tail + url.search)
  // On our own origin the token is at home; some gateways page outside the FHIR base.
  if (url.origin === base.origin) return url
  throw badLink(pageUrl)
}

/**
 * The path of the base as the server knows it, from the `self` link of a page: HAPI pages at its base itself
 * (`?_getpages=`), and only the first page says how long that base is.
 */
export function serverBaseOf(
  links: readonly BundleLink[] | undefined,
  pageUrl: URL,
  anchor: string,
): string | undefined {
  const self = linkUrl(links, 'self')
  if (self === undefined || !URL.canParse(self, pageUrl)) return undefined
  const path = new URL(self, pageUrl).pathname
  const tail = fromAnchor(path, anchor)
  return tail === undefined ? undefined : path.slice(0, -tail.length)
}

/** The part of a foreign path that comes after what that server takes for its base. */
function tailOf(context: LinkContext, url: URL): string | undefined {
  const { base, serverBase, anchor } = context
  const own = fromAnchor(url.pathname, anchor)
  if (own !== undefined) return own
  for (const prefix of [serverBase, base.path]) {
    if (prefix === undefined || prefix === '') continue
    if (url.pathname === prefix || url.pathname === `${prefix}/`) return ''
    if (url.pathname.startsWith(`${prefix}/`)) return url.pathname.slice(prefix.length)
  }
  return serverBase === '' ? url.pathname : undefined
}

function fromAnchor(path: string, anchor: string): string | undefined {
  const at = `${path}/`.lastIndexOf(`/${anchor}/`)
  return at === -1 ? undefined : path.slice(at)
}

/**
 * Where to ask how far an asynchronous request is. From `Content-Location`, which browsers hide unless the server
 * exposes it, else from the outcome of the body; led onto the configured server like a paging link. `undefined`
 * when there is none to be followed.
 */
export function statusUrlOf(base: BaseUrl, rebase: boolean, response: FhirResponse): URL | undefined {
  const text = response.headers['content-location'] ?? urlInside(response.outcome)
  const pageUrl = new URL(`${base.href}/`)
  const url = text === undefined ? undefined : bareUrl(text, pageUrl)
  if (url === undefined) return undefined
  if (isBelow(base, url)) return url
  const tail = rebase ? jobTail(base, url) : undefined
  if (tail !== undefined) return new URL(base.href + tail + url.search)
  return rebase && url.origin === base.origin ? url : undefined
}

/** Blaze, Medplum, and the Bulk Data status paths of HAPI and others. */
const knownJobPaths = /\/(?:__async-status\/[^/]+|job\/[^/]+\/status|\$export-poll-status)$/

function jobTail(base: BaseUrl, url: URL): string | undefined {
  const known = knownJobPaths.exec(url.pathname)?.[0]
  if (known !== undefined) return known
  // A server behind a proxy mostly has the same last segment: `/fhir`, `/r4`.
  const last = base.path.slice(base.path.lastIndexOf('/'))
  const at = last === '' ? -1 : url.pathname.indexOf(`${last}/`)
  return at === -1 ? undefined : url.pathname.slice(at + last.length)
}

function urlInside(outcome: OperationOutcome | undefined): string | undefined {
  const issues: readonly unknown[] = Array.isArray(outcome?.issue) ? outcome.issue : []
  for (const issue of issues) {
    const said = isRecord(issue) ? issue['diagnostics'] : undefined
    if (typeof said === 'string' && /^https?:\/\/\S+$/.test(said)) return said
  }
  return undefined
}

export function badLink(pageUrl: URL): FhirError {
  return new FhirError('ERR_BAD_LINK', `A page of ${pageUrl.pathname} has a link that cannot be followed.`, {
    method: 'GET',
    path: pageUrl.pathname,
    sent: 'no',
  })
}
