/** Interactions in the letters of SMART v2 scopes: create, read, update, delete, search. */
export type Letter = 'c' | 'r' | 'u' | 'd' | 's'

export interface ResourceScope {
  readonly level: 'patient' | 'user' | 'system'
  readonly type: string
  readonly letters: string
  /** The part after `?` of a v2 scope. */
  readonly query: string | undefined
}

const v1Letters: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' }
const pattern = /^(patient|user|system)\/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?$/
/** The prefix under which scopes may also be written as URIs. */
const uriPrefix = 'http://smarthealthit.org/fhir/scopes/'

/** `undefined` for anything but a v1 or v2 scope for resources. Only v2 scopes have a query. */
export function parseScope(text: string): ResourceScope | undefined {
  const match = pattern.exec(text.startsWith(uriPrefix) ? text.slice(uriPrefix.length) : text)
  const [, level, type, permission, query] = match ?? []
  if (level === undefined || type === undefined || permission === undefined || permission === '')
    return undefined
  const v1 = v1Letters[permission]
  if (v1 !== undefined && query !== undefined) return undefined
  return { level: level as ResourceScope['level'], type, letters: v1 ?? permission, query }
}

export function splitScope(scope: string): readonly string[] {
  return scope.split(' ').filter((part) => part !== '')
}

/** Whether one of the allowed scopes contains the other wholly. */
function contains(allowed: string, { level, type, letters, query }: ResourceScope): boolean {
  return [...letters].every((letter) =>
    splitScope(allowed).some((part) => {
      const scope = parseScope(part)
      return (
        scope?.level === level &&
        (scope.type === '*' || scope.type === type) &&
        scope.letters.includes(letter) &&
        (scope.query === undefined || scope.query === query)
      )
    }),
  )
}

/** Scopes that are no resource scopes, and known. */
export const otherScopes: ReadonlySet<string> = new Set([
  'openid',
  'fhirUser',
  'profile',
  'launch',
  'launch/patient',
  'launch/encounter',
  'offline_access',
  'online_access',
])

export const registerScope = 'system/DynamicClient.register'

/** Whether the server knows a scope at all. */
export function isKnownScope(text: string): boolean {
  return otherScopes.has(text) || text === registerScope || parseScope(text) !== undefined
}

/** Of the scopes asked for, those that lie wholly inside what the client may have. */
export function grantable(requested: string, allowed: string): readonly string[] {
  return splitScope(requested).filter((part) => {
    const scope = parseScope(part)
    return scope === undefined ? splitScope(allowed).includes(part) : contains(allowed, scope)
  })
}
