import { isRaw } from './body.js'
import { conditionQuery, invalid, type Condition, type Preconditions } from './conditions.js'
import { call, type ClientContext } from './context.js'
import { isFhirError } from './errors.js'
import { segment, typePath } from './paths.js'
import type { CallOptions } from './request.js'
import {
  isBundle,
  type Bundle,
  type CapabilityStatement,
  type FhirResource,
  type ResourceLike,
  type Stored,
} from './resources.js'
import { expectType, type FhirResponse } from './response.js'

/** Options of `read`, `vread` and `capabilities`. With a condition, status 304 means that nothing has changed. */
export interface ReadOptions extends CallOptions, Pick<Preconditions, 'ifNoneMatch' | 'ifModifiedSince'> {}

/** Options of `create`. */
export interface CreateOptions extends CallOptions, Pick<Preconditions, 'ifNoneExist' | 'prefer'> {}

/** Options of `update` and `updateWhere`. */
export interface UpdateOptions
  extends CallOptions, Pick<Preconditions, 'ifMatch' | 'ifNoneMatch' | 'prefer'> {}

/** Options of `patch` and `patchWhere`. */
export interface PatchOptions extends CallOptions, Pick<Preconditions, 'ifMatch' | 'prefer'> {}

/** Options of `delete`, `deleteWhere` and `deleteHistory`. */
export interface DeleteOptions extends CallOptions, Pick<Preconditions, 'ifMatch' | 'prefer'> {}

/** Options of `transaction` and `batch`. */
export interface BundleOptions extends CallOptions, Pick<Preconditions, 'prefer'> {}

/** A Bundle, or its bytes, in one piece or in parts. */
export type BundleBody = FhirResource | ResourceLike | Uint8Array | readonly Uint8Array[]

/** One step of a JSON Patch, see https://www.rfc-editor.org/rfc/rfc6902 */
export type PatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly path: string; readonly from: string }

/** What `patch` sends: JSON Patch as a list or as bytes, or a FHIRPath Patch as a `Parameters` resource. */
export type Patch = readonly PatchOperation[] | Uint8Array | FhirResource | ResourceLike

/** `GET metadata`, public by the standard: asked without a token first, with one when the server wants it. */
export async function capabilities(
  context: ClientContext,
  options: ReadOptions,
): Promise<FhirResponse<CapabilityStatement>> {
  const request = { ...options, method: 'GET', path: 'metadata' } as const
  try {
    return expectType(
      context,
      await call<CapabilityStatement>(context, { ...request, auth: 'none' }),
      request,
      'CapabilityStatement',
    )
  } catch (error) {
    const refused = isFhirError(error) && (error.status === 401 || error.status === 403)
    if (!refused || context.tokens === undefined) throw error
  }
  return expectType(
    context,
    await call<CapabilityStatement>(context, request),
    request,
    'CapabilityStatement',
  )
}

/** Reads the current version, or a given one. */
export async function read<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  id: string,
  version: string | undefined,
  options: ReadOptions,
): Promise<FhirResponse<T>> {
  const history = version === undefined ? '' : `/_history/${segment(version)}`
  const request = { ...options, method: 'GET', path: `${typePath(type)}/${segment(id)}${history}` } as const
  const response = await call<T>(context, request)
  return type === 'OperationOutcome' ? response : expectType(context, response, request, type)
}

export async function create<T extends ResourceLike>(
  context: ClientContext,
  resource: T,
  options: CreateOptions,
): Promise<FhirResponse<Stored<T>>> {
  return call(context, {
    ...options,
    method: 'POST',
    path: typePath(resource.resourceType),
    body: resource,
  })
}

export async function update<T extends ResourceLike>(
  context: ClientContext,
  resource: T,
  condition: Condition | undefined,
  options: UpdateOptions,
): Promise<FhirResponse<Stored<T>>> {
  const { resourceType, id } = resource
  if (condition === undefined && (id === undefined || id === '')) {
    throw invalid('An update needs the id inside the resource.')
  }
  return call(context, {
    ...options,
    method: 'PUT',
    path: target(resourceType, condition === undefined ? (id ?? '') : { condition }),
    body: resource,
  })
}

export async function patch<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  picked: Picked,
  change: Patch,
  options: PatchOptions,
): Promise<FhirResponse<T>> {
  const isFhirPath = isParameters(change)
  if (!isFhirPath && !Array.isArray(change) && !(change instanceof Uint8Array)) {
    throw invalid('The patch is neither a list of operations nor Parameters.')
  }
  return call(context, {
    ...options,
    method: 'PATCH',
    path: target(type, picked),
    // A list of operations is JSON, also when it is empty.
    body: Array.isArray(change) ? JSON.stringify(change) : change,
    headers: isFhirPath
      ? options.headers
      : { 'content-type': 'application/json-patch+json', ...options.headers },
  })
}

export async function remove(
  context: ClientContext,
  type: string,
  picked: Picked,
  options: DeleteOptions,
): Promise<FhirResponse> {
  return call(context, { ...options, method: 'DELETE', path: target(type, picked) })
}

/** Deletes every version but the current one, where the server allows it. */
export async function deleteHistory(
  context: ClientContext,
  type: string,
  id: string,
  options: DeleteOptions,
): Promise<FhirResponse> {
  return call(context, { ...options, method: 'DELETE', path: `${target(type, id)}/_history` })
}

/**
 * Posts a bundle to the base. The answer is a Bundle whose entries each have a status of their own, also after a
 * transaction: some servers run it as a batch and say 200. Bytes are sent as they are.
 */
export async function postBundle(
  context: ClientContext,
  bundle: BundleBody,
  type: 'transaction' | 'batch',
  options: BundleOptions,
): Promise<FhirResponse<Bundle>> {
  if (!isRaw(bundle) && !isBundleOf(bundle, type)) {
    throw invalid(`The resource is not a Bundle of type ${type}.`)
  }
  const request = { ...options, method: 'POST', path: '', body: bundle } as const
  const response = await call<Bundle>(context, request)
  // 202 announces the answer for later, when the caller has asked for that with its own `prefer` header.
  return response.status === 202 ? response : expectType(context, response, request, 'Bundle')
}

/** One resource, by its id or by a search that finds it. */
export type Picked = string | { readonly condition: Condition }

function target(type: string, picked: Picked): string {
  return typeof picked === 'string'
    ? `${typePath(type)}/${segment(picked)}`
    : `${typePath(type)}?${conditionQuery(picked.condition)}`
}

function isBundleOf(value: object, type: string): boolean {
  return isBundle(value as ResourceLike) && Reflect.get(value, 'type') === type
}

function isParameters(value: object): boolean {
  return Reflect.get(value, 'resourceType') === 'Parameters'
}
