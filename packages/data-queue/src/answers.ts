import { parseLocation, type FhirResponse } from '@fhir-outbox/fhir-client'
import { isObject } from './json.js'

/** What the answer to a Bundle says of one of its entries. */
export interface EntryAnswer {
  /** 0 when it could not be read. */
  readonly status: number
  /** `Type/id`. */
  readonly id?: string
  readonly version?: string
  /** What the server has, when it shows that. */
  readonly resource?: unknown
  /** Members of a failure, as an error of the client would have them. */
  readonly issues: readonly { readonly code: string; readonly text?: string; readonly path?: string }[]
}

/** The entries of a transaction- or batch-response in their order; `undefined` for anything else. */
export function answersOf({ resource }: FhirResponse): readonly EntryAnswer[] | undefined {
  const bundle: unknown = resource
  if (!isObject(bundle) || !Array.isArray(bundle['entry'])) return undefined
  return bundle['entry'].map((one: unknown) => {
    const response = isObject(one) ? one['response'] : undefined
    if (!isObject(response)) return { status: 0, issues: [] }
    const inside = isObject(one) ? one['resource'] : undefined
    const location =
      typeof response['location'] === 'string' ? parseLocation(response['location']) : undefined
    const id = location === undefined ? idOf(inside) : `${location.type}/${location.id}`
    const version = versionOf(response['etag']) ?? location?.version
    return {
      // "201" and "201 Created" are both in the field.
      status: Number.parseInt(String(response['status']), 10) || 0,
      ...(id === undefined ? {} : { id }),
      ...(version === undefined ? {} : { version }),
      ...(isObject(inside) && inside['resourceType'] !== 'OperationOutcome' ? { resource: inside } : {}),
      issues: issuesOf(response['outcome'] ?? inside),
    }
  })
}

function idOf(resource: unknown): string | undefined {
  if (!isObject(resource) || resource['resourceType'] === 'OperationOutcome') return undefined
  return typeof resource['id'] === 'string'
    ? `${String(resource['resourceType'])}/${resource['id']}`
    : undefined
}

function versionOf(etag: unknown): string | undefined {
  return typeof etag === 'string' ? /^(?:W\/)?"(.+)"$/.exec(etag)?.[1] : undefined
}

function issuesOf(outcome: unknown): EntryAnswer['issues'] {
  if (!isObject(outcome) || !Array.isArray(outcome['issue'])) return []
  return outcome['issue'].filter(isObject).map((issue) => {
    const { code, diagnostics, details, expression } = issue
    const text = isObject(details) ? details['text'] : undefined
    const words = typeof diagnostics === 'string' ? diagnostics : text
    const path = Array.isArray(expression) ? expression[0] : undefined
    return {
      code: typeof code === 'string' ? code : 'unknown',
      ...(typeof words === 'string' ? { text: words } : {}),
      ...(typeof path === 'string' ? { path } : {}),
    }
  })
}

/** Which entry a failed transaction names, if it names one: `Bundle.entry[3]`. */
export function namedEntry(issues: readonly { readonly path?: string }[] | undefined): number | undefined {
  for (const { path } of issues ?? []) {
    const match = /^(?:\w+\.)?(?:Bundle\.)?entry\[(\d+)\]/.exec(path ?? '')
    if (match !== null) return Number(match[1])
  }
  return undefined
}

/** Whether a refusal is about how much was sent and not about what. Servers say it with 413, 400 and even 500. */
export function aboutSize(failure: {
  readonly status?: number
  readonly issues?: readonly { readonly code: string; readonly text?: string }[]
}): boolean {
  if (failure.status === 413) return true
  if (failure.status !== 400 && failure.status !== 422 && failure.status !== 500) return false
  return (failure.issues ?? []).some(
    ({ code, text = '' }) =>
      code === 'too-costly' ||
      code === 'too-long' ||
      /too (?:large|many|big|long)|entity too|more .{0,40} than allowed/i.test(`${code} ${text}`),
  )
}
