import type { FhirIssue } from './errors.js'
import { issuesOf } from './issues.js'
import { parseLocation } from './location.js'
import { isBundle, isRecord, isResource, type FhirResource } from './resources.js'
import { entryResponse, interpret, type FhirResponse } from './response.js'

/** What a look at a status URL showed. */
export type JobState =
  | { readonly kind: 'pending'; readonly progress?: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly issues: readonly FhirIssue[] }
  /** `reference`: the result lies elsewhere. */
  | { readonly kind: 'done'; readonly reference?: string }

/** A failed job, as an error is made of it. */
export interface JobFailure {
  readonly status?: number
  readonly issues: readonly FhirIssue[]
}

const medplumEnds: ReadonlySet<unknown> = new Set(['completed', 'cancelled', 'error', 'failed'])

/**
 * Reads a status answer by body as well as by status: Medplum describes its jobs in a resource of its own type
 * `AsyncJob`, and goes on saying 202 for a cancelled one.
 */
export function jobState(response: FhirResponse): JobState {
  const { resource } = response
  if (resource?.resourceType !== 'AsyncJob') {
    return { kind: response.status === 202 ? 'pending' : 'done' }
  }
  const status = resource['status']
  if (!medplumEnds.has(status)) {
    return { kind: 'pending', ...(typeof status === 'string' ? { progress: status } : {}) }
  }
  if (status === 'cancelled') return { kind: 'cancelled' }
  if (status !== 'completed') return { kind: 'failed', issues: outputIssues(resource) }
  const reference = resultReference(resource)
  return { kind: 'done', ...(reference === undefined ? {} : { reference }) }
}

/** The answer the request itself would have got, or why there is none. */
export async function jobResult(
  state: Extract<JobState, { readonly kind: 'failed' | 'done' }>,
  response: FhirResponse,
  isBatch: boolean,
  fetchResult: (path: string) => Promise<FhirResponse>,
): Promise<{ readonly response: FhirResponse } | { readonly failure: JobFailure }> {
  if (state.kind === 'failed') return { failure: { issues: state.issues } }
  if (state.reference !== undefined) return { response: unpackBinary(await fetchResult(state.reference)) }
  return takeOut(response, isBatch)
}

/**
 * The asynchronous pattern of R5 wraps the answer in a `batch-response` with one entry, which may hold a failure
 * inside an HTTP 200. Whoever sent a batch may get a `batch-response` that is the answer itself.
 */
function takeOut(
  response: FhirResponse,
  isBatch: boolean,
): { readonly response: FhirResponse } | { readonly failure: JobFailure } {
  const { resource } = response
  const entries: unknown =
    isBundle(resource) && resource.type === 'batch-response' ? resource.entry : undefined
  const only: unknown = Array.isArray(entries) && entries.length === 1 ? entries[0] : undefined
  if (!isRecord(only)) return { response }
  const inner = isResource(only['resource']) ? only['resource'] : undefined
  if (isBatch && !isBundle(inner)) return { response }
  const said = isRecord(only['response']) ? only['response'] : {}
  const digits = /^\s*(\d{3})/.exec(String(said['status']))?.[1]
  const status = digits === undefined ? response.status : Number(digits)
  return status >= 400
    ? { failure: { status, issues: issuesOf(said['outcome'] ?? inner) } }
    : { response: entryResponse(status, inner, said, response.headers) }
}

/** The last hop ends at a Binary: servers answer with what it holds, or with the resource around it. */
function unpackBinary(response: FhirResponse): FhirResponse {
  const { resource } = response
  const data = resource?.resourceType === 'Binary' ? resource['data'] : undefined
  if (typeof data !== 'string') return response
  const content = interpret(fromBase64(data), 'any')
  return content === undefined ? response : { status: response.status, headers: response.headers, ...content }
}

function resultReference(job: FhirResource): string | undefined {
  for (const parameter of outputParameters(job)) {
    const value = parameter['name'] === 'results' ? parameter['valueReference'] : undefined
    const reference = isRecord(value) ? value['reference'] : undefined
    const address = typeof reference === 'string' ? parseLocation(reference) : undefined
    if (address !== undefined) return `${address.type}/${encodeURIComponent(address.id)}`
  }
  return undefined
}

function outputIssues(job: FhirResource): readonly FhirIssue[] {
  return outputParameters(job).flatMap((parameter) => issuesOf(parameter['resource']))
}

function outputParameters(job: FhirResource): readonly Readonly<Record<string, unknown>>[] {
  const output = isRecord(job['output']) ? job['output']['parameter'] : undefined
  return Array.isArray(output) ? output.filter(isRecord) : []
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return new Uint8Array(0)
  }
}
