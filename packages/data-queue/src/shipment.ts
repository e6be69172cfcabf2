import { parseNote, type LeasedEntry, type Outcome, type Receipt } from '@fhir-outbox/queue-core'
import type { Destination, DeliveryWorld, Item } from './destination.js'
import { envelopeToSend } from './envelopes.js'
import { isObject, readJson, toJson } from './json.js'
import { keyCondition } from './key.js'
import type { Plan } from './plan.js'
import { isReferenceAt, replaceLocal, spliceReferences, withId } from './references.js'

/** One write as it leaves now. */
export interface Shipment extends Item {
  readonly plan: Plan
  readonly method: 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** `Type/id` when that is known beforehand. */
  readonly address?: string
}

const fhirJson = 'application/fhir+json'

/** Puts together what leaves under a plan, or says why it cannot. Stored bytes are spliced, never written anew. */
export async function prepareShipment(
  item: Item,
  plan: Plan,
  destination: Destination,
  world: DeliveryWorld,
): Promise<Shipment | Outcome> {
  const { entry, header } = item
  const { sequence, key } = entry
  const linked = header.refs === undefined ? entry.payload : await linkedPayload(item, world)
  if (typeof linked === 'string') return unresolved(sequence, linked)
  const { resourceType: type, place } = header
  const headers = headersFor(item, destination)
  if (header.seal === true || destination.endpoint.takes === 'envelopes') {
    const body = await envelopeToSend(item, linked, destination)
    return 'kind' in body ? body : { ...item, plan, method: 'POST', path: header.path, headers, body }
  }
  if (place !== undefined && type !== undefined) {
    if (plan.name === 'put-if-none-match' || plan.name === 'put-client-id') {
      const path = `${type}/${key}`
      return {
        ...item,
        plan,
        method: 'PUT',
        path,
        headers: { ...headers, ...(plan.name === 'put-if-none-match' ? { 'If-None-Match': '*' } : {}) },
        body: withId(linked, key),
        address: path,
      }
    }
    if (plan.name === 'conditional-create') headers['If-None-Exist'] = keyCondition(place, key)
    return { entry, header, plan, method: 'POST', path: type, headers, body: linked }
  }
  const puts = plan.name === 'put-if-none-match' || plan.name === 'put-client-id'
  if (header.contentType !== undefined && puts && type !== undefined) {
    const path = `${type}/${key}`
    return { ...item, plan, method: 'PUT', path, headers, body: linked, address: path }
  }
  if (header.of !== undefined) return await successor(item, plan, linked, headers, world)
  const creates = plan.name === 'put-if-none-match' && header.method === 'PUT'
  return {
    ...item,
    plan,
    method: header.method,
    path: header.path,
    headers: { ...headers, ...(creates ? { 'If-None-Match': '*' } : {}) },
    body: linked,
    ...(header.method === 'POST' ? {} : { address: header.path }),
  }
}

/** An update or delete of what an earlier entry has written: its receipt tells id and version. */
async function successor(
  item: Item,
  plan: Plan,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  world: DeliveryWorld,
): Promise<Shipment | Outcome> {
  const { entry, header } = item
  const receipt = await receiptOf(header.of ?? 0, world)
  if (receipt?.id === undefined) return unresolved(entry.sequence, `Entry ${header.of} told no id.`)
  const { id, version } = receipt
  const overwrite = (header.conflict ?? world.conflict) === 'overwrite'
  const match = version === undefined || overwrite ? {} : { 'If-Match': `W/"${version}"` }
  return {
    ...item,
    plan,
    method: header.method,
    path: id,
    headers: { ...headers, ...match },
    body: header.method === 'DELETE' || hasId(body) ? body : withId(body, id.slice(id.indexOf('/') + 1)),
    address: id,
  }
}

function hasId(body: Uint8Array): boolean {
  return new TextDecoder().decode(body.subarray(0, 6)) === '{"id":'
}

export async function receiptOf(sequence: number, world: DeliveryWorld): Promise<Receipt | undefined> {
  const entry = await world.read(sequence)
  if (entry?.state !== 'delivered') return undefined
  const note = parseNote(entry.note)
  return note?.kind === 'receipt' ? note.receipt : undefined
}

/** The payload with its local references replaced by what receipts tell; a text says why that is not possible. */
async function linkedPayload({ entry, header }: Item, world: DeliveryWorld): Promise<Uint8Array | string> {
  const { refs } = header
  if (refs === undefined || refs.length === 0) return entry.payload
  const known = new Map<number, Receipt>()
  for (const sequence of new Set(refs.map(([, one]) => one))) {
    const receipt = await receiptOf(sequence, world)
    if (receipt?.id === undefined)
      return `It refers to entry ${sequence}, whose id at the server is not known.`
    known.set(sequence, receipt)
  }
  const fits = refs.every(([offset, sequence]) =>
    isReferenceAt(entry.payload, offset, known.get(sequence)?.key ?? ''),
  )
  if (fits) {
    return spliceReferences(
      entry.payload,
      refs.map(([offset, sequence]) => ({ offset, text: known.get(sequence)?.id ?? '' })),
    )
  }
  // Somebody has corrected the content: its references stand elsewhere now.
  const resource = readJson(new TextDecoder().decode(entry.payload))
  replaceLocal(resource, new Map([...known.values()].map(({ key, id }) => [key, id ?? ''])))
  return new TextEncoder().encode(toJson(resource))
}

function headersFor({ header }: Item, { endpoint, seen }: Destination): Record<string, string> {
  if (endpoint.takes === 'envelopes') return { 'Content-Type': 'application/json', ...header.headers }
  const type = header.contentType ?? (seen.plainJson ? 'application/json' : fhirJson)
  const { 'If-None-Exist': _written, ...fixed } = header.headers
  return {
    ...(header.method === 'DELETE' ? {} : { 'Content-Type': type }),
    ...(seen.plainJson ? { Accept: 'application/json' } : {}),
    Prefer: 'return=minimal',
    ...(header.place === undefined ? header.headers : fixed),
  }
}

function unresolved(sequence: number, why: string): Outcome {
  return { sequence, kind: 'rejected', failure: { code: 'ERR_UNRESOLVED_REFERENCE', message: why } }
}

/** The resource of a payload, as an object. */
export function resourceOf(entry: LeasedEntry | Shipment): Record<string, unknown> {
  const bytes = 'body' in entry ? entry.body : entry.payload
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  return isObject(value) ? value : {}
}
