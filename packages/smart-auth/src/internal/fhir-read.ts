import { AuthError } from '../errors.js'
import type { ConnectionOptions } from '../types.js'
import { exchange } from './exchange.js'
import { isRecord, parseJsonObject, stringMember, type JsonRecord } from './json.js'
import { notServed } from './token-failure.js'

export interface FhirRead {
  readonly fhirBaseUrl: string
  /** An access token that is good now. */
  readonly token: () => Promise<string>
  readonly connection: ConnectionOptions
  readonly signal: AbortSignal | undefined
}

/** One page of a search for patients. The token goes to the server it is for, wherever a link may point. */
export async function searchPage(url: URL, read: FhirRead): Promise<JsonRecord> {
  const base = new URL(read.fhirBaseUrl)
  if (url.origin !== base.origin) {
    throw new AuthError('ERR_WRONG_ORIGIN', `${url.origin} may not receive this token`, {
      hint: 'The server links to another origin; report it to its operator.',
    })
  }
  const headers = { accept: 'application/fhir+json', authorization: `Bearer ${await read.token()}` }
  const request = { method: 'GET' as const, headers, maxBytes: 4_194_304, signal: read.signal }
  const answer = await exchange(url, request, read.connection, 30_000)
  const body = answer.complete && answer.status === 200 ? parseJsonObject(answer.text) : undefined
  if (body?.['resourceType'] !== 'Bundle') {
    throw notServed(url, answer.status, 'without patients', {
      code: 'ERR_NO_SINGLE_PATIENT',
      hint: 'This login may not search for patients.',
    })
  }
  return body
}

/** The patients of a page; included resources and outcomes are no patients. */
export function patientsOf(bundle: JsonRecord): readonly JsonRecord[] {
  const { entry } = bundle
  if (!Array.isArray(entry)) return []
  return entry
    .filter(isRecord)
    .map(({ resource }) => resource)
    .filter(isRecord)
    .filter(
      (resource) => resource['resourceType'] === 'Patient' && stringMember(resource, 'id') !== undefined,
    )
}

export function nextLink(bundle: JsonRecord): string | undefined {
  const { link } = bundle
  if (!Array.isArray(link)) return undefined
  const next = link.filter(isRecord).find(({ relation }) => relation === 'next')
  return next === undefined ? undefined : stringMember(next, 'url')
}

/**
 * The id of the only patient this token can see; undefined when there are none or several. Asks for at most two ids
 * and for nothing else: nobody's name is fetched.
 */
export async function onlyVisiblePatient(read: FhirRead): Promise<string | undefined> {
  const bundle = await searchPage(new URL(`${read.fhirBaseUrl}/Patient?_count=2&_elements=id`), read)
  const patients = patientsOf(bundle)
  if (patients.length !== 1 || nextLink(bundle) !== undefined) return undefined
  const [patient] = patients
  const { total } = bundle
  if (typeof total === 'number' && total !== 1) return undefined
  return patient === undefined ? undefined : stringMember(patient, 'id')
}

/** The patient that a fhirUser is, when it is one of this server. Addresses of other servers are never fetched. */
export function patientIdOf(fhirUser: unknown, fhirBaseUrl: string): string | undefined {
  if (typeof fhirUser !== 'string') return undefined
  const base = `${fhirBaseUrl}/`
  const relative = fhirUser.startsWith(base) ? fhirUser.slice(base.length) : fhirUser
  const id = /^\/?Patient\/(.*)$/s.exec(relative)?.[1]
  return id !== undefined && isId(id) ? id : undefined
}

/** An id as FHIR allows it, and fit for an address: a path of dots would lead elsewhere. */
export function isId(text: string): boolean {
  return /^(?!\.{1,2}$)[A-Za-z0-9.-]{1,64}$/.test(text)
}
