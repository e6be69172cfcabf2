/** Where a resource lives, whatever URL a server wrote: servers behind proxies name hosts nobody can reach. */
export interface ResourceAddress {
  readonly type: string
  readonly id: string
  /** Version id of a versioned address; opaque. */
  readonly version?: string
}

const typeName = /^[A-Z][A-Za-z0-9]{0,63}$/
// Wider than the FHIR id type on purpose: some servers hand out underscores, and the id is theirs to choose.
const idText = /^[A-Za-z0-9._~-]{1,256}$/
/** What careless servers print where an id is missing. */
const printedNothing = new Set(['undefined', 'null', 'NaN', '.', '..'])

/**
 * Reads type, id and version from the `Location` of a 2xx answer, `undefined` when it shows none. Takes
 * absolute and relative URLs, with and without `/_history/<version>`.
 */
export function parseLocation(value: string | null | undefined): ResourceAddress | undefined {
  if (value === null || value === undefined) return undefined
  const segments = pathOf(value.trim())
    .split('/')
    .filter((part) => part !== '')
  const history = segments.lastIndexOf('_history')
  const own = history === -1 ? segments : segments.slice(0, history)
  const version = history === -1 ? undefined : segments[history + 1]
  const type = own.at(-2)
  const id = own.at(-1)
  if (type === undefined || id === undefined || !typeName.test(type)) return undefined
  if (!idText.test(id) || printedNothing.has(id)) return undefined
  if (version === undefined || !idText.test(version) || printedNothing.has(version)) return { type, id }
  return { type, id, version }
}

/** Without patterns: a Bundle's answer has one address for every entry, and most are relative. */
function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  const bare = end === -1 ? url : url.slice(0, end)
  const scheme = bare.indexOf('://')
  if (scheme === -1) return bare
  const start = bare.indexOf('/', scheme + 3)
  return start === -1 ? '' : bare.slice(start)
}
