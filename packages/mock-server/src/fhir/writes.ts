import { jsonText } from '../json.js'
import type { Access } from './access.js'
import { etagOf, idPattern, isLive, type Resource, type StoredVersion, type WriteMethod } from './model.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'
import type { Draft, RepositoryView } from './repository.js'
import { findConditional } from './search.js'

/** What every write needs beside its own arguments. */
export interface WriteContext {
  readonly draft: Draft
  readonly profile: FhirProfile
  readonly access: Access
  readonly fhirBase: string
  /** The time of the whole request, in milliseconds: all entries of a transaction share it. */
  readonly at: number
  /** What searches for conditions look at; the draft itself unless searches lag. */
  readonly searchable: RepositoryView
  /** `true`: whatever a request says about conditions is not looked at. */
  readonly ignoreConditions: boolean
  newId(): string
}

export interface WriteResult {
  readonly status: 200 | 201 | 204
  /** The version written or found; `undefined` for the deletion of what never existed. */
  readonly version: StoredVersion | undefined
}

interface Place {
  readonly id: string
  readonly method: WriteMethod
}

/** Writes the next version of a resource; what its body says about id, version and time is replaced. */
export function write(context: WriteContext, resource: Resource, { id, method }: Place): StoredVersion {
  const { resourceType: type, id: _id, meta, ...members } = resource
  const current = context.draft.current(type, id)
  const version = (current?.version ?? 0) + 1
  const versionId = nextVersionId(context, version)
  const stamped: Resource = {
    resourceType: type,
    id,
    meta: {
      ...(meta as object | undefined),
      ...(versionId === '' ? {} : { versionId }),
      lastUpdated: new Date(context.at).toISOString(),
    },
    ...members,
  }
  const letter = method === 'POST' ? 'c' : 'u'
  if (isLive(current)) context.access.requireResource(letter, current.resource)
  context.access.requireResource(letter, stamped)
  return context.draft.write({ type, id, version, versionId, at: context.at, method, resource: stamped })
}

function nextVersionId(context: WriteContext, version: number): string {
  switch (context.profile.versionIds) {
    case 'counter':
      return String(version)
    case 'transaction':
      return String(context.draft.t)
    case 'uuid':
      return context.newId()
    case 'none':
      return ''
  }
}

/** The single match of a condition; `undefined` when there is none. */
export function singleMatch(
  context: WriteContext,
  type: string,
  condition: string,
  expression = 'request.ifNoneExist',
): StoredVersion | undefined {
  const matches = findConditional(context, type, condition)
  if (matches.length > 1) {
    throw new FhirProblem(412, 'multiple-matches', 'The condition matches more than one resource.', {
      expression,
    })
  }
  return matches[0]
}

/** If-None-Exist as this server understands it; `undefined` where it does not look at it. */
export function effectiveCondition(
  context: WriteContext,
  ifNoneExist: string | undefined,
): string | undefined {
  return context.ignoreConditions || !context.profile.conditionalCreate ? undefined : ifNoneExist
}

export function createResource(
  context: WriteContext,
  resource: Resource,
  ifNoneExist: string | undefined,
  id?: string,
): WriteResult {
  const condition = effectiveCondition(context, ifNoneExist)
  if (condition !== undefined) {
    const existing = singleMatch(context, resource.resourceType, condition)
    if (existing !== undefined) return { status: 200, version: existing }
  }
  return { status: 201, version: write(context, resource, { id: id ?? context.newId(), method: 'POST' }) }
}

export interface UpdateConditions {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/** Refuses with 412 unless the current state satisfies `If-Match` (a list of weak tags) and `If-None-Match: *`. */
export function checkConditions(
  context: WriteContext,
  current: StoredVersion | undefined,
  { ifMatch, ifNoneMatch }: UpdateConditions,
): void {
  if (context.ignoreConditions || !context.profile.conditionalHeaders) return
  const exists = isLive(current)
  if (ifMatch !== undefined) {
    const tags = ifMatch.split(',').map((tag) => tag.trim())
    if (!exists || !tags.includes(etagOf(current))) {
      throw new FhirProblem(412, 'conflict', 'The resource is not at the version that If-Match asks for.', {
        expression: 'request.ifMatch',
      })
    }
  }
  if (ifNoneMatch === undefined) return
  if (ifNoneMatch.trim() !== '*') {
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

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Refuses ids that this server does not take in a URL. */
export function checkUrlId(profile: FhirProfile, id: string): void {
  if (!idPattern.test(id)) throw new FhirProblem(400, 'value', 'The id of the URL has a wrong form.')
  if (profile.ids === 'any' || uuidPattern.test(id)) return
  const code = profile.badIdStatus === 500 ? 'exception' : 'invalid'
  throw new FhirProblem(profile.badIdStatus, code, 'Invalid id')
}

export function checkBodyId(profile: FhirProfile, resource: Resource, id: string): void {
  // A server that validates nothing takes the id of the URL.
  if (profile.validation === 'none') return
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
  method: 'PUT' | 'PATCH' = 'PUT',
): WriteResult {
  const { profile, draft } = context
  checkUrlId(profile, id)
  checkBodyId(profile, resource, id)
  checkNotSubsetted(resource)
  const type = resource.resourceType
  const current = draft.current(type, id)
  checkConditions(context, current, conditions)
  if (!isLive(current)) {
    if (current === undefined && profile.updateAsCreate === 'not-found') {
      throw new FhirProblem(404, 'not-found', `Resource \`${type}/${id}\` was not found.`)
    }
    return { status: 201, version: write(context, resource, { id, method }) }
  }
  if (profile.identicalUpdate === 'same-version' && sameContent(current.resource, resource)) {
    return { status: 200, version: current }
  }
  return { status: 200, version: write(context, resource, { id, method }) }
}

function checkNotSubsetted(resource: Resource): void {
  const tags = (resource['meta'] as { readonly tag?: unknown } | undefined)?.tag
  if (
    Array.isArray(tags) &&
    tags.some((tag: { readonly code?: unknown } | null) => tag?.code === 'SUBSETTED')
  ) {
    throw new FhirProblem(400, 'processing', 'The body is a part of a resource (SUBSETTED).', {
      expression: `${resource.resourceType}.meta.tag`,
    })
  }
}

/** The order of members counts; what the server stamps does not. */
function sameContent(a: Resource, b: Resource): boolean {
  const content = ({ id: _id, meta, ...members }: Resource): string => {
    const { versionId: _version, lastUpdated: _time, ...rest } = (meta ?? {}) as Record<string, unknown>
    return jsonText({ rest, members })
  }
  return content(a) === content(b)
}

/** Deleting what is not there succeeds and writes nothing. */
export function deleteResource(
  context: WriteContext,
  type: string,
  id: string,
  ifMatch: string | undefined,
): WriteResult {
  const { draft, profile, at } = context
  if (profile.ids === 'uuid') checkUrlId(profile, id)
  const current = draft.current(type, id)
  checkConditions(context, current, { ifMatch })
  if (!isLive(current)) return { status: 204, version: current }
  context.access.requireResource('d', current.resource)
  const version = current.version + 1
  const versionId = nextVersionId(context, version)
  return { status: 204, version: draft.write({ type, id, version, versionId, at, method: 'DELETE' }) }
}
