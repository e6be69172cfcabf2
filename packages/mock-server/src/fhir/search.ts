import { isLive, type LiveVersion, type StoredVersion } from './model.js'
import { parseInclude, type Include } from './include.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'
import type { RepositoryView, ScanOrder } from './repository.js'
import { searchParameters, type Criterion } from './search-parameters.js'

export type Pair = readonly [name: string, value: string]

export interface SearchRequest {
  readonly criteria: readonly Criterion[]
  /** What was understood, in request order: the `self` link is made of it. */
  readonly used: readonly Pair[]
  readonly count: number
  /** The text of `_count`, where it was no number and the server took it anyway. */
  readonly brokenCount: boolean
  readonly onlyCount: boolean
  readonly accurateTotal: boolean
  readonly order: ScanOrder
  readonly descending: boolean
  /** Of these types only; a search of one type has none. */
  readonly types: readonly string[]
  readonly elements: readonly string[]
  readonly includes: readonly Include[]
  readonly offset: number
  /** Where a page begins that was asked for with the cursor of the one before. */
  readonly cursor: number | undefined
}

const byName = new Map(searchParameters.map((parameter) => [parameter.name, parameter]))

export interface SearchRules {
  readonly fhirBase: string
  readonly profile: FhirProfile
  /** `Prefer: handling=strict`. */
  readonly strict: boolean
}

function parseCriterion(name: string, value: string, fhirBase: string): Criterion | undefined {
  const [plain = '', modifier] = name.split(':', 2)
  const parameter = byName.get(plain)
  if (parameter === undefined) return undefined
  if (value === '') throw new FhirProblem(400, 'value', `The search parameter \`${plain}\` has no value.`)
  return parameter.parse(value, modifier, fhirBase)
}

function parseCount(value: string, { links, defaultCount, maxCount }: FhirProfile): number {
  if (/^\d{1,9}$/.test(value)) return Math.min(Number(value), maxCount)
  // A server with offsets counts with what is no number and finds nothing.
  if (links === 'offset') return 0
  if (links === 'none') return defaultCount
  throw new FhirProblem(400, 'value', '`_count` is not a whole number.')
}

function parseSort(value: string): Pick<SearchRequest, 'order' | 'descending'> {
  const descending = value.startsWith('-')
  const name = descending ? value.slice(1) : value
  if (name === '_id') return { order: 'id', descending }
  if (name === '_lastUpdated') return { order: 'updated', descending }
  throw new FhirProblem(400, 'not-supported', '`_sort` takes _id or _lastUpdated.')
}

const cursorPattern = /^1-(\d{1,15})$/

/** The place of the last match of a page, as its link to the next one has it. */
export function spellCursor(place: number): string {
  return `1-${place}`
}

function parseCursor(value: string): number {
  const [, place] = cursorPattern.exec(value) ?? []
  if (place === undefined) throw new FhirProblem(400, 'invalid', 'Invalid _cursor')
  return Number(place)
}

export function parseSearch(
  pairs: readonly Pair[],
  rules: SearchRules,
  type: string | undefined,
): SearchRequest {
  const { profile, fhirBase } = rules
  const criteria: Criterion[] = []
  const used: Pair[] = []
  let request: SearchRequest = {
    criteria,
    used,
    count: profile.defaultCount,
    brokenCount: false,
    onlyCount: false,
    accurateTotal: false,
    order: 'created',
    descending: false,
    types: [],
    elements: [],
    includes: [],
    offset: 0,
    cursor: undefined,
  }
  for (const [name, value] of pairs) {
    const known = control(name, value)
    if (known === 'silent') continue
    if (known === 'used') used.push([name, value])
    else refuseUnknown(name, rules)
  }
  return request

  function control(name: string, value: string): 'used' | 'silent' | 'unknown' {
    switch (name) {
      case '_count':
        request = { ...request, count: parseCount(value, profile), brokenCount: !/^\d+$/.test(value) }
        return 'used'
      case '_offset':
        if (profile.links !== 'offset') return 'unknown'
        if (Number(value) > 10_000)
          throw new FhirProblem(400, 'invalid', 'Search offset exceeds maximum (10000)')
        request = { ...request, offset: Number.parseInt(value, 10) || 0 }
        return 'silent'
      case '_cursor':
        if (profile.links !== 'offset') return 'unknown'
        request = { ...request, cursor: parseCursor(value) }
        return 'silent'
      case '_summary':
        if (value !== 'count' && value !== 'false') return 'unknown'
        request = { ...request, onlyCount: value === 'count' }
        return 'used'
      case '_sort':
        if (!profile.sorts) return 'unknown'
        request = { ...request, ...parseSort(value) }
        return 'used'
      case '_total':
        if (!['accurate', 'estimate', 'none'].includes(value)) return 'unknown'
        request = { ...request, accurateTotal: value === 'accurate' }
        return 'used'
      case '_elements':
        request = {
          ...request,
          elements: [...request.elements, ...value.split(',').map((part) => part.trim())],
        }
        return 'used'
      case '_include':
        request = { ...request, includes: [...request.includes, parseInclude(value)] }
        return 'used'
      case '_type':
        if (type !== undefined) return 'unknown'
        request = { ...request, types: value.split(',') }
        return 'used'
      case '_format':
      case '_pretty':
        return 'silent'
      default: {
        const criterion = parseCriterion(name, value, fhirBase)
        if (criterion === undefined) return 'unknown'
        criteria.push(criterion)
        return 'used'
      }
    }
  }
}

function refuseUnknown(name: string, { profile, strict }: SearchRules): void {
  if (profile.unknownParameters === 'ignored') return
  if (profile.unknownParameters === 'handling' && !strict) return
  throw new FhirProblem(
    400,
    'not-supported',
    `The search parameter \`${name.slice(0, 80)}\` is not supported.`,
  )
}

/** The keys of the index that narrow a search, if any. */
export function keysOfCriteria(criteria: readonly Criterion[]): readonly string[] | undefined {
  return criteria.find((criterion) => criterion.keys !== undefined)?.keys
}

export function fitsAll(version: StoredVersion, criteria: readonly Criterion[]): boolean {
  return criteria.every((criterion) => criterion.matches(version))
}

export interface ConditionalContext {
  readonly fhirBase: string
  readonly profile: FhirProfile
  readonly searchable: RepositoryView
}

/**
 * Matches of the criteria of a conditional interaction. Unlike in a search, an unknown parameter is refused: ignoring
 * it would widen the condition. A leading `?` is part of the first name and refused as well, where the server's
 * profile does not misread it.
 */
export function findConditional(
  context: ConditionalContext,
  type: string,
  query: string,
): readonly LiveVersion[] {
  const { fhirBase, profile, searchable } = context
  if (query.startsWith('?') && profile.questionMarkMatchesAll) return [...searchable.candidates(type)]
  const pairs = [...new URLSearchParams(query.startsWith('?') ? `%3F${query.slice(1)}` : query)]
  if (pairs.length === 0) throw new FhirProblem(400, 'invalid', 'The condition is empty.')
  const criteria = pairs.map(([name, value]) => {
    const criterion = parseCriterion(name, value, fhirBase)
    if (criterion === undefined) {
      throw new FhirProblem(
        400,
        'not-supported',
        `The condition uses an unknown parameter \`${name.slice(0, 80)}\`.`,
      )
    }
    return criterion
  })
  const ids = criteria.find((criterion) => criterion.ids !== undefined)?.ids
  const candidates =
    ids === undefined
      ? searchable.candidates(type, keysOfCriteria(criteria))
      : ids.map((id) => searchable.current(type, id)).filter(isLive)
  return [...candidates].filter((version) => fitsAll(version, criteria))
}
