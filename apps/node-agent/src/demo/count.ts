import type { MockState, Resource } from '@fhir-outbox/mock-server'
import type { Happening, Proof } from './day.js'
import { demoSystem } from './day.js'
import { isSameContent, type Rewritten } from './compare.js'

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
  // Who and what measured is shared by many units, and may be there once.
  let duplicated = repeated(content, 'Patient') + repeated(content, 'Device')
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
      const ofThen = ofType('Observation').filter(
        (one) =>
          ids.has(String(member(one, 'subject', 'reference'))) && one['effectiveDateTime'] === proof.at,
      )
      return [
        ofThen.filter((one) => hasCode(one, bloodPressurePanel)),
        ofThen.filter((one) => hasCode(one, pulseRate)),
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
    case 'blood-pressure': {
      // The bundle is built from the reading; patient and time were matched above.
      const [pressure, pulse] = parts.map(([first]) => first)
      return (
        componentOf(pressure, '8480-6') === proof.systolic &&
        componentOf(pressure, '8462-4') === proof.diastolic &&
        member(pulse, 'valueQuantity', 'value') === proof.pulse
      )
    }
    case 'identifier':
      return isSameContent(sent, parts[0]?.[0])
    case 'record': {
      const entries = member(sent, 'entry')
      if (!Array.isArray(entries)) return false
      const rewritten: Rewritten = new Map(
        entries.map((entry, index) => {
          const stored = parts[index]?.[0]
          return [String(member(entry, 'fullUrl')), `${stored?.resourceType}/${stored?.id}`]
        }),
      )
      return entries.every((entry, index) =>
        isSameContent(member(entry, 'resource'), parts[index]?.[0], rewritten),
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

/** How many resources of a type have the identifiers of another one. */
function repeated({ byType }: ServerContent, type: string): number {
  const all = byType.get(type) ?? []
  return all.length - new Set(all.map((one) => JSON.stringify(one['identifier'] ?? one.id))).size
}

const bloodPressurePanel = '85354-9'
const pulseRate = '8867-4'

function hasCode(value: unknown, code: string): boolean {
  return [member(value, 'code', 'coding')].flat().some((coding) => member(coding, 'code') === code)
}

function componentOf(observation: unknown, code: string): unknown {
  const components = member(observation, 'component')
  if (!Array.isArray(components)) return undefined
  return member(
    components.find((one) => hasCode(one, code)),
    'valueQuantity',
    'value',
  )
}

function member(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined),
    value,
  )
}
