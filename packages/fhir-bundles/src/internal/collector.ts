import { BundleError } from '../errors.js'
import type { DeviceBundleEntry, DeviceBundleResource, ObservationResource } from '../resources.js'
import { stringifyExact } from '../stringify-exact.js'
import { identifierCondition } from './identity.js'
import { randomUuid } from './uuid.js'

/** Collects entries; one per identifier, none for what the server is known to have. */
export type Collector = {
  readonly entries: readonly DeviceBundleEntry[]
  /** Adds the resource unless it is there already; returns the reference to use for it. */
  readonly add: (resource: DeviceBundleResource, path: string) => string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function createCollector(
  known: Readonly<Record<string, string>>,
  uuid: (() => string) | undefined,
): Collector {
  const entries: DeviceBundleEntry[] = []
  const byCondition = new Map<string, DeviceBundleEntry>()
  const fullUrls = new Set<string>()

  function newFullUrl(): string {
    if (uuid === undefined) return `urn:uuid:${randomUuid()}`
    const id = uuid()
    if (!UUID.test(id)) {
      throw new BundleError('ERR_INVALID_OPTION', 'uuid() must return a lower-case UUID', { path: 'uuid' })
    }
    const fullUrl = `urn:uuid:${id}`
    if (fullUrls.has(fullUrl)) {
      throw new BundleError('ERR_INVALID_OPTION', 'uuid() returned the same UUID twice', { path: 'uuid' })
    }
    fullUrls.add(fullUrl)
    return fullUrl
  }

  return {
    entries,
    add(resource, path) {
      const [identifier] = resource.identifier
      if (identifier === undefined) throw new RangeError('Every resource is built with an identifier')
      const url = resource.resourceType
      const ifNoneExist = identifierCondition(identifier)
      const condition = `${url}?${ifNoneExist}`
      if (Object.hasOwn(known, condition)) return checkKnown(known[condition], url)
      const present = byCondition.get(condition)
      if (present !== undefined) {
        if (!sameMeasurement(present.resource, resource)) {
          throw new BundleError(
            'ERR_CONFLICTING_MEASUREMENT',
            `${path} has the identity of an earlier measurement but another value`,
            { path },
          )
        }
        return present.fullUrl
      }
      const entry: DeviceBundleEntry = {
        fullUrl: newFullUrl(),
        resource,
        request: { method: 'POST', url, ifNoneExist },
      }
      byCondition.set(condition, entry)
      entries.push(entry)
      return entry.fullUrl
    },
  }
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
 * A device that sends a stored record again sends the same value under the same identifier, perhaps in another
 * connection: one entry. Only what was measured counts; the corrected time may differ by the clock's drift.
 */
function sameMeasurement(a: DeviceBundleResource, b: DeviceBundleResource): boolean {
  if (a.resourceType !== 'Observation' || b.resourceType !== 'Observation') return true
  return measured(a) === measured(b)
}

function measured(resource: ObservationResource): string {
  const { status, valueQuantity, valueDateTime, dataAbsentReason, component } = resource
  const { valueCodeableConcept, valueString, valueSampledData } = resource
  const values = { valueQuantity, valueDateTime, valueCodeableConcept, valueString, valueSampledData }
  return stringifyExact([status, values, { dataAbsentReason, component }])
}
