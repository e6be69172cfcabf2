import { AuthError } from './errors.js'
import { throwIfAborted } from './internal/abort.js'
import { nextLink, onlyVisiblePatient, patientsOf, searchPage, type FhirRead } from './internal/fhir-read.js'
import { stringMember } from './internal/json.js'
import type { Session } from './session.js'
import type { ConnectionOptions } from './types.js'

/** A patient as served, for the person to choose from. */
export interface PatientChoice {
  readonly id: string
  /** The whole resource. */
  readonly resource: Readonly<Record<string, unknown>>
}

export interface SelectPatientOptions extends ConnectionOptions {
  /**
   * Shows patients, and resolves with the id of the chosen one, or undefined when the person chose nobody. Pages are
   * fetched as they are iterated. Not called when exactly one patient is visible.
   */
  readonly choose: (pages: AsyncIterable<readonly PatientChoice[]>) => Promise<string | undefined>
  /** Parameters that narrow the search: servers may refuse one without any, and nobody can choose among thousands. */
  readonly search?: Readonly<Record<string, string>>
  /** Patients on a page. Default 20. */
  readonly pageSize?: number
  readonly signal?: AbortSignal
}

/** How a selection ended; an abort rejects with an AbortError instead. */
export type PatientSelection =
  | { readonly outcome: 'selected'; readonly patient: string; readonly by: 'only-visible' | 'chosen' }
  | { readonly outcome: 'none-selected' }

/**
 * Lets the person choose a patient, after the login: the only visible one without asking, else by `choose`. The
 * session remembers it, and can be given another one later; no new login is needed.
 *
 * Errors: those of `getToken`, `ERR_NO_SINGLE_PATIENT` (this login may not search for patients), `ERR_WRONG_ORIGIN`.
 */
export async function selectPatient(
  session: Session,
  options: SelectPatientOptions,
): Promise<PatientSelection> {
  const { signal } = options
  const search = new URLSearchParams(options.search)
  const url = `${session.fhirBaseUrl}/Patient`
  // Asked for with each page: people may look at one for longer than a token lives.
  const token = async (): Promise<string> =>
    (await session.getToken({ url, ...(signal === undefined ? {} : { signal }) })).value
  const read: FhirRead = { fhirBaseUrl: session.fhirBaseUrl, token, connection: options, signal }
  if (search.size === 0) {
    const only = await onlyVisiblePatient(read)
    if (only !== undefined) {
      await session.setPatient(only)
      return { outcome: 'selected', patient: only, by: 'only-visible' }
    }
  }
  search.set('_count', String(options.pageSize ?? 20))
  const chosen = await options.choose(pages(new URL(`${url}?${search.toString()}`), read))
  throwIfAborted(signal)
  if (chosen === undefined) return { outcome: 'none-selected' }
  await session.setPatient(chosen)
  return { outcome: 'selected', patient: chosen, by: 'chosen' }
}

async function* pages(first: URL, read: FhirRead): AsyncGenerator<readonly PatientChoice[]> {
  const seen = new Set<string>()
  let url: URL | undefined = first
  while (url !== undefined) {
    if (seen.has(url.href)) {
      throw new AuthError('ERR_NO_SINGLE_PATIENT', 'The server links its pages in a circle', {
        hint: 'Report it to the operator of the server.',
      })
    }
    seen.add(url.href)
    const bundle = await searchPage(url, read)
    yield patientsOf(bundle).map((resource) => ({ id: stringMember(resource, 'id') ?? '', resource }))
    const next = nextLink(bundle)
    url = next === undefined ? undefined : new URL(next, `${read.fhirBaseUrl}/`)
  }
}
