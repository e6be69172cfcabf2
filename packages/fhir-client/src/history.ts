import type { ClientContext } from './context.js'
import { versionOfEtag } from './etag.js'
import { parseLocation, type ResourceAddress } from './location.js'
import {
  firstPage,
  walk,
  type FetchedPage,
  type PageBase,
  type PageKind,
  type WalkOptions,
} from './paging.js'
import { levelPath } from './paths.js'
import type { CallOptions } from './request.js'
import { isRecord, isResource, type FhirResource, type ResourceLike } from './resources.js'
import { encodeSearchParams, type SearchParams } from './search-params.js'

/** Whose history: of one resource, of a type, or of the whole system when neither is named. */
export interface HistoryScope {
  readonly type?: string | undefined
  readonly id?: string | undefined
  /** `_count`, `_since`, `_at`, … */
  readonly params?: SearchParams | undefined
}

/** Options of `historyPages`. */
export interface HistoryOptions extends CallOptions, WalkOptions {}

/** One version of one resource. */
export interface HistoryVersion<T extends ResourceLike = FhirResource> {
  /** Absent when the server names neither. */
  readonly address?: ResourceAddress
  /** The request that made it: `POST`, `PUT`, `PATCH` or `DELETE`, where the server says so. */
  readonly method?: string
  readonly deleted: boolean
  /** When it was made, as sent. */
  readonly lastModified?: string
  /** Absent for a deletion. */
  readonly resource?: T
}

/** One page of a history, newest first. */
export interface HistoryPage<T extends ResourceLike = FhirResource> extends PageBase<HistoryPage<T>> {
  readonly versions: readonly HistoryVersion<T>[]
}

/** The first page of a history. */
export async function history<T extends ResourceLike>(
  context: ClientContext,
  scope: HistoryScope,
  options: CallOptions,
): Promise<HistoryPage<T>> {
  return (await firstHistoryPage<T>(context, scope, options)).page
}

/** All pages of a history. */
export async function* historyPages<T extends ResourceLike>(
  context: ClientContext,
  scope: HistoryScope,
  options: HistoryOptions,
): AsyncGenerator<HistoryPage<T>, void, void> {
  yield* walk((following) => firstHistoryPage<T>(context, scope, following), options)
}

async function firstHistoryPage<T extends ResourceLike>(
  context: ClientContext,
  scope: HistoryScope,
  options: CallOptions,
): Promise<FetchedPage<HistoryPage<T>>> {
  const level = levelPath(scope)
  const query = encodeSearchParams(scope.params ?? {})
  const path = `${level === '' ? '' : `${level}/`}_history${query === '' ? '' : `?${query}`}`
  const { signal, timeoutMs, headers } = options
  const kind: PageKind<HistoryPage<T>> = {
    anchor: scope.type ?? '_history',
    view: (page) => ({ ...page, versions: versionsOf<T>(page) }),
  }
  return firstPage(context, kind, { method: 'GET', path, signal, timeoutMs, headers }, options)
}

function versionsOf<T extends ResourceLike>(page: PageBase<unknown>): readonly HistoryVersion<T>[] {
  const { entry } = page.bundle
  return (Array.isArray(entry) ? entry : []).flatMap((one: unknown) =>
    isRecord(one) ? toVersion<T>(one) : [],
  )
}

function toVersion<T extends ResourceLike>(entry: Readonly<Record<string, unknown>>): HistoryVersion<T> {
  const request = isRecord(entry['request']) ? entry['request'] : {}
  const response = isRecord(entry['response']) ? entry['response'] : {}
  const resource = isResource(entry['resource']) ? entry['resource'] : undefined
  const method = text(request['method'])
  const lastModified = text(response['lastModified']) ?? text(resource?.meta?.lastUpdated)
  const address = addressOf(entry, request, response, resource)
  return {
    ...(address === undefined ? {} : { address }),
    ...(method === undefined ? {} : { method }),
    deleted: method === 'DELETE' || (method === undefined && resource === undefined),
    ...(lastModified === undefined ? {} : { lastModified }),
    // The caller names the type it asks for; as everywhere, only `resourceType` is checked.
    ...(resource === undefined ? {} : { resource: resource as unknown as T }),
  }
}

function addressOf(
  entry: Readonly<Record<string, unknown>>,
  request: Readonly<Record<string, unknown>>,
  response: Readonly<Record<string, unknown>>,
  resource: FhirResource | undefined,
): ResourceAddress | undefined {
  const own = resource?.id === undefined ? undefined : { type: resource.resourceType, id: resource.id }
  const named = [response['location'], entry['fullUrl'], request['url']].map((url) =>
    parseLocation(text(url)),
  )
  const address = own ?? named.find((one) => one !== undefined)
  if (address === undefined) return undefined
  const version =
    text(resource?.meta?.versionId) ??
    versionOfEtag(text(response['etag'])) ??
    named.find((one) => one?.version !== undefined)?.version
  return { type: address.type, id: address.id, ...(version === undefined ? {} : { version }) }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
