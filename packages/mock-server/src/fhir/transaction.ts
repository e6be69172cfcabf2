import type { BundleEntry } from './bundle-entry.js'
import { deleteTargets, patchResource, patchTarget, updateTarget } from './conditional.js'
import { checkIntegrity } from './integrity.js'
import { isLive, type Resource, type StoredVersion } from './model.js'
import { FhirProblem, problemInEntry } from './problem.js'
import { rewriteLinks, type LinkVisitor } from './references.js'
import { createDraft } from './repository.js'
import { findConditional } from './search.js'
import {
  checkBodyId,
  checkConditions,
  createResource,
  deleteResource,
  effectiveCondition,
  singleMatch,
  updateResource,
  write,
  type WriteContext,
  type WriteResult,
} from './writes.js'

/** Where an entry ends: at a resource that exists, or at a new id. */
interface Placement {
  readonly id: string
  readonly created: boolean
}

/** Runs `work`; what it refuses is told with the place of the entry. */
export function inEntry<T>(index: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof FhirProblem ? problemInEntry(error, index) : error
  }
}

/**
 * Runs the writes of a transaction on `context.draft` in the order DELETE, POST, PUT and PATCH; the caller commits the
 * draft or drops it. Results stand at the index of their entry; reading entries have none. `known` may tell the id of a
 * resource that a POST entry would make once more.
 */
export function runTransactionWrites(
  entries: readonly BundleEntry[],
  context: WriteContext,
  check: (value: unknown, type: string) => Resource,
  known?: (entry: BundleEntry, context: WriteContext) => string | undefined,
): ReadonlyMap<number, WriteResult> {
  checkFullUrls(entries)
  checkConditionalCount(entries, context)
  const results = new Map<number, WriteResult>()
  const of = (...methods: readonly BundleEntry['method'][]): readonly BundleEntry[] =>
    entries.filter((entry) => methods.includes(entry.method))
  // Conditions are about the store as the transaction found it.
  const deletions = new Map(
    of('DELETE').map((entry) => [entry, inEntry(entry.index, () => deletedIds(entry, context))]),
  )
  const updates = new Map(
    of('PUT', 'PATCH').map((entry) => [entry, inEntry(entry.index, () => placeUpdate(entry, context))]),
  )
  checkIdentities(deletions, updates)

  for (const [entry, ids] of deletions) {
    inEntry(entry.index, () => {
      let last: WriteResult = { status: 204, version: undefined }
      for (const id of ids) last = deleteResource(context, entry.type, id, entry.ifMatch)
      results.set(entry.index, last)
    })
  }
  // Checked before anything of a PUT is written, so that scratch and draft agree.
  for (const [entry, { id }] of updates) {
    inEntry(entry.index, () => checkConditions(context, context.draft.current(entry.type, id), entry))
  }

  const scratch: WriteContext = {
    ...context,
    draft: createDraft(context.draft, { t: context.draft.t, length: 0 }),
  }
  const inScratch = context.searchable === context.draft ? { ...scratch, searchable: scratch.draft } : scratch
  const placements = new Map([...placeCreates(of('POST'), inScratch, known), ...updates])
  for (const [entry, { id }] of updates) {
    const { resource } = entry
    if (resource === undefined) continue
    inEntry(entry.index, () => write(inScratch, { ...resource, id }, { id, method: 'PUT' }))
  }
  const visitor = linkVisitor(entries, placements, inScratch)

  for (const entry of of('POST')) {
    inEntry(entry.index, () =>
      results.set(entry.index, finishCreate(entry, placements.get(entry), visitor, context)),
    )
  }
  for (const [entry, { id, created }] of updates) {
    inEntry(entry.index, () => {
      const { type, resource, ifMatch } = entry
      if (resource === undefined) {
        results.set(entry.index, patchResource(context, { type, id }, entry.patch, ifMatch, check))
        return
      }
      const linked = rewriteLinks({ ...resource, id }, visitor)
      const result: WriteResult = created
        ? { status: 201, version: write(context, linked, { id, method: 'PUT' }) }
        : updateResource(context, id, linked, {})
      results.set(entry.index, result)
    })
  }
  checkIntegrity(context)
  return results
}

function checkFullUrls(entries: readonly BundleEntry[]): void {
  const fullUrls = new Set<string>()
  for (const { fullUrl, index } of entries) {
    if (fullUrl === undefined) continue
    inEntry(index, () => {
      if (fullUrls.has(fullUrl))
        throw new FhirProblem(400, 'invariant', 'Two entries have one fullUrl (bdl-7).')
    })
    fullUrls.add(fullUrl)
  }
}

function checkConditionalCount(entries: readonly BundleEntry[], { profile }: WriteContext): void {
  const conditional = entries.filter(
    ({ ifNoneExist, method, query }) =>
      ifNoneExist !== undefined || (method !== 'GET' && query !== undefined),
  )
  if (conditional.length <= profile.conditionalEntries) return
  throw new FhirProblem(400, 'invalid', 'Transaction requires strict isolation but has too many entries')
}

function deletedIds(entry: BundleEntry, context: WriteContext): readonly string[] {
  if (entry.id !== undefined) return [entry.id]
  return deleteTargets(context, entry.type, entry.query ?? '').map(({ id }) => id)
}

function placeUpdate(entry: BundleEntry, context: WriteContext): Placement {
  const { id, query, resource, type } = entry
  if (id !== undefined) {
    if (resource !== undefined) checkBodyId(context.profile, resource, id)
    return { id, created: false }
  }
  if (resource === undefined) return { id: patchTarget(context, type, query ?? ''), created: false }
  return updateTarget(context, resource, query ?? '')
}

/** No identity may stand in two entries that delete or update it. */
function checkIdentities(
  deletions: ReadonlyMap<BundleEntry, readonly string[]>,
  updates: ReadonlyMap<BundleEntry, Placement>,
): void {
  const targets = new Set<string>()
  const all = [...deletions, ...[...updates].map(([entry, { id }]) => [entry, [id]] as const)]
  for (const [entry, ids] of all.toSorted(([a], [b]) => a.index - b.index)) {
    for (const id of ids) {
      const target = `${entry.type}/${id}`
      inEntry(entry.index, () => {
        if (targets.has(target)) throw new FhirProblem(400, 'invariant', `Two entries write \`${target}\`.`)
      })
      targets.add(target)
    }
  }
}

/**
 * Gives every POST entry its id before any reference is rewritten. Creates become visible in the scratch draft, so that
 * an equal condition later in the bundle finds them: one bundle never creates twice what its conditions call one.
 */
function placeCreates(
  entries: readonly BundleEntry[],
  context: WriteContext,
  known?: (entry: BundleEntry, context: WriteContext) => string | undefined,
): ReadonlyMap<BundleEntry, Placement> {
  const placements = new Map<BundleEntry, Placement>()
  const byCondition = new Map<string, string>()
  for (const entry of entries) {
    inEntry(entry.index, () => {
      const condition = effectiveCondition(context, entry.ifNoneExist)
      const name = condition === undefined ? undefined : `${entry.type}?${condition}`
      let found = name === undefined ? undefined : byCondition.get(name)
      if (condition !== undefined) found ??= singleMatch(context, entry.type, condition)?.id
      found ??= known?.(entry, context)
      if (found !== undefined || entry.resource === undefined) {
        placements.set(entry, { id: found ?? '', created: false })
        return
      }
      const id = context.newId()
      if (name !== undefined) byCondition.set(name, id)
      write(context, entry.resource, { id, method: 'POST' })
      placements.set(entry, { id, created: true })
    })
  }
  return placements
}

function finishCreate(
  entry: BundleEntry,
  placement: Placement | undefined,
  visitor: LinkVisitor,
  context: WriteContext,
): WriteResult {
  if (placement === undefined || entry.resource === undefined) throw new Error('A POST entry was not placed.')
  if (!placement.created) return { status: 200, version: context.draft.current(entry.type, placement.id) }
  return createResource(context, rewriteLinks(entry.resource, visitor), undefined, placement.id)
}

/** Turns the addresses that entries have inside the bundle into those that they have in the store. */
function linkVisitor(
  entries: readonly BundleEntry[],
  placements: ReadonlyMap<BundleEntry, Placement>,
  context: WriteContext,
): LinkVisitor {
  const targets = new Map<string, string>()
  for (const entry of entries) {
    const id = placements.get(entry)?.id
    if (entry.fullUrl !== undefined && id !== undefined) targets.set(entry.fullUrl, `${entry.type}/${id}`)
  }
  const { profile } = context
  return {
    link: (value) => targets.get(value) ?? value,
    reference: (value) => {
      const target = targets.get(value)
      if (target !== undefined) return target
      if (/^urn:(uuid|oid):/.test(value) && profile.danglingUrn === 'refused') {
        throw new FhirProblem(400, 'not-found', 'A reference points to no entry of the bundle.')
      }
      const [, type, query] = /^([A-Z][A-Za-z]+)\?(.+)$/.exec(value) ?? []
      if (type === undefined || query === undefined || profile.conditionalReferences === 'left') return value
      return resolveConditional(context, type, query)
    },
  }
}

function resolveConditional(context: WriteContext, type: string, query: string): string {
  const matches: readonly StoredVersion[] = findConditional(context, type, query).filter(isLive)
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

/** The links of a transaction that runs as a batch: creates get their ids ahead, nothing else is looked into. */
export function batchLinks(
  entries: readonly BundleEntry[],
  context: WriteContext,
): { readonly ids: ReadonlyMap<BundleEntry, string>; readonly visitor: LinkVisitor } {
  const placements = new Map<BundleEntry, Placement>()
  for (const entry of entries) {
    const { method, type, resource, id, ifNoneExist } = entry
    if (method === 'PUT' && id !== undefined) placements.set(entry, { id, created: false })
    if (method !== 'POST' || resource === undefined) continue
    const condition = effectiveCondition(context, ifNoneExist)
    const [match] = condition === undefined ? [] : findConditional(context, type, condition)
    placements.set(
      entry,
      match === undefined ? { id: context.newId(), created: true } : { id: match.id, created: false },
    )
  }
  const ids = new Map(
    [...placements].filter(([, { created }]) => created).map(([entry, { id }]) => [entry, id]),
  )
  return {
    ids,
    visitor: linkVisitor(entries, placements, {
      ...context,
      profile: { ...context.profile, danglingUrn: 'stored' },
    }),
  }
}
