import { applyJsonPatch } from './json-patch.js'
import { isLive, type LiveVersion, type Resource } from './model.js'
import { FhirProblem } from './problem.js'
import { findConditional } from './search.js'
import {
  checkConditions,
  checkUrlId,
  deleteResource,
  singleMatch,
  updateResource,
  write,
  type UpdateConditions,
  type WriteContext,
  type WriteResult,
} from './writes.js'

/** Where a conditional update ends: at what it matches, or at an id that is new. */
export function updateTarget(
  context: WriteContext,
  resource: Resource,
  query: string,
): { readonly id: string; readonly created: boolean } {
  const match = singleMatch(context, resource.resourceType, query, 'request.url')
  if (match === undefined) return { id: resource.id ?? context.newId(), created: true }
  if (resource.id !== undefined && resource.id !== match.id) {
    throw new FhirProblem(400, 'invariant', 'The id of the body is not the id of the match.', {
      expression: `${resource.resourceType}.id`,
    })
  }
  return { id: match.id, created: false }
}

export function updateConditionally(
  context: WriteContext,
  resource: Resource,
  query: string,
  conditions: UpdateConditions,
): WriteResult {
  const { id, created } = updateTarget(context, resource, query)
  if (!created) return updateResource(context, id, { ...resource, id }, conditions)
  checkUrlId(context.profile, id)
  const current = context.draft.current(resource.resourceType, id)
  if (isLive(current)) {
    throw new FhirProblem(409, 'conflict', 'The id of the body belongs to a resource that does not match.')
  }
  checkConditions(context, current, conditions)
  return { status: 201, version: write(context, { ...resource, id }, { id, method: 'PUT' }) }
}

/** What a conditional delete matches, as far as the profile lets it. */
export function deleteTargets(context: WriteContext, type: string, query: string): readonly LiveVersion[] {
  const matches = findConditional(context, type, query)
  if (matches.length > 10_000)
    throw new FhirProblem(409, 'too-costly', 'The condition matches more than 10000 resources.')
  if (matches.length > 1 && context.profile.conditionalDelete !== 'multiple') {
    throw new FhirProblem(412, 'multiple-matches', 'The condition matches more than one resource.', {
      expression: 'request.url',
    })
  }
  return matches
}

export function deleteConditionally(
  context: WriteContext,
  type: string,
  query: string,
): readonly WriteResult[] {
  return deleteTargets(context, type, query).map(({ id }) => deleteResource(context, type, id, undefined))
}

/** The one resource that a conditional patch matches. */
export function patchTarget(context: WriteContext, type: string, query: string): string {
  const match = singleMatch(context, type, query, 'request.url')
  if (match === undefined) throw new FhirProblem(404, 'not-found', 'The condition matches nothing.')
  return match.id
}

export function patchResource(
  context: WriteContext,
  target: { readonly type: string; readonly id: string },
  patch: unknown,
  ifMatch: string | undefined,
  check: (value: unknown, type: string) => Resource,
): WriteResult {
  const { type, id } = target
  checkUrlId(context.profile, id)
  const current = context.draft.current(type, id)
  checkConditions(context, current, { ifMatch })
  if (!isLive(current)) {
    if (current === undefined)
      throw new FhirProblem(404, 'not-found', `Resource \`${type}/${id}\` was not found.`)
    throw new FhirProblem(410, 'deleted', `Resource \`${type}/${id}\` was deleted.`)
  }
  const patched = check(applyJsonPatch(current.resource, patch), type)
  if (patched.id !== id) throw new FhirProblem(422, 'processing', 'A patch cannot change the id.')
  return updateResource(context, id, patched, {}, 'PATCH')
}
