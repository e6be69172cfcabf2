/** What a SMART scope about resources says; both versions are brought into this one form. */
export interface ResourceScope {
  readonly level: 'patient' | 'user' | 'system'
  /** A resource type, or `*`. */
  readonly type: string
  /** A subset of `cruds`, in that order. */
  readonly permissions: string
  /** Search parameters that narrow it, each as `name=value`, sorted; empty for none. */
  readonly parameters: readonly string[]
  readonly version: 1 | 2
}

/** An interaction as FHIR names it. `update` also covers creating by update. */
export type Interaction = 'create' | 'read' | 'vread' | 'history' | 'update' | 'patch' | 'delete' | 'search'

export interface CoversOptions {
  /** Only scopes of this level count. Default: any. */
  readonly level?: ResourceScope['level']
  /**
   * Parameters that hold for the request, each as `name=value`: a narrowed scope covers it when all of its own are
   * among them. Without them a narrowed scope covers nothing.
   */
  readonly parameters?: readonly string[]
}

const uriPrefix = 'http://smarthealthit.org/fhir/scopes/'
const grammar = /^(patient|user|system)\/(\*|[A-Z][A-Za-z]*)\.(\*|read|write|c?r?u?d?s?)(?:\?(.+))?$/
const v1Permissions: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' }
const needed: Readonly<Record<Interaction, string>> = {
  create: 'c',
  read: 'r',
  vread: 'r',
  history: 'r',
  update: 'u',
  patch: 'u',
  delete: 'd',
  search: 's',
}

/** The scopes of a text or a list, each once, in order. */
export function splitScopes(scope: string | readonly string[]): readonly string[] {
  const list = typeof scope === 'string' ? scope.split(/\s+/) : scope
  return [...new Set(list.filter((each) => each !== ''))]
}

/** Reads a resource scope of either version; undefined for `openid`, `launch/patient` and everything else. */
export function parseResourceScope(scope: string): ResourceScope | undefined {
  const text = scope.startsWith(uriPrefix) ? scope.slice(uriPrefix.length) : scope
  const match = grammar.exec(text)
  const [, level, type, permissions, query] = match ?? []
  if (level === undefined || type === undefined || permissions === undefined || permissions === '')
    return undefined
  const old = v1Permissions[permissions]
  // Version 1 knows no parameters.
  if (old !== undefined && query !== undefined) return undefined
  return {
    level: level as ResourceScope['level'],
    type,
    permissions: old ?? permissions,
    parameters: query === undefined ? [] : query.split('&').toSorted(),
    version: old === undefined ? 2 : 1,
  }
}

function resourceScopes(scope: string | readonly string[]): readonly ResourceScope[] {
  return splitScopes(scope).flatMap((each) => parseResourceScope(each) ?? [])
}

function includes(
  granted: ResourceScope,
  type: string,
  permission: string,
  parameters: readonly string[],
): boolean {
  return (
    (granted.type === '*' || granted.type === type) &&
    granted.permissions.includes(permission) &&
    granted.parameters.every((parameter) => parameters.includes(parameter))
  )
}

/**
 * Whether granted scopes allow an interaction (SMART App Launch 2.2.0, "Scopes for requesting FHIR Resources").
 *
 * @example
 * covers('user/Observation.cu patient/*.rs', 'create', 'Observation') // true
 */
export function covers(
  granted: string | readonly string[],
  interaction: Interaction,
  type: string,
  options: CoversOptions = {},
): boolean {
  return resourceScopes(granted).some(
    (scope) =>
      (options.level === undefined || options.level === scope.level) &&
      includes(scope, type, needed[interaction], options.parameters ?? []),
  )
}

/** Whether everything one scope allows is allowed by the granted ones as well. */
function isCovered(wanted: string, granted: readonly string[]): boolean {
  const scope = parseResourceScope(wanted)
  if (scope === undefined) return granted.includes(wanted)
  const candidates = resourceScopes(granted).filter(({ level }) => level === scope.level)
  return [...scope.permissions].every((permission) =>
    candidates.some((each) => includes(each, scope.type, permission, scope.parameters)),
  )
}

export interface ScopeDifference {
  /** Asked for, and not granted in full. */
  readonly missing: readonly string[]
  /** Granted without having been asked for. */
  readonly added: readonly string[]
}

/** Compares what was asked for with what was granted, by meaning: `.read` and `.rs` are the same. */
export function compareScopes(
  asked: string | readonly string[],
  granted: string | readonly string[],
): ScopeDifference {
  const [wanted, given] = [splitScopes(asked), splitScopes(granted)]
  return {
    missing: wanted.filter((scope) => !isCovered(scope, given)),
    added: given.filter((scope) => !isCovered(scope, wanted)),
  }
}

/** The resource scopes that allow more than `before` did. Other scopes give no access to resources. */
export function widenedScopes(before: string, after: string): readonly string[] {
  return compareScopes(before, after).added.filter((scope) => parseResourceScope(scope) !== undefined)
}

function convert(
  scope: string | readonly string[],
  one: (scope: ResourceScope) => readonly string[],
): string {
  return splitScopes(
    splitScopes(scope).flatMap((text) => {
      const parsed = parseResourceScope(text)
      return parsed === undefined ? [text] : one(parsed)
    }),
  ).join(' ')
}

function write({ level, type, permissions, parameters }: ResourceScope): string {
  const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`
  return `${level}/${type}.${permissions}${query}`
}

/** `read` becomes `rs`, `write` becomes `cud`, `*` becomes `cruds`; everything else stays. */
export function toV2Scopes(scope: string | readonly string[]): string {
  return convert(scope, (parsed) => [write(parsed)])
}

/**
 * The narrowest scopes of version 1 that cover the given ones; version 1 cannot narrow by parameters and knows only
 * `read`, `write` and `*`, so the result may allow more.
 */
export function toV1Scopes(scope: string | readonly string[]): string {
  return convert(scope, ({ level, type, permissions }) => {
    const reads = /[rs]/.test(permissions)
    const writes = /[cud]/.test(permissions)
    return [`${level}/${type}.${reads && writes ? '*' : reads ? 'read' : 'write'}`]
  })
}
