import type { StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import type { RepositoryView } from './repository.js'
import { searchParameters, type Criterion } from './search-parameters.js'

type Pair = readonly [name: string, value: string]

export interface SearchRequest {
  readonly criteria: readonly Criterion[]
  /** What was understood, in request order: the `self` link is made of it. */
  readonly used: readonly Pair[]
  readonly count: number
  readonly onlyCount: boolean
  readonly order: ((a: StoredVersion, b: StoredVersion) => number) | undefined
}

const defaultCount = 50
const maxCount = 1000
const byName = new Map(searchParameters.map((parameter) => [parameter.name, parameter]))
const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))
const sorters: Readonly<Record<string, (a: StoredVersion, b: StoredVersion) => number>> = {
  _id: (a, b) => byText(a.id, b.id),
  _lastUpdated: (a, b) => a.at - b.at,
}

function parseCriterion(name: string, value: string, fhirBase: string): Criterion | undefined {
  const [plain = '', modifier] = name.split(':', 2)
  const parameter = byName.get(plain)
  if (parameter === undefined) return undefined
  if (value === '') throw new FhirProblem(400, 'value', `The search parameter \`${plain}\` has no value.`)
  return parameter.parse(value, modifier, fhirBase)
}

export function parseSearch(pairs: readonly Pair[], fhirBase: string, strict: boolean): SearchRequest {
  const criteria: Criterion[] = []
  const used: Pair[] = []
  let count = defaultCount
  let onlyCount = false
  let order: SearchRequest['order']
  for (const [name, value] of pairs) {
    let known = true
    if (name === '_count') {
      if (!/^\d{1,9}$/.test(value)) throw new FhirProblem(400, 'value', '`_count` is not a whole number.')
      count = Math.min(Number(value), maxCount)
    } else if (name === '_summary' && (value === 'count' || value === 'false')) {
      onlyCount = value === 'count'
    } else if (name === '_sort') {
      const descending = value.startsWith('-')
      const sorter = sorters[descending ? value.slice(1) : value]
      if (sorter === undefined)
        throw new FhirProblem(400, 'not-supported', '`_sort` takes _id or _lastUpdated.')
      order = descending ? (a, b) => sorter(b, a) : sorter
    } else if (name === '_total' && ['accurate', 'estimate', 'none'].includes(value)) {
      // The total is always accurate here; the wish is granted either way.
    } else if (name === '_format' || name === '_pretty') {
      continue
    } else {
      const criterion = parseCriterion(name, value, fhirBase)
      if (criterion === undefined) known = false
      else criteria.push(criterion)
    }
    if (known) used.push([name, value])
    else if (strict) {
      throw new FhirProblem(
        400,
        'not-supported',
        `The search parameter \`${name.slice(0, 80)}\` is not supported.`,
      )
    }
  }
  return { criteria, used, count, onlyCount, order }
}

/** Looks at as few resources as the criteria allow. */
export function findMatches(
  view: RepositoryView,
  type: string,
  criteria: readonly Criterion[],
): StoredVersion[] {
  const ids = criteria.find((criterion) => criterion.ids !== undefined)?.ids
  const keys = criteria.find((criterion) => criterion.keys !== undefined)?.keys
  const candidates = new Map<string, StoredVersion>()
  if (ids !== undefined) {
    for (const id of ids) {
      const version = view.current(type, id)
      if (version?.resource !== undefined) candidates.set(id, version)
    }
  } else if (keys !== undefined) {
    for (const key of keys) for (const version of view.withKey(type, key)) candidates.set(version.id, version)
  } else {
    for (const version of view.live(type)) candidates.set(version.id, version)
  }
  return [...candidates.values()].filter((version) =>
    criteria.every((criterion) => criterion.matches(version)),
  )
}

/**
 * Matches of the criteria of a conditional interaction. Unlike in a search, an unknown parameter is refused: ignoring
 * it would widen the condition. A leading `?` or a type name before it is part of the first name and refused as well.
 */
export function findConditional(
  view: RepositoryView,
  type: string,
  query: string,
  fhirBase: string,
): StoredVersion[] {
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
  return findMatches(view, type, criteria)
}
