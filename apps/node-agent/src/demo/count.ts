import type { MockState, Resource } from '@fhir-outbox/mock-server'
import type { Happening, Proof } from './day.js'
import { demoSystem } from './day.js'
import { isSameContent } from './compare.js'

/** The balance of the demo, counted at the server and nowhere else. */
export interface Count {
  readonly accepted: number
  readonly delivered: number
  readonly lost: number
  /** Resources that are there more than once. */
  readonly duplicated: number
  /** Units that became real at the server before an earlier one did. */
  readonly outOfOrder: number
  /** Units whose content is not what was sent. */
  readonly changed: number
}

/** Where resources come from: read over HTTP, as anybody could. */
export interface ServerContent {
  readonly byType: ReadonlyMap<string, readonly Resource[]>
  /** The order in which effects became real. */
  readonly commits: MockState['commits']
}

/** Counts units in the order in which they were handed in. */
export function countAtServer(happenings: readonly Happening[], content: ServerContent): Count {
  const created = new Map<string, number>()
  for (const { type, id, n } of content.commits) {
    const name = `${type}/${id}`
    if (!created.has(name)) created.set(name, n)
  }
  let delivered = 0
  let lost = 0
  let duplicated = 0
  let outOfOrder = 0
  let changed = 0
  let latest = 0
  for (const happening of happenings) {
    const parts = partsOf(happening.proof, content)
    if (parts.some(({ length }) => length === 0)) {
      lost += 1
      continue
    }
    delivered += 1
    duplicated += parts.reduce((sum, { length }) => sum + length - 1, 0)
    if (!isUnchanged(happening, parts)) changed += 1
    const first = Math.min(
      ...parts.flat().map((resource) => created.get(`${resource.resourceType}/${resource.id}`) ?? 0),
    )
    if (first < latest) outOfOrder += 1
    latest = Math.max(latest, first)
  }
  return { accepted: happenings.length, delivered, lost, duplicated, outOfOrder, changed }
}

/** For each resource of a unit, what the server has of it: one when all is well. */
function partsOf(proof: Proof, { byType }: ServerContent): readonly (readonly Resource[])[] {
  const ofType = (type: string): readonly Resource[] => byType.get(type) ?? []
  switch (proof.kind) {
    case 'blood-pressure': {
      const patients = ofType('Patient').filter((one) => identifies(one, proof.patient))
      const ids = new Set(patients.map(({ id }) => `Patient/${id}`))
      return [
        ofType('Observation').filter(
          (one) =>
            ids.has(String(member(one, 'subject', 'reference'))) &&
            one['effectiveDateTime'] === proof.at &&
            systolicOf(one) === proof.systolic,
        ),
      ]
    }
    case 'identifier':
      return [ofType(proof.type).filter((one) => identifies(one, proof.value))]
    case 'record':
      return proof.tagged.map(({ type, value }) => ofType(type).filter((one) => identifies(one, value)))
  }
}

function isUnchanged({ json, proof }: Happening, parts: readonly (readonly Resource[])[]): boolean {
  const sent: unknown = JSON.parse(json)
  switch (proof.kind) {
    case 'blood-pressure':
      // The bundle is built from the reading; patient, time and value were matched above.
      return true
    case 'identifier':
      return isSameContent(sent, parts[0]?.[0])
    case 'record': {
      const entries = member(sent, 'entry')
      return (
        Array.isArray(entries) &&
        entries.every((entry, index) => isSameContent(member(entry, 'resource'), parts[index]?.[0]))
      )
    }
  }
}

function identifies(resource: Resource, value: string): boolean {
  const identifiers: unknown = resource['identifier']
  const tags = member(resource, 'meta', 'tag')
  return (
    [identifiers]
      .flat()
      .some((one) => member(one, 'system') === demoSystem && member(one, 'value') === value) ||
    [tags].flat().some((one) => member(one, 'system') === demoSystem && member(one, 'code') === value)
  )
}

function systolicOf(observation: Resource): unknown {
  const components: unknown = observation['component']
  if (!Array.isArray(components)) return undefined
  const systolic = components.find((one) =>
    [member(one, 'code', 'coding')].flat().some((coding) => member(coding, 'code') === '8480-6'),
  )
  return member(systolic, 'valueQuantity', 'value')
}

function member(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined),
    value,
  )
}
