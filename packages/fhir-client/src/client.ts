import { parseBaseUrl } from './base-url.js'
import { call, type ClientContext } from './context.js'
import { FhirError } from './errors.js'
import { checkTimeout } from './exchange.js'
import * as interactions from './interactions.js'
import type { BundleOptions, CreateOptions, DeleteOptions, UpdateOptions } from './interactions.js'
import { kySender } from './ky-sender.js'
import { invalid, type CallOptions, type FhirRequest } from './request.js'
import type { Bundle, CapabilityStatement, FhirResource, ResourceLike, Stored } from './resources.js'
import type { FhirResponse } from './response.js'
import { pages, search, type SearchOptions, type SearchPage } from './search.js'
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
   * Rewrites paging links onto `baseUrl`, for servers that print a host or path they only know behind their
   * proxy. `false` refuses such links with `ERR_BAD_LINK`. Default: `true`.
   */
  readonly rebaseLinks?: boolean | undefined
  /** Milliseconds since the epoch, for `Retry-After` dates. Default: `Date.now`. */
  readonly now?: (() => number) | undefined
}

/** A FHIR R4 server. Every method rejects with a `FhirError`, an `AbortError`, or the token source's own error. */
export interface FhirClient {
  /** The base URL without trailing slash. */
  readonly baseUrl: string
  /** Any request below the base, its bytes untouched. Resolves on 2xx. */
  request<T extends ResourceLike = FhirResource>(request: FhirRequest): Promise<FhirResponse<T>>
  /** The server's CapabilityStatement. */
  capabilities(options?: CallOptions): Promise<FhirResponse<CapabilityStatement>>
  read<T extends ResourceLike = FhirResource>(
    type: string,
    id: string,
    options?: CallOptions,
  ): Promise<FhirResponse<T>>
  /** One version of a resource. */
  vread<T extends ResourceLike = FhirResource>(
    type: string,
    id: string,
    version: string,
    options?: CallOptions,
  ): Promise<FhirResponse<T>>
  /** The first page of a search. */
  search<T extends ResourceLike = FhirResource>(
    type: string,
    params?: SearchParams,
    options?: SearchOptions,
  ): Promise<SearchPage<T>>
  /** All pages of a search, one request at a time. */
  pages<T extends ResourceLike = FhirResource>(
    type: string,
    params?: SearchParams,
    options?: SearchOptions,
  ): AsyncIterableIterator<SearchPage<T>>
  /** `POST`. With `ifNoneExist`, 200 means that the resource was there already. */
  create<T extends ResourceLike>(resource: T, options?: CreateOptions): Promise<FhirResponse<Stored<T>>>
  /** `PUT` to the id of the resource. Creating answers are 201, on some servers 200. */
  update<T extends ResourceLike>(resource: T, options?: UpdateOptions): Promise<FhirResponse<Stored<T>>>
  delete(type: string, id: string, options?: DeleteOptions): Promise<FhirResponse>
  /** Posts a Bundle of type `transaction`. Look at every entry of the answer. */
  transaction(bundle: ResourceLike, options?: BundleOptions): Promise<FhirResponse<Bundle>>
  /** Posts a Bundle of type `batch`. Look at every entry of the answer. */
  batch(bundle: ResourceLike, options?: BundleOptions): Promise<FhirResponse<Bundle>>
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
export function createFhirClient(options: FhirClientOptions): FhirClient {
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
    rebaseLinks: options.rebaseLinks ?? true,
    now: options.now ?? (() => Date.now()),
  }
  return {
    baseUrl: base.href,
    request: (request) => call(context, request),
    capabilities: (options = {}) => interactions.capabilities(context, options),
    read: (type, id, options = {}) => interactions.read(context, type, id, undefined, options),
    vread: (type, id, version, options = {}) => interactions.read(context, type, id, version, options),
    search: (type, params = {}, options = {}) => search(context, type, params, options),
    pages: (type, params = {}, options = {}) => pages(context, type, params, options),
    create: (resource, options = {}) => interactions.create(context, resource, options),
    update: (resource, options = {}) => interactions.update(context, resource, options),
    delete: (type, id, options = {}) => interactions.remove(context, type, id, options),
    transaction: (bundle, options = {}) => interactions.postBundle(context, bundle, 'transaction', options),
    batch: (bundle, options = {}) => interactions.postBundle(context, bundle, 'batch', options),
  }
}
