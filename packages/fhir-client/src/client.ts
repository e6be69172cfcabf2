import { parseBaseUrl } from './base-url.js'
import {
  cancelJob,
  pollJob,
  respondAsync,
  waitForJob,
  type AsyncDone,
  type AsyncJob,
  type AsyncStep,
  type Cancellation,
  type WaitOptions,
} from './async-job.js'
import { invalid, type Condition } from './conditions.js'
import type { CompressRequests } from './compression.js'
import { call, type ClientContext } from './context.js'
import { FhirError } from './errors.js'
import { checkTimeout } from './exchange.js'
import { history, historyPages, type HistoryOptions, type HistoryPage, type HistoryScope } from './history.js'
import * as interactions from './interactions.js'
import type {
  BundleBody,
  BundleOptions,
  CreateOptions,
  DeleteOptions,
  Patch,
  PatchOptions,
  ReadOptions,
  UpdateOptions,
} from './interactions.js'
import { kySender } from './ky-sender.js'
import { operation, operationPages, type OperationOptions, type OperationPagesOptions } from './operation.js'
import type { CallOptions, FhirRequest } from './request.js'
import type {
  Bundle,
  CapabilityStatement,
  FhirResource,
  ResourceLike,
  ResourceOf,
  Stored,
  TypeName,
} from './resources.js'
import type { FhirResponse } from './response.js'
import { pages, search, type PagesOptions, type SearchOptions, type SearchPage } from './search.js'
import type { SearchParams } from './search-params.js'
import type { Sender } from './sender.js'
import type { TokenSource } from './tokens.js'

/** Options of `createFhirClient`. */
export interface FhirClientOptions {
  /** Absolute http(s) URL of the FHIR server, e.g. `https://fhir.example.org/r4`. */
  readonly baseUrl: string
  /** Where access tokens come from. Default: none are sent. */
  readonly tokens?: TokenSource | undefined
  /** What carries requests. Default: `kySender()`. */
  readonly send?: Sender | Sender['send'] | undefined
  /** Time limit of one exchange, body included, in milliseconds. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /** The same for bundles posted to the base. Default: 60,000. */
  readonly bundleTimeoutMs?: number | undefined
  /** Largest body accepted of a 2xx answer, in bytes after decompression. Default: 32 MiB. */
  readonly maxResponseBytes?: number | undefined
  /**
   * Whether large request bodies are sent as gzip. `'advertised'`: once the server has said in an answer that it
   * takes it; `'always'`: from the first. A server that answers 415 is believed at once. Default: `'never'`.
   */
  readonly compressRequests?: CompressRequests | undefined
  /** Smallest body that is worth compressing, in bytes. Default: 8,192. */
  readonly compressFromBytes?: number | undefined
  /**
   * Rewrites paging links onto `baseUrl`, for servers that print a host or path they only know behind their
   * proxy. `false` refuses such links with `ERR_BAD_LINK`. Default: `true`.
   */
  readonly rebaseLinks?: boolean | undefined
  /** Milliseconds since the epoch, for `Retry-After` dates. Default: `Date.now`. */
  readonly now?: (() => number) | undefined
  /** From 0 up to 1, for the pauses of `jobs.wait`. Default: `Math.random`. */
  readonly random?: (() => number) | undefined
}

/**
 * A FHIR R4 server. Every method rejects with a `FhirError`, an `AbortError`, or the token source's own error.
 *
 * `R` is the union of resource types the caller works with, e.g. `FhirResource` of `fhir/r4`; it types answers by
 * the type name asked for, and nothing checks at run time that servers keep to it.
 */
export interface FhirClient<R extends ResourceLike = FhirResource> {
  /** The base URL without trailing slash. */
  readonly baseUrl: string
  /** Any request below the base, its bytes untouched. Resolves on 2xx, and on 304 to a `GET`. */
  request<T extends ResourceLike = FhirResource>(request: FhirRequest): Promise<FhirResponse<T>>
  /** The server's CapabilityStatement. With `ifNoneMatch`, 304 means that it is still the same. */
  capabilities(options?: ReadOptions): Promise<FhirResponse<CapabilityStatement>>
  /** The current version. With a condition, 304 means that nothing has changed. */
  read<N extends TypeName<R>>(
    type: N,
    id: string,
    options?: ReadOptions,
  ): Promise<FhirResponse<ResourceOf<R, N>>>
  read<T extends ResourceLike>(type: string, id: string, options?: ReadOptions): Promise<FhirResponse<T>>
  /** One version of a resource. */
  vread<N extends TypeName<R>>(
    type: N,
    id: string,
    version: string,
    options?: ReadOptions,
  ): Promise<FhirResponse<ResourceOf<R, N>>>
  vread<T extends ResourceLike>(
    type: string,
    id: string,
    version: string,
    options?: ReadOptions,
  ): Promise<FhirResponse<T>>
  /** The first page of a search. */
  search<N extends TypeName<R>>(
    type: N,
    params?: SearchParams,
    options?: SearchOptions,
  ): Promise<SearchPage<ResourceOf<R, N>>>
  search<T extends ResourceLike>(
    type: string,
    params?: SearchParams,
    options?: SearchOptions,
  ): Promise<SearchPage<T>>
  /** All pages of a search, one request at a time, the next one on its way while one is read. */
  pages<N extends TypeName<R>>(
    type: N,
    params?: SearchParams,
    options?: PagesOptions,
  ): AsyncIterableIterator<SearchPage<ResourceOf<R, N>>>
  pages<T extends ResourceLike>(
    type: string,
    params?: SearchParams,
    options?: PagesOptions,
  ): AsyncIterableIterator<SearchPage<T>>
  /** `POST`. With `ifNoneExist`, 200 means that the resource was there already. */
  create<T extends ResourceLike>(resource: T, options?: CreateOptions): Promise<FhirResponse<Stored<T>>>
  /** `PUT` to the id of the resource. Creating answers are 201, on some servers 200. */
  update<T extends ResourceLike>(resource: T, options?: UpdateOptions): Promise<FhirResponse<Stored<T>>>
  /** `PUT` to the one resource the condition finds; creates when there is none, 412 when there are several. */
  updateWhere<T extends ResourceLike>(
    resource: T,
    condition: Condition,
    options?: UpdateOptions,
  ): Promise<FhirResponse<Stored<T>>>
  /** `PATCH`, with JSON Patch or FHIRPath Patch. Not every server has it. */
  patch<N extends TypeName<R>>(
    type: N,
    id: string,
    change: Patch,
    options?: PatchOptions,
  ): Promise<FhirResponse<ResourceOf<R, N>>>
  /** `PATCH` of the one resource the condition finds. */
  patchWhere<N extends TypeName<R>>(
    type: N,
    condition: Condition,
    change: Patch,
    options?: PatchOptions,
  ): Promise<FhirResponse<ResourceOf<R, N>>>
  delete(type: TypeName<R>, id: string, options?: DeleteOptions): Promise<FhirResponse>
  /** Deletes what the condition finds: one resource, on some servers all. An empty condition is refused. */
  deleteWhere(type: TypeName<R>, condition: Condition, options?: DeleteOptions): Promise<FhirResponse>
  /** Deletes all versions of a resource but the current one. Few servers have it. */
  deleteHistory(type: TypeName<R>, id: string, options?: DeleteOptions): Promise<FhirResponse>
  /** The first page of the history of a resource, a type or the system. */
  history<T extends ResourceLike = FhirResource>(
    scope?: HistoryScope,
    options?: CallOptions,
  ): Promise<HistoryPage<T>>
  /** All pages of a history. */
  historyPages<T extends ResourceLike = FhirResource>(
    scope?: HistoryScope,
    options?: HistoryOptions,
  ): AsyncIterableIterator<HistoryPage<T>>
  /** Posts a Bundle of type `transaction`, or its bytes as they are. Look at every entry of the answer. */
  transaction(bundle: BundleBody, options?: BundleOptions): Promise<FhirResponse<Bundle>>
  /** Posts a Bundle of type `batch`, or its bytes as they are. Look at every entry of the answer. */
  batch(bundle: BundleBody, options?: BundleOptions): Promise<FhirResponse<Bundle>>
  /** Calls an operation, `$` in front of its name or not. */
  operation<T extends ResourceLike = FhirResource>(
    name: string,
    options?: OperationOptions,
  ): Promise<FhirResponse<T>>
  /** All pages of an operation that answers in pages, e.g. `$everything` with `_count`. */
  operationPages<T extends ResourceLike = FhirResource>(
    name: string,
    options?: OperationPagesOptions,
  ): AsyncIterableIterator<SearchPage<T>>
  /** Asks for an answer later. The server may answer at once all the same. */
  respondAsync(request: FhirRequest): Promise<AsyncStep>
  /** What can be done about a job that `respondAsync` began, in this process or another. */
  readonly jobs: {
    /** Looks once. */
    poll(job: AsyncJob, options?: CallOptions): Promise<AsyncStep>
    /** Looks until it is done. */
    wait(job: AsyncJob, options?: WaitOptions): Promise<AsyncDone>
    /** Asks the server to stop. What was under way may have been applied. */
    cancel(job: AsyncJob, options?: CallOptions): Promise<Cancellation>
  }
}

/**
 * Makes a client for one FHIR server. Sends nothing yet.
 *
 * Throws `ERR_INVALID_URL`, `ERR_INSECURE_URL` when tokens would travel over plain http to another machine, or
 * `ERR_INVALID_REQUEST` for limits that are none.
 *
 * @example
 * const client = createFhirClient({ baseUrl: 'https://fhir.example.org/r4' })
 * const { status, location } = await client.create({ resourceType: 'Patient' })
 */
export function createFhirClient<R extends ResourceLike = FhirResource>(
  options: FhirClientOptions,
): FhirClient<R> {
  const base = parseBaseUrl(options.baseUrl)
  const { tokens, send } = options
  if (tokens !== undefined && !base.mayCarryToken) {
    throw new FhirError('ERR_INSECURE_URL', 'A token must not travel over plain http.', { sent: 'no' })
  }
  const maxResponseBytes = options.maxResponseBytes ?? 32 * 1024 * 1024
  if (!(maxResponseBytes > 0)) throw invalid('The size limit is not a positive number of bytes.')
  const context: ClientContext = {
    base,
    tokens,
    sender: typeof send === 'function' ? { send } : (send ?? kySender()),
    maxResponseBytes,
    limits: {
      timeoutMs: checkTimeout(options.timeoutMs ?? 30_000),
      bundleTimeoutMs: checkTimeout(options.bundleTimeoutMs ?? 60_000),
    },
    compression: {
      mode: options.compressRequests ?? 'never',
      minBytes: options.compressFromBytes ?? 8192,
      taken: undefined,
    },
    rebaseLinks: options.rebaseLinks ?? true,
    now: options.now ?? (() => Date.now()),
    random: options.random ?? (() => Math.random()),
  }
  return {
    baseUrl: base.href,
    request: (request) => call(context, request),
    capabilities: (options = {}) => interactions.capabilities(context, options),
    // `never` fits whatever type the caller expects; see `FhirClient` about what is checked.
    read: (type: string, id: string, options: ReadOptions = {}) =>
      interactions.read<never>(context, type, id, undefined, options),
    vread: (type: string, id: string, version: string, options: ReadOptions = {}) =>
      interactions.read<never>(context, type, id, version, options),
    search: (type: string, params: SearchParams = {}, options: SearchOptions = {}) =>
      search<never>(context, type, params, options),
    pages: (type: string, params: SearchParams = {}, options: PagesOptions = {}) =>
      pages<never>(context, type, params, options),
    create: (resource, options = {}) => interactions.create(context, resource, options),
    update: (resource, options = {}) => interactions.update(context, resource, undefined, options),
    updateWhere: (resource, condition, options = {}) =>
      interactions.update(context, resource, condition, options),
    patch: (type, id, change, options = {}) => interactions.patch(context, type, id, change, options),
    patchWhere: (type, condition, change, options = {}) =>
      interactions.patch(context, type, { condition }, change, options),
    delete: (type, id, options = {}) => interactions.remove(context, type, id, options),
    deleteWhere: (type, condition, options = {}) =>
      interactions.remove(context, type, { condition }, options),
    deleteHistory: (type, id, options = {}) => interactions.deleteHistory(context, type, id, options),
    history: (scope = {}, options = {}) => history(context, scope, options),
    historyPages: (scope = {}, options = {}) => historyPages(context, scope, options),
    transaction: (bundle, options = {}) => interactions.postBundle(context, bundle, 'transaction', options),
    batch: (bundle, options = {}) => interactions.postBundle(context, bundle, 'batch', options),
    operation: (name, options = {}) => operation(context, name, options),
    operationPages: (name, options = {}) => operationPages(context, name, options),
    respondAsync: (request) => respondAsync(context, request),
    jobs: {
      poll: (job, options = {}) => pollJob(context, job, options),
      wait: (job, options = {}) => waitForJob(context, job, options),
      cancel: (job, options = {}) => cancelJob(context, job, options),
    },
  }
}
