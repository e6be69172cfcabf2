import { planOf, type BundleLimits, type Destination, type DeliveryWorld, type Item } from './destination.js'
import { askable } from './evidence.js'
import { runsAtomically, type Plan, type PlanName } from './plan.js'
import { prepareShipment, type Shipment } from './shipment.js'
import type { Outcome } from '@fhir-outbox/queue-core'

/** Entries that travel in one request. */
export interface Parcel {
  readonly kind: 'single' | 'transaction' | 'batch'
  readonly items: readonly Item[]
}

/**
 * The longest run from the first item on that may travel in one request: as one transaction where that is known to be
 * all or nothing, as a batch where no order is kept, else alone.
 */
export function nextParcel(items: readonly Item[], destination: Destination, world: DeliveryWorld): Parcel {
  const [first] = items
  if (first === undefined) return { kind: 'single', items: [] }
  const alone: Parcel = { kind: 'single', items: [first] }
  const kind = wayOf(first, destination, world)
  if (kind === 'single') return alone
  const limits = limitsOf(first, destination, world)
  const taken: Item[] = []
  const targets = new Set<string>()
  const creating = creatorOf(items, destination, world)
  let bytes = 0
  let conditional = 0
  for (const item of items) {
    const { entry } = item
    const plan = planOf(item, destination, world)
    const target = targetOf(item)
    // What failed before is not mixed with what has not been tried: it must not take its neighbours along again.
    const fits =
      mayShare(item, plan) &&
      entry.attempts === first.entry.attempts &&
      wayOf(item, destination, world) === kind &&
      !targets.has(target) &&
      (item.header.place === undefined || plan.name === creating)
    if (!fits) break
    bytes += entry.payload.length
    if (kind === 'transaction' && isConditional(item, plan, kind, destination)) conditional++
    const over =
      taken.length >= limits.entries || bytes > limits.bytes || conditional > limits.conditionalEntries
    if (over && taken.length > 0) break
    taken.push(item)
    targets.add(target)
  }
  return taken.length < 2 ? alone : { kind, items: taken }
}

/** The plan of the creates, of which one parcel has only one: it is noted with the request, once for all. */
function creatorOf(
  items: readonly Item[],
  destination: Destination,
  world: DeliveryWorld,
): PlanName | undefined {
  const create = items.find(({ header }) => header.place !== undefined)
  return create === undefined ? undefined : planOf(create, destination, world).name
}

function wayOf(item: Item, { dossier, endpoint }: Destination, world: DeliveryWorld): Parcel['kind'] {
  const evidence = dossier.current()
  if (endpoint.takes !== 'fhir' || world.transactions === 'never' || evidence.learned.noBundles === true)
    return 'single'
  if (item.header.ordered === false) return evidence.batch === false ? 'single' : 'batch'
  return runsAtomically(evidence, world.transactions === 'trusted') ? 'transaction' : 'single'
}

/** Entries whose refusal needs a conversation of their own travel alone. */
function mayShare({ header }: Item, plan: Plan): boolean {
  return (
    header.resourceType !== undefined &&
    header.entries === undefined &&
    header.of === undefined &&
    header.contentType === undefined &&
    header.headers['If-Match'] === undefined &&
    plan.name !== 'unsupported' &&
    plan.unknown !== 'park'
  )
}

/** What a Bundle must not hold twice. */
function targetOf({ header, entry }: Item): string {
  return header.place === undefined ? header.path : entry.key
}

/** Inside a transaction that is all or nothing, one resource that is sure to be found stands for all conditions. */
function isConditional(
  { header }: Item,
  plan: Plan,
  kind: Parcel['kind'],
  { dossier }: Destination,
): boolean {
  const { place, resourceType = '' } = header
  if (plan.name !== 'conditional-create' || place === undefined) return false
  return kind === 'batch' || askable(dossier.current(), resourceType, place) !== 'proven'
}

/** What failed without an explanation comes in smaller and smaller parcels, until the culprit is alone. */
function limitsOf({ entry }: Item, { dossier }: Destination, { bundle }: DeliveryWorld): BundleLimits {
  const { learned } = dossier.current()
  const entries = Math.min(bundle.entries, learned.entries ?? Infinity)
  return {
    entries: Math.max(1, Math.floor(entries / 2 ** entry.attempts)),
    bytes: Math.min(bundle.bytes, learned.bytes ?? Infinity),
    conditionalEntries: Math.min(bundle.conditionalEntries, learned.conditionalEntries ?? Infinity),
  }
}

const encoder = new TextEncoder()

/** A parcel ready to leave. */
export interface LoadedParcel extends Parcel {
  readonly body: Uint8Array
  readonly shipments: readonly Shipment[]
  readonly conditional: number
}

/** Joins stored bytes into one Bundle; or tells what stands in the way of one of them. */
export async function loadParcel(
  parcel: Parcel,
  destination: Destination,
  world: DeliveryWorld,
): Promise<LoadedParcel | Outcome> {
  const shipments: Shipment[] = []
  for (const item of parcel.items) {
    const plan = planOf(item, destination, world)
    const prepared = prepareShipment(item, plan, destination, world)
    const shipment = prepared instanceof Promise ? await prepared : prepared
    if ('kind' in shipment) return shipment
    shipments.push(shipment)
  }
  const texts: string[] = []
  let conditional = 0
  // What stands before a stored resource, and behind the last one.
  let between = `{"resourceType":"Bundle","type":"${parcel.kind}","entry":[`
  for (const [index, shipment] of shipments.entries()) {
    const keeps = isConditional(shipment, shipment.plan, parcel.kind, destination)
    if (keeps && parcel.kind === 'transaction') conditional++
    const { header, entry, method } = shipment
    between += index === 0 ? '{' : ',{'
    if (header.place !== undefined) between += `"fullUrl":"urn:uuid:${entry.key}",`
    if (method !== 'DELETE') {
      texts.push(`${between}"resource":`)
      between = ','
    }
    between += `"request":${JSON.stringify(requestOf(shipment, keeps))}}`
  }
  texts.push(`${between}]}`)
  const bodies = shipments.filter(({ method }) => method !== 'DELETE').map(({ body }) => body)
  return { ...parcel, shipments, conditional, body: interleave(texts, bodies) }
}

/** Texts and bytes in turn, each written once and to its place. */
function interleave(texts: readonly string[], bodies: readonly Uint8Array[]): Uint8Array {
  // A character of a text takes three bytes at most.
  const most =
    texts.reduce((sum, { length }) => sum + 3 * length, 0) +
    bodies.reduce((sum, { length }) => sum + length, 0)
  const joined = new Uint8Array(most)
  let at = 0
  for (const [index, text] of texts.entries()) {
    at += encoder.encodeInto(text, joined.subarray(at)).written
    const body = bodies[index]
    if (body === undefined) continue
    joined.set(body, at)
    at += body.length
  }
  return joined.subarray(0, at)
}

function requestOf({ method, path, conditions }: Shipment, conditional: boolean): object {
  return {
    method,
    url: path,
    ifNoneMatch: conditions['If-None-Match'],
    ifNoneExist: conditional ? conditions['If-None-Exist'] : undefined,
  }
}
