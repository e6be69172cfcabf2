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
  /** The conditions it goes under, by header field. */
  readonly conditions: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** `Type/id` when that is known beforehand. */
  readonly address?: string
}

const fhirJson = 'application/fhir+json'

const unconditional: Shipment['conditions'] = {}
const unlessThere: Shipment['conditions'] = { 'If-None-Match': '*' }

/**
 * Puts together what leaves under a plan, or says why it cannot. Stored bytes are spliced, never written anew. A
 * promise only where something has to be read or sealed: most entries of a long run need neither.
 */
export function prepareShipment(
  item: Item,
  plan: Plan,
  destination: Destination,
  world: DeliveryWorld,
): Shipment | Outcome | Promise<Shipment | Outcome> {
  const { entry, header } = item
  const isPlain = header.refs === undefined && header.of === undefined && header.seal !== true
  return isPlain && destination.endpoint.takes === 'fhir'
    ? shipmentOf(item, plan, entry.payload)
    : prepareLinked(item, plan, destination, world)
}

async function prepareLinked(
  item: Item,
  plan: Plan,
  destination: Destination,
  world: DeliveryWorld,
): Promise<Shipment | Outcome> {
  const { entry, header } = item
  const linked = header.refs === undefined ? entry.payload : await linkedPayload(item, world)
  if (typeof linked === 'string') return unresolved(entry.sequence, linked)
  if (header.seal === true || destination.endpoint.takes === 'envelopes') {
    const body = await envelopeToSend(item, linked, destination)
    if ('kind' in body) return body
    return { ...item, plan, method: 'POST', path: header.path, conditions: header.headers, body }
  }
  return header.of === undefined ? shipmentOf(item, plan, linked) : successor(item, plan, linked, world)
}

/** Everything is known: what leaves follows from the plan. */
function shipmentOf({ entry, header }: Item, plan: Plan, body: Uint8Array): Shipment {
  const { resourceType: type, place, method } = header
  const puts = plan.name === 'put-if-none-match' || plan.name === 'put-client-id'
  const once = plan.name === 'put-if-none-match' ? unlessThere : unconditional
  if (type !== undefined && (place !== undefined || (header.contentType !== undefined && puts))) {
    if (puts) {
      const address = `${type}/${entry.key}`
      const named = place === undefined ? body : withId(body, entry.key)
      return { entry, header, plan, method: 'PUT', path: address, conditions: once, body: named, address }
    }
    const conditions =
      plan.name === 'conditional-create' && place !== undefined
        ? { 'If-None-Exist': keyCondition(place, entry.key) }
        : unconditional
    return { entry, header, plan, method: 'POST', path: type, conditions, body }
  }
  const conditions =
    once === unlessThere && method === 'PUT' ? { ...header.headers, ...once } : header.headers
  const shipment = { entry, header, plan, method, path: header.path, conditions, body }
  return method === 'POST' ? shipment : { ...shipment, address: header.path }
}

/** An update or delete of what an earlier entry has written: its receipt tells id and version. */
async function successor(
  item: Item,
  plan: Plan,
  body: Uint8Array,
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
    conditions: { ...header.headers, ...match },
    body: header.method === 'DELETE' ? body : withId(body, id.slice(id.indexOf('/') + 1)),
    address: id,
  }
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

/** The header fields that it leaves with. */
export function headersOf(
  { header, conditions, method }: Shipment,
  { endpoint, seen }: Destination,
): Record<string, string> {
  if (endpoint.takes === 'envelopes') return { 'Content-Type': 'application/json', ...conditions }
  const type = header.contentType ?? (seen.plainJson ? 'application/json' : fhirJson)
  return {
    ...(method === 'DELETE' ? {} : { 'Content-Type': type }),
    ...(seen.plainJson ? { Accept: 'application/json' } : {}),
    Prefer: 'return=minimal',
    ...conditions,
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
