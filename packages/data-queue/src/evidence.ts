import { isObject, type JsonObject } from './json.js'
import type { KeyPlace } from './key.js'

/** What a CapabilityStatement says of one resource type. Members are absent where it says nothing. */
export interface TypeEvidence {
  readonly create?: boolean
  readonly update?: boolean
  readonly read?: boolean
  readonly search?: boolean
  readonly updateCreate?: boolean
  readonly conditionalCreate?: boolean
  /** The search parameters that find our key are listed. */
  readonly identifier?: boolean
  readonly tag?: boolean
}

/** What was tried out on a harmless resource. A member is absent when its trial told nothing. */
export interface CanaryFindings {
  /** ISO 8601. */
  readonly at: string
  /** The resource type it was tried with. */
  readonly type: string
  /** Creating twice under one condition created once. */
  readonly conditionalCreate?: boolean
  /** A resource can be put under an id of ours. */
  readonly clientIds?: boolean
  /** A second PUT with `If-None-Match: *` was refused. */
  readonly ifNoneMatch?: boolean
  /** A stale `If-Match` was refused. */
  readonly ifMatch?: boolean
  /** A transaction with a bad entry left nothing behind. */
  readonly transaction?: boolean
  /** A search by identifier finds what was created just before. */
  readonly searchAtOnce?: boolean
}

/** What deliveries have shown of one type. */
export interface LearnedType {
  readonly clientIds?: false
  readonly conditionalCreate?: false
  /** Whether a search by our key finds what is there. */
  readonly search?: boolean
  /** A search found at once what had just been created: an index that does not lag behind. */
  readonly atOnce?: true
  /** Key of a resource that is there: a search that does not find it proves nothing. */
  readonly witness?: string
}

/** What deliveries have shown. Forgotten when evidence is gathered anew, but for what cannot change by itself. */
export interface Learned {
  /** A transaction was run as a batch. */
  readonly notAtomic?: true
  /** The server takes no Bundles. */
  readonly noBundles?: true
  readonly entries?: number
  readonly bytes?: number
  readonly conditionalEntries?: number
  readonly types?: Readonly<Record<string, LearnedType>>
}

/** What is known about a server; plain JSON, kept in the notes of the storage. */
export interface Evidence {
  readonly v: 1
  /** When it was gathered, ISO 8601. */
  readonly at: string
  /** Whether the CapabilityStatement could be read. `no` is no error: then less is known. */
  readonly statement: 'read' | 'unreadable'
  /** Why it could not be read. */
  readonly statementFailure?: { readonly code: string; readonly status?: number }
  readonly software?: string
  readonly fhirVersion?: string
  /** By resource type; only when the statement lists types. */
  readonly types?: Readonly<Record<string, TypeEvidence>>
  /** The statement lists the interaction. */
  readonly transaction?: boolean
  readonly batch?: boolean
  /** `capabilities` of the SMART configuration. */
  readonly smart?: readonly string[]
  /** Scopes of the access token, separated by blanks. */
  readonly scopes?: string
  readonly canaries?: CanaryFindings
  readonly learned: Learned
}

/** Evidence of somebody who has not asked yet. */
export const noEvidence: Evidence = { v: 1, at: '', statement: 'unreadable', learned: {} }

/** Reads stored evidence; `undefined` for what another version wrote. */
export function parseEvidence(bytes: Uint8Array): Evidence | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (!isObject(value) || value['v'] !== 1 || !isObject(value['learned'])) return undefined
    return value as unknown as Evidence
  } catch {
    return undefined
  }
}

const patterns = /^(?:system|user|patient)\/([A-Za-z]+|\*)\.([A-Za-z*]+)(?:\?.*)?$/

/**
 * Whether scopes allow an interaction (`c`, `r`, `u`, `d`, `s`) on a type; `undefined` when they hold no resource
 * scopes at all, as with servers that grant everything to a bare token. Reads SMART versions 1 and 2.
 */
export function scopeAllows(scopes: string | undefined, type: string, letter: string): boolean | undefined {
  if (scopes === undefined) return undefined
  const granted = parsed(scopes)
  if (granted.length === 0) return undefined
  return granted.some(
    (scope) => (scope.type === '*' || scope.type === type) && lettersOf(scope.rights).includes(letter),
  )
}

interface Grant {
  readonly type: string
  readonly rights: string
}

let last: { readonly scopes: string; readonly granted: readonly Grant[] } | undefined

/** The same scopes are asked about for every entry of a long run. */
function parsed(scopes: string): readonly Grant[] {
  if (last?.scopes === scopes) return last.granted
  const granted = scopes.split(/\s+/).flatMap((scope) => {
    const match = patterns.exec(scope)
    return match === null ? [] : [{ type: match[1] ?? '', rights: match[2] ?? '' }]
  })
  last = { scopes, granted }
  return granted
}

function lettersOf(rights: string): string {
  if (rights === '*') return 'cruds'
  if (rights === 'read') return 'rs'
  return rights === 'write' ? 'cud' : rights
}

/** Whether the server can be asked for a resource by its key; `proven` when it is known that an empty answer is true. */
export function askable(evidence: Evidence, type: string, place: KeyPlace): 'no' | 'perhaps' | 'proven' {
  const { canaries, learned } = evidence
  const tried = learned.types?.[type]?.search
  if (tried !== undefined) return tried ? 'proven' : 'no'
  if (scopeAllows(evidence.scopes, type, 's') === false) return 'no'
  const known = evidence.types?.[type]
  if (known?.search === false) return 'no'
  if (known?.[place] === true) return 'proven'
  if (place === 'identifier' && canaries?.searchAtOnce === true) return 'proven'
  // Few statements list `_tag`, which every resource has; a list without `identifier` means what it says.
  return known?.[place] === false && place === 'identifier' ? 'no' : 'perhaps'
}

/** Whether a search shows at once what was created just before, so that not finding it needs no second look. */
export function findsAtOnce({ canaries, learned }: Evidence, type: string): boolean {
  return canaries?.searchAtOnce === true || learned.types?.[type]?.atOnce === true
}

/** Whether a resource can be read by its id. */
export function readable(evidence: Evidence, type: string): boolean {
  return scopeAllows(evidence.scopes, type, 'r') !== false && evidence.types?.[type]?.read !== false
}

/** Names of the members that differ between two states of evidence, for an event. */
export function differences(before: Evidence, after: Evidence): readonly string[] {
  const members = [
    'statement',
    'software',
    'fhirVersion',
    'types',
    'transaction',
    'batch',
    'smart',
    'scopes',
    'canaries',
    'learned',
  ] as const
  const text = (evidence: Evidence, name: (typeof members)[number]): string => {
    const value = evidence[name]
    return JSON.stringify(name === 'canaries' && isObject(value) ? { ...value, at: '' } : value) ?? ''
  }
  return members.filter((name) => text(before, name) !== text(after, name))
}

/** What a CapabilityStatement says, as far as deliveries need it. */
export function readStatement(
  statement: JsonObject,
): Pick<Evidence, 'software' | 'fhirVersion' | 'types' | 'transaction' | 'batch'> {
  const { software, fhirVersion } = statement
  const rests = Array.isArray(statement['rest']) ? statement['rest'].filter(isObject) : []
  const rest = rests.find(({ mode }) => mode === 'server') ?? rests[0]
  const listed = rest === undefined ? undefined : rest['resource']
  const interactions = rest === undefined ? undefined : codesOf(rest['interaction'])
  return {
    ...(isObject(software) && typeof software['name'] === 'string'
      ? {
          software: [software['name'], software['version']]
            .filter((part) => typeof part === 'string')
            .join(' '),
        }
      : {}),
    ...(typeof fhirVersion === 'string' ? { fhirVersion } : {}),
    ...(Array.isArray(listed) && listed.length > 0
      ? {
          types: Object.fromEntries(listed.filter(isObject).map((one) => [String(one['type']), typeOf(one)])),
        }
      : {}),
    ...(interactions === undefined
      ? {}
      : { transaction: interactions.has('transaction'), batch: interactions.has('batch') }),
  }
}

function typeOf(resource: JsonObject): TypeEvidence {
  const interactions = codesOf(resource['interaction'])
  const parameters = Array.isArray(resource['searchParam'])
    ? resource['searchParam'].filter(isObject)
    : undefined
  const has = (code: string): object =>
    interactions === undefined ? {} : { [code === 'search-type' ? 'search' : code]: interactions.has(code) }
  const lists = (name: string): boolean => parameters?.some((one) => one['name'] === name) === true
  const { updateCreate, conditionalCreate } = resource
  return {
    ...has('create'),
    ...has('update'),
    ...has('read'),
    ...has('search-type'),
    ...(typeof updateCreate === 'boolean' ? { updateCreate } : {}),
    ...(typeof conditionalCreate === 'boolean' ? { conditionalCreate } : {}),
    ...(parameters === undefined ? {} : { identifier: lists('identifier'), tag: lists('_tag') }),
  }
}

function codesOf(list: unknown): ReadonlySet<unknown> | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined
  return new Set(list.filter(isObject).map(({ code }) => code))
}
