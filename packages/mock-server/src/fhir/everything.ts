import { asArray, isObject } from '../json.js'
import { isLive, type LiveVersion, type Resource } from './model.js'
import { pageLinks, type OpenBundle } from './paging.js'
import type { PageState } from './page-seal.js'
import { FhirProblem } from './problem.js'
import { referenceKey, type Cursor } from './repository.js'
import { timeRange } from './search-values.js'
import type { SearchContext } from './search-page.js'

/** More than this in one Bundle is refused; with `_count` any number can be had. */
const maxEntries = 10_000

/** Members through which a resource says which patient it is about. */
const patientMembers = ['subject', 'patient', 'individual', 'beneficiary', 'actor', 'for']

/** The ids of the patients that a resource is, or is about: its compartments, simplified. */
export function patientsOf(resource: Resource): readonly string[] {
  if (resource.resourceType === 'Patient') return resource.id === undefined ? [] : [resource.id]
  return patientMembers
    .flatMap((member) => asArray(resource[member]))
    .map((item) => (isObject(item) ? referenceKey(item['reference']) : undefined))
    .filter((key) => key?.startsWith('Patient/') === true)
    .map((key) => String(key).slice('Patient/'.length))
}

interface Wishes {
  readonly count: number | undefined
  readonly since: number
}

function parseWishes({ profile, strict }: SearchContext, pairs: PageState['pairs']): Wishes {
  let count: number | undefined
  let since = -Infinity
  for (const [name, value] of pairs) {
    if (name === '_count') {
      if (!/^[1-9]\d{0,8}$/.test(value)) throw new FhirProblem(400, 'value', '`_count` is no number above 0.')
      count = Math.min(Number(value), profile.maxCount)
    } else if (name === '_since') {
      const range = timeRange(value)
      if (range === undefined) throw new FhirProblem(400, 'value', '`_since` is not an instant.')
      since = range.start
    } else if (name !== '_format' && strict) {
      throw new FhirProblem(400, 'not-supported', `The parameter \`${name.slice(0, 80)}\` is not supported.`)
    }
  }
  return { count, since }
}

export function beginEverything(context: SearchContext, id: string, pairs: PageState['pairs']): PageState {
  return { kind: 'everything', type: 'Patient', id, pairs, t: context.repository.lastT, back: [] }
}

/** The patient and all that is about the patient: in one Bundle with a total, or with `_count` in pages without. */
export function everythingPage(context: SearchContext, state: PageState): OpenBundle {
  const { repository, fhirBase, profile } = context
  const id = state.id ?? ''
  const { count, since } = parseWishes(context, state.pairs)
  const patient = repository.view(state.t).current('Patient', id)
  if (!isLive(patient)) throw new FhirProblem(404, 'not-found', `Resource \`Patient/${id}\` was not found.`)
  const limit = count ?? maxEntries
  const page: LiveVersion[] = []
  let last: Cursor | undefined
  let more = false
  for (const { version, cursor } of repository.scan({ order: 'created', after: state.after, t: state.t })) {
    if (
      version.at < since ||
      !patientsOf(version.resource).includes(id) ||
      !context.visible(version.resource)
    )
      continue
    if (page.length === limit) {
      more = true
      break
    }
    page.push(version)
    last = cursor
  }
  if (more && count === undefined) {
    throw new FhirProblem(
      409,
      'too-costly',
      `The compartment has more than ${maxEntries} resources: use \`_count\`.`,
    )
  }
  const entry = page.map(({ type, id: own, resource }) => ({
    fullUrl: `${fhirBase}/${type}/${own}`,
    resource,
    search: { mode: 'match' },
  }))
  return {
    bundle: {
      resourceType: 'Bundle',
      type: 'searchset',
      ...(count === undefined ? { total: entry.length } : {}),
      ...(entry.length === 0 ? {} : { entry }),
    },
    links: count === undefined ? [] : pageLinks(profile, state, '', more ? last : undefined),
  }
}
