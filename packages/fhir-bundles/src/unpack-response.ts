import { BundleError } from './errors.js'
import { type Fields, isObject, member } from './internal/check.js'
import type { TransactionEntry } from './resources.js'

/** What the response says about one entry of the request. */
export type EntryResult = {
  /** Index in the request. */
  readonly index: number
  /**
   * `done`: the entry is on the server (created, found by its condition, updated, deleted, read).
   * `failed`: it is not, `status` is 300 or more.
   * `missing`: the response has no such entry. `unreadable`: it has one that says nothing sure.
   * Treat the last two as "may have been applied".
   */
  readonly result: 'done' | 'failed' | 'missing' | 'unreadable'
  /** HTTP status of the entry. */
  readonly status?: number
  /** Resource type and id on the server, from the location, the returned resource or the URL of a PUT. */
  readonly type?: string
  readonly id?: string
  readonly versionId?: string
  readonly etag?: string
  readonly lastModified?: string
  /** Comes with successes too: warnings and hints. */
  readonly outcome?: object
  readonly resource?: object
}

export type UnpackedResponse = {
  readonly type: 'transaction-response' | 'batch-response'
  /** One per entry of the request, in its order. */
  readonly results: readonly EntryResult[]
  /** Entries of the response beyond those of the request. */
  readonly extra: number
  /**
   * False when the number of entries or a resource type does not agree: then an answer may stand at the wrong
   * index, and every result has to be treated as unsure.
   */
  readonly aligned: boolean
  /** True when every entry is done and nothing is unsure. */
  readonly complete: boolean
}

/**
 * Reads the response to a transaction or batch, matching by index as FHIR demands: many servers leave out the
 * fullUrl. Takes `201` and `201 Created`, locations absolute or relative, with or without version.
 *
 * A server that ran a transaction as a batch answers 200 with failed entries inside: look at every result.
 *
 * @throws BundleError `ERR_INVALID_RESPONSE` when it is not a transaction or batch response at all.
 */
export function unpackResponse(
  request: { readonly entry?: readonly TransactionEntry[] },
  response: unknown,
): UnpackedResponse {
  const type = isObject(response) ? member(response, 'type') : undefined
  if (
    !isObject(response) ||
    response['resourceType'] !== 'Bundle' ||
    (type !== 'transaction-response' && type !== 'batch-response')
  ) {
    throw new BundleError(
      'ERR_INVALID_RESPONSE',
      'The response is not a transaction-response or batch-response Bundle',
    )
  }
  const answered = member(response, 'entry') ?? []
  if (!Array.isArray(answered)) {
    throw new BundleError('ERR_INVALID_RESPONSE', 'The entry member of the response is not an array', {
      path: 'entry',
    })
  }
  const asked = request.entry ?? []
  const results = asked.map((entry, index): EntryResult => {
    if (index >= answered.length) return { index, result: 'missing' }
    return readEntry(entry, answered[index] as unknown, index)
  })
  const agrees = (result: EntryResult, index: number): boolean => {
    const expected = requestedType(asked[index])
    return expected === undefined || result.type === undefined || result.type === expected
  }
  const aligned = answered.length === asked.length && results.every(agrees)
  return {
    type,
    results,
    extra: Math.max(0, answered.length - asked.length),
    aligned,
    complete: aligned && results.every(({ result }) => result === 'done'),
  }
}

function readEntry(request: TransactionEntry, entry: unknown, index: number): EntryResult {
  const response = isObject(entry) ? member(entry, 'response') : undefined
  if (!isObject(entry) || !isObject(response)) return { index, result: 'unreadable' }
  const status = readStatus(member(response, 'status'))
  const resource = objectOr(member(entry, 'resource'))
  const etag = textOr(member(response, 'etag'))
  const lastModified = textOr(member(response, 'lastModified'))
  const outcome = objectOr(member(response, 'outcome'))
  return {
    index,
    result: resultOf(status),
    ...(status === undefined ? {} : { status }),
    ...readIdentity(request, textOr(member(response, 'location')), resource, etag, status),
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(resource === undefined ? {} : { resource }),
  }
}

function resultOf(status: number | undefined): EntryResult['result'] {
  if (status === undefined || status < 200) return 'unreadable'
  return status < 300 ? 'done' : 'failed'
}

/** `201`, `201 Created`, `"201"` as a number. */
function readStatus(value: unknown): number | undefined {
  const match = /^\s*([1-5]\d\d)(?:\s.*)?$/.exec(
    typeof value === 'number' ? String(value) : (textOr(value) ?? ''),
  )
  return match === null ? undefined : Number(match[1])
}

type Identity = Pick<EntryResult, 'type' | 'id' | 'versionId'>
const LOCATION = /(?:^|\/)([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?\/?$/

function readIdentity(
  request: TransactionEntry,
  location: string | undefined,
  resource: Fields | undefined,
  etag: string | undefined,
  status: number | undefined,
): Identity {
  const version = /^(?:W\/)?"([^"]+)"$/.exec(etag ?? '')?.[1]
  const fromLocation = identityIn(location)
  if (fromLocation !== undefined) return withVersion(fromLocation, version)
  const type = textOr(resource?.['resourceType'])
  const id = textOr(resource?.['id'])
  if (type !== undefined && id !== undefined && type !== 'OperationOutcome') {
    const meta = resource?.['meta']
    return withVersion({ type, id }, version ?? (isObject(meta) ? textOr(meta['versionId']) : undefined))
  }
  // A PUT or DELETE knows where it wrote; a failed one wrote nowhere.
  const fromUrl = status !== undefined && status < 300 ? identityIn(request.request.url) : undefined
  return fromUrl === undefined ? {} : withVersion(fromUrl, version)
}

function identityIn(url: string | undefined): Identity | undefined {
  const match = LOCATION.exec((url ?? '').replace(/[?#].*$/, ''))
  const [, type, id, versionId] = match ?? []
  if (type === undefined || id === undefined) return undefined
  return versionId === undefined ? { type, id } : { type, id, versionId }
}

function withVersion(identity: Identity, version: string | undefined): Identity {
  return identity.versionId !== undefined || version === undefined
    ? identity
    : { ...identity, versionId: version }
}

function requestedType(entry: TransactionEntry | undefined): string | undefined {
  // A search or an operation may answer with anything.
  if (entry === undefined || (entry.request.method !== 'POST' && entry.request.method !== 'PUT'))
    return undefined
  return /^([A-Z][A-Za-z]+)(?=[/?]|$)/.exec(entry.request.url)?.[1]
}

function textOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function objectOr(value: unknown): Fields | undefined {
  return isObject(value) ? value : undefined
}
