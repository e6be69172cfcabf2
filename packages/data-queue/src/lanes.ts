import { DataQueueError } from './errors.js'
import { isObject, type JsonObject } from './json.js'

/** Types whose resources bring several subjects together by their nature. */
const crossing = new Set(['Group', 'Linkage', 'List', 'Person', 'Provenance', 'Bundle', 'AuditEvent'])

/**
 * One lane per subject, for `lane` of `openDataQueue`: what concerns one patient stays in order, patients go side by
 * side. What touches two subjects is refused, because no lane could keep it in order with both: name a lane for it.
 * @throws DataQueueError `ERR_LANE_AMBIGUOUS`
 */
export function laneBySubject(resource: JsonObject, about: { readonly key: string }): string {
  const type = String(resource['resourceType'])
  const id = resource['id']
  // A patient made here is referred to by its key until the server has named it.
  if (type === 'Patient' && resource['link'] === undefined) {
    return typeof id === 'string' ? `Patient/${id}` : `urn:uuid:${about.key}`
  }
  const subjects = new Set(subjectsOf(resource))
  const [subject, ...others] = subjects
  if (others.length > 0 || (crossing.has(type) && subject === undefined) || type === 'Patient') {
    throw new DataQueueError(
      'ERR_LANE_AMBIGUOUS',
      `The ${type} concerns more than one subject, or does not say which.`,
      {
        hint: 'Pass a lane with it that is coarse enough for all it concerns.',
      },
    )
  }
  return subject ?? `${type}/${typeof id === 'string' ? id : about.key}`
}

function subjectsOf(resource: JsonObject): readonly string[] {
  const found = ['subject', 'patient', 'beneficiary', 'individual'].flatMap((name) => [resource[name]].flat())
  return found.flatMap((one) =>
    isObject(one) && typeof one['reference'] === 'string' ? [one['reference']] : [],
  )
}

/** Sub-lanes of a lane that keeps no order: enough for all hands, few enough for batches to fill. */
const spread = 16

/** Where an entry goes whose lane keeps no order. */
export function unorderedLane(lane: string, key: string): string {
  return `${lane}~${Number.parseInt(key.slice(0, 4), 16) % spread}`
}
