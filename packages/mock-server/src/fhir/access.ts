import type { MockToken } from '../auth/credentials.js'
import { parseScope, splitScope, type Letter, type ResourceScope } from '../auth/scopes.js'
import { patientsOf } from './everything.js'
import type { Resource, StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import { fitsAll, type SearchRules, parseSearch } from './search.js'

/** What the caller's token allows. */
export interface Access {
  /** Refuses with 403 unless some scope reaches resources of this type (`undefined`: every type). */
  demand(letter: Letter, type: string | undefined): void
  /** Whether some scope reaches this very resource: by patient, and by the query of the scope. */
  covers(letter: Letter, resource: Resource): boolean
  /** Refuses with 403 unless `covers`. */
  requireResource(letter: Letter, resource: Resource): void
}

export const everything: Access = {
  demand: () => undefined,
  covers: () => true,
  requireResource: () => undefined,
}

function forbidden(letter: Letter, type: string | undefined): FhirProblem {
  return new FhirProblem(
    403,
    'forbidden',
    `The token does not allow \`${letter}\` on ${type ?? 'all types'}.`,
    {
      headers: { 'www-authenticate': 'Bearer realm="fhir", error="insufficient_scope"' },
    },
  )
}

/** Patient scopes stay with the patient of the launch, user scopes with the patients that the user may see. */
function isVisible(
  { patient, visible }: Pick<MockToken, 'patient' | 'visible'>,
  level: ResourceScope['level'],
  resource: Resource,
): boolean {
  const patients = patientsOf(resource)
  if (level === 'patient') return patient !== undefined && patients.includes(patient)
  if (level !== 'user' || visible === undefined) return true
  // What belongs to no patient (a Practitioner, a Device) is open to every user, a new Patient to none.
  return patients.length === 0
    ? resource.resourceType !== 'Patient'
    : patients.every((id) => visible.includes(id))
}

export function accessOf(
  token: Pick<MockToken, 'scope' | 'patient' | 'visible'>,
  rules: SearchRules,
): Access {
  const scopes = splitScope(token.scope)
    .map(parseScope)
    .filter((scope) => scope !== undefined)
  const reaching = (letter: Letter, type: string | undefined): readonly ResourceScope[] =>
    scopes.filter(
      (scope) =>
        scope.letters.includes(letter) && (scope.type === '*' || (type !== undefined && scope.type === type)),
    )
  const covers = (letter: Letter, resource: Resource): boolean =>
    reaching(letter, resource.resourceType).some((scope) => {
      if (!isVisible(token, scope.level, resource)) return false
      if (scope.query === undefined) return true
      const { criteria } = parseSearch([...new URLSearchParams(scope.query)], rules, resource.resourceType)
      const candidate: StoredVersion = {
        type: resource.resourceType,
        id: resource.id ?? '',
        version: 1,
        versionId: '1',
        t: 1,
        seq: 1,
        at: 0,
        method: 'POST',
        resource,
      }
      return fitsAll(candidate, criteria)
    })
  return {
    demand: (letter, type) => {
      if (reaching(letter, type).length === 0) throw forbidden(letter, type)
    },
    covers,
    requireResource: (letter, resource) => {
      if (!covers(letter, resource)) throw forbidden(letter, resource.resourceType)
    },
  }
}
