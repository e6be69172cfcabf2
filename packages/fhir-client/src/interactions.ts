import { call, type ClientContext } from './context.js'
import { isFhirError } from './errors.js'
import { conditionTag } from './etag.js'
import { invalid, type CallOptions } from './request.js'
import {
  isBundle,
  type Bundle,
  type CapabilityStatement,
  type ResourceLike,
  type Stored,
} from './resources.js'
import type { FhirResponse } from './response.js'
import { typePath, unexpected } from './search.js'
import { conditionQuery, type SearchParams } from './search-params.js'

/** What a write should be answered with. Servers may do as they like. */
export type ReturnPreference = 'minimal' | 'representation' | 'OperationOutcome'

/** Options of `create`. */
export interface CreateOptions extends CallOptions {
  /** Create only if this search finds nothing: `identifier=system|value`, or parameters. */
  readonly ifNoneExist?: string | SearchParams | undefined
  readonly prefer?: ReturnPreference | undefined
}

/** Options of `update`. */
export interface UpdateOptions extends CallOptions {
  /** Version id or ETag the stored resource must have. */
  readonly ifMatch?: string | undefined
  /** `'*'`: only if there is none yet. */
  readonly ifNoneMatch?: string | undefined
  readonly prefer?: ReturnPreference | undefined
}

/** Options of `delete`. */
export interface DeleteOptions extends CallOptions {
  /** Version id or ETag the stored resource must have. */
  readonly ifMatch?: string | undefined
}

/** Options of `transaction` and `batch`. */
export interface BundleOptions extends CallOptions {
  readonly prefer?: ReturnPreference | undefined
}

/** `GET metadata`, public by the standard: asked without a token first, with one when the server wants it. */
export async function capabilities(
  context: ClientContext,
  options: CallOptions,
): Promise<FhirResponse<CapabilityStatement>> {
  const request = { ...options, method: 'GET', path: 'metadata' } as const
  try {
    return expectType(
      await call<CapabilityStatement>(context, { ...request, auth: 'none' }),
      context,
      'CapabilityStatement',
      'metadata',
    )
  } catch (error) {
    const refused = isFhirError(error) && (error.status === 401 || error.status === 403)
    if (!refused || context.tokens === undefined) throw error
  }
  return expectType(
    await call<CapabilityStatement>(context, request),
    context,
    'CapabilityStatement',
    'metadata',
  )
}

/** Reads the current version, or a given one. */
export async function read<T extends ResourceLike>(
  context: ClientContext,
  type: string,
  id: string,
  version: string | undefined,
  options: CallOptions,
): Promise<FhirResponse<T>> {
  const history = version === undefined ? '' : `/_history/${segment(version)}`
  const path = `${typePath(type)}/${segment(id)}${history}`
  const response = await call<T>(context, { ...options, method: 'GET', path })
  return type === 'OperationOutcome' ? response : expectType(response, context, type, path)
}

export async function create<T extends ResourceLike>(
  context: ClientContext,
  resource: T,
  options: CreateOptions,
): Promise<FhirResponse<Stored<T>>> {
  const { ifNoneExist, prefer } = options
  const condition = ifNoneExist === undefined ? undefined : conditionQuery(ifNoneExist)
  // An empty condition matches everything on one server and nothing on the next.
  if (condition === '') throw invalid('The condition of a conditional create is empty.')
  return call<Stored<T>>(context, {
    ...options,
    method: 'POST',
    path: typePath(resource.resourceType),
    body: resource,
    headers: conditions({ 'if-none-exist': condition, prefer: preference(prefer) }, options),
  })
}

export async function update<T extends ResourceLike>(
  context: ClientContext,
  resource: T,
  options: UpdateOptions,
): Promise<FhirResponse<Stored<T>>> {
  if (resource.id === undefined || resource.id === '')
    throw invalid('An update needs the id inside the resource.')
  return call<Stored<T>>(context, {
    ...options,
    method: 'PUT',
    path: `${typePath(resource.resourceType)}/${segment(resource.id)}`,
    body: resource,
    headers: conditions(
      {
        'if-match': tag(options.ifMatch),
        'if-none-match': tag(options.ifNoneMatch),
        prefer: preference(options.prefer),
      },
      options,
    ),
  })
}

export async function remove(
  context: ClientContext,
  type: string,
  id: string,
  options: DeleteOptions,
): Promise<FhirResponse> {
  return call(context, {
    ...options,
    method: 'DELETE',
    path: `${typePath(type)}/${segment(id)}`,
    headers: conditions({ 'if-match': tag(options.ifMatch) }, options),
  })
}

/**
 * Posts a bundle to the base. The answer is a Bundle whose entries each have a status of their own, also after a
 * transaction: some servers run it as a batch and say 200.
 */
export async function postBundle(
  context: ClientContext,
  bundle: ResourceLike,
  type: 'transaction' | 'batch',
  options: BundleOptions,
): Promise<FhirResponse<Bundle>> {
  if (!isBundle(bundle) || bundle.type !== type)
    throw invalid(`The resource is not a Bundle of type ${type}.`)
  const response = await call<Bundle>(context, {
    ...options,
    method: 'POST',
    path: '',
    body: bundle,
    headers: conditions({ prefer: preference(options.prefer) }, options),
  })
  // 202 announces the answer for later, when the caller has asked for that with its own `prefer` header.
  return response.status === 202 ? response : expectType(response, context, 'Bundle', '', 'POST')
}

function expectType<T extends ResourceLike>(
  response: FhirResponse<T>,
  context: ClientContext,
  type: string,
  path: string,
  method = 'GET',
): FhirResponse<T> {
  if (response.resource?.resourceType === type) return response
  const below = path === '' ? context.base.path : `${context.base.path}/${path}`
  throw unexpected(response, method, below, type)
}

function conditions(
  wanted: Readonly<Record<string, string | undefined>>,
  options: CallOptions,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) headers[name] = value
  return { ...headers, ...options.headers }
}

function preference(prefer: ReturnPreference | undefined): string | undefined {
  return prefer === undefined ? undefined : `return=${prefer}`
}

function tag(value: string | undefined): string | undefined {
  return value === undefined ? undefined : conditionTag(value)
}

function segment(id: string): string {
  if (id === '' || id === '.' || id === '..') throw invalid('The id is not one.')
  return encodeURIComponent(id)
}
