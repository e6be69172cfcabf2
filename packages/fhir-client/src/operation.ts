import { invalid } from './conditions.js'
import { call, type ClientContext } from './context.js'
import { firstPage, walk, type WalkOptions } from './paging.js'
import { levelPath } from './paths.js'
import type { CallOptions, FhirRequest } from './request.js'
import type { FhirResource, ResourceLike } from './resources.js'
import type { Expectation, FhirResponse } from './response.js'
import { searchKind, type SearchPage } from './search.js'
import { encodeSearchParams, type SearchParams } from './search-params.js'

/** What an operation works on and what it is given. */
export interface OperationOptions extends CallOptions {
  /** The level: a type, a resource of it, or the whole system when absent. */
  readonly type?: string | undefined
  readonly id?: string | undefined
  /** Sent as the query of a `GET`. Leave query and body out for an operation without input. */
  readonly params?: SearchParams | undefined
  /** Sent as the body of a `POST`: `Parameters`, or the one resource the operation takes. */
  readonly input?: FhirResource | ResourceLike | Uint8Array | undefined
  /** Default: `POST` with `input`, else `GET`. Operations that change something must be posted. */
  readonly method?: 'GET' | 'POST' | undefined
  /** What a 2xx body must be, e.g. `'any'` for `$graphql`. Default: `'fhir'`. */
  readonly expect?: Expectation | undefined
}

/** Options of `operationPages`. */
export interface OperationPagesOptions extends OperationOptions, WalkOptions {}

/** Calls an operation, e.g. `$validate`. */
export async function operation<T extends ResourceLike = FhirResource>(
  context: ClientContext,
  name: string,
  options: OperationOptions,
): Promise<FhirResponse<T>> {
  return call(context, operationRequest(name, options))
}

/** All pages of an operation that answers with a searchset, e.g. `$everything` with `_count`. */
export async function* operationPages<T extends ResourceLike = FhirResource>(
  context: ClientContext,
  name: string,
  options: OperationPagesOptions,
): AsyncGenerator<SearchPage<T>, void, void> {
  const request = operationRequest(name, options)
  const kind = searchKind<T>(options.type ?? `$${name.replace(/^\$/, '')}`)
  yield* walk((following) => firstPage(context, kind, { ...request, ...following }, following), options)
}

/** The request of an operation, e.g. to run it asynchronously. Throws `ERR_INVALID_REQUEST`. */
export function operationRequest(name: string, options: OperationOptions = {}): FhirRequest {
  const { params, input, expect, signal, timeoutMs, headers } = options
  const bare = name.replace(/^\$/, '')
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(bare)) throw invalid('The name of the operation is not one.')
  const method = options.method ?? (input === undefined ? 'GET' : 'POST')
  const level = levelPath(options)
  const query = params === undefined ? '' : encodeSearchParams(params)
  const path = `${level === '' ? '' : `${level}/`}$${bare}${query === '' ? '' : `?${query}`}`
  return { method, path, body: input, expect, signal, timeoutMs, headers }
}
