import type { MockState, Resource } from '@fhir-outbox/mock-server'
import type { Happening, Part } from './day.js'
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

/** What the server has of one part: one resource when all is well. */
type Copies = readonly Resource[]

/** Counts units in the order in which they were handed in. */
export function countAtServer(happenings: readonly Happening[], content: ServerContent): Count {
  const created = new Map<string, number>()
  for (const { type, id, n } of content.commits) {
    const name = `${type}/${id}`
    if (!created.has(name)) created.set(name, n)
  }
  const named = byName(content)
  let delivered = 0
  let lost = 0
  // Who and what measured is part of many units, and may be there once.
  let duplicated = repeated(content, 'Patient') + repeated(content, 'Device')
  let outOfOrder = 0
  let changed = 0
  let latest = 0
  for (const { parts } of happenings) {
    const found = new Map(parts.map((part) => [part, named.get(nameOf(part.resource)) ?? []]))
    if ([...found.values()].some(({ length }) => length === 0)) {
      lost += 1
      continue
    }
    delivered += 1
    const own = parts.filter(({ shared }) => !shared).map((part) => found.get(part) ?? [])
    duplicated += own.reduce((sum, { length }) => sum + length - 1, 0)
    if (isChanged(found)) changed += 1
    const first = Math.min(
      ...own.flat().map((resource) => created.get(`${resource.resourceType}/${resource.id}`) ?? 0),
    )
    if (first < latest) outOfOrder += 1
    latest = Math.max(latest, first)
  }
  return { accepted: happenings.length, delivered, lost, duplicated, outOfOrder, changed }
}

/** Who and what measured may have got details from an earlier unit; everything else must be as it was sent. */
function isChanged(found: ReadonlyMap<Part, Copies>): boolean {
  const rewritten: Rewritten = new Map(
    [...found].flatMap(([{ fullUrl }, [stored]]) =>
      fullUrl === undefined ? [] : [[fullUrl, `${stored?.resourceType}/${stored?.id}`] as const],
    ),
  )
  return [...found].some(
    ([{ resource, shared }, [stored]]) => !shared && !isSameContent(resource, stored, rewritten),
  )
}

/** The resources of a server by the identifiers and tags that they have. */
function byName({ byType }: ServerContent): ReadonlyMap<string, Copies> {
  const named = new Map<string, Resource[]>()
  for (const resource of [...byType.values()].flat()) {
    for (const name of new Set(namesOf(resource))) {
      const others = named.get(name)
      if (others === undefined) named.set(name, [resource])
      else others.push(resource)
    }
  }
  return named
}

/** The name that the demo, or the device, has given to a resource. */
function nameOf(resource: Readonly<Record<string, unknown>>): string {
  return namesOf(resource)[0] ?? ''
}

function namesOf(resource: Readonly<Record<string, unknown>>): readonly string[] {
  const type = String(resource['resourceType'])
  return [
    ...[resource['identifier']].flat().map((one) => [member(one, 'system'), member(one, 'value')]),
    ...[member(resource['meta'], 'tag')].flat().map((one) => [member(one, 'system'), member(one, 'code')]),
  ].flatMap(([system, value]) => (value === undefined ? [] : [`${type} ${String(system)}|${String(value)}`]))
}

/** How many resources of a type have the identifiers of another one. */
function repeated({ byType }: ServerContent, type: string): number {
  const all = byType.get(type) ?? []
  return all.length - new Set(all.map((one) => JSON.stringify(one['identifier'] ?? one.id))).size
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
