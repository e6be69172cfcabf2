import type { BundleEntry } from './bundle-entry.js'
import type { StoredVersion } from './model.js'
import { FhirProblem, problemInEntry } from './problem.js'
import { rewriteLinks, type LinkVisitor } from './references.js'
import { createDraft, type RepositoryView } from './repository.js'
import { findConditional } from './search.js'
import {
  checkBodyId,
  checkConditions,
  deleteResource,
  matchOfCondition,
  nextVersion,
  stamp,
  updateResource,
  type WriteContext,
  type WriteResult,
} from './writes.js'

/** Where a POST entry ends: at a resource that exists, or at a new id. */
interface Placement {
  readonly id: string
  readonly created: boolean
}

function inEntry<T>(entry: BundleEntry, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof FhirProblem ? problemInEntry(error, entry.index) : error
  }
}

/**
 * Runs the writes of a transaction on `context.draft` in the order DELETE, POST, PUT; the caller commits the draft or
 * drops it. Results stand at the index of their entry; reading entries have none.
 */
export function runTransactionWrites(
  entries: readonly BundleEntry[],
  context: WriteContext,
): ReadonlyMap<number, WriteResult> {
  checkIdentities(entries)
  const results = new Map<number, WriteResult>()
  const of = (method: BundleEntry['method']): BundleEntry[] =>
    entries.filter((entry) => entry.method === method)

  for (const entry of of('DELETE')) {
    inEntry(entry, () =>
      results.set(entry.index, deleteResource(context, entry.type, entry.id ?? '', entry.ifMatch)),
    )
  }
  for (const entry of of('PUT')) {
    // Checked before anything of a PUT is written, so that scratch and draft agree.
    inEntry(entry, () => checkConditions(context.draft.current(entry.type, entry.id ?? ''), entry))
  }

  const scratch = createDraft(context.draft)
  const placements = placeCreates(of('POST'), { ...context, draft: scratch })
  for (const entry of of('PUT')) writeRaw(entry, entry.id ?? '', { ...context, draft: scratch })
  const visitor = linkVisitor(entries, placements, scratch, context.fhirBase)

  for (const entry of of('POST')) {
    inEntry(entry, () =>
      results.set(entry.index, finishCreate(entry, placements.get(entry), visitor, context)),
    )
  }
  for (const entry of of('PUT')) {
    inEntry(entry, () => {
      if (entry.resource === undefined) return
      const resource = rewriteLinks(entry.resource, visitor)
      results.set(entry.index, updateResource(context, entry.id ?? '', resource, entry))
    })
  }
  return results
}

/** bdl-7, and the rule that no identity may stand in two entries that delete or update it. */
function checkIdentities(entries: readonly BundleEntry[]): void {
  const fullUrls = new Set<string>()
  const targets = new Set<string>()
  for (const entry of entries) {
    inEntry(entry, () => {
      if (entry.fullUrl !== undefined) {
        if (fullUrls.has(entry.fullUrl))
          throw new FhirProblem(400, 'invariant', 'Two entries have one fullUrl (bdl-7).')
        fullUrls.add(entry.fullUrl)
      }
      if (entry.method !== 'PUT' && entry.method !== 'DELETE') return
      const target = `${entry.type}/${entry.id}`
      if (targets.has(target)) throw new FhirProblem(400, 'invariant', `Two entries write \`${target}\`.`)
      targets.add(target)
    })
  }
}

/**
 * Gives every POST entry its id before any reference is rewritten. Creates become visible in the scratch draft, so that
 * an equal condition later in the bundle finds them: one bundle never creates twice what its conditions call one.
 */
function placeCreates(
  entries: readonly BundleEntry[],
  context: WriteContext,
): ReadonlyMap<BundleEntry, Placement> {
  const placements = new Map<BundleEntry, Placement>()
  const byCondition = new Map<string, string>()
  for (const entry of entries) {
    inEntry(entry, () => {
      const condition = entry.ifNoneExist
      const name = condition === undefined ? undefined : `${entry.type}?${condition}`
      let found = name === undefined ? undefined : byCondition.get(name)
      if (condition !== undefined) found ??= matchOfCondition(context, entry.type, condition)?.id
      if (found !== undefined) {
        placements.set(entry, { id: found, created: false })
        return
      }
      const id = context.newId()
      if (name !== undefined) byCondition.set(name, id)
      writeRaw(entry, id, context)
      placements.set(entry, { id, created: true })
    })
  }
  return placements
}

function writeRaw(entry: BundleEntry, id: string, context: WriteContext): void {
  const { resource } = entry
  if (resource === undefined) return
  if (entry.method === 'PUT') inEntry(entry, () => checkBodyId(resource, id))
  const version = nextVersion(context, entry.type, id)
  context.draft.write(stamp(resource, { id, version, at: context.at, method: 'POST' }))
}

function finishCreate(
  entry: BundleEntry,
  placement: Placement | undefined,
  visitor: LinkVisitor,
  context: WriteContext,
): WriteResult {
  if (placement === undefined || entry.resource === undefined) throw new Error('A POST entry was not placed.')
  if (!placement.created) return { status: 200, version: context.draft.current(entry.type, placement.id) }
  const version: StoredVersion = stamp(rewriteLinks(entry.resource, visitor), {
    id: placement.id,
    version: 1,
    at: context.at,
    method: 'POST',
  })
  context.draft.write(version)
  return { status: 201, version }
}

function linkVisitor(
  entries: readonly BundleEntry[],
  placements: ReadonlyMap<BundleEntry, Placement>,
  view: RepositoryView,
  fhirBase: string,
): LinkVisitor {
  const targets = new Map<string, string>()
  for (const entry of entries) {
    const id = placements.get(entry)?.id ?? (entry.method === 'PUT' ? entry.id : undefined)
    if (entry.fullUrl !== undefined && id !== undefined) targets.set(entry.fullUrl, `${entry.type}/${id}`)
  }
  const link = (value: string): string => targets.get(value) ?? value
  return {
    link,
    reference: (value) => {
      const target = targets.get(value)
      if (target !== undefined) return target
      if (value.startsWith('urn:uuid:') || value.startsWith('urn:oid:')) {
        throw new FhirProblem(400, 'not-found', 'A reference points to no entry of the bundle.')
      }
      const conditional = /^([A-Z][A-Za-z]+)\?(.+)$/.exec(value)
      return conditional === null
        ? value
        : resolveConditional(conditional[1] ?? '', conditional[2] ?? '', view, fhirBase)
    },
  }
}

function resolveConditional(type: string, query: string, view: RepositoryView, fhirBase: string): string {
  const matches = findConditional(view, type, query, fhirBase)
  const [match] = matches
  if (match === undefined || matches.length > 1) {
    throw new FhirProblem(
      412,
      match === undefined ? 'not-found' : 'multiple-matches',
      `A conditional reference matches ${match === undefined ? 'nothing' : 'more than one resource'}.`,
    )
  }
  return `${type}/${match.id}`
}
