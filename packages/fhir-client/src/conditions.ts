import { conditionTag } from './etag.js'
import { FhirError } from './errors.js'
import { encodeSearchParams, type SearchParams } from './search-params.js'

/** What a write should be answered with. Servers may do as they like. */
export type ReturnPreference = 'minimal' | 'representation' | 'OperationOutcome'

/** A search that picks the resource of a conditional interaction: `identifier=system|value`, or parameters. */
export type Condition = string | SearchParams

/** Headers that say when a request may have an effect, and what it should be answered with. */
export interface Preconditions {
  /** Version id or ETag the stored resource must have. */
  readonly ifMatch?: string | undefined
  /** Version id or ETag the stored resource must not have; `'*'`: there must be none. */
  readonly ifNoneMatch?: string | undefined
  /** Create only if this search finds nothing. */
  readonly ifNoneExist?: Condition | undefined
  /** ISO date and time: answer 304 when nothing has changed since. */
  readonly ifModifiedSince?: string | undefined
  readonly prefer?: ReturnPreference | undefined
}

/** The headers of preconditions. Throws `ERR_INVALID_REQUEST` for an empty condition. */
export function preconditionHeaders(wanted: Preconditions): Readonly<Record<string, string>> {
  const { ifMatch, ifNoneMatch, ifNoneExist, ifModifiedSince, prefer } = wanted
  return {
    ...(ifMatch === undefined ? {} : { 'if-match': conditionTag(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': conditionTag(ifNoneMatch) }),
    ...(ifNoneExist === undefined ? {} : { 'if-none-exist': conditionQuery(ifNoneExist) }),
    ...(ifModifiedSince === undefined ? {} : { 'if-modified-since': httpDate(ifModifiedSince) }),
    ...(prefer === undefined ? {} : { prefer: `return=${prefer}` }),
  }
}

/**
 * A condition as a bare query. A leading `?` goes, since some servers misread the condition with it; what a
 * header cannot carry is percent-encoded. An empty condition matches everything on one server and nothing on the
 * next, and is refused; so is a parameter without a value, which FHIR has servers ignore.
 */
export function conditionQuery(condition: Condition): string {
  const query =
    typeof condition === 'string'
      ? condition.replace(/^\?/, '').replace(/[^\x21-\x7e]+/g, percentEncode)
      : encodeSearchParams(condition)
  const values = [...new URLSearchParams(query).values()]
  if (values.length === 0) throw invalid('The condition is empty.')
  if (values.some((value) => value.trim() === '')) throw invalid('A parameter of the condition has no value.')
  return query
}

/** An `ERR_INVALID_REQUEST` for something found out before sending. */
export function invalid(message: string): FhirError {
  return new FhirError('ERR_INVALID_REQUEST', message, { sent: 'no' })
}

function httpDate(text: string): string {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw invalid('The date of a condition is not one.')
  return new Date(at).toUTCString()
}

/** Unlike `encodeURIComponent` it never throws: half a surrogate pair becomes U+FFFD. */
function percentEncode(text: string): string {
  const bytes = new TextEncoder().encode(text)
  return Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}
