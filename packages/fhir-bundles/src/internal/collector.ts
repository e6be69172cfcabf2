import { BundleError } from '../errors.js'
import type { DeviceBundleEntry, DeviceBundleResource, ObservationResource } from '../resources.js'
import { stringifyExact } from '../stringify-exact.js'
import { uuidSource } from './uuid.js'

/** Collects entries; one per identifier, none for what the server is known to have. */
export type Collector = {
  readonly entries: readonly DeviceBundleEntry[]
  /**
   * Adds the resource unless it is there already; returns the reference to use for it.
   *
   * @param ifNoneExist made from the first identifier of the resource.
   * @param path in the readings, for an error.
   */
  readonly add: (resource: DeviceBundleResource, ifNoneExist: string, path: () => string) => string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function createCollector(
  known: Readonly<Record<string, string>>,
  uuid: (() => string) | undefined,
): Collector {
  const entries: DeviceBundleEntry[] = []
  const present = {
    Patient: new Map<string, DeviceBundleEntry>(),
    Device: new Map<string, DeviceBundleEntry>(),
    Observation: new Map<string, DeviceBundleEntry>(),
  }
  const nextUuid = uuid === undefined ? uuidSource() : checkedSource(uuid)
  // To look for a long text among the members of an object is dear.
  const knowsSome = hasMembers(known)
  return {
    entries,
    add(resource, ifNoneExist, path) {
      const url = resource.resourceType
      if (knowsSome) {
        const condition = `${url}?${ifNoneExist}`
        if (Object.hasOwn(known, condition)) return checkKnown(known[condition], url)
      }
      const earlier = present[url].get(ifNoneExist)
      if (earlier !== undefined) {
        if (!sameMeasurement(earlier.resource, resource)) throw conflicting(path())
        return earlier.fullUrl
      }
      const fullUrl = `urn:uuid:${nextUuid()}`
      const entry: DeviceBundleEntry = { fullUrl, resource, request: { method: 'POST', url, ifNoneExist } }
      present[url].set(ifNoneExist, entry)
      entries.push(entry)
      return fullUrl
    },
  }
}

function hasMembers(object: object): boolean {
  for (const name in object) if (Object.hasOwn(object, name)) return true
  return false
}

function checkedSource(uuid: () => string): () => string {
  const given = new Set<string>()
  return () => {
    const id = uuid()
    if (!UUID.test(id)) throw badSource('must return a lower-case UUID')
    if (given.has(id)) throw badSource('returned the same UUID twice')
    given.add(id)
    return id
  }
}

function badSource(what: string): BundleError {
  return new BundleError('ERR_INVALID_OPTION', `uuid() ${what}`, { path: 'uuid' })
}

function conflicting(path: string): BundleError {
  return new BundleError(
    'ERR_CONFLICTING_MEASUREMENT',
    `${path} has the identity of an earlier measurement but another value`,
    { path },
  )
}

function checkKnown(reference: string | undefined, type: string): string {
  if (reference === undefined || !new RegExp(`^${type}/[A-Za-z0-9\\-.]{1,64}$`).test(reference)) {
    throw new BundleError('ERR_INVALID_OPTION', `A known reference must look like ${type}/id`, {
      path: 'known',
    })
  }
  return reference
}

/**
 * A device that sends a stored record again sends the same under the same identifier, perhaps in another connection:
 * one entry. Only what was measured, of whom and how far to trust it counts; the corrected time may differ by the
 * clock's drift.
 */
function sameMeasurement(a: DeviceBundleResource, b: DeviceBundleResource): boolean {
  if (a.resourceType !== 'Observation' || b.resourceType !== 'Observation') return true
  return measured(a) === measured(b)
}

function measured(resource: ObservationResource): string {
  const { subject, status, interpretation, note, meta, dataAbsentReason, component } = resource
  const { valueQuantity, valueDateTime, valueCodeableConcept, valueString, valueSampledData } = resource
  const values = { valueQuantity, valueDateTime, valueCodeableConcept, valueString, valueSampledData }
  return stringifyExact([
    subject,
    status,
    { interpretation, note, meta },
    values,
    { dataAbsentReason, component },
  ])
}
