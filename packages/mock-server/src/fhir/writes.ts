import { etagOf, idPattern, type Resource, type StoredVersion, type WriteMethod } from './model.js'
import { FhirProblem } from './problem.js'
import type { Draft } from './repository.js'
import { findConditional } from './search.js'

/** What every write needs beside its own arguments. */
export interface WriteContext {
  readonly draft: Draft
  readonly fhirBase: string
  /** The time of the whole request, in milliseconds: all entries of a transaction share it. */
  readonly at: number
  newId(): string
}

export interface WriteResult {
  readonly status: 200 | 201 | 204
  /** The version written or found; `undefined` for the deletion of what never existed. */
  readonly version: StoredVersion | undefined
}

export function stamp(
  resource: Resource,
  place: { readonly id: string; readonly version: number; readonly at: number; readonly method: WriteMethod },
): StoredVersion {
  const { resourceType, id: _id, meta, ...members } = resource
  const stamped = {
    resourceType,
    id: place.id,
    meta: {
      ...(meta as object | undefined),
      versionId: String(place.version),
      lastUpdated: new Date(place.at).toISOString(),
    },
    ...members,
  }
  return { type: resourceType, ...place, resource: stamped }
}

export function nextVersion(context: WriteContext, type: string, id: string): number {
  return (context.draft.current(type, id)?.version ?? 0) + 1
}

/** The single match of an `If-None-Exist` condition; `undefined` when the resource is to be created. */
export function matchOfCondition(
  context: WriteContext,
  type: string,
  condition: string,
): StoredVersion | undefined {
  const matches = findConditional(context.draft, type, condition, context.fhirBase)
  if (matches.length > 1) {
    throw new FhirProblem(412, 'multiple-matches', 'The condition matches more than one resource.', {
      expression: 'request.ifNoneExist',
    })
  }
  return matches[0]
}

export function createResource(
  context: WriteContext,
  resource: Resource,
  ifNoneExist: string | undefined,
): WriteResult {
  if (ifNoneExist !== undefined) {
    const existing = matchOfCondition(context, resource.resourceType, ifNoneExist)
    if (existing !== undefined) return { status: 200, version: existing }
  }
  const version = stamp(resource, { id: context.newId(), version: 1, at: context.at, method: 'POST' })
  context.draft.write(version)
  return { status: 201, version }
}

export interface UpdateConditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

/** Refuses with 412 unless the current state satisfies `If-Match` (a list of weak tags) and `If-None-Match: *`. */
export function checkConditions(current: StoredVersion | undefined, conditions: UpdateConditions): void {
  const exists = current?.resource !== undefined
  if (conditions.ifMatch !== undefined) {
    const tags = conditions.ifMatch.split(',').map((tag) => tag.trim())
    if (!exists || !tags.includes(etagOf(current))) {
      throw new FhirProblem(412, 'conflict', 'The resource is not at the version that If-Match asks for.', {
        expression: 'request.ifMatch',
      })
    }
  }
  if (conditions.ifNoneMatch === undefined) return
  if (conditions.ifNoneMatch.trim() !== '*') {
    throw new FhirProblem(
      400,
      'not-supported',
      'A write understands If-None-Match only with the value `*`.',
      {
        expression: 'request.ifNoneMatch',
      },
    )
  }
  if (exists) {
    throw new FhirProblem(412, 'conflict', 'The resource exists already.', {
      expression: 'request.ifNoneMatch',
    })
  }
}

export function checkBodyId(resource: Resource, id: string): void {
  const type = resource.resourceType
  if (resource.id === undefined) {
    throw new FhirProblem(400, 'required', 'The body of an update needs the id of the URL.', {
      expression: `${type}.id`,
    })
  }
  if (resource.id !== id) {
    throw new FhirProblem(400, 'invariant', 'The id of the body is not the id of the URL.', {
      expression: `${type}.id`,
    })
  }
}

export function updateResource(
  context: WriteContext,
  id: string,
  resource: Resource,
  conditions: UpdateConditions,
): WriteResult {
  if (!idPattern.test(id)) throw new FhirProblem(400, 'value', 'The id of the URL has a wrong form.')
  checkBodyId(resource, id)
  const type = resource.resourceType
  const current = context.draft.current(type, id)
  checkConditions(current, conditions)
  const version = stamp(resource, {
    id,
    version: nextVersion(context, type, id),
    at: context.at,
    method: 'PUT',
  })
  context.draft.write(version)
  return { status: current?.resource === undefined ? 201 : 200, version }
}

/** Deleting what is not there succeeds and writes nothing. */
export function deleteResource(
  context: WriteContext,
  type: string,
  id: string,
  ifMatch?: string,
): WriteResult {
  const current = context.draft.current(type, id)
  checkConditions(current, { ifMatch, ifNoneMatch: undefined })
  if (current?.resource === undefined) return { status: 204, version: current }
  const version: StoredVersion = { type, id, version: current.version + 1, at: context.at, method: 'DELETE' }
  context.draft.write(version)
  return { status: 204, version }
}
